/* test_clip_published.c: CLIP in every form it is published in, against what the reference code makes of
 * the same files. tools/parity/make_clip.py writes them. */
#include "formats/gguf_file.h"
#include "vision/fixture.h"

#include <unistd.h>

enum { DIM = 24, PICTURES = 2, TEXTS = 5, CONTEXT = 20 };

static char work[64], model[128];
static json_t *reference;

static const char *data(char out[256], const char *rest)
{
    const char *tests = getenv("RAP_TESTS");
    snprintf(out, 256, "%s/data/clip/%s", tests ? tests : "tests", rest);
    return out;
}

static int set_up(void **state)
{
    char path[256];
    snprintf(work, sizeof work, "/tmp/rap-clip-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(model, sizeof model, "%s/clip.gguf", work);
    reference = json_load_file(data(path, "reference.json"), 0, NULL);
    return reference ? 0 : 1;
}

static int tear_down(void **state)
{
    json_decref(reference);
    unlink(model);
    return rmdir(work);
}

static encoder *opened(const char *checkpoint, const char *merges, convert_type type, precision p)
{
    char in[256], vocab[256];
    rap_err err = { 0 };
    convert_options options = { .vocab = merges ? data(vocab, merges) : NULL, .type = type };
    if (convert_file(data(in, checkpoint), model, &options, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return fixture_encoder(model, p);
}

static void picture_features(float *out, encoder *e)
{
    for (int i = 0; i < PICTURES; i++) {
        char name[16], path[256];
        image im = { 0 };
        rap_err err = { 0 };
        snprintf(name, sizeof name, "%d.png", i);
        if (image_load(&im, data(path, name), &err) != RAP_OK ||
            encoder_images(e, &im, 1, out + i * DIM, &err) != RAP_OK)
            fail_msg("%s", err.text);
        image_release(&im);
    }
}

static const char *text(int i)
{
    return json_string_value(json_array_get(json_object_get(reference, "texts"), (size_t)i));
}

static const json_t *expected(const char *checkpoint, const char *what, int i)
{
    const json_t *one = json_object_get(reference, checkpoint);
    return json_array_get(json_object_get(one, what), (size_t)i);
}

/* The largest relative error, or the smallest cosine, over everything the checkpoint gives. */
typedef struct agreement {
    double error, cosine;
} agreement;

static void compare(agreement *a, const float *got, const json_t *want)
{
    float numbers[DIM];
    fixture_floats(numbers, DIM, want);
    a->error = fmax(a->error, relative_error(got, numbers, DIM));
    a->cosine = fmin(a->cosine, cosine(got, numbers, DIM));
}

static agreement measure(encoder *e, const char *key)
{
    float got[TEXTS * DIM];
    const char *texts[TEXTS];
    agreement a = { 0, 1 };
    assert_int_equal(encoder_dim(e), DIM);
    picture_features(got, e);
    for (int i = 0; i < PICTURES; i++)
        compare(&a, got + i * DIM, expected(key, "images", i));
    for (int i = 0; i < TEXTS; i++)
        texts[i] = text(i);
    if (encoder_has_text(e)) {
        assert_int_equal(encoder_texts(e, texts, TEXTS, got, NULL), RAP_OK);
        for (int i = 0; i < TEXTS; i++)
            compare(&a, got + i * DIM, expected(key, "texts", i));
    }
    return a;
}

static void tokens_agree(encoder *e, const char *key)
{
    for (int i = 0; i < TEXTS; i++) {
        int32_t *got;
        int count;
        const json_t *want = expected(key, "tokens", i);
        assert_int_equal(encoder_tokens(e, text(i), &got, &count, NULL), RAP_OK);
        assert_int_equal(count, CONTEXT);
        for (size_t j = 0; j < CONTEXT; j++)
            assert_int_equal(got[j],
                             json_integer_value(json_array_get(want, j))); /* 0 past its end */
        free(got);
    }
}

static void agrees(const char *key, const char *checkpoint, const char *merges)
{
    encoder *e = opened(checkpoint, merges, CONVERT_KEEP, PRECISION_F32);
    agreement a = measure(e, key);
    if (encoder_has_text(e))
        tokens_agree(e, key);
    encoder_close(e);
    e = fixture_encoder(model, PRECISION_BF16);
    agreement narrow = measure(e, key);
    encoder_close(e);
    printf("%s: f32 relative error %.1e, bf16 cosine %.6f\n", checkpoint, a.error, narrow.cosine);
    assert_true(a.error <= 1e-4);
    assert_true(narrow.cosine >= 0.999);
}

static void hugging_face(void **state)
{
    agrees("hf", "hf", NULL);
    agrees("hf", "hf/model.safetensors", NULL);
}

static void sharded(void **state)
{
    agrees("sharded", "sharded", NULL);
    agrees("sharded", "sharded/model.safetensors.index.json", "hf/merges.txt");
}

static void pytorch_bin(void **state)
{
    agrees("bin", "bin", NULL);
    agrees("bin", "bin/pytorch_model.bin", NULL);
}

static void names(void **state)
{
    encoder *e = opened("hf/model.safetensors", NULL, CONVERT_KEEP, PRECISION_F32);
    assert_string_equal(encoder_name(e), "hf"); /* "model" would say nothing */
    encoder_close(e);
    e = opened("bin", NULL, CONVERT_KEEP, PRECISION_F32);
    assert_string_equal(encoder_name(e), "bin");
    encoder_close(e);
}

/* What a type costs, and that norms and biases are spared. */
static void types(void **state)
{
    static const struct {
        convert_type type;
        gguf_type matrix;
        double cosine;
    } all[] = { { CONVERT_F32, GGUF_F32, 0.999999 },
                { CONVERT_F16, GGUF_F16, 0.99999 },
                { CONVERT_BF16, GGUF_BF16, 0.999 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        gguf_file *g;
        encoder *e = opened("hf", NULL, all[i].type, PRECISION_F32);
        agreement a = measure(e, "hf");
        encoder_close(e);
        printf("type %d: cosine %.6f\n", (int)all[i].type, a.cosine);
        assert_true(a.cosine >= all[i].cosine);
        assert_int_equal(gguf_file_open(&g, model, NULL), RAP_OK);
        assert_int_equal(gguf_find(g, "v.blk.0.ffn_up.weight")->type, all[i].matrix);
        assert_int_equal(gguf_find(g, "v.blk.0.ffn_up.bias")->type, GGUF_F32);
        assert_int_equal(gguf_find(g, "v.blk.0.ln1.weight")->type, GGUF_F32);
        gguf_file_close(g);
    }
}

/* Everything wide enough for blocks of 32 becomes q8_0; the rest f16. */
static void quantised(void **state)
{
    gguf_file *g;
    encoder *e = opened("openai.pt", "hf/merges.txt", CONVERT_Q8_0, PRECISION_F32);
    agreement a = measure(e, "openai");
    encoder_close(e);
    printf("q8_0: cosine %.6f\n", a.cosine);
    assert_true(a.cosine >= 0.999);
    assert_int_equal(gguf_file_open(&g, model, NULL), RAP_OK);
    assert_int_equal(gguf_find(g, "v.blk.0.ffn_up.weight")->type, GGUF_Q8_0);
    assert_int_equal(gguf_find(g, "v.patch_embd.weight")->type, GGUF_F16);
    assert_int_equal(gguf_find(g, "v.position_embd.weight")->type, GGUF_F16);
    assert_int_equal(gguf_find(g, "v.proj")->type, GGUF_F16); /* rows of 24 */
    assert_int_equal(gguf_find(g, "t.post_ln.bias")->type, GGUF_F32);
    gguf_file_close(g);
}

static void torchscript(void **state)
{
    agrees("openai", "openai.pt", "hf/merges.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hugging_face), cmocka_unit_test(sharded), cmocka_unit_test(pytorch_bin),
        cmocka_unit_test(names),        cmocka_unit_test(types),   cmocka_unit_test(torchscript),
        cmocka_unit_test(quantised),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
