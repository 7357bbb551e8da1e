/* nn_winograd.h: 3 × 3 convolutions by Winograd's minimal filtering F(4 × 4, 3 × 3): a quarter of the
 * multiplications, where nn_tiles.c runs f32 layers. */
#ifndef RAP_NN_NN_WINOGRAD_H
#define RAP_NN_NN_WINOGRAD_H

#include "nn/nn_dnnl.h"

/* Is the layer such a convolution, and large enough to gain? */
bool nn_winograd_suits(const nn_kernel_spec *s);

/* Bytes of packed weights, and packing them from plain ones [o, c, 3, 3]. */
size_t nn_winograd_bytes(const nn_kernel_spec *s);
void nn_winograd_pack(const nn_kernel_spec *s, const float *plain, float *packed, int threads);

/* Bytes of the scratch that a run on so many threads needs. */
size_t nn_winograd_scratch(const nn_kernel_spec *s, int threads);

/* dst = act(conv(src) + bias) + residual, as nn_tiles_run(). */
void nn_winograd_run(const nn_kernel_spec *s, const float *packed, const float *bias,
                     const float *src, const float *residual, float *dst, float *scratch,
                     int threads);

#endif
