/* nn_dnnl.h: the few oneDNN functions we use. Everything that differs between API 2.6 (Debian 12) and 3.x is
 * in nn_dnnl.c, the only file that includes oneDNN's headers.
 *
 * oneDNN runs on the caller's thread only: its own parallelism uses OpenMP, whose threads wait for each
 * other. Work for several threads is split beforehand (nn_slices.h). */
#ifndef RAP_NN_NN_DNNL_H
#define RAP_NN_NN_DNNL_H

#include "nn/nn_layer.h"

typedef struct nn_backend nn_backend; /* oneDNN's engine */
typedef struct nn_layout nn_layout;   /* layout of packed weights */
typedef struct nn_primitive nn_primitive; /* one convolution or linear layer, compiled for its shape */

rap_status nn_backend_open(nn_backend **out, rap_err *err);
void nn_backend_close(nn_backend *b); /* NULL-safe */
bool nn_backend_has_bf16(void);

/* weights: the layout to use; NULL: oneDNN's preferred one. RAP_E_UNSUPPORTED if this CPU or library has no
 * such kernel for these types. */
rap_status nn_primitive_new(nn_primitive **out, nn_backend *b, const nn_layer_spec *spec,
                            const nn_layout *weights, rap_err *err);
void nn_primitive_free(nn_primitive *k); /* NULL-safe */

/* The implementation oneDNN chose, e.g. "jit:avx2"; one that contains "ref" is its slow reference code. */
const char *nn_primitive_implementation(const nn_primitive *k);

size_t nn_primitive_weight_bytes(const nn_primitive *k);
bool nn_primitive_takes(const nn_primitive *k, const nn_layout *layout);
nn_layout *nn_primitive_layout(const nn_primitive *k); /* a copy; NULL: out of memory */
void nn_layout_free(nn_layout *layout);          /* NULL-safe */
/* Names the layout of the weights: equal names are equal arrangements of numbers of one type, whatever build of oneDNN
 * they come from. 0: an arrangement that is oneDNN's secret. */
uint64_t nn_primitive_layout_id(const nn_primitive *k);

/* Packs plain f32 weights ([o, c / groups, kh, kw], [o, c], or [c, o] when in_out). */
rap_status nn_primitive_pack(const nn_primitive *k, const float *plain, void *packed, rap_err *err);
/* Sets packed weights and bias (NULL: none) for all later runs; borrowed. */
rap_status nn_primitive_bind(nn_primitive *k, void *packed, void *bias, rap_err *err);
/* Scratch bytes for one run. A primitive runs on one thread at a time. */
size_t nn_primitive_scratch(const nn_primitive *k);
rap_status nn_primitive_run(nn_primitive *k, const void *src, void *dst, void *scratch, rap_err *err);

#endif
