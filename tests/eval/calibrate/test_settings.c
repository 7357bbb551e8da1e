/* test_settings.c: a profile.json with new retrieval settings and everything else as it was
 * (src/eval/calibrate/settings.c), and the file of distractors (src/eval/calibrate/distractors.c). */
#include "base/file.h"
#include "engine/profile.h"
#include "eval/calibrate/calibrate.h"
#include "formats/gguf_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], file[96], other[96];

static int setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/rap-settings-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof file, "%s/profile.json", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return 0;
}

static int teardown(void **state)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void put(const char *path, const char *text)
{
    assert_int_equal(file_write(path, text, strlen(text), NULL), RAP_OK);
}

static void settings_come_back_and_the_rest_stays(void **state)
{
    float center[3] = { 0.25f, -0.5f, 0.125f }, scatter[6] = { 0.5f, 0, 0, 0, 0.25f, -0.75f };
    calibrate_fit fit = { .crops = 3,
                          .inner = 0.1f,
                          .threshold = 1.2345f,
                          .crowding = 0.5f,
                          .ambiguity = 0.0412f,
                          .center = center,
                          .scatter = scatter,
                          .axes = 2,
                          .dim = 3 };
    profile *p = NULL;

    put(file, "{\"name\": \"mine\", \"files\": {\"encoder\": {\"path\": \"e.gguf\"}}, \"own\": [1, "
              "\"@\"], \"retrieval\": {\"k\": 5, \"threshold\": 0.5, \"ambiguity\": 0.05}}");
    assert_int_equal(calibrate_profile_write(&fit, NULL, file, file, NULL), RAP_OK);
    assert_int_equal(profile_open(&p, folder, NULL), RAP_OK);
    assert_string_equal(p->name, "mine");
    assert_int_equal(p->k, 5);
    assert_float_equal(p->threshold, 1.2345, 1e-5);
    assert_float_equal(p->crowding, 0.5, 1e-6);
    assert_float_equal(p->ambiguity, 0.05, 1e-5); /* is no matter of calibration */
    assert_float_equal(p->crop.inner, 0.1, 1e-6);
    assert_int_equal(p->crop.crops, 2);
    assert_int_equal(p->center_dim, 3);
    assert_float_equal(p->center[1], -0.5, 1e-6);
    assert_int_equal(p->axes, 2);
    assert_int_equal(p->scatter_dim, 3);
    for (int i = 0; i < 6; i++)
        assert_float_equal(p->scatter[i], scatter[i], 1e-6);
    assert_non_null(json_object_get(p->json, "own"));
    profile_close(p);

    fit = (calibrate_fit){ .crops = 1, .threshold = 0.75f, .ambiguity = 0.03f };
    assert_int_equal(calibrate_profile_write(&fit, NULL, file, other, NULL), RAP_OK);
    assert_int_equal(rename(other, file), 0);
    assert_int_equal(profile_open(&p, folder, NULL), RAP_OK);
    assert_null(p->center);
    assert_null(p->scatter);
    assert_true(p->crop.inner == 0 && p->crop.crops == 0 && p->crowding == 0);
    profile_close(p);
}

static void what_stays_keeps_its_digits(void **state)
{
    calibrate_fit fit = { 0 };
    const calibrate_models models = { .profile = folder };
    char *path = NULL, *text = NULL;
    size_t size = 0;
    int k = 0;

    put(file, "{\"own\": 0.123456789012, \"files\": {\"encoder\": {\"path\": \"e.gguf\"}}, "
              "\"retrieval\": {\"crowding\": 0.333333, \"inner_crop\": 0.083333, "
              "\"detector_iou\": 0.45}}");
    assert_int_equal(calibrate_profile_read(&fit, &path, &k, &models, NULL), RAP_OK);
    assert_int_equal(calibrate_profile_write(&fit, NULL, file, other, NULL), RAP_OK);
    assert_int_equal(file_read(&text, &size, other, 1000, NULL), RAP_OK);
    assert_non_null(strstr(text, "0.123456789012,"));
    assert_non_null(strstr(text, "0.333333,"));
    assert_non_null(strstr(text, "0.083333,"));
    assert_non_null(strstr(text, "0.45,"));
    free(text);
    free(path);
    calibrate_fit_release(&fit);
}

static void a_profile_without_settings_gets_some(void **state)
{
    calibrate_fit fit = { .crops = 1, .threshold = 0.75f }, read;
    const calibrate_models models = { .profile = folder };
    char *path = NULL;
    int k = 0;

    put(file, "{\"files\": {\"encoder\": {\"path\": \"e.gguf\"}}}");
    assert_int_equal(calibrate_profile_write(&fit, NULL, file, file, NULL), RAP_OK);
    assert_int_equal(calibrate_profile_read(&read, &path, &k, &models, NULL), RAP_OK);
    assert_float_equal(read.threshold, 0.75, 1e-6);
    assert_int_equal(read.crops, 1);
    assert_int_equal(k, 3);
    assert_string_equal(path, file);
    free(path);
    calibrate_fit_release(&read);
}

