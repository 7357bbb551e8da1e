/* nn_bytes.h: 8-bit linear layers. Weights are signed bytes with a scale per output; input rows are
 * quantised at run time to unsigned bytes, each row with its own scale and zero point. Sums are exact. */
#ifndef RAP_NN_NN_BYTES_H
#define RAP_NN_NN_BYTES_H

#include "nn/nn_layer.h"

/* Is this a linear layer large enough to be worth quantising? */
bool nn_bytes_suit(const nn_layer_spec *s);

/* Size of the packed weights in bytes; packing from the plain layout that nn_primitive_pack() takes. */
size_t nn_bytes_packed(const nn_layer_spec *s);
void nn_bytes_pack(const nn_layer_spec *s, const float *plain, void *packed, int threads);

/* Scratch bytes for one run. */
size_t nn_bytes_scratch(const nn_layer_spec *s);

void nn_bytes_run(const nn_layer *l, void *scratch, int threads);

#endif
