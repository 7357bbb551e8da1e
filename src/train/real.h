/* real.h: the number that training computes with: f32; f64 where tests compare gradients with finite differences, by
 * the same source. And the few products that everything is made of. */
#ifndef RAP_TRAIN_REAL_H
#define RAP_TRAIN_REAL_H

#include "nn/nn_product.h"

#ifdef RAP_TRAIN_DOUBLE
typedef double real;
#else
typedef float real;
#endif

/* The second factor of products, packed: NN_ROWS: out = a · bᵀ, NN_COLUMNS: out = a · b. */
typedef struct factor {
    real *packed; /* [factor_reals(n, k)] lent */
    int64_t n, k;
    bool half; /* rounded to bf16: only for product_half() */
} factor;

size_t factor_reals(int64_t n, int64_t k);
size_t factor_half_reals(int64_t n, int64_t k); /* the same of a factor in bf16 */
bool half_is_there(void);                       /* can this processor multiply bf16 */

/* Strip i of b's rows in packed form, by itself, on the caller's thread; `rows` is b's row strip.first, rows ldb apart. */
int64_t factor_strips(nn_matrix_layout layout, int64_t n, int64_t k);
nn_strip factor_strip(nn_matrix_layout layout, int64_t n, int64_t k, int64_t i);
void factor_pack_strip(const factor *f, const real *rows, int64_t ldb, nn_matrix_layout layout, int64_t i);

/* b [n, k] or [k, n], rows `ldb` apart. */
void factor_pack(factor *out, real *memory, bool half, const real *b, int64_t ldb, nn_matrix_layout layout,
                 int64_t n, int64_t k, int threads);

/* out [m, n] = a [m, k] · b, or += with `add`. */
void product(real *out, const real *a, const factor *b, int64_t m, bool add, int threads);

/* The same with b in bf16, a rounded on the way; rounded [factor_half_reals(m, k)] is lent. */
void product_half(real *out, const real *a, const factor *b, int64_t m, bool add, real *rounded, int threads);

/* out [m, n] = scale · a · b on the caller's thread, rows ldo and lda apart. */
typedef struct extent {
    int64_t columns, depth; /* of out and of the sum: how many count; what lies behind may be written or not */
} extent;
void product_here(real *out, int64_t ldo, const real *a, int64_t lda, const factor *b, extent p, int64_t m, real scale,
                  bool add);

/* out [n, m] = in [m, n], rows of in `ldi` apart, on the caller's thread. */
void transpose_here(real *out, const real *in, int64_t ldi, int64_t m, int64_t n);
void transpose(real *out, const real *in, int64_t m, int64_t n, int threads);

/* Adds row [n] to every row of x [m, n]. */
void add_to_rows(real *x, const real *row, int64_t m, int64_t n, int threads);

/* x [n] = e^(scale (x − top)); gives their sum. */
real row_weights(real *x, int64_t n, real top, real scale);
/* out [n] = or += x · keep where a number drawn from `key` and the place is `least` or more, else 0. */
void row_drop(real *out, const real *x, int64_t n, uint32_t key, uint32_t least, real keep, bool add);
/* out [n] = 1 / (1 + e^−x) */
void row_sigmoid(real *out, const real *x, int64_t n);

#endif
