/* test_lora.c: adapters through PEFT's form and back, merged into models of each family, and refused where they do not fit.
 *
 * `test_lora FOLDER` tests nothing: it leaves models, adapters, gradients and the losses of twenty steps there for
 * tools/parity/lora.py, which compares them with PyTorch and PEFT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "made.h"
#include "train/adapter.h"
#include "train/lora.h"
#include "train/lora_files.h"
#include "train/optimiser.h"

enum { RANK = 3, STEPS = 20 };
#define ALPHA 7.0
#define RATE 5e-3

static char work[] = "/tmp/rap-lora-XXXXXX";

static const char *in(const char *name)
{
    static char path[6][256];
    static int turn;

    turn = (turn + 1) % 6;
    snprintf(path[turn], sizeof path[turn], "%s/%s", work, name);
    return path[turn];
}

static int start(void **state)
{
    return mkdtemp(work) ? 0 : 1;
}

static int end(void **state)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static decoder *open_decoder(const gguf_file *g, int rank)
{
    decoder_options o = {
        .rank = rank, .alpha = ALPHA, .seed = 5, .threads = 2, .rows = MADE_ROWS, .keep = 1u << 30
    };
    decoder *d = NULL;
    rap_err err = { 0 };

    if (decoder_open(&d, g, &o, &err))
        fail_msg("%s", err.text);
    return d;
}

/* A model of the family at `path`, and an adapter of random numbers for it. */
static void make_with(const made *m, const char *path, const char *adapter, double alpha)
{
    char own[64];
    gguf_file *g = made_open(m, own);
    decoder *d = open_decoder(g, RANK);

    for (size_t i = 0; i < decoder_params(d); i++)
        decoder_param(d)[i] = (float)(uniform_at(1, 2, i) - 0.5);
    assert_int_equal(adapter_write(adapter, d, RANK, alpha, false, NULL), RAP_OK);
    assert_int_equal(rename(own, path), 0);
    decoder_close(d);
    gguf_file_close(g);
}

static void make(const made *m, const char *path, const char *adapter)
{
    make_with(m, path, adapter, ALPHA);
}

/* The same pairs, in whatever order. */
static void assert_same(const char *a, const char *b)
{
    lora one, two;

    assert_int_equal(lora_read(&one, a, NULL), RAP_OK);
    assert_int_equal(lora_read(&two, b, NULL), RAP_OK);
    assert_int_equal(one.count, two.count);
    assert_true(one.count > 0 && one.alpha == two.alpha);
    for (size_t i = 0; i < one.count; i++) {
        const lora_pair *p = &one.pair[i], *q = lora_pair_of(&two, p->name);

        assert_true(p->rank == q->rank && p->in == q->in && p->out == q->out);
        assert_memory_equal(p->a, q->a, (size_t)(p->rank * p->in) * sizeof *p->a);
        assert_memory_equal(p->b, q->b, (size_t)(p->out * p->rank) * sizeof *p->b);
    }
    lora_release(&one);
    lora_release(&two);
}

static void through_peft_and_back_no_bit_changes(void **state)
{
    for (int i = 0; i < MADE_FAMILIES; i++) {
        rap_err err = { 0 };
        lora_files f = { .model = strdup(in("m.gguf")) };

        make(&made_families[i], f.model, in("a.gguf"));
        f.from = in("a.gguf");
        f.out = in("peft");
        if (lora_files_export(&f, &err))
            fail_msg("%s", err.text);
        f.from = in("peft");
        f.out = in("b.gguf");
        if (lora_files_import(&f, &err))
            fail_msg("%s", err.text);
        assert_same(in("a.gguf"), in("b.gguf"));
        free((char *)f.model);
    }
}

