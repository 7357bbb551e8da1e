/* nn_conv.h: f32 convolutions of up to 3 × 3. */
#ifndef RAP_NN_NN_CONV_H
#define RAP_NN_NN_CONV_H

#include "nn/nn_layer.h"

bool nn_conv_suits(const nn_layer_spec *s);

/* Size of the packed weights in bytes; packing from the plain layout that nn_primitive_pack() takes. */
size_t nn_conv_bytes(const nn_layer_spec *s);
void nn_conv_pack(const nn_layer_spec *s, const float *plain, float *packed, int threads);

void nn_conv_run(const nn_layer *l, int threads);

#endif
