/* vector.c: arithmetic on vectors of f32, overlap of boxes, principal axes. */
#include "base/vector.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

double vector_dot(const float *a, const float *b, int dim)
{
    double sum = 0;
    for (int i = 0; i < dim; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

double vector_square_distance(const float *a, const float *b, int dim)
{
    double sum = 0;
    for (int i = 0; i < dim; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

double vector_unit_scale(const float *x, int dim)
{
    double square = vector_dot(x, x, dim);
    return square > 0 && isfinite(square) ? 1 / sqrt(square) : 0;
}

bool vector_normalise(float *out, const float *in, int dim)
{
    double scale = vector_unit_scale(in, dim);
    for (int i = 0; i < dim; i++)
        out[i] = scale > 0 ? (float)(in[i] * scale) : 0;
    return scale > 0;
}

float box_iou(rap_box a, rap_box b)
{
    float w = fminf(a.x + a.w, b.x + b.w) - fmaxf(a.x, b.x);
    float h = fminf(a.y + a.h, b.y + b.h) - fmaxf(a.y, b.y);
    if (!(w > 0 && h > 0))
        return 0;
    float both = w * h, all = a.w * a.h + b.w * b.h - both;
    return all > 0 ? both / all : 0;
}

/* ---- principal axes ----------------------------------------------------------------------- */

#define NO_DIRECTION \
    1e-12 /* the remaining length of an axis that lies in the span of those before it */

/* x without its part along unit vector `axis`. */
static void take_away(float *x, const float *axis, int dim)
{
    double along = vector_dot(x, axis, dim);
    for (int i = 0; i < dim; i++)
        x[i] = (float)(x[i] - along * axis[i]);
}

/* Gram–Schmidt, twice for each axis, because of rounding. Returns the number of axes with a direction. */
static int orthonormalise(float *axes, int count, int dim)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        float *x = axes + (ptrdiff_t)i * dim;
        bool fine = vector_normalise(x, x, dim);
        for (int pass = 0; fine && pass < 2; pass++) {
            for (int k = 0; k < i; k++)
                take_away(x, axes + (ptrdiff_t)k * dim, dim);
            fine =
                vector_dot(x, x, dim) > NO_DIRECTION * NO_DIRECTION && vector_normalise(x, x, dim);
        }
        if (!fine)
            memset(x, 0, (size_t)dim * sizeof *x);
        found += fine;
    }
    return found;
}

/* A fixed pseudo-random start. */
static void start_anywhere(float *axes, ptrdiff_t count)
{
    uint64_t state = 88172645463325252u;
    for (ptrdiff_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        axes[i] = (float)(state >> 40) / (1 << 23) - 1;
    }
}

/* The variance along all axes: next = axes · matrix. */
static double variance_along(const float *axes, const float *next, int count, int dim)
{
    double sum = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        sum += vector_dot(axes + i * dim, next + i * dim, dim);
    return sum;
}

int vector_principal_axes(float *axes, float *next, int count, int dim, int rounds, double enough,
                          vector_times_fn *times, void *payload)
{
    ptrdiff_t all = (ptrdiff_t)count * dim;
    start_anywhere(axes, all);
    int found = orthonormalise(axes, count, dim);
    times(next, axes, payload);
    double before = 0, variance = variance_along(axes, next, count, dim);
    for (int i = 0; i < rounds && variance > (1 + enough) * before; i++) {
        memcpy(axes, next, (size_t)all * sizeof *axes);
        found = orthonormalise(axes, count, dim);
        times(next, axes, payload);
        before = variance;
        variance = variance_along(axes, next, count, dim);
    }
    return found;
}