/* Hugging Face's LLaVA has its decoder in language_model, beside a tower whose layers have the same names. */
static void a_llava_has_other_names(void **state)
{
    rap_err err = { 0 };
    lora_files f = { .model = strdup(in("m.gguf")), .layout = "llava" };
    char *text = NULL;
    size_t len = 0;

    make(&made_families[0], f.model, in("a.gguf"));
    f.from = in("a.gguf");
    f.out = in("llava");
    assert_int_equal(lora_files_export(&f, &err), RAP_OK);
    assert_int_equal(file_read(&text, &len, in("llava/adapter_model.safetensors"), 1 << 26, NULL),
                     RAP_OK);
    assert_non_null(strstr(
        text + 8,
        "\"base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight\""));
    assert_null(strstr(text + 8, "\"base_model.model.model.layers."));
    free(text);
    assert_int_equal(file_read(&text, &len, in("llava/adapter_config.json"), 1 << 20, NULL),
                     RAP_OK);
    assert_non_null(
        strstr(text, "\".*language_model\\\\.layers\\\\.[0-9]+\\\\.[a-z_]+\\\\.(q_proj|"));
    free(text);
    f.from = in("llava");
    f.out = in("b.gguf");
    assert_int_equal(lora_files_import(&f, &err), RAP_OK);
    assert_same(in("a.gguf"), in("b.gguf"));
    f.from = in("a.gguf");
    f.out = in("x");
    f.layout = "gemma";
    assert_int_equal(lora_files_export(&f, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "unknown layout 'gemma'"));
    free((char *)f.model);
}

/* out [MADE_ROWS, MADE_VOCAB] */
static void logits_of(real *out, const char *model, const char *adapter)
{
    gguf_file *g = NULL;
    decoder *d;
    made_rows b;

    assert_int_equal(gguf_file_open(&g, model, NULL), RAP_OK);
    d = open_decoder(g, adapter ? RANK : 0);
    if (adapter)
        for (size_t i = 0; i < decoder_params(d); i++)
            decoder_param(d)[i] = (float)(uniform_at(1, 2, i) - 0.5);
    made_drawn = 1000;
    made_batch(&b);
    assert_int_equal(decoder_logits(out, d, &b.rows, NULL), RAP_OK);
    decoder_close(d);
    gguf_file_close(g);
}

static void merged_answers_as_unmerged(void **state)
{
    static real one[MADE_ROWS * MADE_VOCAB], two[MADE_ROWS * MADE_VOCAB],
        base[MADE_ROWS * MADE_VOCAB];

    for (int i = 0; i < MADE_FAMILIES; i++) {
        rap_err err = { 0 };
        lora_files f = { .model = strdup(in("m.gguf")), .scale = 1 };
        double worst = 0, moved = 0;

        make(&made_families[i], f.model, in("a.gguf"));
        f.from = in("a.gguf");
        f.out = in("merged.gguf");
        if (lora_files_merge(&f, &err))
            fail_msg("%s", err.text);
        logits_of(one, f.model, "with");
        logits_of(two, in("merged.gguf"), NULL);
        logits_of(base, f.model, NULL);
        for (int k = 0; k < MADE_ROWS * MADE_VOCAB; k++) {
            worst = fmax(worst, fabs((double)one[k] - two[k]));
            moved = fmax(moved, fabs((double)one[k] - base[k]));
        }
        printf("  %s: merged differs by %.2g, the adapter moves logits by %.2g\n",
               made_families[i].architecture, worst, moved);
        assert_true(worst < 1e-4 * moved && moved > 0.1);
        free((char *)f.model);
    }
}

/* Opens a decoder whose frozen weights have the adapter; keep: bytes that may be unpacked once. */
static rap_status open_on_top(decoder **out, const gguf_file *g, const lora *l, size_t keep,
                              rap_err *err)
{
    static const float half = 0.5f;

    return decoder_open(out, g,
                        &(decoder_options){ .threads = 2,
                                            .rows = MADE_ROWS,
                                            .keep = keep,
                                            .adapter = l,
                                            .adapter_scale = &half,
                                            .adapters = 1 },
                        err);
}

