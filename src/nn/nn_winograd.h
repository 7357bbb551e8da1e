/* nn_winograd.h: 3 × 3 convolutions in f32 by Winograd's minimal filtering F(4 × 4, 3 × 3): a quarter of the
 * multiplications. */
#ifndef RAP_NN_NN_WINOGRAD_H
#define RAP_NN_NN_WINOGRAD_H

#include "nn/nn_layer.h"

/* Is the layer such a convolution, and large enough to gain? */
bool nn_winograd_suits(const nn_layer_spec *s);

/* Bytes of packed weights, and packing them from plain ones [o, c, 3, 3]. */
size_t nn_winograd_bytes(const nn_layer_spec *s);
void nn_winograd_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads);

/* Bytes of the scratch that a run on so many threads needs. */
size_t nn_winograd_scratch(const nn_layer_spec *s, int threads);

void nn_winograd_run(const nn_layer *l, float *scratch, int threads);

#endif
