/* nn_bytes.h: linear layers in 8 bits: weights are signed bytes with a scale for each output, the rows of the input
 * become unsigned bytes as they come, each with a scale and a zero of its own. Sums are exact. */
#ifndef RAP_NN_NN_BYTES_H
#define RAP_NN_NN_BYTES_H

#include "nn/nn_layer.h"

/* Is it a linear layer large enough that its rows are worth turning into bytes? */
bool nn_bytes_suit(const nn_layer_spec *s);

/* Bytes of packed weights, and packing them from plain ones as nn_primitive_pack() takes them. */
size_t nn_bytes_packed(const nn_layer_spec *s);
void nn_bytes_pack(const nn_layer_spec *s, const float *plain, void *packed, int threads);

/* Bytes of the scratch that a run needs. */
size_t nn_bytes_scratch(const nn_layer_spec *s);

void nn_bytes_run(const nn_layer *l, void *scratch, int threads);

#endif
