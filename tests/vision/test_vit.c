/* test_vit.c: a real ViT-Tiny against the reference features of a few photos. The reference's features
 * are normalised, ours are compared after the same. */
#include "vision/fixture.h"

static char work[64], model[128];
static json_t *reference; /* NULL: no fixtures here */
enum { DIM = 192 };

static int set_up(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-vit-XXXXXX");
    if (!mkdtemp(work))
        return 1;
    snprintf(model, sizeof model, "%s/vit.gguf", work);
    if (fixture_convert(model, "fixtures/vit/vit_tiny_patch16_224.pt", NULL))
        reference = fixture_json("fixtures/vit/reference.json");
    return 0;
}

static int tear_down(void **state)
{
    json_decref(reference);
    unlink(model);
    return rmdir(work);
}

static void normalise(float *v)
{
    double size = 0;
    for (int i = 0; i < DIM; i++)
        size += (double)v[i] * v[i];
    for (int i = 0; i < DIM; i++)
        v[i] = (float)(v[i] / sqrt(size));
}

static image photo(size_t i, float *want)
{
    char rest[128];
    const json_t *one = json_array_get(reference, i);
    snprintf(rest, sizeof rest, "photos/dreambooth/%s",
             json_string_value(json_object_get(one, "file")));
    fixture_floats(want, DIM, json_object_get(one, "feature"));
    return fixture_image(rest);
}

static void compare(precision p, double most_error, double least_cosine)
{
    float got[DIM], want[DIM];
    encoder *e = fixture_encoder(model, p);
    assert_int_equal(encoder_dim(e), DIM);
    assert_string_equal(encoder_name(e), "vit_tiny_patch16_224");
    assert_false(encoder_has_text(e));
    for (size_t i = 0; i < json_array_size(reference); i++) {
        image im = photo(i, want);
        assert_int_equal(encoder_images(e, &im, 1, got, NULL), RAP_OK);
        normalise(got);
        double error = relative_error(got, want, DIM);
        printf("photo %zu: relative error %.2e, cosine %.6f\n", i, error, cosine(got, want, DIM));
        assert_true(error <= most_error);
        assert_true(cosine(got, want, DIM) >= least_cosine);
        image_release(&im);
    }
    encoder_close(e);
}

static void f32(void **state)
{
    if (!reference)
        skip();
    compare(PRECISION_F32, 1e-4, 0.999999);
}

static void bf16(void **state)
{
    if (!reference)
        skip();
    compare(PRECISION_BF16, 0.05, 0.999);
}

static void no_text(void **state)
{
    float out[DIM];
    rap_err err = { 0 };
    int32_t *ids;
    int count;
    const char *word = "dog";
    if (!reference)
        skip();
    encoder *e = fixture_encoder(model, PRECISION_F32);
    assert_int_equal(encoder_texts(e, &word, 1, out, &err), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "vit.gguf"));
    assert_int_equal(encoder_tokens(e, word, &ids, &count, &err), RAP_E_UNSUPPORTED);
    encoder_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32),
        cmocka_unit_test(bf16),
        cmocka_unit_test(no_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
