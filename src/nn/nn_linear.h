/* nn_linear.h: f32 linear layers, and convolutions of 1 × 1 with stride 1, which are the same, for processors with AVX2 and FMA
 * but without AVX-512. */
#ifndef RAP_NN_NN_LINEAR_H
#define RAP_NN_NN_LINEAR_H

#include "nn/nn_dnnl.h"

/* Do this processor and this layer suit? */
bool nn_linear_suits(const nn_kernel_spec *s);

/* Bytes of packed weights, and packing them from plain ones as nn_kernel_pack() takes them. */
size_t nn_linear_bytes(const nn_kernel_spec *s);
void nn_linear_pack(const nn_kernel_spec *s, const float *plain, float *packed, int threads);

/* dst = act(src · weights + bias) + residual; bias and residual may be NULL, residual may be dst. */
void nn_linear_run(const nn_kernel_spec *s, const float *packed, const float *bias,
                   const float *src, const float *residual, float *dst, int threads);

#endif
