/* nn_case.h: shared by the tests in this folder: the reference file and comparisons with it. */
#ifndef RAP_TESTS_NN_CASE_H
#define RAP_TESTS_NN_CASE_H

#include "formats/gguf_file.h"
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct reference {
    gguf_file *file;
    nn *n;
} reference;

static inline void must(rap_status status, const rap_err *err)
{
    if (status != RAP_OK)
        fail_msg("%s", err->text);
}

static inline reference reference_open(nn_precision p)
{
    reference r = { 0 };
    rap_err err = { 0 };
    char path[1024];
    const char *tests = getenv("RAP_TESTS");
    snprintf(path, sizeof path, "%s/nn/reference.gguf", tests ? tests : "tests");
    must(gguf_file_open(&r.file, path, &err), &err);
    must(nn_open(&r.n, r.file, 2, p, &err), &err);
    return r;
}

static inline void reference_close(reference *r)
{
    nn_close(r->n);
    gguf_file_close(r->file);
}

/* A reference tensor as f32; free(). */
static inline float *values(const reference *r, const char *name, nn_shape *shape)
{
    float *data = NULL;
    rap_err err = { 0 };
    int64_t count = 1;
    must(nn_weight_shape(r->n, name, shape, &err), &err);
    for (int i = 0; i < shape->dims; i++)
        count *= shape->d[i];
    must(nn_weight_read(r->n, name, count, &data, &err), &err);
    return data;
}

/* Largest difference divided by the largest magnitude. */
static inline double difference(const float *a, const float *b, int64_t count)
{
    double worst = 0, top = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - b[i]);
        worst = d > worst || isnan(d) ? d : worst;
        top = fabs((double)b[i]) > top ? fabs((double)b[i]) : top;
    }
    return worst / top;
}

static inline double cosine(const float *a, const float *b, int64_t count)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < count; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

#endif
