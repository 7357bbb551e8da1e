/* nn_internal.h: the in-memory graph, shared by the files of this folder.
 *
 * Reading order: nn_context.c (weights), nn_cache.c (cached weights), nn_build.c and nn_build_more.c (the
 * calls of nn.h become nodes), nn_plan.c (types, lifetimes, one arena), nn_compile.c (kernels and packed
 * weights), nn_run.c (running), nn_profile.c (timing), then the steps themselves: nn_steps.c, nn_moves.c,
 * nn_attention.c, with the row functions of nn_rows.c, on the threads of nn_pool.c. Linear layers run in
 * nn_linear.c, convolutions in nn_conv.c or nn_winograd.c, 8-bit linear layers in nn_bytes.c, all built on
 * nn_panel.c and the inner loops of nn_kernels.h. Everything else runs in oneDNN (nn_slices.c, and
 * nn_dnnl.c, the only file that calls it). */
#ifndef RAP_NN_NN_INTERNAL_H
#define RAP_NN_NN_INTERNAL_H

#include "nn/nn.h"
#include "nn/nn_slices.h"

#define NN_MAX_INPUTS 16
#define NN_MAX_ELEMENTS INT32_MAX      /* per tensor: the kernels use 32-bit indices */
#define NN_MAX_ARENA ((size_t)4 << 30) /* more than any published model needs at once */

/* ---- context ------------------------------------------------------------------------------ */

/* What runs a convolution or linear layer, and so how its weights are packed. */
typedef enum nn_method {
    NN_METHOD_PLAIN, /* f32 in the file's order, for all other steps */
    NN_METHOD_DNNL,
    NN_METHOD_PANELS,
    NN_METHOD_CONV,
    NN_METHOD_WINOGRAD,
    NN_METHOD_BYTES
} nn_method;

typedef struct nn_cache nn_cache; /* nn_cache.h */

/* A weight packed for a kernel, once for all graphs. */
typedef struct nn_packed {
    const gguf_tensor *tensor;
    nn_method method;
    nn_layout *layout; /* with NN_METHOD_DNNL, otherwise NULL */
    bool in_out, rounded;
    bool mapped;  /* owned by the cache */
    size_t bytes;
    uint64_t layout_id; /* with NN_METHOD_DNNL: names the layout; 0: it cannot be told */
    void *data;
    struct nn_packed *next;
} nn_packed;

struct nn {
    const gguf_file *weights;
    nn_backend *backend;
    nn_packed *packed;
    struct nn_cache *cache; /* NULL: no caching */
    bool fresh;             /* something was packed that is not in the cache */
    char sum[65];           /* SHA-256 of the weights' file, "" until requested */
    int threads;
    nn_precision precision;
    bool emulate; /* bf16 numbers without bf16 instructions */
};

/* Finds a tensor, or reports it missing. */
rap_status nn_find_weight(const nn *n, const char *name, const gguf_tensor **out, rap_err *err);
nn_shape nn_tensor_shape(const gguf_tensor *t);
int64_t nn_elements(nn_shape s);
bool nn_same_shape(nn_shape a, nn_shape b);
/* Writes the shape as "[1, 2, 3]". */
void nn_shape_text(char text[96], nn_shape s);

/* The weight as f32 in the file's order (borrowed until nn_close). */
rap_status nn_plain(nn *n, const gguf_tensor *t, float **out, rap_err *err);
/* The weight packed for kernel k (borrowed until nn_close). */
rap_status nn_pack(nn *n, const gguf_tensor *t, const nn_primitive *k, bool in_out, bool rounded,
                   void **out, rap_err *err);
/* The weight packed for one of our own methods (borrowed until nn_close). */
rap_status nn_pack_own(nn *n, const gguf_tensor *t, nn_method method, const nn_layer_spec *spec,
                       bool rounded, void **out, rap_err *err);

/* Caches newly packed weights for the next start, if there is a cache. */
void nn_keep_packed(nn *n);

/* ---- graph -------------------------------------------------------------------------------- */

typedef enum nn_kind {
    NN_CONV,
    NN_LINEAR,
    NN_UNFOLD,
    NN_LAYER_NORM,
    NN_ATTENTION,
    NN_ADD,
    NN_MUL,
    NN_ACTIVATE,
    NN_SOFTMAX,
    NN_CONCAT,
    NN_SLICE,
    NN_TRANSPOSE,
    NN_REPEAT,
    NN_MEAN,
    NN_EMBEDDING,
    NN_GATHER,
    NN_UPSAMPLE,
    NN_MAX_POOL,
    NN_CUSTOM,
    NN_KIND_COUNT
} nn_kind;

typedef enum nn_role { NN_STEP, NN_INPUT, NN_WEIGHT } nn_role;

struct nn_tensor {
    nn_shape shape;
    nn_type type;
    nn_role role;
    nn_tensor *root;    /* itself, or the tensor whose memory it shares (reshape) */
    struct nn_node *by; /* of a root: the step that computes it; NULL for inputs, weights and reshaped tensors */
    nn_tensor *next;    /* all tensors of the graph */
    void *data;      /* of a root: weights after building, steps after planning, inputs per run */
    int first, last; /* of a root: the steps between which it is alive */
    int index;       /* of an input: its index in nn_graph_run */
    int buffer;      /* of a root: see nn_plan.c */
    bool is_output;  /* of a root */
};

