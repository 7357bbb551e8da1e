/* nn_product.h: f32 products of plain matrices on the linear layer kernels, without a graph.
 *
 * The second factor is packed once and used for many products. Summation order does not depend on the number
 * of threads. */
#ifndef RAP_NN_NN_PRODUCT_H
#define RAP_NN_NN_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How b is stored. */
typedef enum nn_matrix_layout {
    NN_ROWS,   /* b [n, k], so that out = a · bᵀ */
    NN_COLUMNS /* b [k, n], so that out = a · b  */
} nn_matrix_layout;

size_t nn_product_floats(int64_t n, int64_t k); /* size of a packed b */

/* b has row stride `ldb`. packed is aligned to 64 bytes. */
void nn_product_pack(float *packed, const float *b, int64_t ldb, nn_matrix_layout layout, int64_t n, int64_t k, int threads);

/* A strip of b's rows, packed by itself: NN_ROWS: those of one panel, NN_COLUMNS: a few. */
typedef struct nn_strip {
    int64_t first, rows;
} nn_strip;
enum { NN_STRIP_ROWS = 48 }; /* at most */
int64_t nn_product_strips(nn_matrix_layout layout, int64_t n, int64_t k);
nn_strip nn_product_strip(nn_matrix_layout layout, int64_t n, int64_t k, int64_t i);
/* `strip` is b's row `first` of strip i. On the caller's thread. */
void nn_product_pack_strip(float *packed, const float *strip, int64_t ldb, nn_matrix_layout layout, int64_t n,
                           int64_t k, int64_t i);

/* out [m, n] = a [m, k] · b, or += with `add`. */
void nn_product(float *out, const float *a, const float *packed, int64_t m, int64_t n, int64_t k, bool add,
                int threads);

/* out [m, n] = scale · a · b on the caller's thread; out and a have row strides ldo and lda. */
typedef struct nn_small_product {
    float *out;
    const float *a, *packed;
    int64_t ldo, lda, m, n, k;
    int64_t columns, depth; /* of n and k, how many are used; 0: all. Columns in whole panels */
    float scale;
    bool add;
} nn_small_product;
void nn_product_here(const nn_small_product *p);

#endif
