/* nn_layer.h: describes a convolution or linear layer for all implementations that can run it. */
#ifndef RAP_NN_NN_LAYER_H
#define RAP_NN_NN_LAYER_H

#include "nn/nn_kernels.h"

typedef enum nn_type { NN_TYPE_F32, NN_TYPE_BF16, NN_TYPE_I32 } nn_type;

/* out = act(conv(src) + bias) + (sum ? previous contents of out : 0) */
typedef struct nn_layer_spec {
    const nn_kernels *kernels; /* the kernels that run it, unless oneDNN does, and that determine the packing */
    bool linear;               /* n rows of c values; the picture fields are unused */
    bool bias, sum, in_out;    /* in_out: linear weights are stored as [c, o] */
    nn_act act;
    nn_type operands, result; /* of src and weights; of out. bias is f32 */
    int64_t n, h, w, c;       /* src [n, h, w, c] */
    int64_t o, oh, ow;        /* out [n, oh, ow, o] */
    int64_t kh, kw, stride, groups;
    int64_t pad, pad_above, pad_below; /* zeros on each side; only oneDNN supports different values above and below */
} nn_layer_spec;

/* One run by our own kernels: dst = act(src · packed + bias) + residual; bias and residual may be NULL,
 * residual may be dst. */
typedef struct nn_layer {
    const nn_layer_spec *s;
    const void *packed;
    const float *bias, *src, *residual;
    float *dst;
} nn_layer;

#endif
