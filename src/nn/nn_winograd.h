/* nn_winograd.h: f32 3 × 3 convolutions with Winograd's minimal filtering F(4 × 4, 3 × 3), which needs a
 * quarter of the multiplications. */
#ifndef RAP_NN_NN_WINOGRAD_H
#define RAP_NN_NN_WINOGRAD_H

#include "nn/nn_layer.h"

/* Is this such a convolution, and large enough to be faster this way? */
bool nn_winograd_suits(const nn_layer_spec *s);

/* Size of the packed weights in bytes; packing from plain weights [o, c, 3, 3]. */
size_t nn_winograd_bytes(const nn_layer_spec *s);
void nn_winograd_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads);

/* Scratch bytes for a run on this many threads. */
size_t nn_winograd_scratch(const nn_layer_spec *s, int threads);

void nn_winograd_run(const nn_layer *l, float *scratch, int threads);

#endif
