/* test_logits.c: the frozen decoder's logits, and those with a LoRA, equal llama.cpp's: on small random decoders of each
 * family, on the random models of the shared fixtures, and on the tiny model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"
#include "train/adapter.h"

#include <llama.h>

enum { ROWS = 40, RANK = 4, ALPHA = 8 };

static void quiet(enum ggml_log_level level, const char *text, void *payload)
{
}

static int start(void **state)
{
    llama_log_set(quiet, NULL);
    llama_backend_init();
    return 0;
}

/* out [ROWS, vocab] by llama.cpp; adapter NULL: none. */
static float *llama_logits(const char *path, const char *adapter, const int32_t *token, int vocab)
{
    struct llama_model_params mp = llama_model_default_params();
    struct llama_context_params cp = llama_context_default_params();
    struct llama_model *model = llama_model_load_from_file(path, mp);
    struct llama_context *ctx;
    llama_batch batch = llama_batch_init(ROWS, 0, 1);
    float *out = malloc((size_t)(ROWS * vocab) * sizeof *out);

    assert_non_null(model);
    cp.n_ctx = 64;
    cp.n_batch = cp.n_ubatch = ROWS;
    cp.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    cp.type_k = cp.type_v = GGML_TYPE_F32;
    cp.n_threads = cp.n_threads_batch = 1;
    ctx = llama_init_from_model(model, cp);
    assert_non_null(ctx);
    if (adapter) {
        struct llama_adapter_lora *lora = llama_adapter_lora_init(model, adapter);

        assert_non_null(lora);
        assert_int_equal(llama_set_adapters_lora(ctx, &lora, 1, &(float){ 1 }), 0);
    }
    for (int i = 0; i < ROWS; i++) {
        batch.token[i] = token[i];
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    batch.n_tokens = ROWS;
    assert_int_equal(llama_decode(ctx, batch), 0);
    for (int i = 0; i < ROWS; i++)
        memcpy(out + i * vocab, llama_get_logits_ith(ctx, i), (size_t)vocab * sizeof *out);
    llama_batch_free(batch);
    llama_free(ctx);
    llama_model_free(model);
    return out;
}

static double worst_difference(const float *a, const float *b, int count, double *out_largest)
{
    double worst = 0;

    *out_largest = 0;
    for (int i = 0; i < count; i++) {
        worst = fmax(worst, fabs((double)a[i] - b[i]));
        *out_largest = fmax(*out_largest, fabs((double)a[i]));
    }
    return worst;
}

/* Ours of `path` within `near` of llama.cpp's of `other`, without the adapter and with one of random numbers. */
static void compare_two(const char *path, const char *other, const char *name, double near)
{
    decoder_options o = {
        .rank = RANK, .alpha = ALPHA, .seed = 1, .threads = 2, .rows = ROWS, .keep = 1u << 30
    };
    char adapter[] = "/tmp/rap-adapter-XXXXXX";
    gguf_file *g = NULL;
    decoder *d = NULL;
    rap_err err = { 0 };
    int32_t token[ROWS], begin[2] = { 0, ROWS };
    float *ours, *theirs;
    int vocab, fd = mkstemp(adapter);

    assert_true(fd >= 0);
    close(fd);
    if (gguf_file_open(&g, path, &err) || decoder_open(&d, g, &o, &err))
        fail_msg("%s", err.text);
    vocab = (int)decoder_shape(d)->vocab;
    for (int i = 0; i < ROWS; i++)
        token[i] = 3 + (i * 37 + 11) % (vocab - 3);
    ours = malloc((size_t)(ROWS * vocab) * sizeof *ours);
    for (int with = 0; with < 2; with++) {
        rows r = { .count = ROWS, .token = token, .spans = { begin, 1 } };
        double worst, largest;

        for (size_t i = 0; with && i < decoder_params(d); i++)
            decoder_param(d)[i] = (float)(0.2 * uniform_at(1, 2, i) - 0.1);
        if (with && adapter_write(adapter, d, RANK, ALPHA, false, &err))
            fail_msg("%s", err.text);
        assert_int_equal(decoder_logits(ours, d, &r, &err), RAP_OK);
        theirs = llama_logits(other, with ? adapter : NULL, token, vocab);
        worst = worst_difference(ours, theirs, ROWS * vocab, &largest);
        printf("  %s%s: %.1e apart, largest %.2f\n", name, with ? " with an adapter" : "", worst,
               largest);
        assert_true(worst < near);
        free(theirs);
    }
    free(ours);
    unlink(adapter);
    decoder_close(d);
    gguf_file_close(g);
}

static void compare(const char *path, const char *name, double near)
{
    compare_two(path, path, name, near);
}

static void made_decoders(void **state)
{
    for (int i = 0; i < MADE_FAMILIES; i++) {
        char path[64];

        gguf_file_close(made_open(&made_families[i], path));
        compare(path, made_families[i].architecture, 1e-3);
        unlink(path);
    }
}

static void shared_models(void **state)
{
    static const char *const model[] = { "llava15/model.gguf",        "pixtral/model.gguf",
                                         "internvl/model.gguf",       "llavaphi3/model.gguf",
                                         "llavaphi3llama/model.gguf", "smolvlm/model.gguf",
                                         "minicpmv/model.gguf",       "random-llm.gguf" };
    const char *shared = getenv("RAP_SHARED");
    int found = 0;

    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        char path[512];

        snprintf(path, sizeof path, "%s/fixtures/vlm/%s", shared ? shared : "../shared", model[i]);
        if (access(path, R_OK) != 0)
            continue;
        compare(path, model[i], 1e-3);
        found++;
    }
    if (!found)
        printf("skipped: the shared models are not there\n");
}

