/* nn.h: neural networks with weights from a GGUF file, independent of any model.
 *
 * A model describes itself once per input shape and then runs many times:
 *
 *     nn *n = NULL;
 *     nn_open(&n, gguf, threads, NN_AUTO, err);              // gguf is borrowed until nn_close
 *     nn_graph *g = NULL;
 *     nn_graph_new(&g, n, err);
 *     nn_tensor *x = nn_input(g, NN_SHAPE(batch, 224, 224, 3));
 *     x = nn_conv(g, x, "v.patch_embd.weight", NULL, (nn_conv_options){ .stride = 32 });
 *     x = nn_reshape(g, x, NN_SHAPE(batch, 49, 768));
 *     for (int i = 0; i < layers; i++) {
 *         const char *w = nn_name(g, "v.blk.%d.ln1.weight", i), *b = nn_name(...);
 *         x = nn_layer_norm(g, x, w, b, 1e-5f);
 *         ...
 *     }
 *     nn_output(g, x);
 *     nn_graph_compile(g, err);                              // reports the first error above
 *     nn_graph_run(g, (const void *[]){ pixels }, (float *[]){ features }, err);
 *
 * Rules:
 *
 * - Shapes are written as in PyTorch, outermost axis first; every tensor is dense and row-major.
 *   Pictures are channels-last, [N, H, W, C], so reshaping [N, H, W, C] to [N, H·W, C] is free.
 * - Weights have their names from the GGUF and PyTorch's shapes (which the GGUF lists reversed):
 *   convolution [out, in / groups, kh, kw], linear [out, in]. A missing tensor, a wrong shape or an
 *   unknown type is RAP_E_FORMAT, with a one-line message that names the file and the tensor.
 * - Builder calls return NULL on error and accept NULL, so model code needs no checks; the graph keeps
 *   the first error for nn_graph_compile(). Tensors belong to their graph.
 * - Compiling plans one arena in which tensors that are never alive together share memory, and packs
 *   weights into the kernels' layout. Packed weights belong to the nn and are shared by its graphs, so a
 *   second graph for another batch size costs only activations. For large files they are cached on disk and
 *   mapped by the next start (nn_cache.h).
 * - With NN_BF16 the operands of convolution and linear layers are bf16 and sums are f32; the residual
 *   stream, layer norm, softmax, and all graph inputs and outputs stay f32.
 * - With NN_INT8 linear layers at least 64 wide multiply 8-bit integers; everything else is f32, including the
 *   layers on patches or directly on an input, layers that produce an output, and weights stored as [in, out].
 * - An nn and its graphs may be used by one thread at a time; internally the work runs on `threads`. */
#ifndef RAP_NN_NN_H
#define RAP_NN_NN_H

#include "base/err.h"
#include "formats/gguf_file.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- the context -------------------------------------------------------------------------- */

/* Same values as `precision` in vision/encoder.h. */
typedef enum nn_precision {
    NN_AUTO, /* bf16 if the CPU has native bf16 multiplication (AVX512-BF16, AMX), otherwise f32 */
    NN_F32,
    NN_BF16, /* emulated where the CPU lacks it, with the same results: slow, for tests */
    NN_INT8  /* 8-bit linear layers, everything else in f32: faster, less exact (nn_bytes.h) */
} nn_precision;

typedef struct nn nn;

/* threads 0: every core this process may use, fewer for a small network. `weights` is borrowed until
 * nn_close(). */
rap_status nn_open(nn **out, const gguf_file *weights, int threads, nn_precision p, rap_err *err);
void nn_close(nn *n);                      /* NULL-safe; free all its graphs first */
nn_precision nn_precision_of(const nn *n); /* never NN_AUTO */
int nn_threads(const nn *n);
bool nn_bf16_is_native(void);
/* Hex SHA-256 of the weights' file as opened; read from the cache of packed weights if there is one. */
void nn_weights_sum(nn *n, char out[65]);

/* ---- shapes and weights ------------------------------------------------------------------- */

typedef struct nn_shape {
    int dims;     /* 1..4 */
    int64_t d[4]; /* outermost first; unused ones are 1 */
} nn_shape;
#define NN_SHAPE_COUNT_(a, b, c, d, n, ...) n
#define NN_SHAPE(...) ((nn_shape){ NN_SHAPE_COUNT_(__VA_ARGS__, 4, 3, 2, 1, 0), { __VA_ARGS__ } })

