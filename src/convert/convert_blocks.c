/* convert_blocks.c: transformer blocks of all kinds, under their published names and ours.
 *
 * What differs between the published models is settled here, so that one network runs them all: q, k and
 * v become one projection, a missing bias becomes zeros, layer scale goes into the layer before it, a
 * packed gated MLP into its two halves. */
#include "base/mem.h"
#include "convert/convert_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const block_names convert_hf_block = {
    .ln1 = "layer_norm1",
    .ln2 = "layer_norm2",
    .q = "self_attn.q_proj",
    .k = "self_attn.k_proj",
    .v = "self_attn.v_proj",
    .out = "self_attn.out_proj",
    .up = "mlp.fc1",
    .down = "mlp.fc2",
};

enum { MAX_LAYERS = 256 };

/* The block being converted: its names begin with these. */
typedef struct block {
    conversion *c;
    const block_names *names;
    char from[128], to[32];
    int64_t width, hidden; /* D, and of the MLP */
    bool qkv_bias, scaled, gated;
} block;

const char *convert_name(char out[256], const char *start, const char *middle, const char *end)
{
    snprintf(out, 256, "%s%s%s", start, middle, end);
    return out;
}

static void pair(block *b, const char *from, const char *to, convert_shape weight)
{
    char x[256], y[256];
    convert_pair(b->c, convert_name(x, b->from, from, ""), convert_name(y, b->to, to, ""), weight);
}

static void zeros(block *b, const char *to, int64_t count)
{
    char y[256];
    float *values = mem_array((size_t)count, sizeof *values);
    if (!values && b->c->status == RAP_OK)
        b->c->status = err_memory(b->c->err, "converting");
    if (values)
        convert_floats(b->c, convert_name(y, b->to, to, ""), (convert_shape){ 1, { count } },
                       values);
    free(values);
}

static void joined(block *b, const char *from, const char *to, convert_shape shape)
{
    convert_joined(b->c, b->from, from, b->to, to, shape);
}

/* q, k and v one after the other. */
static void stack(block *b, const char *end, const char *to, convert_shape one)
{
    const char *const parts[] = { b->names->q, b->names->k, b->names->v };
    char name[3][256], y[256];
    for (int i = 0; i < 3; i++)
        convert_name(name[i], b->from, parts[i], end);
    convert_stacked(b->c, (const char *const[]){ name[0], name[1], name[2] }, 3,
                    convert_name(y, b->to, to, ""), one);
}

static void projections(block *b)
{
    int64_t d = b->width;
    if (b->names->q)
        stack(b, ".weight", "attn_qkv.weight", (convert_shape){ 2, { d, d } });
    else
        joined(b, b->names->qkv_weight, "attn_qkv.weight", (convert_shape){ 2, { 3 * d, d } });
    if (!b->qkv_bias)
        zeros(b, "attn_qkv.bias", 3 * d);
    else if (b->names->q)
        stack(b, ".bias", "attn_qkv.bias", (convert_shape){ 1, { d } });
    else
        joined(b, b->names->qkv_bias, "attn_qkv.bias", (convert_shape){ 1, { 3 * d } });
}

/* A tensor with each row times its scale. */
static void scaled(block *b, const char *from, const char *to, const char *end, convert_shape shape,
                   const float *scale)
{
    char x[256], y[256];
    int64_t columns = shape.dims == 2 ? shape.d[1] : 1;
    float *values = convert_read(b->c, convert_name(x, b->from, from, end), shape);
    for (int64_t i = 0; values && i < shape.d[0] * columns; i++)
        values[i] *= scale[i / columns];
    if (values)
        convert_floats(b->c, convert_name(y, b->to, to, end), shape, values);
    free(values);
}

/* The layer that ends a residual branch: `scale`, where the model has one, is folded into it. */
static void branch_end(block *b, const char *from, const char *to, const char *scale,
                       convert_shape weight)
{
    char x[256];
    if (!b->scaled) {
        pair(b, from, to, weight);
        return;
    }
    float *factor = convert_read(b->c, convert_name(x, b->from, scale, ""),
                                 (convert_shape){ 1, { weight.d[0] } });
    if (factor) {
        scaled(b, from, to, ".weight", weight, factor);
        scaled(b, from, to, ".bias", (convert_shape){ 1, { weight.d[0] } }, factor);
    }
    free(factor);
}

