/* test_clip.c: CLIP against the reference implementation's numbers: pixels, picture features, text
 * features, f32 and bf16, alone and in batches. */
#include "vision/fixture.h"

static char work[64], model[128];
static json_t *reference; /* NULL: no fixtures here */
enum { DIM = 64, PICTURES = 4, TEXTS = 7 };

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-clip-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(model, sizeof model, "%s/clip.gguf", work);
    if (fixture_convert(model, "fixtures/clip/clip_vit_small.pt",
                        "fixtures/clip/bpe_simple_vocab_16e6.txt.gz"))
        reference = fixture_json("fixtures/clip/clip_vit_small.json");
    return 0;
}

static int tear_down(void **state)
{
    json_decref(reference);
    unlink(model);
    return rmdir(work);
}

static image picture(int i)
{
    char rest[128];
    const json_t *one = json_array_get(json_object_get(reference, "images"), (size_t)i);
    snprintf(rest, sizeof rest, "fixtures/clip/%s",
             json_string_value(json_object_get(one, "file")));
    return fixture_image(rest);
}

static void picture_feature(float *out, int i)
{
    const json_t *one = json_array_get(json_object_get(reference, "images"), (size_t)i);
    fixture_floats(out, DIM, json_object_get(one, "features"));
}

static const char *text(int i)
{
    const json_t *one = json_array_get(json_object_get(reference, "texts"), (size_t)i);
    return json_string_value(json_object_get(one, "text"));
}

static void text_feature(float *out, int i)
{
    const json_t *one = json_array_get(json_object_get(reference, "texts"), (size_t)i);
    fixture_floats(out, DIM, json_object_get(one, "features"));
}

/* A .npy file of f32 [1, 3, S, S] or [3, S, S]: the last bytes are the numbers. */
static float *read_npy(const char *rest, size_t count)
{
    char *bytes, *path = fixture_path(rest);
    size_t size;
    assert_non_null(path);
    assert_int_equal(file_read(&bytes, &size, path, 1 << 24, NULL), RAP_OK);
    assert_true(size >= count * sizeof(float));
    float *numbers = malloc(count * sizeof *numbers);
    memcpy(numbers, bytes + size - count * sizeof *numbers, count * sizeof *numbers);
    free(bytes);
    free(path);
    return numbers;
}

static void pixels(void **state)
{
    static const char *const names[] = { "wide", "tall", "small", "large" };
    static const float std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };
    if (!reference)
        skip();
    encoder *e = fixture_encoder(model, PRECISION_F32);
    for (int i = 0; i < PICTURES; i++) {
        char rest[128];
        float *got, worst = 0;
        int size;
        image im = picture(i);
        assert_int_equal(encoder_preprocess(e, &im, &got, &size, NULL), RAP_OK);
        assert_int_equal(size, 64);
        snprintf(rest, sizeof rest, "fixtures/clip/clip_vit_small.%s.pre.npy", names[i]);
        float *want = read_npy(rest, 3 * 64 * 64);
        for (int j = 0; j < 3 * 64 * 64; j++)
            worst = fmaxf(worst, fabsf(got[j] - want[j]) * std[j / (64 * 64)] * 255);
        printf("%s: pixels differ by %.4f / 255 at most\n", names[i], (double)worst);
        assert_true(worst <= 2.0f);
        free(got);
        free(want);
        image_release(&im);
    }
    encoder_close(e);
}

static void pictures_f32(void **state)
{
    float got[PICTURES * DIM], want[DIM];
    image im[PICTURES];
    if (!reference)
        skip();
    encoder *e = fixture_encoder(model, PRECISION_F32);
    assert_int_equal(encoder_dim(e), DIM);
    assert_string_equal(encoder_name(e), "clip_vit_small");
    for (int i = 0; i < PICTURES; i++)
        im[i] = picture(i);
    assert_int_equal(encoder_images(e, im, PICTURES, got, NULL), RAP_OK);
    for (int i = 0; i < PICTURES; i++) {
        float alone[DIM];
        picture_feature(want, i);
        double error = relative_error(got + i * DIM, want, DIM);
        printf("picture %d: relative error %.2e\n", i, error);
        assert_true(error <= 1e-4);
        assert_int_equal(encoder_images(e, &im[i], 1, alone, NULL), RAP_OK);
        assert_true(relative_error(alone, got + i * DIM, DIM) <= 1e-5);
        image_release(&im[i]);
    }
    encoder_close(e);
}

static void texts_f32(void **state)
{
    float got[TEXTS * DIM], want[DIM], alone[DIM];
    const char *all[TEXTS];
    if (!reference)
        skip();
    encoder *e = fixture_encoder(model, PRECISION_F32);
    assert_true(encoder_has_text(e));
    for (int i = 0; i < TEXTS; i++)
        all[i] = text(i);
    assert_int_equal(encoder_texts(e, all, TEXTS, got, NULL), RAP_OK);
    for (int i = 0; i < TEXTS; i++) {
        text_feature(want, i);
        double error = relative_error(got + i * DIM, want, DIM);
        printf("text %d: relative error %.2e\n", i, error);
        assert_true(error <= 1e-4);
        assert_int_equal(encoder_texts(e, &all[i], 1, alone, NULL), RAP_OK); /* cut shorter */
        assert_true(relative_error(alone, want, DIM) <= 1e-4);
    }
    encoder_close(e);
}

static void bf16(void **state)
{
    float got[DIM], want[DIM];
    if (!reference)
        skip();
    encoder *e = fixture_encoder(model, PRECISION_BF16);
    for (int i = 0; i < PICTURES; i++) {
        image im = picture(i);
        picture_feature(want, i);
        assert_int_equal(encoder_images(e, &im, 1, got, NULL), RAP_OK);
        printf("picture %d: bf16 cosine %.6f\n", i, cosine(got, want, DIM));
        assert_true(cosine(got, want, DIM) >= 0.999);
        image_release(&im);
    }
    for (int i = 0; i < TEXTS; i++) {
        const char *one = text(i);
        text_feature(want, i);
        assert_int_equal(encoder_texts(e, &one, 1, got, NULL), RAP_OK);
        printf("text %d: bf16 cosine %.6f\n", i, cosine(got, want, DIM));
        assert_true(cosine(got, want, DIM) >= 0.999);
    }
    encoder_close(e);
}

/* More pictures and texts than one run takes, odd shapes among them. */
static void many(void **state)
{
    enum { MANY = 37 };
    static float got[MANY * DIM], first[DIM];
    const char *texts[MANY];
    image im[MANY];
    if (!reference)
        skip();
    encoder *e = fixture_encoder(model, PRECISION_F32);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(image_new(&im[i], i == 5 ? 3000 : 1 + i, i == 6 ? 3000 : 1, NULL), RAP_OK);
        texts[i] = text(i % TEXTS);
    }
    assert_int_equal(encoder_images(e, im, MANY, got, NULL), RAP_OK);
    assert_int_equal(encoder_images(e, im, 1, first, NULL), RAP_OK);
    for (int i = 0; i < MANY; i++) /* all black: all the same */
        assert_true(relative_error(got + i * DIM, first, DIM) <= 1e-5);
    assert_int_equal(encoder_texts(e, texts, MANY, got, NULL), RAP_OK);
    for (int i = TEXTS; i < MANY; i++)
        assert_true(relative_error(got + i * DIM, got + i % TEXTS * DIM, DIM) <= 1e-5);
    for (int i = 0; i < MANY; i++)
        image_release(&im[i]);
    encoder_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels), cmocka_unit_test(pictures_f32), cmocka_unit_test(texts_f32),
        cmocka_unit_test(bf16),   cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