/* A profile's own adapter is part of the frozen model: at half its scale it equals the model merged so. */
static void frozen_weights_have_the_adapters_of_the_profile(void **state)
{
    static real one[MADE_ROWS * MADE_VOCAB], two[MADE_ROWS * MADE_VOCAB];

    for (int i = 0; i < MADE_FAMILIES; i++) {
        lora_files f = { .model = strdup(in("m.gguf")), .scale = 0.5 };
        lora l;
        gguf_file *g = NULL;

        make(&made_families[i], f.model, in("a.gguf"));
        f.from = in("a.gguf");
        f.out = in("merged.gguf");
        assert_int_equal(lora_files_merge(&f, NULL), RAP_OK);
        logits_of(two, in("merged.gguf"), NULL);
        assert_int_equal(lora_read(&l, in("a.gguf"), NULL), RAP_OK);
        assert_int_equal(gguf_file_open(&g, f.model, NULL), RAP_OK);
        for (int once = 0; once < 2; once++) {
            decoder *d = NULL;
            made_rows b;

            assert_int_equal(open_on_top(&d, g, &l, once ? 1u << 30 : 0, NULL), RAP_OK);
            made_drawn = 1000;
            made_batch(&b);
            assert_int_equal(decoder_logits(one, d, &b.rows, NULL), RAP_OK);
            for (int k = 0; k < MADE_ROWS * MADE_VOCAB; k++)
                assert_true(fabs((double)one[k] - two[k]) < 1e-4 * (1 + fabs((double)two[k])));
            decoder_close(d);
        }
        free(l.pair[0].name); /* what no layer of the decoder has is not left out silently */
        l.pair[0].name = strdup("token_embd.weight");
        {
            decoder *d = NULL;
            rap_err err = { 0 };

            assert_int_equal(open_on_top(&d, g, &l, 0, &err), RAP_E_UNSUPPORTED);
            assert_non_null(strstr(err.text, "rap lora merge"));
        }
        lora_release(&l);
        gguf_file_close(g);
        free((char *)f.model);
    }
}

static void refused(rap_status (*fn)(const lora_files *, rap_err *), lora_files f, const char *word)
{
    rap_err err = { 0 };

    assert_int_not_equal(fn(&f, &err), RAP_OK);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in: %s", word, err.text);
}

/* The last number of the file becomes NaN. */
static void spoil(const char *path)
{
    FILE *f = fopen(path, "r+b");

    assert_non_null(f);
    assert_int_equal(fseek(f, -32, SEEK_END), 0); /* more than the padding */
    for (int i = 0; i < 8; i++)
        assert_int_equal(fwrite("\xff\xff\xff\xff", 4, 1, f), 1);
    fclose(f);
}

static void what_does_not_fit_is_refused(void **state)
{
    lora_files f = { .model = strdup(in("m.gguf")), .from = strdup(in("a.gguf")), .scale = 1 };
    char *text = NULL, *at;
    size_t len;
    rap_err err = { 0 };

    make(&made_families[4], f.model, in("phi.gguf"));
    make(&made_families[1], f.model, f.from);
    f.out = strdup(in("peft"));
    assert_int_equal(lora_files_export(&f, &err), RAP_OK);
    /* another model; the model itself; a field that has no place in a GGUF; a file that is no adapter */
    refused(lora_files_merge,
            (lora_files){ .model = f.model, .from = in("phi.gguf"), .out = in("x"), .scale = 1 },
            "does not fit");
    refused(lora_files_merge,
            (lora_files){ .model = f.model, .from = f.from, .out = f.model, .scale = 1 }, "m.gguf");
    refused(lora_files_merge,
            (lora_files){ .model = f.model, .from = f.model, .out = in("x"), .scale = 1 },
            "no LoRA adapter");
    assert_int_equal(file_write(in("stray.bin"), "hi", 2, NULL), RAP_OK);
    refused(lora_files_merge,
            (lora_files){ .model = f.model, .from = in("stray.bin"), .out = in("x"), .scale = 1 },
            "stray.bin: is no adapter");
    refused(lora_files_import,
            (lora_files){ .model = f.model, .from = in("missing"), .out = in("x") },
            "missing: no such file or folder");
    refused(lora_files_projector,
            (lora_files){
                .model = f.model, .from = in("peft/adapter_model.safetensors"), .out = in("x") },
            "no projector");
    assert_int_equal(file_read(&text, &len, in("peft/adapter_config.json"), 1 << 20, NULL), RAP_OK);
    at = strstr(text, "\"none\"");
    assert_non_null(at);
    memcpy(at, "\"all\" ", 6);
    assert_int_equal(file_write(in("peft/adapter_config.json"), text, len, NULL), RAP_OK);
    refused(lora_files_import, (lora_files){ .model = f.model, .from = in("peft"), .out = in("x") },
            "\"bias\" is set");
    assert_int_equal(lora_files_export(&f, &err), RAP_OK);
    refused(lora_files_import,
            (lora_files){ .model = f.model,
                          .from = in("peft/adapter_model.safetensors"),
                          .out = in("peft/adapter_config.json") },
            "is a file of the input");
    for (int i = 0; i < 2; i++) {
        make_with(&made_families[1], f.model, f.from, i ? -ALPHA : 0);
        refused(lora_files_merge,
                (lora_files){ .model = f.model, .from = f.from, .out = in("x"), .scale = 1 },
                i ? "a.gguf: adapter.lora.alpha is -7;" : "a.gguf: adapter.lora.alpha is 0;");
        refused(lora_files_export, f, "it must be above 0");
    }
    make(&made_families[1], f.model, f.from);
    spoil(f.from);
    refused(lora_files_export, f, "not finite");
    assert_false(file_exists(in("x")));
    free(text);
    free((char *)f.model);
    free((char *)f.from);
    free((char *)f.out);
}

