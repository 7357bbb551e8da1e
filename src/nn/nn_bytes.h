/* nn_bytes.h: linear layers in 8 bits: weights are signed bytes with a scale for each output, the rows of the input
 * become unsigned bytes as they come, each with a scale and a zero of its own. Sums are exact. */
#ifndef RAP_NN_NN_BYTES_H
#define RAP_NN_NN_BYTES_H

#include "nn/nn_dnnl.h"

/* Is it a linear layer large enough that its rows are worth turning into bytes? */
bool nn_bytes_suit(const nn_kernel_spec *s);

/* Bytes of packed weights, and packing them from plain ones as nn_kernel_pack() takes them. `own`: for our kernel,
 * which needs nn_tiles_available(); else for oneDNN's product. */
size_t nn_bytes_packed(const nn_kernel_spec *s);
void nn_bytes_pack(const nn_kernel_spec *s, const float *plain, void *packed, bool own,
                   int threads);

/* Bytes that nn_bytes_run() needs as `scratch`. */
size_t nn_bytes_scratch(const nn_kernel_spec *s, bool own);

/* dst = act(src · weights + bias) + residual, as nn_tiles_run(). */
rap_status nn_bytes_run(const nn_kernel_spec *s, const void *packed, const float *bias,
                        const float *src, const float *residual, float *dst, void *scratch,
                        bool own, int threads, rap_err *err);

#endif
