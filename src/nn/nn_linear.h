/* nn_linear.h: f32 linear layers, and 1 × 1 convolutions with stride 1, which are equivalent. */
#ifndef RAP_NN_NN_LINEAR_H
#define RAP_NN_NN_LINEAR_H

#include "nn/nn_layer.h"

bool nn_linear_suits(const nn_layer_spec *s);

/* Size of the packed weights in bytes; packing from the plain layout that nn_primitive_pack() takes. */
size_t nn_linear_bytes(const nn_layer_spec *s);
void nn_linear_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads);

void nn_linear_run(const nn_layer *l, int threads);

#endif
