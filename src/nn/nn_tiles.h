/* nn_tiles.h: f32 convolutions for processors with AVX2 and FMA but without AVX-512, where oneDNN reaches half of the
 * arithmetic peak. */
#ifndef RAP_NN_NN_TILES_H
#define RAP_NN_NN_TILES_H

#include "nn/nn_dnnl.h"

/* Does this processor suit, and this layer? */
bool nn_tiles_available(void);
bool nn_tiles_suit(const nn_kernel_spec *s);

/* Bytes of packed weights, and packing them from plain ones as nn_kernel_pack() takes them. */
size_t nn_tiles_bytes(const nn_kernel_spec *s);
void nn_tiles_pack(const nn_kernel_spec *s, const float *plain, float *packed, int threads);

/* dst = act(conv(src) + bias) + residual; bias and residual may be NULL, residual may be dst. */
void nn_tiles_run(const nn_kernel_spec *s, const float *packed, const float *bias, const float *src,
                  const float *residual, float *dst, int threads);

/* out [rows, 16] = a [rows, depth], whose rows lie `lda` apart, · panel [depth, 16]: one piece of a product on the
 * caller's thread. */
void nn_tiles_panel(float *out, const float *a, int64_t lda, int64_t rows, const float *panel,
                    int64_t depth);

/* The end of a layer for rows of `columns` of its result: dst = act(acc + bias) + residual. acc [rows, width], at most
 * NN_PANEL wide, of which `columns` count; rows of dst and residual lie `o` apart. On every processor. */
void nn_tiles_finish(float *acc, int64_t rows, int64_t width, int64_t columns, const float *bias,
                     nn_act act, const float *residual, float *dst, int64_t o);

#endif
