/* nn_half.h: products of matrices rounded to bf16, with sums in f32, as nn_product.h's are of f32. Only where the processor
 * multiplies bf16 (AVX512-BF16).
 *
 * The order of summation does not depend on the number of threads. Numbers of a [rows, k] in bf16 have rows
 * nn_half_row(k) apart. */
#ifndef RAP_NN_NN_HALF_H
#define RAP_NN_NN_HALF_H

#include "nn/nn_product.h"

bool nn_half_is_there(void);

size_t nn_half_count(int64_t n, int64_t k); /* numbers of a packed b */
int64_t nn_half_row(int64_t k);             /* k rounded up to pairs */

/* The same strips as nn_product_strip(); packed is aligned to 64 bytes. */
void nn_half_pack_strip(uint16_t *packed, const float *strip, int64_t ldb, nn_matrix_layout layout, int64_t n,
                        int64_t k, int64_t i);

/* out [m, k] = a [m, k], rounded to nearest */
void nn_half_round(uint16_t *out, const float *a, int64_t m, int64_t k, int threads);

/* out [m, n] = a [m, k] · b, or += with `add`. */
void nn_half_product(float *out, const uint16_t *a, const uint16_t *packed, int64_t m, int64_t n, int64_t k,
                     bool add, int threads);

/* ---- the inner loops, in nn_half_avx512bf16.c ---- */

enum { NN_HALF_ROWS = 8 }; /* of a tile */

typedef struct nn_half_sum {
    float *acc; /* [rows, width] */
    const uint16_t *a, *panel;
    int64_t lda, rows, width, pairs; /* rows: any; width: 16, 32 or 48 */
    bool fresh;                      /* acc starts at zero */
} nn_half_sum;
void nn_half_add(const nn_half_sum *s);
/* out [rows, columns] = acc [rows, width], or += */
void nn_half_finish(float *out, int64_t ldo, const float *acc, int64_t width, int64_t rows, int64_t columns,
                    bool add);
void nn_half_round_row(uint16_t *out, const float *x, int64_t k);
/* to [⌈k / 2⌉, width, 2] = from [columns, k] */
void nn_half_pack_rows(uint16_t *to, int64_t width, const float *from, int64_t ldb, int64_t columns,
                       int64_t k);
/* to [⌈rows / 2⌉, width, 2] = from [rows, columns] */
void nn_half_pack_columns(uint16_t *to, int64_t width, const float *from, int64_t ldb, int64_t columns,
                          int64_t rows);

#endif
