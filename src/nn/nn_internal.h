/* nn_internal.h: how a graph lies in memory, shared by the files of this folder.
 *
 * Reading order: nn_context.c (weights), nn_cache.c (where they are kept), nn_build.c and nn_build_more.c (the calls of nn.h become
 * nodes), nn_plan.c (types, lifetimes, one arena), nn_compile.c (kernels and packed weights),
 * nn_run.c (running), nn_profile.c (times), then the steps themselves: nn_steps.c, nn_moves.c, nn_attention.c,
 * with the row functions of nn_rows.c, on the threads of nn_pool.c. Linear layers run in nn_linear.c, convolutions in nn_conv.c
 * or nn_winograd.c, linear layers in 8 bits in nn_bytes.c, all of them on nn_panel.c and the inner loops of nn_kernels.h; where
 * those do not suit they run in oneDNN (nn_slices.c, and nn_dnnl.c, the only file that knows it). */
#ifndef RAP_NN_NN_INTERNAL_H
#define RAP_NN_NN_INTERNAL_H

#include "nn/nn.h"
#include "nn/nn_slices.h"

#define NN_MAX_INPUTS 16
#define NN_MAX_ELEMENTS INT32_MAX      /* of one tensor: the kernels index with 32 bits */
#define NN_MAX_ARENA ((size_t)4 << 30) /* more than any published model needs at once */

/* ---- context ------------------------------------------------------------------------------ */

/* What runs a convolution or linear layer, and so how its weights are packed. */
typedef enum nn_method {
    NN_METHOD_PLAIN, /* f32 in the order of the file, for all other steps */
    NN_METHOD_DNNL,
    NN_METHOD_PANELS,
    NN_METHOD_CONV,
    NN_METHOD_WINOGRAD,
    NN_METHOD_BYTES
} nn_method;

typedef struct nn_cache nn_cache; /* nn_cache.h */

/* A weight in the form a kernel wants, made once and lent to every graph. */
typedef struct nn_packed {
    const gguf_tensor *tensor;
    nn_method method;
    nn_layout *layout; /* with NN_METHOD_DNNL, else NULL */
    bool in_out, rounded;
    bool mapped;  /* the cache's */
    size_t bytes; /* of one of our own ways */
    void *data;
    struct nn_packed *next;
} nn_packed;

struct nn {
    const gguf_file *weights;
    nn_backend *backend;
    nn_packed *packed;
    struct nn_cache *cache; /* NULL: packed weights are not kept */
    bool fresh;             /* something was packed that the cache lacks */
    char sum[65];           /* SHA-256 of the weights' file, "" before it was asked for */
    int threads;
    nn_precision precision;
    bool emulate; /* bf16 numbers without bf16 instructions */
};

/* Finds a tensor or says which is missing. */
rap_status nn_find_weight(const nn *n, const char *name, const gguf_tensor **out, rap_err *err);
nn_shape nn_tensor_shape(const gguf_tensor *t);
int64_t nn_elements(nn_shape s);
bool nn_same_shape(nn_shape a, nn_shape b);
/* "[1, 2, 3]" into text. */
void nn_shape_text(char text[96], nn_shape s);

/* The weight as f32 as the file orders it (borrowed until nn_close). */
rap_status nn_plain(nn *n, const gguf_tensor *t, float **out, rap_err *err);
/* The weight as kernel k wants it (borrowed until nn_close). */
rap_status nn_pack(nn *n, const gguf_tensor *t, const nn_primitive *k, bool in_out, bool rounded,
                   void **out, rap_err *err);
/* The weight as one of our own ways wants it (borrowed until nn_close). */
rap_status nn_pack_own(nn *n, const gguf_tensor *t, nn_method method, const nn_layer_spec *spec,
                       bool rounded, void **out, rap_err *err);

/* Keeps what was packed since for the next start, where that is wanted. */
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
    nn_tensor *root;    /* itself, or whose memory it shares (reshape) */
    struct nn_node *by; /* of a root: the step that makes it; NULL for inputs, weights and what was reshaped */
    nn_tensor *next;    /* all tensors of the graph */
    void *data;      /* of a root: weights after building, steps after planning, inputs per run */
    int first, last; /* of a root: the steps between which it is alive */
    int index;       /* of an input: its place in nn_graph_run */
    int buffer;      /* of a root: see nn_plan.c */
    bool is_output;  /* of a root */
};

typedef struct nn_node {
    nn_kind kind;
    nn_tensor *in[NN_MAX_INPUTS];
    nn_tensor *out;
    nn_tensor *residual; /* also among in[], the last one */
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
    /* made by compiling */
    nn_slices *slices;          /* of a layer that oneDNN runs */
    nn_method method;                 /* of a convolution or linear layer */
    nn_layer_spec spec;        /* … */
    void *packed;               /* weights of a layer that runs in our own way */
    float *w, *b;               /* plain affine part or table */
    nn_type operands, result;   /* what the step computes on */
    bool rounds;                /* emulated bf16: x is rounded on its way in */
    void *stage[NN_MAX_INPUTS]; /* converted inputs; NULL: used as they are */
    void *stage_out;            /* the result before it is converted; NULL: written in place */
    void *scratch;              /* the step's own */
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
    rap_err mistake;
    bool compiled, profile;
    int runs;
    void *arena;
    size_t arena_bytes, scratch_bytes;
};

static inline size_t nn_type_size(nn_type t)
{
    return t == NN_TYPE_BF16 ? 2 : 4;
}

/* Does the step only move elements, whatever their type? */
bool nn_moves_only(nn_kind kind);

/* ---- building (nn_build.c) ---------------------------------------------------------------- */

nn_tensor *nn_tensor_new(nn_graph *g, nn_role role, nn_shape shape);
/* A node with its inputs and result; NULL when one of them is NULL (a mistake was kept). */
nn_node *nn_node_new(nn_graph *g, nn_kind kind, nn_tensor *const *in, int inputs, nn_shape out);
/* The weight after checking that it has this shape; NULL and a kept mistake otherwise. */
const gguf_tensor *nn_expect(nn_graph *g, const char *name, nn_shape shape);
void nn_keep(nn_graph *g, const rap_err *err);
/* The kept mistake of inputs that cannot serve at `what`; NULL. */
nn_tensor *nn_misfit(nn_graph *g, const char *what);
/* Numbers, not ids? */
bool nn_is_number(const nn_tensor *t);

/* ---- planning (nn_plan.c) ----------------------------------------------------------------- */

void nn_plan_types(nn_graph *g);
/* Needs the types and what each step computes on; gives every step its memory. */
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

/* Piece i of a step; the pieces run on all threads unless the whole step, `work` numbers, is small. */
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
/* x [n] = e^(scale (x - its largest)); gives their sum: softmax without its division. */
float nn_row_soften(float *x, int64_t n, float scale);
/* x [n] = e^(scale (x - top)); gives their sum. */
float nn_row_weights(float *x, int64_t n, float top, float scale);
/* out = (x − mean) / √(variance + eps) · w + b, all [n]; w NULL: 1, b NULL: 0. */
void nn_row_norm(float *out, const float *x, const float *w, const float *b, int64_t n, float eps);
void nn_row_act(float *out, const float *x, int64_t n, nn_act act);
void nn_bf16_from_f32(uint16_t *out, const float *x, int64_t n); /* nearest, ties to even */
/* x ≈ scale (out − zero), zero 0..255. */
void nn_row_to_bytes(uint8_t *out, const float *x, int64_t n, float *scale, int32_t *zero);
void nn_f32_from_bf16(float *out, const uint16_t *x, int64_t n);

#endif
