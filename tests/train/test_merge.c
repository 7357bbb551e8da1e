/* test_merge.c: an adapter merged into f16 and quantised weights gives what rounding the merged f32 model to that type gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"
#include "train/adapter.h"
#include "train/lora.h"

#include <llama.h>

enum { ROWS = 40, RANK = 4, ALPHA = 8 };

static char work[] = "/tmp/rap-merge-XXXXXX";

static const char *in(const char *name)
{
    static char path[6][256];
    static int turn;

    turn = (turn + 1) % 6;
    snprintf(path[turn], sizeof path[turn], "%s/%s", work, name);
    return path[turn];
}

static void quiet(enum ggml_log_level level, const char *text, void *payload)
{
}

static int start(void **state)
{
    llama_log_set(quiet, NULL);
    llama_backend_init();
    return mkdtemp(work) ? 0 : 1;
}

static int end(void **state)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static void quantise(const char *from, const char *to, enum llama_ftype type)
{
    struct llama_model_quantize_params p = llama_model_quantize_default_params();

    p.ftype = type;
    p.nthread = 1;
    p.allow_requantize = true;
    assert_int_equal(llama_model_quantize(from, to, &p), 0);
}

/* Logits of the model; with the adapter's numbers, which it also writes, when `adapter` is given. free() */
static float *logits_of(const char *path, const char *adapter, int *out_count)
{
    decoder_options o = { .rank = adapter ? RANK : 0,
                          .alpha = ALPHA,
                          .seed = 1,
                          .threads = 2,
                          .rows = ROWS,
                          .keep = 1u << 30 };
    gguf_file *g = NULL;
    decoder *d = NULL;
    rap_err err = { 0 };
    int32_t token[ROWS], begin[2] = { 0, ROWS };
    rows r = { .count = ROWS, .token = token, .spans = { begin, 1 } };
    float *out;
    int vocab;

    if (gguf_file_open(&g, path, &err) || decoder_open(&d, g, &o, &err))
        fail_msg("%s", err.text);
    vocab = (int)decoder_shape(d)->vocab;
    for (int i = 0; i < ROWS; i++)
        token[i] = 3 + (i * 37 + 11) % (vocab - 3);
    for (size_t i = 0; i < decoder_params(d); i++)
        decoder_param(d)[i] = (float)(0.2 * uniform_at(1, 2, i) - 0.1);
    if (adapter)
        assert_int_equal(adapter_write(adapter, d, RANK, ALPHA, false, NULL), RAP_OK);
    *out_count = ROWS * vocab;
    out = malloc((size_t)*out_count * sizeof *out);
    assert_int_equal(decoder_logits(out, d, &r, &err), RAP_OK);
    decoder_close(d);
    gguf_file_close(g);
    return out;
}

static void merge(const char *model, const char *out)
{
    gguf_file *g = NULL;
    lora l;
    rap_err err = { 0 };

    assert_int_equal(gguf_file_open(&g, model, NULL), RAP_OK);
    assert_int_equal(lora_read(&l, in("adapter.gguf"), NULL), RAP_OK);
    if (lora_merge(&l, 1, g, out, 2, &err))
        fail_msg("%s", err.text);
    lora_release(&l);
    gguf_file_close(g);
}

static double apart(const float *a, const float *b, int count)
{
    double worst = 0;

    for (int i = 0; i < count; i++)
        worst = fmax(worst, fabs((double)a[i] - b[i]));
    return worst;
}

/* Every tensor of the type it has in the base, and of the same bytes where the adapter has no part. */
static void assert_same_types(const char *base, const char *merged)
{
    gguf_file *a = NULL, *b = NULL;
    int moved = 0;

    assert_int_equal(gguf_file_open(&a, base, NULL), RAP_OK);
    assert_int_equal(gguf_file_open(&b, merged, NULL), RAP_OK);
    assert_int_equal(gguf_tensor_count(a), gguf_tensor_count(b));
    for (size_t i = 0; i < gguf_tensor_count(a); i++) {
        const gguf_tensor *x = gguf_tensor_at(a, i), *y = gguf_find(b, x->name);
        bool adapted = strstr(x->name, "blk.") && !strstr(x->name, "norm");

        assert_non_null(y);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->bytes, y->bytes);
        assert_true(adapted != (memcmp(x->data, y->data, x->bytes) == 0));
        moved += adapted;
    }
    assert_true(moved > 0);
    gguf_file_close(a);
    gguf_file_close(b);
}

static void merged_within_the_rounding_of_the_type(void **state)
{
    static const struct {
        enum llama_ftype type;
        const char *name;
    } as[] = { { LLAMA_FTYPE_MOSTLY_F16, "f16" },
               { LLAMA_FTYPE_MOSTLY_BF16, "bf16" },
               { LLAMA_FTYPE_MOSTLY_Q8_0, "Q8_0" },
               { LLAMA_FTYPE_MOSTLY_Q4_0, "Q4_0" },
               { LLAMA_FTYPE_MOSTLY_Q4_K_M, "Q4_K_M" } };
    const char *source = getenv("RAP_SOURCE");
    char path[512];

    snprintf(path, sizeof path, "%s/models/tiny/model.gguf", source ? source : ".");
    for (size_t i = 0; i < sizeof as / sizeof *as; i++) {
        float *base, *with, *ours, *rounded;
        double moved, distance, rounding;
        int count;

        quantise(path, in("base.gguf"), as[i].type);
        quantise(in("base.gguf"), in("plain.gguf"), LLAMA_FTYPE_ALL_F32);
        base = logits_of(in("base.gguf"), NULL, &count);
        with = logits_of(in("base.gguf"), in("adapter.gguf"), &count);
        merge(in("base.gguf"), in("merged.gguf"));
        assert_same_types(in("base.gguf"), in("merged.gguf"));
        ours = logits_of(in("merged.gguf"), NULL, &count);
        /* the same by llama.cpp's quantiser: merged in f32, then rounded */
        merge(in("plain.gguf"), in("plain-merged.gguf"));
        quantise(in("plain-merged.gguf"), in("rounded.gguf"), as[i].type);
        rounded = logits_of(in("rounded.gguf"), NULL, &count);
        moved = apart(with, base, count);
        distance = apart(ours, with, count);
        rounding = apart(rounded, with, count);
        printf("  %s: merged differs by %.2g, rounding alone by %.2g; the adapter moves logits by "
               "%.2g\n",
               as[i].name, distance, rounding, moved);
        assert_true(moved > 1 && rounding > 0);
        assert_true(distance < 1.2 * rounding && distance < moved);
        free(base);
        free(with);
        free(ours);
        free(rounded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(merged_within_the_rounding_of_the_type) };

    return cmocka_run_group_tests(tests, start, end);
}