/* Its weights are f16, and llama.cpp rounds what it multiplies them with to f16: the difference is theirs. */
static void tiny_model(void **state)
{
    const char *source = getenv("RAP_SOURCE");
    char path[512];

    snprintf(path, sizeof path, "%s/models/tiny/model.gguf", source ? source : ".");
    compare(path, "tiny", 5e-2);
}

static void quantise(const char *from, const char *to, enum llama_ftype type)
{
    struct llama_model_quantize_params p = llama_model_quantize_default_params();

    p.ftype = type;
    p.nthread = 1;
    p.allow_requantize = true;
    assert_int_equal(llama_model_quantize(from, to, &p), 0);
}

/* Against llama.cpp on the same numbers in f32, as it rounds what it multiplies quantised weights with. The rows of the tiny model
 * are too short for blocks of 256, but those of ffn_down, which Q4_K_M makes Q4_K and Q6_K. */
static void quantised_weights(void **state)
{
    static const struct {
        enum llama_ftype type;
        const char *name;
    } as[] = { { LLAMA_FTYPE_MOSTLY_BF16, "bf16" },
               { LLAMA_FTYPE_MOSTLY_Q8_0, "Q8_0" },
               { LLAMA_FTYPE_MOSTLY_Q4_0, "Q4_0" },
               { LLAMA_FTYPE_MOSTLY_Q4_K_M, "Q4_K_M" } };
    const char *source = getenv("RAP_SOURCE");
    char path[512], quantised[] = "/tmp/rap-quantised-XXXXXX", plain[] = "/tmp/rap-plain-XXXXXX";
    int a = mkstemp(quantised), b = mkstemp(plain);

    assert_true(a >= 0 && b >= 0);
    close(a);
    close(b);
    snprintf(path, sizeof path, "%s/models/tiny/model.gguf", source ? source : ".");
    for (size_t i = 0; i < sizeof as / sizeof *as; i++) {
        quantise(path, quantised, as[i].type);
        quantise(quantised, plain, LLAMA_FTYPE_ALL_F32);
        compare_two(quantised, plain, as[i].name, 1e-3);
    }
    unlink(quantised);
    unlink(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(made_decoders),
                                        cmocka_unit_test(shared_models),
                                        cmocka_unit_test(tiny_model),
                                        cmocka_unit_test(quantised_weights) };

    return cmocka_run_group_tests(tests, start, NULL);
}