/* ---- for tools/parity/lora.py ---- */

static void write_numbers(FILE *out, const char *name, const real *x, size_t count)
{
    fprintf(out, "\"%s\": [", name);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%.9g", i ? ", " : "", (double)x[i]);
    fprintf(out, "]");
}

static void leave_family(const char *folder, int i)
{
    char path[300], adapter[300];
    gguf_file *g = NULL;
    decoder *d;
    real *m, *v;
    size_t count;
    made_rows b;
    FILE *out;

    snprintf(path, sizeof path, "%s/%d.gguf", folder, i);
    snprintf(adapter, sizeof adapter, "%s/%d.adapter.gguf", folder, i);
    make(&made_families[i], path, adapter);
    assert_int_equal(gguf_file_open(&g, path, NULL), RAP_OK);
    d = open_decoder(g, RANK);
    count = decoder_params(d);
    m = calloc(count, sizeof *m);
    v = calloc(count, sizeof *v);
    for (size_t k = 0; k < count; k++)
        decoder_param(d)[k] = (float)(uniform_at(1, 2, k) - 0.5);
    made_batch(&b);
    snprintf(path, sizeof path, "%s/%d.json", folder, i);
    out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out,
            "{\"rank\": %d, \"alpha\": %g, \"rate\": %g, \"begin\": [%d, %d, %d], \"token\": [",
            RANK, ALPHA, RATE, b.begin[0], b.begin[1], b.begin[2]);
    for (int k = 0; k < MADE_ROWS; k++)
        fprintf(out, "%s%d", k ? ", " : "", b.token[k]);
    fprintf(out, "], \"target\": [");
    for (int k = 0; k < MADE_ROWS; k++)
        fprintf(out, "%s%d", k ? ", " : "", b.target[k]);
    fprintf(out, "], ");
    write_numbers(out, "pixels", b.pixels[0], 2 * MADE_WIDTH);
    fprintf(out, ", \"order\": [");
    for (size_t k = 0; decoder_linear(d, k); k++)
        fprintf(out, "%s\"%s\"", k ? ", " : "", decoder_linear(d, k)->w.tensor->name);
    fprintf(out, "], ");
    for (int step = 0; step < STEPS; step++) {
        double loss;

        assert_int_equal(decoder_learn(&loss, d, &b.rows, 0.1, 0, NULL), RAP_OK);
        if (step == 0)
            write_numbers(out, "grad", decoder_grad(d), count);
        fprintf(out, "%s%.9g", step ? ", " : ", \"loss\": [", loss);
        adam_step(&(adam){ .param = decoder_param(d),
                           .grad = decoder_grad(d),
                           .m = m,
                           .v = v,
                           .count = count,
                           .t = step + 1,
                           .lr = RATE,
                           .scale = 1 },
                  1);
    }
    fprintf(out, "]}\n");
    fclose(out);
    free(m);
    free(v);
    decoder_close(d);
    gguf_file_close(g);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(through_peft_and_back_no_bit_changes),
        cmocka_unit_test(a_llava_has_other_names),
        cmocka_unit_test(merged_answers_as_unmerged),
        cmocka_unit_test(frozen_weights_have_the_adapters_of_the_profile),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    for (int i = 0; argc == 2 && i < MADE_FAMILIES; i++)
        leave_family(argv[1], i);
    return argc == 2 ? 0 : cmocka_run_group_tests(tests, start, end);
}
