/* nn_panel.h: products with panels of up to three vectors of columns: what layers and attention are made of.
 *
 * A matrix [depth, columns] is packed as panels, one after the other, each [depth, width]: three vectors wide, the last one or
 * two narrower; columns that fill up the last one are zeros. */
#ifndef RAP_NN_NN_PANEL_H
#define RAP_NN_NN_PANEL_H

#include "nn/nn_layer.h"

typedef struct nn_panel {
    int64_t first;   /* column; the panel begins at first · depth numbers */
    int64_t width;   /* 1, 2 or 3 vectors */
    int64_t columns; /* of these as many are real */
} nn_panel;

int64_t nn_panel_count(const nn_kernels *k, int64_t columns);
nn_panel nn_panel_at(const nn_kernels *k, int64_t columns, int64_t i);

/* Columns with those that fill up: depth · this many numbers hold all panels. */
int64_t nn_panel_columns(const nn_kernels *k, int64_t columns);

/* out [rows, width] = a [rows, depth] · panel [depth, width], on the caller's thread, in pieces of the depth that stay in
 * the second cache while all rows pass. Rows of out lie `ldo` apart, those of a `lda`. */
void nn_panel_multiply(const nn_kernels *k, float *out, int64_t ldo, const float *a, int64_t lda,
                       int64_t rows, const float *panel, int64_t width, int64_t depth);

/* out [rows, width] += the sum s of these rows, at most NN_MAX_CHUNK, in tiles. For as many numbers from s->ahead on as
 * s->weights has, they are prefetched into the cache. */
void nn_panel_add(const nn_kernels *k, float *out, int64_t ldo, int64_t rows, int64_t width, nn_sum s);

/* The end of layer l for rows first … of panel p, whose sums are acc [rows, p.width], which it
 * changes. */
void nn_panel_finish(const nn_layer *l, nn_panel p, int64_t first, int64_t rows, float *acc);

/* Where the i-th piece of the depth begins: a multiple of 8; behind the last one it is the depth. */
int64_t nn_panel_piece(int64_t depth, int64_t i);

#endif
