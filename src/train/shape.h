/* shape.h: what a decoder's GGUF says of its shape, checked; and which weights a layer has.
 *
 * Decoders: llama (also with grouped heads, biases and scaled rotary frequencies by table), qwen2, qwen3, phi3. What the forward
 * pass here does not know (experts, other scalings of positions, residual scales …) is refused. */
#ifndef RAP_TRAIN_SHAPE_H
#define RAP_TRAIN_SHAPE_H

#include "base/err.h"
#include "formats/gguf_file.h"

typedef enum linear_kind {
    LINEAR_Q,
    LINEAR_K,
    LINEAR_V,
    LINEAR_QKV, /* one weight for the three */
    LINEAR_OUT,
    LINEAR_GATE,
    LINEAR_UP,
    LINEAR_GATE_UP, /* one weight for the two, the gate's rows first */
    LINEAR_DOWN,
    LINEAR_KINDS
} linear_kind;

typedef struct shape {
    char architecture[16];
    int64_t layers, width, inner; /* L, D, F */
    int64_t heads, groups, head;  /* head: numbers of one; queries heads · head, keys groups · head */
    int64_t vocab, context;
    int64_t rope_dims;
    double rope_base, eps, attention_scale;
    bool neox, fused, head_norm, tied; /* tied: the output head is the table of embeddings */
} shape;

rap_status shape_read(shape *out, const gguf_file *g, rap_err *err);

/* Does a layer have such a weight; its shape; "attn_q". */
bool shape_has(const shape *s, linear_kind kind);
void shape_linear(int64_t *out, int64_t *in, const shape *s, linear_kind kind);
const char *linear_name(linear_kind kind);

/* A tensor of layer i, or of the whole with i < 0: "blk.3.attn_q.weight". Checked: ne[0] = in, ne[1] = out (1: a vector).
 * NULL in out when absent and `optional`. */
rap_status shape_tensor(const gguf_tensor **out, const gguf_file *g, int64_t layer, const char *name,
                        int64_t in, int64_t rows, bool optional, rap_err *err);

#endif
