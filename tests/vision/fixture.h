/* fixture.h: what the vision tests share: the fixtures' folder, a checkpoint turned into a GGUF, and
 * comparisons. */
#ifndef RAP_TESTS_VISION_FIXTURE_H
#define RAP_TESTS_VISION_FIXTURE_H

#include "base/file.h"
#include "formats/json.h"
#include "convert/convert.h"
#include "vision/encoder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* $RAP_SHARED/<rest>; free(). Prints a skip and gives NULL when it is not there. */
static inline char *fixture_path(const char *rest)
{
    const char *shared = getenv("RAP_SHARED");
    char *path = path_join(shared ? shared : "../shared", rest);
    if (path && !file_exists(path)) {
        printf("skipped: no %s\n", path);
        free(path);
        return NULL;
    }
    return path;
}

static inline json_t *fixture_json(const char *rest)
{
    char *path = fixture_path(rest);
    json_t *json = path ? json_load_file(path, 0, NULL) : NULL;
    free(path);
    return json;
}

/* Converts a fixture's checkpoint into out; 0 when the fixture is not there. */
static inline int fixture_convert(const char *out, const char *checkpoint, const char *vocab)
{
    rap_err err = { 0 };
    char *in = fixture_path(checkpoint), *merges = vocab ? fixture_path(vocab) : NULL;
    int there = in && (!vocab || merges);
    if (there && convert_file(in, out, &(convert_options){ .vocab = merges }, &err) != RAP_OK)
        fail_msg("%s", err.text);
    free(in);
    free(merges);
    return there;
}

static inline encoder *fixture_encoder(const char *path, precision p)
{
    encoder *e;
    rap_err err = { 0 };
    if (encoder_open(&e, path, 2, p, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return e;
}

static inline image fixture_image(const char *rest)
{
    image im = { 0 };
    rap_err err = { 0 };
    char *path = fixture_path(rest);
    assert_non_null(path);
    if (image_load(&im, path, &err) != RAP_OK)
        fail_msg("%s", err.text);
    free(path);
    return im;
}

static inline void fixture_floats(float *out, int count, const json_t *array)
{
    assert_int_equal(json_array_size(array), count);
    for (int i = 0; i < count; i++)
        out[i] = (float)json_number_value(json_array_get(array, (size_t)i));
}

/* |a − b| / |b| */
static inline double relative_error(const float *a, const float *b, int count)
{
    double difference = 0, size = 0;
    for (int i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(difference / size);
}

static inline double cosine(const float *a, const float *b, int count)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < count; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

#endif