static void what_cannot_be_written_leaves_the_profile(void **state)
{
    calibrate_fit fit = { .crops = 1, .threshold = 0.75f };
    char *text = NULL;
    size_t size = 0;
    rap_err err = { 0 };

    put(file, "{\"files\": {}}");
    assert_int_not_equal(calibrate_profile_write(&fit, NULL, file, "/nowhere/at/all", &err),
                         RAP_OK);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_int_equal(file_read(&text, &size, file, 1000, NULL), RAP_OK);
    assert_string_equal(text, "{\"files\": {}}");
    free(text);
    put(file, "{");
    assert_int_not_equal(calibrate_profile_write(&fit, NULL, file, file, &err), RAP_OK);
    assert_non_null(strstr(err.text, "profile.json"));
}

static void vectors_come_back(void **state)
{
    enum { COUNT = 5, DIM = 4 };
    float data[COUNT * DIM];
    calibrate_vectors v = {
        .count = COUNT, .dim = DIM, .data = data, .maker = "enc inner 0.080 x3"
    };
    calibrate_vectors back;
    const calibrate_models models = { 0 };

    for (int i = 0; i < COUNT * DIM; i++)
        data[i] = (float)sin(i + 1) / 2;
    assert_int_equal(calibrate_vectors_save(&v, other, NULL), RAP_OK);
    assert_int_equal(calibrate_vectors_open(&back, other, &models, NULL), RAP_OK);
    assert_int_equal(back.count, COUNT);
    assert_int_equal(back.dim, DIM);
    assert_string_equal(back.maker, v.maker);
    for (int i = 0; i < COUNT; i++) {
        double length = 0, dot = 0, full = 0;

        for (int k = 0; k < DIM; k++) {
            double a = (double)back.data[i * DIM + k], b = (double)data[i * DIM + k];

            length += a * a;
            full += b * b;
            dot += a * b;
        }
        assert_float_equal(length, 1, 1e-5);
        assert_true(dot / sqrt(full) > 0.99999);
    }
    calibrate_vectors_release(&back);
}

/* A file with this architecture, name and shape, all zeros. */
static void put_gguf(const char *kind, const char *name, int dims, int maker)
{
    const int64_t ne[4] = { 4, 2, 1, 1 };
    float zeros[8] = { 0 };
    gguf_writer *w = gguf_writer_new(kind);

    if (maker)
        gguf_put_string(w, "rap-vectors.maker", "someone", 7);
    gguf_put_tensor(w, name, GGUF_F32, dims, ne, zeros);
    assert_int_equal(gguf_writer_save(w, other, NULL), RAP_OK);
    gguf_writer_free(w);
}

static void other_files_are_no_vectors(void **state)
{
    const calibrate_models models = { 0 };
    calibrate_vectors v;
    rap_err err = { 0 };

    assert_int_not_equal(calibrate_vectors_open(&v, "/nowhere/x.gguf", &models, &err), RAP_OK);
    assert_non_null(strstr(err.text, "/nowhere/x.gguf"));
    put(other, "no GGUF at all");
    assert_int_not_equal(calibrate_vectors_open(&v, other, &models, &err), RAP_OK);
    put_gguf("clip", "vectors", 2, 1);
    assert_int_equal(calibrate_vectors_open(&v, other, &models, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "not a file of vectors"));
    put_gguf("rap-vectors", "others", 2, 1);
    assert_int_equal(calibrate_vectors_open(&v, other, &models, NULL), RAP_E_FORMAT);
    put_gguf("rap-vectors", "vectors", 1, 1);
    assert_int_equal(calibrate_vectors_open(&v, other, &models, NULL), RAP_E_FORMAT);
    put_gguf("rap-vectors", "vectors", 2, 0);
    assert_int_equal(calibrate_vectors_open(&v, other, &models, NULL), RAP_E_FORMAT);
    put_gguf("rap-vectors", "vectors", 2, 1);
    assert_int_equal(calibrate_vectors_open(&v, other, &models, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "vector 0 has no direction"));
    assert_int_not_equal(calibrate_vectors_open(&v, folder, &models, &err), RAP_OK);
    assert_non_null(strstr(err.text, "holds no pictures"));
}

static void a_verify_threshold_comes_in_only_if_it_was_found(void **state)
{
    const calibrate_fit fit = { .crops = 1, .threshold = 1 };
    const calibrate_verified found = { .threshold = 0 }; /* not the default */
    profile *p = NULL;

    put(file, "{\"files\": {\"encoder\": {\"path\": \"e.gguf\"}},"
              " \"retrieval\": {\"verify\": true, \"verify_threshold\": 0.25}}");
    assert_int_equal(calibrate_profile_write(&fit, NULL, file, file, NULL), RAP_OK);
    assert_int_equal(profile_open(&p, folder, NULL), RAP_OK);
    assert_true(p->verify && p->verify_threshold == 0.25f);
    profile_close(p);
    assert_int_equal(calibrate_profile_write(&fit, &found, file, file, NULL), RAP_OK);
    assert_int_equal(profile_open(&p, folder, NULL), RAP_OK);
    assert_true(p->verify && p->verify_threshold == 0);
    profile_close(p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(settings_come_back_and_the_rest_stays),
        TEST(what_stays_keeps_its_digits),
        TEST(a_profile_without_settings_gets_some),
        TEST(what_cannot_be_written_leaves_the_profile),
        TEST(a_verify_threshold_comes_in_only_if_it_was_found),
        TEST(vectors_come_back),
        TEST(other_files_are_no_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