typedef struct nn_node {
    nn_kind kind;
    nn_tensor *in[NN_MAX_INPUTS];
    nn_tensor *out;
    nn_tensor *residual; /* also the last of in[] */
    int inputs;
    int stride, pad, groups, size, factor, axis, heads;
    int order[4];
    int64_t start;
    float eps;
    bool causal, in_out;
    nn_act act;
    const gguf_tensor *weight, *bias;
    nn_custom_fn *fn;
    void *payload;
    /* set by compiling */
    nn_slices *slices;          /* of a layer that oneDNN runs */
    nn_method method;                 /* of a convolution or linear layer */
    nn_layer_spec spec;        /* … */
    void *packed;               /* weights for one of our own kernels */
    float *w, *b;               /* plain affine part or table */
    nn_type operands, result;   /* types the step computes on and returns */
    bool rounds;                /* emulated bf16: x is rounded first */
    void *stage[NN_MAX_INPUTS]; /* converted inputs; NULL: used directly */
    void *stage_out;            /* the result before conversion; NULL: written in place */
    void *scratch;              /* private to the step */
    size_t scratch_bytes;
    double ms;
    struct nn_node *next;
} nn_node;

typedef struct nn_text {
    struct nn_text *next;
    char text[];
} nn_text;

struct nn_graph {
    nn *n;
    nn_tensor *tensors;
    nn_node *nodes, *last_node;
    nn_node **list; /* [node_count], after compiling */
    nn_text *names;
    nn_tensor **inputs, **outputs; /* [input_count], [output_count] */
    int input_count, output_count, node_count;
    rap_err error;
    bool compiled, profile;
    int runs;
    void *arena;
    size_t arena_bytes, scratch_bytes;
};

static inline size_t nn_type_size(nn_type t)
{
    return t == NN_TYPE_BF16 ? 2 : 4;
}

/* Does the step only move elements, regardless of type? */
bool nn_moves_only(nn_kind kind);

/* ---- building (nn_build.c) ---------------------------------------------------------------- */

nn_tensor *nn_tensor_new(nn_graph *g, nn_role role, nn_shape shape);
/* A node with its inputs and result; NULL if one of them is NULL (an error was recorded). */
nn_node *nn_node_new(nn_graph *g, nn_kind kind, nn_tensor *const *in, int inputs, nn_shape out);
/* The weight, after checking its shape; otherwise NULL, with an error recorded. */
const gguf_tensor *nn_expect(nn_graph *g, const char *name, nn_shape shape);
void nn_keep(nn_graph *g, const rap_err *err);
/* Records that the inputs do not match at `what` and returns NULL. */
nn_tensor *nn_misfit(nn_graph *g, const char *what);
/* Floating-point values, not ids? */
bool nn_is_number(const nn_tensor *t);

/* ---- planning (nn_plan.c) ----------------------------------------------------------------- */

void nn_plan_types(nn_graph *g);
/* Assigns memory to every step; the types must be known. */
rap_status nn_plan_memory(nn_graph *g, rap_err *err);
/* Must input i be converted before the step, or its result after it? */
bool nn_stages_input(const nn_node *nd, int i);
bool nn_stages_output(const nn_node *nd);

/* ---- running ------------------------------------------------------------------------------ */

typedef struct nn_io {
    const void *in[NN_MAX_INPUTS]; /* in the type the step computes on */
    void *out;
    int threads;
} nn_io;

/* Piece i of a step; pieces run on all threads unless the whole step (`work` elements) is small. */
typedef void nn_piece_fn(const nn_node *nd, const nn_io *io, int64_t i, int lane);
void nn_pieces(const nn_node *nd, const nn_io *io, int64_t count, int64_t work, nn_piece_fn *fn);

typedef rap_status nn_step_fn(const nn_node *nd, const nn_io *io, rap_err *err);
nn_step_fn nn_run_unfold, nn_run_layer_norm, nn_run_attention, nn_run_add, nn_run_mul,
    nn_run_activate, nn_run_softmax, nn_run_concat, nn_run_slice, nn_run_transpose, nn_run_repeat,
    nn_run_mean, nn_run_embedding, nn_run_gather, nn_run_upsample, nn_run_max_pool;
double nn_operations(const nn_node *nd);
const char *nn_kind_name(nn_kind kind);
size_t nn_attention_scratch(const nn_node *nd, int threads);

/* ---- rows (nn_rows.c) --------------------------------------------------------------------- */

void nn_row_softmax(float *x, int64_t n, float scale); /* in place, of scale · x */
/* x [n] = e^(scale (x - max)); returns their sum: softmax before the division. */
float nn_row_soften(float *x, int64_t n, float scale);
/* x [n] = e^(scale (x - top)); returns their sum. */
float nn_row_weights(float *x, int64_t n, float top, float scale);
/* out = (x − mean) / √(variance + eps) · w + b, all [n]; w NULL: 1, b NULL: 0. */
void nn_row_norm(float *out, const float *x, const float *w, const float *b, int64_t n, float eps);
void nn_row_act(float *out, const float *x, int64_t n, nn_act act);
void nn_bf16_from_f32(uint16_t *out, const float *x, int64_t n); /* nearest, ties to even */
/* x ≈ scale (out − zero), zero 0..255. */
void nn_row_to_bytes(uint8_t *out, const float *x, int64_t n, float *scale, int32_t *zero);
void nn_f32_from_bf16(float *out, const uint16_t *x, int64_t n);

#endif