/* A weight's shape in PyTorch's order, with the file's number of dimensions; RAP_E_FORMAT if the tensor is
 * missing. For models that derive widths and depths from the file. */
rap_status nn_weight_shape(const nn *n, const char *name, nn_shape *out, rap_err *err);
bool nn_has_weight(const nn *n, const char *name);

/* A whole weight as f32, after checking its element count; free(). */
rap_status nn_weight_read(const nn *n, const char *name, int64_t elements, float **out,
                          rap_err *err);

/* ---- building a graph --------------------------------------------------------------------- */

typedef struct nn_graph nn_graph;
typedef struct nn_tensor nn_tensor;

typedef enum nn_act {
    NN_NONE = 0,
    NN_RELU,
    NN_SIGMOID,
    NN_SILU,
    NN_GELU,      /* exact, erf */
    NN_GELU_TANH, /* the tanh form */
    NN_QUICK_GELU /* x · sigmoid(1.702 x) */
} nn_act;

rap_status nn_graph_new(nn_graph **out, nn *n, rap_err *err);
void nn_graph_free(nn_graph *g); /* NULL-safe */

/* A formatted name that lives as long as the graph. NULL (with an error recorded) when out of memory. */
const char *nn_name(nn_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records an error the model itself found; the first error wins. Returns NULL, for `return`. */
nn_tensor *nn_fail(nn_graph *g, rap_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool nn_failed(const nn_graph *g);
/* The first error so far, as nn_graph_compile() would report it, without compiling. */
rap_status nn_graph_check(const nn_graph *g, rap_err *err);

nn_shape nn_shape_of(const nn_tensor *t); /* dims 0 for NULL */

/* Inputs and outputs, in the order nn_graph_run() takes them. */
nn_tensor *nn_input(nn_graph *g, nn_shape shape);     /* f32 */
nn_tensor *nn_input_ids(nn_graph *g, nn_shape shape); /* int32, for embedding and gather */
void nn_output(nn_graph *g, nn_tensor *x);            /* always f32 */

/* A weight as a tensor, e.g. a position table or class token. Only its element count must match `shape`. */
nn_tensor *nn_weight(nn_graph *g, const char *name, nn_shape shape);

typedef struct nn_conv_options {
    int stride;          /* 0 means 1 */
    int pad;             /* zeros on each side */
    int groups;          /* 0 means 1 */
    nn_act act;          /* after the bias */
    nn_tensor *residual; /* NULL, or the shape of the result: added after act */
} nn_conv_options;

/* x [N, H, W, C] → [N, H', W', O]. bias NULL: none. */
nn_tensor *nn_conv(nn_graph *g, nn_tensor *x, const char *weight, const char *bias,
                   nn_conv_options options);

typedef struct nn_linear_options {
    nn_act act;          /* after the bias */
    nn_tensor *residual; /* NULL, or the shape of the result: added after act */
    bool in_out;         /* the weight is stored [in, out] and used as x · W */
} nn_linear_options;

/* x [..., in] → [..., out]. bias NULL: none. */
nn_tensor *nn_linear(nn_graph *g, nn_tensor *x, const char *weight, const char *bias,
                     nn_linear_options options);

/* Over the last axis. weight and bias may be NULL (no affine part). */
nn_tensor *nn_layer_norm(nn_graph *g, nn_tensor *x, const char *weight, const char *bias,
                         float eps);

/* softmax(q kᵀ / √(D / heads)) v for each head. q [N, T, D], k and v [N, S, D] → [N, T, D]. D is the width
 * of all heads together. causal (requires T == S): row t attends to rows 0..t. */
nn_tensor *nn_attention(nn_graph *g, nn_tensor *q, nn_tensor *k, nn_tensor *v, int heads,
                        bool causal);
/* The same with q, k and v in one projection, qkv [N, T, 3 D]. */
nn_tensor *nn_attention_fused(nn_graph *g, nn_tensor *qkv, int heads, bool causal);

/* b has a's shape, or that of a's trailing axes (e.g. [T, D] or [1, T, D] for a [N, T, D]). */
nn_tensor *nn_add(nn_graph *g, nn_tensor *a, nn_tensor *b);
nn_tensor *nn_mul(nn_graph *g, nn_tensor *a, nn_tensor *b);

nn_tensor *nn_activate(nn_graph *g, nn_tensor *x, nn_act act);
nn_tensor *nn_softmax(nn_graph *g, nn_tensor *x); /* over the last axis */

nn_tensor *nn_concat(nn_graph *g, nn_tensor *const *parts, int count, int axis);
nn_tensor *nn_slice(nn_graph *g, nn_tensor *x, int axis, int64_t start, int64_t length);
nn_tensor *nn_reshape(nn_graph *g, nn_tensor *x, nn_shape shape);     /* free: shares memory */
nn_tensor *nn_transpose(nn_graph *g, nn_tensor *x, const int *order); /* order [dims] */
/* [1, ...] → [count, ...], e.g. to give each picture a class token. */
nn_tensor *nn_repeat(nn_graph *g, nn_tensor *x, int64_t count);
nn_tensor *nn_mean(nn_graph *g, nn_tensor *x, int axis); /* drops the axis */

/* ids [N, T] → [N, T, D] rows of a table weight [vocabulary, D]. */
nn_tensor *nn_embedding(nn_graph *g, nn_tensor *ids, const char *table);
/* x [N, T, D], ids [N] → [N, D]: row ids[n] of each sequence (e.g. the end-of-text position). Running it
 * with an id out of range is RAP_E_ARGUMENT. For a fixed row use nn_slice and nn_reshape. */
nn_tensor *nn_gather(nn_graph *g, nn_tensor *x, nn_tensor *ids);

/* x [N, H, W, C]. */
nn_tensor *nn_upsample_nearest(nn_graph *g, nn_tensor *x, int factor);
nn_tensor *nn_max_pool(nn_graph *g, nn_tensor *x, int size, int stride, int pad);

/* A custom step: out and in are dense f32; pass `threads` to nn_each(). If it fails, the run fails. */
typedef rap_status nn_custom_fn(float *out, const float *const *in, int threads, void *payload,
                                rap_err *err);
nn_tensor *nn_custom(nn_graph *g, nn_custom_fn *fn, void *payload, nn_tensor *const *inputs,
                     int count, nn_shape out_shape);

/* ---- running ------------------------------------------------------------------------------ */

rap_status nn_graph_compile(nn_graph *g, rap_err *err);

/* inputs in the order of the nn_input calls (float * or int32_t *), outputs in that of nn_output. */
rap_status nn_graph_run(nn_graph *g, const void *const *inputs, float *const *outputs,
                        rap_err *err);

size_t nn_graph_memory(const nn_graph *g);     /* bytes of activations, after compiling */
double nn_graph_operations(const nn_graph *g); /* multiplications and additions of one run */

/* Writes to `out` (free()) one line per step and per kind of step with its best time since
 * nn_graph_profile(g, true), and the fraction of `peak` GFLOP/s it reached (0: omitted). */
void nn_graph_profile(nn_graph *g, bool on);
rap_status nn_graph_report(const nn_graph *g, double peak, char **out, rap_err *err);
bool nn_graph_was_run(const nn_graph *g); /* since nn_graph_profile() */

/* GFLOP/s of a large f32 matrix product on the context's threads: an upper bound for any layer. */
double nn_matmul_speed(const nn *n);

/* ---- loops and plain matrix products, for custom steps -------------------------------------- */

/* Calls fn for each i in 0 .. count - 1, on up to `threads` threads of the process-wide pool shared by
 * detectors and encoders. `lane` is below `threads` and unique among concurrent calls: use it to index
 * scratch. */
typedef void nn_each_fn(void *payload, int64_t i, int lane);
void nn_each(int threads, int64_t count, nn_each_fn *fn, void *payload);

/* out [m, n] = a [m, k] · b [n, k]ᵀ (b_transposed) or a · b [k, n], f32, with row strides `lda`, `ldb`,
 * `ldo`, on the caller's thread. */
rap_status nn_matmul(float *out, int64_t ldo, const float *a, int64_t lda, const float *b,
                     int64_t ldb, bool b_transposed, int64_t m, int64_t n, int64_t k);

/* Applies an activation to x [n] in place. */
void nn_activate_row(float *x, int64_t n, nn_act act);

/* The folder of cached packed weights, whose files end in ".pack"; free(). NULL: they are not cached. */
char *nn_cache_folder(void);

#endif
