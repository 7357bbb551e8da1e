/* nn_slices.h: runs a oneDNN layer in slices on the shared thread pool: rows of a linear layer, pictures or
 * lines of a convolution. */
#ifndef RAP_NN_NN_SLICES_H
#define RAP_NN_NN_SLICES_H

#include "nn/nn_dnnl.h"

typedef struct nn_slices nn_slices;

rap_status nn_slices_new(nn_slices **out, nn_backend *b, const nn_layer_spec *spec, int threads, rap_err *err);
void nn_slices_free(nn_slices *s); /* NULL-safe */

/* One of the slices: all use the same packed weights. */
const nn_primitive *nn_slices_first(const nn_slices *s);
/* Sets packed weights and bias (NULL: none) for all later runs; borrowed. */
rap_status nn_slices_bind(nn_slices *s, void *packed, void *bias, rap_err *err);

size_t nn_slices_scratch(const nn_slices *s, int threads); /* bytes per run */
rap_status nn_slices_run(nn_slices *s, const void *src, void *dst, void *scratch, int threads, rap_err *err);

#endif
