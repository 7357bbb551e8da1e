/* nn_panel.h: products with a panel of up to 24 columns in f32 (AVX2, FMA): what linear layers and attention are made of.
 *
 * A matrix [depth, columns] is packed as panels, one after the other, each [depth, width]: 24 columns wide, the last
 * one or two 16 or 8; columns that fill up the last one are zeros. */
#ifndef RAP_NN_NN_PANEL_H
#define RAP_NN_NN_PANEL_H

#include <stdbool.h>
#include <stdint.h>

#define NN_PANEL 24 /* the widest */

typedef struct nn_panel {
    int64_t first;   /* column; the panel begins at first · depth numbers */
    int64_t width;   /* 8, 16 or 24 */
    int64_t columns; /* of these as many are real */
} nn_panel;

int64_t nn_panel_count(int64_t columns);
nn_panel nn_panel_at(int64_t columns, int64_t i);

/* Columns with those that fill up: depth · this many numbers hold all panels. */
int64_t nn_panel_columns(int64_t columns);

/* out [rows, width] = (fresh ? 0 : out) + a [rows, depth] · panel [depth, width], on the caller's thread. Rows of out
 * lie `ldo` apart, those of a `lda`. For depth · width numbers from `ahead` on, any address, the cache is told that they will be
 * needed. Only where nn_tiles_available(). */
void nn_panel_add(float *out, int64_t ldo, const float *a, int64_t lda, int64_t rows,
                  const float *panel, int64_t width, int64_t depth, bool fresh, const float *ahead);

/* out = a · panel for any depth, in pieces that stay in the second cache while all rows pass. */
void nn_panel_multiply(float *out, int64_t ldo, const float *a, int64_t lda, int64_t rows,
                       const float *panel, int64_t width, int64_t depth);

/* Where the i-th of these pieces begins: a multiple of 8; behind the last one it is the depth. */
int64_t nn_panel_piece(int64_t depth, int64_t i);

#endif