/* [2 · rows, columns] → its first and its last rows. */
static void halves(block *b, const char *from, const char *end, int64_t rows, int64_t columns)
{
    static const char *const to[] = { "ffn_gate", "ffn_up" };
    char x[256], y[256];
    convert_shape both = { columns > 1 ? 2 : 1, { 2 * rows, columns } };
    convert_shape one = { both.dims, { rows, columns } };
    float *values = convert_read(b->c, convert_name(x, b->from, from, end), both);
    for (int i = 0; values && i < 2; i++)
        convert_floats(b->c, convert_name(y, b->to, to[i], end), one, values + i * rows * columns);
    free(values);
}

static void mlp(block *b)
{
    const block_names *n = b->names;
    int64_t d = b->width, h = b->hidden;
    const char *down = b->gated ? n->down_gated : n->down;
    if (b->gated) {
        halves(b, n->gate_and_up, ".weight", h, d);
        halves(b, n->gate_and_up, ".bias", h, 1);
    } else {
        pair(b, n->up, "ffn_up", (convert_shape){ 2, { h, d } });
    }
    branch_end(b, down, "ffn_down", n->scale2, (convert_shape){ 2, { d, h } });
}

static void whole(block *b)
{
    int64_t d = b->width;
    pair(b, b->names->ln1, "ln1", (convert_shape){ 1, { d } });
    projections(b);
    branch_end(b, b->names->out, "attn_out", b->names->scale1, (convert_shape){ 2, { d, d } });
    pair(b, b->names->ln2, "ln2", (convert_shape){ 1, { d } });
    mlp(b);
}

/* What block 0 has decides for all: a later block without it is a damaged checkpoint. */
static void measure(block *b)
{
    const block_names *n = b->names;
    char x[256];
    const char *bias =
        n->q ? convert_name(x, b->from, n->q, ".bias") : convert_name(x, b->from, n->qkv_bias, "");
    b->qkv_bias = !n->bias_optional || convert_has(b->c, bias);
    b->scaled = n->scale1 && convert_has(b->c, convert_name(x, b->from, n->scale1, ""));
    b->hidden = convert_size(
        b->c, convert_name(x, b->from, b->gated ? n->down_gated : n->down, ".weight"), 0);
}

int convert_blocks(conversion *c, const char *from, const char *to, const block_names *names,
                   int64_t width, int64_t *out_hidden)
{
    int count = 0;
    char probe[256];
    block b = { .c = c, .names = names, .width = width, .gated = convert_gated(c, from, names) };
    for (; c->status == RAP_OK && count < MAX_LAYERS; count++) {
        snprintf(b.from, sizeof b.from, "%s%d.", from, count);
        snprintf(b.to, sizeof b.to, "%s%d.", to, count);
        if (!convert_has(c, convert_name(probe, b.from, names->ln2, ".weight")))
            break;
        if (count == 0)
            measure(&b);
        whole(&b);
    }
    if (count == 0)
        convert_fail(c, RAP_E_FORMAT, "has no transformer blocks ('%s0.…')", from);
    *out_hidden = b.hidden;
    return count;
}

bool convert_gated(const conversion *c, const char *from, const block_names *n)
{
    char x[256];
    if (!n->gate_and_up)
        return false;
    snprintf(x, sizeof x, "%s0.%s.weight", from, n->gate_and_up);
    int64_t both = convert_size(c, x, 1);
    snprintf(x, sizeof x, "%s0.%s.weight", from, n->down_gated);
    int64_t hidden = convert_size(c, x, 0);
    return hidden > 0 && both == 2 * hidden;
}

void convert_put_sizes(conversion *c, const char *keys, const block_sizes *s)
{
    char key[96];
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = { { "embedding_length", s->width },
                    { "feed_forward_length", s->hidden },
                    { "block_count", s->layers },
                    { "attention.head_count", s->heads } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(key, sizeof key, "%s.%s", keys, numbers[i].name);
        gguf_put_int(c->out, key, (uint32_t)numbers[i].value);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_epsilon", keys);
    gguf_put_float(c->out, key, s->eps);
    snprintf(key, sizeof key, "%s.activation", keys);
    gguf_put_string(c->out, key, s->activation, strlen(s->activation));
    if (s->gated) {
        snprintf(key, sizeof key, "%s.feed_forward_gated", keys);
        gguf_put_bool(c->out, key, true);
    }
}
