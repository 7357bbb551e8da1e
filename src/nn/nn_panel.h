/* nn_panel.h: products with panels up to three vectors of columns wide; layers and attention are built on
 * these.
 *
 * A matrix [depth, columns] is packed as consecutive panels, each [depth, width]: three vectors wide, the
 * last one or two narrower. The last panel is padded with zero columns. */
#ifndef RAP_NN_NN_PANEL_H
#define RAP_NN_NN_PANEL_H

#include "nn/nn_layer.h"

typedef struct nn_panel {
    int64_t first;   /* first column; the panel begins at first · depth floats */
    int64_t width;   /* 1, 2 or 3 vectors */
    int64_t columns; /* columns in use; the rest is padding */
} nn_panel;

int64_t nn_panel_count(const nn_kernels *k, int64_t columns);
nn_panel nn_panel_at(const nn_kernels *k, int64_t columns, int64_t i);

/* Columns including padding: all panels together hold depth · this many floats. */
int64_t nn_panel_columns(const nn_kernels *k, int64_t columns);

/* out [rows, width] = a [rows, depth] · panel [depth, width], on the caller's thread, in pieces of the depth
 * that stay in L2 while all rows use them. out and a have row strides `ldo` and `lda`. */
void nn_panel_multiply(const nn_kernels *k, float *out, int64_t ldo, const float *a, int64_t lda,
                       int64_t rows, const float *panel, int64_t width, int64_t depth);

/* out [rows, width] += the sum s over these rows (at most NN_MAX_CHUNK), in tiles. Prefetches as many floats
 * from s->ahead as s->weights has. */
void nn_panel_add(const nn_kernels *k, float *out, int64_t ldo, int64_t rows, int64_t width, nn_sum s);

/* Applies the last step of layer l to rows first … of panel p, whose sums are acc [rows, p.width]; modifies
 * acc. */
void nn_panel_finish(const nn_layer *l, nn_panel p, int64_t first, int64_t rows, float *acc);

/* Start of the i-th piece of the depth: a multiple of 8; `depth` after the last one. */
int64_t nn_panel_piece(int64_t depth, int64_t i);

#endif
