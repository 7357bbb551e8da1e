/* nn_dnnl.h: the few things that are asked of oneDNN. Everything that differs between its API 2.6
 * (Debian 12) and 3.x is in nn_dnnl.c, and no other file includes its headers. */
#ifndef RAP_NN_NN_DNNL_H
#define RAP_NN_NN_DNNL_H

#include "nn/nn.h"

typedef enum nn_type { NN_TYPE_F32, NN_TYPE_BF16, NN_TYPE_I32 } nn_type;

typedef struct nn_backend nn_backend; /* engine and stream */
typedef struct nn_layout nn_layout;   /* how packed weights lie in memory */
typedef struct nn_kernel nn_kernel;   /* one convolution or linear layer, compiled for its shape */

rap_status nn_backend_open(nn_backend **out, rap_err *err);
void nn_backend_close(nn_backend *b); /* NULL-safe */
bool nn_backend_has_bf16(void);
bool nn_backend_has_vnni(void); /* four products of bytes into one sum of 32 bits */

/* out = act(conv(src) + bias) + (sum ? what out held before : 0) */
typedef struct nn_kernel_spec {
    bool linear;            /* n rows of c numbers; the picture fields are not used */
    bool bias, sum, in_out; /* in_out: linear weights lie as [c, o] */
    nn_act act;
    nn_type operands, result; /* of src and weights; of out. bias is f32 */
    int64_t n, h, w, c;       /* src [n, h, w, c] */
    int64_t o, oh, ow;        /* out [n, oh, ow, o] */
    int64_t kh, kw, stride, pad, groups;
} nn_kernel_spec;

/* RAP_E_UNSUPPORTED when this CPU or library has no such kernel for these types. */
rap_status nn_kernel_new(nn_kernel **out, nn_backend *b, const nn_kernel_spec *spec, rap_err *err);
void nn_kernel_free(nn_kernel *k); /* NULL-safe */

/* What oneDNN chose, e.g. "jit:avx2"; "ref" within means its slow reference code. */
const char *nn_kernel_implementation(const nn_kernel *k);

size_t nn_kernel_weight_bytes(const nn_kernel *k);
bool nn_kernel_takes(const nn_kernel *k, const nn_layout *layout);
nn_layout *nn_kernel_layout(const nn_kernel *k); /* a copy; NULL: out of memory */
void nn_layout_free(nn_layout *layout);          /* NULL-safe */

/* Packs plain f32 weights ([o, c / groups, kh, kw], [o, c], or [c, o] when in_out). */
rap_status nn_kernel_pack(const nn_kernel *k, const float *plain, void *packed, rap_err *err);
/* Lends packed weights and bias (NULL without one) for all later runs. */
rap_status nn_kernel_bind(nn_kernel *k, void *packed, void *bias, rap_err *err);
rap_status nn_kernel_run(nn_kernel *k, const void *src, void *dst, rap_err *err);

/* out [m, n] = a [m, k] · b [n, k]ᵀ, unsigned by signed bytes, exact where the sum of two products fits in 16 bits or
 * the processor has VNNI. */
rap_status nn_matmul_bytes(int32_t *out, const uint8_t *a, const int8_t *b, int64_t m, int64_t n,
                           int64_t k, rap_err *err);

#endif
