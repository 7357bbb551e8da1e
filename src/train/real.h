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
} factor;

size_t factor_reals(int64_t n, int64_t k);
/* b [n, k] or [k, n], rows `ldb` apart. */
void factor_pack(factor *out, real *memory, const real *b, int64_t ldb, nn_matrix_layout layout, int64_t n,
                 int64_t k, int threads);

/* out [m, n] = a [m, k] · b, or += with `add`. */
void product(real *out, const real *a, const factor *b, int64_t m, bool add, int threads);

/* The same on the caller's thread, times `scale`, rows ldo and lda apart. */
void product_here(real *out, int64_t ldo, const real *a, int64_t lda, const factor *b, int64_t m,
                  real scale, bool add);

/* out [n, m] = in [m, n], rows of in `ldi` apart, on the caller's thread. */
void transpose_here(real *out, const real *in, int64_t ldi, int64_t m, int64_t n);
void transpose(real *out, const real *in, int64_t m, int64_t n, int threads);

/* x [n] = e^(scale (x − top)); gives their sum. */
real row_weights(real *x, int64_t n, real top, real scale);
/* out [n] = 1 / (1 + e^−x) */
void row_sigmoid(real *out, const real *x, int64_t n);

#endif
