/* nn_linear.h: f32 linear layers, and convolutions of 1 × 1 with stride 1, which are the same. */
#ifndef RAP_NN_NN_LINEAR_H
#define RAP_NN_NN_LINEAR_H

#include "nn/nn_layer.h"

bool nn_linear_suits(const nn_layer_spec *s);

/* Bytes of packed weights, and packing them from plain ones as nn_primitive_pack() takes them. */
size_t nn_linear_bytes(const nn_layer_spec *s);
void nn_linear_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads);

void nn_linear_run(const nn_layer *l, int threads);

#endif
