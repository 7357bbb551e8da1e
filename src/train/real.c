/* real.c: products in the number of real.h: f32 by the kernels of src/nn, f64 by plain loops. */
#include "train/real.h"

#include "nn/nn_half.h"
#include "nn/nn_kernels.h"

#include <math.h>

#ifndef RAP_TRAIN_DOUBLE

size_t factor_reals(int64_t n, int64_t k)
{
    return (nn_product_floats(n, k) + 15) & ~(size_t)15;
}

size_t factor_half_reals(int64_t n, int64_t k)
{
    return (nn_half_count(n, k) / 2 + 15) & ~(size_t)15;
}

bool half_is_there(void)
{
    return nn_half_is_there();
}

int64_t factor_strips(nn_matrix_layout layout, int64_t n, int64_t k)
{
    return nn_product_strips(layout, n, k);
}

nn_strip factor_strip(nn_matrix_layout layout, int64_t n, int64_t k, int64_t i)
{
    return nn_product_strip(layout, n, k, i);
}

void factor_pack_strip(const factor *f, const real *rows, int64_t ldb, nn_matrix_layout layout,
                       int64_t i)
{
    if (f->half)
        nn_half_pack_strip((uint16_t *)f->packed, rows, ldb, layout, f->n, f->k, i);
    else
        nn_product_pack_strip(f->packed, rows, ldb, layout, f->n, f->k, i);
}

void product(real *out, const real *a, const factor *b, int64_t m, bool add, int threads)
{
    nn_product(out, a, b->packed, m, b->n, b->k, add, threads);
}

void product_half(real *out, const real *a, const factor *b, int64_t m, bool add, real *rounded,
                  int threads)
{
    nn_half_round((uint16_t *)rounded, a, m, b->k, threads);
    nn_half_product(out, (uint16_t *)rounded, (uint16_t *)b->packed, m, b->n, b->k, add, threads);
}

void product_here(real *out, int64_t ldo, const real *a, int64_t lda, const factor *b, extent p,
                  int64_t m, real scale, bool add)
{
    nn_product_here(&(nn_small_product){ .out = out,
                                         .a = a,
                                         .packed = b->packed,
                                         .ldo = ldo,
                                         .lda = lda,
                                         .m = m,
                                         .n = b->n,
                                         .k = b->k,
                                         .columns = p.columns,
                                         .depth = p.depth,
                                         .scale = scale,
                                         .add = add });
}

void row_drop(real *out, const real *x, int64_t n, uint32_t key, uint32_t least, real keep,
              bool add)
{
    nn_kernels_used()->drop(out, x, n, key, least, keep, add);
}

real row_weights(real *x, int64_t n, real top, real scale)
{
    return nn_kernels_used()->weights(x, n, top, scale);
}

void row_sigmoid(real *out, const real *x, int64_t n)
{
    nn_kernels_used()->act(out, x, n, NN_SIGMOID);
}

#else

size_t factor_reals(int64_t n, int64_t k)
{
    return (size_t)(n * k);
}

size_t factor_half_reals(int64_t n, int64_t k)
{
    return 0;
}

bool half_is_there(void)
{
    return false;
}

int64_t factor_strips(nn_matrix_layout layout, int64_t n, int64_t k)
{
    return layout == NN_ROWS ? n : k;
}

nn_strip factor_strip(nn_matrix_layout layout, int64_t n, int64_t k, int64_t i)
{
    return (nn_strip){ i, 1 };
}

void factor_pack_strip(const factor *f, const real *rows, int64_t ldb, nn_matrix_layout layout,
                       int64_t i)
{
    int64_t count = layout == NN_ROWS ? f->k : f->n;
    for (int64_t c = 0; c < count; c++)
        f->packed[layout == NN_ROWS ? i * f->k + c : c * f->k + i] = rows[c];
}

void product_here(real *out, int64_t ldo, const real *a, int64_t lda, const factor *b, extent p,
                  int64_t m, real scale, bool add)
{
    for (int64_t r = 0; r < m; r++)
        for (int64_t j = 0; j < p.columns; j++) {
            real sum = 0;
            for (int64_t i = 0; i < p.depth; i++)
                sum += a[r * lda + i] * b->packed[j * b->k + i];
            out[r * ldo + j] = (add ? out[r * ldo + j] : 0) + scale * sum;
        }
}

void product(real *out, const real *a, const factor *b, int64_t m, bool add, int threads)
{
    product_here(out, b->n, a, b->k, b, (extent){ b->n, b->k }, m, 1, add);
}

void product_half(real *out, const real *a, const factor *b, int64_t m, bool add, real *rounded,
                  int threads)
{
}

void row_drop(real *out, const real *x, int64_t n, uint32_t key, uint32_t least, real keep,
              bool add)
{
    for (int64_t i = 0; i < n; i++) {
        real value = nn_drawn(key, (uint32_t)i) >= least ? x[i] * keep : 0;
        out[i] = add ? out[i] + value : value;
    }
}

real row_weights(real *x, int64_t n, real top, real scale)
{
    real sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] = exp(scale * (x[i] - top));
    return sum;
}

void row_sigmoid(real *out, const real *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = 1 / (1 + exp(-x[i]));
}

#endif

typedef struct packing {
    factor f;
    const real *b;
    int64_t ldb;
    nn_matrix_layout layout;
} packing;

static void pack_strip(void *payload, int64_t i, int lane)
{
    const packing *p = payload;
    nn_strip s = factor_strip(p->layout, p->f.n, p->f.k, i);
    factor_pack_strip(&p->f, p->b + s.first * p->ldb, p->ldb, p->layout, i);
}

void factor_pack(factor *out, real *memory, bool half, const real *b, int64_t ldb,
                 nn_matrix_layout layout, int64_t n, int64_t k, int threads)
{
    packing p = { { memory, n, k, half }, b, ldb, layout };
    *out = p.f;
    nn_each(n * k < 16384 ? 1 : threads, factor_strips(layout, n, k), pack_strip, &p);
}

enum { SIDE = 32 };

void transpose_here(real *out, const real *in, int64_t ldi, int64_t m, int64_t n)
{
    for (int64_t i0 = 0; i0 < m; i0 += SIDE)
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = i0; i < i0 + SIDE && i < m; i++)
                out[j * m + i] = in[i * ldi + j];
}

typedef struct turning {
    real *out;
    const real *in;
    int64_t m, n;
} turning;

/* A strip of columns of `in`. */
static void turn_strip(void *payload, int64_t strip, int lane)
{
    const turning *t = payload;
    int64_t j = strip * SIDE, columns = t->n - j < SIDE ? t->n - j : SIDE;
    transpose_here(t->out + j * t->m, t->in + j, t->n, t->m, columns);
}

void transpose(real *out, const real *in, int64_t m, int64_t n, int threads)
{
    turning t = { out, in, m, n };
    nn_each(m * n < 16384 ? 1 : threads, (n + SIDE - 1) / SIDE, turn_strip, &t);
}

typedef struct adding {
    real *x;
    const real *row;
    int64_t n;
} adding;

static void add_one_row(void *payload, int64_t i, int lane)
{
    const adding *a = payload;
    for (int64_t k = 0; k < a->n; k++)
        a->x[i * a->n + k] += a->row[k];
}

void add_to_rows(real *x, const real *row, int64_t m, int64_t n, int threads)
{
    nn_each(threads, m, add_one_row, &(adding){ x, row, n });
}
