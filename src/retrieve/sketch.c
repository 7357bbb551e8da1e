/* sketch.c: sketches (sketch.h): packing, then the basis, by orthogonal iteration on the sample's products. */
#include "retrieve/sketch.h"

#include "base/mem.h"
#include "base/vector.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 12     /* of the iteration: more gain nothing */
#define SLOP 1e-5     /* tolerance of orthonormality, generously */
#define WORTH_DIM 160 /* shorter rows are read as fast as their sketches */

_Static_assert(sizeof(sketch_line) == SKETCH_BYTES, "a cache line");
_Static_assert(SKETCH_DIMS % 4 == 0, "search_project");

enum { ALL_DIMS = SKETCH_LINES * SKETCH_DIMS };

int sketch_useful(int dim)
{
    return dim >= WORTH_DIM && dim % 4 == 0; /* search_project */
}

/* ---- packing ---- */

/* The squared length outside the plane of the lines so far, after adding one more line. */
static double leave_out(double outside, const float *at)
{
    for (int i = 0; i < SKETCH_DIMS; i++)
        outside -= (double)at[i] * at[i];
    return outside;
}

/* An upper bound of the error of a projection in f32 over `lines` lines of coordinates: each coordinate is off by at
 * most dim · 2^-24, in any order of summation. */
static double lost(int dim, int lines)
{
    return 1.01 * dim * 0x1p-24 * sqrt(lines * SKETCH_DIMS);
}

/* Never too small: the square of a length up to 1 has at most twice the length's error. */
static float rest_of(double outside, int dim, int lines)
{
    return (float)sqrt(fmax(0, outside + 2 * SLOP + 2.1 * lost(dim, lines)));
}

static void pack_line(sketch_line *out, const float *at)
{
    float most = 0;

    for (int i = 0; i < SKETCH_DIMS; i++)
        most = fmaxf(most, fabsf(at[i]));
    out->scale = most / INT8_MAX;
    for (int i = 0; i < SKETCH_DIMS; i++)
        out->code[i] = (int8_t)(most > 1e-20f ? lrintf(at[i] / out->scale) : 0);
}

void sketch_pack(sketch_line *const out[SKETCH_LINES], const float *basis, const float *unit,
                 int dim)
{
    float at[ALL_DIMS];
    double outside = 1;

    search_kernel_get(0)->project(at, basis, ALL_DIMS, unit, dim);
    for (int i = 0; i < SKETCH_LINES; i++) {
        outside = leave_out(outside, at + i * SKETCH_DIMS);
        pack_line(out[i], at + i * SKETCH_DIMS);
        out[i]->rest = rest_of(outside, dim, i + 1);
    }
}

/* With s_x, s_q the parts in the plane, c_x, c_q their codes:  s_x · s_q = c_x · c_q + (s_q − c_q) · c_x +
 * s_q · (s_x − c_x). The error of a coordinate of x is at most half a step. */
void sketch_pack_query(sketch_group *out, int number, const float *basis, const float *unit,
                       int dim)
{
    float at[ALL_DIMS];
    double outside = 1;

    search_kernel_get(0)->project(at, basis, ALL_DIMS, unit, dim);
    for (int i = 0; i < SKETCH_LINES; i++) {
        double before = outside;
        search_bound bound;

        outside = leave_out(outside, at + i * SKETCH_DIMS);
        search_pack_query(&bound, out->code_of[i][number], at + i * SKETCH_DIMS, SKETCH_DIMS);
        out->line[i].dot[number] = bound.scale;
        out->line[i].code[number] = (float)(sqrt((before - outside) * SKETCH_DIMS) * 0.501);
        out->line[i].rest[number] = rest_of(outside, dim, i + 1);
        out->line[i].slack[number] = bound.slack * 1.05f + (float)(4 * SLOP + 2.1 * lost(dim, 1));
    }
}

void sketch_no_query(sketch_group *out, int number)
{
    for (int i = 0; i < SKETCH_LINES; i++)
        out->line[i].slack[number] = -INFINITY;
}

/* ---- the basis ---- */

/* product [dim, dim] += the outer products of four vectors, so that it is read a quarter as often. */
static void add_products(float *product, float *const unit[4], int dim)
{
    for (int i = 0; i < dim; i++) {
        float *row = product + (size_t)i * (size_t)dim;
        float a = unit[0][i], b = unit[1][i], c = unit[2][i], d = unit[3][i];

#pragma omp simd
        for (int j = 0; j < dim; j++)
            row[j] += a * unit[0][j] + b * unit[1][j] + c * unit[2][j] + d * unit[3][j];
    }
}

static int products_of(float *product, const float *sample, size_t count, int dim)
{
    float *room = mem_array(4 * (size_t)dim, sizeof *room), *unit[4];

    if (!room)
        return 0;
    for (int i = 0; i < 4; i++)
        unit[i] = room + i * dim;
    for (size_t at = 0; at + 4 <= count; at += 4) {
        for (size_t i = 0; i < 4; i++)
            vector_normalise(unit[i], sample + (at + i) * (size_t)dim, dim);
        add_products(product, unit, dim);
    }
    for (int d = 0; d < dim; d++) /* a sample of lower rank has a basis too */
        product[(size_t)d * (size_t)dim + (size_t)d] += 1e-6f * (float)count;
    free(room);
    return 1;
}

typedef struct products {
    const float *matrix; /* [dim, dim] */
    int dim;
} products;

/* One step of the iteration: the rows turn towards the principal directions. */
static void turn(float *out, const float *basis, void *payload)
{
    const products *p = payload;

    for (int i = 0; i < ALL_DIMS; i++)
        search_kernel_get(0)->project(out + i * p->dim, p->matrix, p->dim, basis + i * p->dim,
                                      p->dim);
}

int sketch_basis_make(float *basis, const float *sample, size_t count, int dim)
{
    size_t square = 0, floats = (size_t)ALL_DIMS * (size_t)(dim < 0 ? 0 : dim);
    float *product = NULL, *next = NULL;
    int fine = count >= SKETCH_SAMPLE && sketch_useful(dim) &&
               mem_mul(&square, (size_t)dim, (size_t)dim) &&
               (product = mem_array(square, sizeof *product)) &&
               (next = mem_array(floats, sizeof *next)) && products_of(product, sample, count, dim);

    products p = { product, dim };
    fine = fine &&
           vector_principal_axes(basis, next, ALL_DIMS, dim, ROUNDS, 0, turn, &p) == ALL_DIMS &&
           sketch_basis_is_whole(basis, dim);
    if (!fine)
        memset(basis, 0, floats * sizeof *basis);
    free(product);
    free(next);
    return fine;
}

int sketch_basis_is_whole(const float *basis, int dim)
{
    double off = 0;

    for (int i = 0; i < ALL_DIMS; i++)
        for (int j = 0; j <= i; j++) {
            double lost =
                vector_dot(basis + (ptrdiff_t)i * dim, basis + (ptrdiff_t)j * dim, dim) - (i == j);

            off += (i == j ? 1 : 2) * lost * lost;
        }
    return off <= SLOP * SLOP;
}
