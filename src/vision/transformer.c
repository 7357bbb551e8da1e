/* transformer.c: the pre-norm transformer blocks shared by all our transformers.
 *
 *     x = x + out(attention(qkv(ln1(x))))
 *     x = x + down(act(up(ln2(x))))                 or down(act(gate(ln2(x))) · up(ln2(x))) */
#include "vision/transformer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_GRID = 64, MAX_LEAD = 64 };

rap_status transformer_int(int64_t *out, const gguf_file *g, const char *keys, const char *key,
                           int64_t low, int64_t high, rap_err *err)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", keys, key);
    rap_status status = gguf_get_int(g, name, out, err);
    if (status == RAP_OK && (*out < low || *out > high))
        return err_set(err, RAP_E_FORMAT, "%s: %s is %" PRId64 ", not %" PRId64 " to %" PRId64,
                       gguf_file_path(g), name, *out, low, high);
    return status;
}

static rap_status read_act(nn_act *out, const gguf_file *g, const char *key, rap_err *err)
{
    static const struct {
        const char *name;
        nn_act act;
    } known[] = { { "gelu", NN_GELU },
                  { "gelu_tanh", NN_GELU_TANH },
                  { "quick_gelu", NN_QUICK_GELU },
                  { "silu", NN_SILU } };
    const char *text;
    size_t len;
    if (!gguf_has(g, key))
        return RAP_OK;
    rap_status status = gguf_get_string(g, key, &text, &len, err);
    if (status != RAP_OK)
        return status;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (len == strlen(known[i].name) && !memcmp(text, known[i].name, len)) {
            *out = known[i].act;
            return RAP_OK;
        }
    return err_set(err, RAP_E_UNSUPPORTED, "%s: %s is not gelu, gelu_tanh, quick_gelu or silu",
                   gguf_file_path(g), key);
}

static rap_status read_mlp(transformer *out, const gguf_file *g, const char *keys, nn_act act,
                           rap_err *err)
{
    char name[96];
    out->act = act;
    snprintf(name, sizeof name, "%s.activation", keys);
    rap_status status = read_act(&out->act, g, name, err);
    snprintf(name, sizeof name, "%s.feed_forward_gated", keys);
    if (status == RAP_OK && gguf_has(g, name))
        status = gguf_get_bool(g, name, &out->gated, err);
    return status;
}

rap_status transformer_read(transformer *out, const gguf_file *g, const char *keys, nn_act act,
                            rap_err *err)
{
    int64_t layers, heads;
    double eps;
    char name[96];
    rap_status status;
    snprintf(name, sizeof name, "%s.attention.layer_norm_epsilon", keys);
    if ((status = transformer_int(&out->width, g, keys, "embedding_length", 1, 16384, err)) ||
        (status = transformer_int(&out->hidden, g, keys, "feed_forward_length", 1, 65536, err)) ||
        (status = transformer_int(&layers, g, keys, "block_count", 1, 256, err)) ||
        (status = transformer_int(&heads, g, keys, "attention.head_count", 1, 256, err)) ||
        (status = gguf_get_float(g, name, &eps, err)) ||
        (status = read_mlp(out, g, keys, act, err)))
        return status;
    if (out->width % heads)
        return err_set(err, RAP_E_FORMAT, "%s: %" PRId64 " heads do not divide a width of %" PRId64,
                       gguf_file_path(g), heads, out->width);
    if (eps <= 0 || eps > 1)
        return err_set(err, RAP_E_FORMAT, "%s: %s is %g", gguf_file_path(g), name, eps);
    out->layers = (int)layers;
    out->heads = (int)heads;
    out->eps = (float)eps;
    return RAP_OK;
}

rap_status transformer_read_grid(patch_grid *out, const gguf_file *g, const char *keys,
                                 rap_err *err)
{
    char name[96];
    rap_status status;
    out->lead = 1;
    snprintf(name, sizeof name, "%s.lead_tokens", keys);
    if ((status = transformer_int(&out->image_size, g, keys, "image_size", 1, 1024, err)) ||
        (status = transformer_int(&out->patch, g, keys, "patch_size", 1, 256, err)) ||
        (gguf_has(g, name) &&
         (status = transformer_int(&out->lead, g, keys, "lead_tokens", 0, MAX_LEAD, err))))
        return status;
    const gguf_tensor *kernel = gguf_find(g, "v.patch_embd.weight");
    if (kernel && (kernel->ne[0] != out->patch || kernel->ne[1] != out->patch))
        return err_set(err, RAP_E_FORMAT,
                       "%s: patches of %" PRId64 " pixels, but v.patch_embd.weight differs",
                       gguf_file_path(g), out->patch);
    int64_t side = out->image_size / out->patch;
    if (side < 1 || side > MAX_GRID)
        return err_set(err, RAP_E_FORMAT,
                       "%s: patches of %" PRId64 " do not make a grid of up to %d from %" PRId64
                       " pixels",
                       gguf_file_path(g), out->patch, MAX_GRID, out->image_size);
    return RAP_OK;
}

/* The name of a weight of block i. */
#define NAME(part) nn_name(g, "%s.blk.%d." part, t->prefix, i)

/* Attention of row 0 to all rows: [N, 1, D]. */
static nn_tensor *attend_first(nn_graph *g, nn_tensor *qkv, const transformer *t)
{
    nn_tensor *q = nn_slice(g, nn_slice(g, qkv, 1, 0, 1), 2, 0, t->width); /* [N, 1, D] */
    nn_tensor *k = nn_slice(g, qkv, 2, t->width, t->width);                /* [N, T, D] */
    nn_tensor *v = nn_slice(g, qkv, 2, 2 * t->width, t->width);
    return nn_attention(g, q, k, v, t->heads, false);
}

nn_tensor *transformer_mlp(nn_graph *g, nn_tensor *x, nn_tensor *residual, const transformer *t,
                           const char *name)
{
    const char *first = t->swapped ? "ffn_down" : "ffn_up";
    const char *last = t->swapped ? "ffn_up" : "ffn_down";
    const char *up = nn_name(g, "%s.%s.weight", name, first);
    nn_tensor *h = nn_linear(g, x, up, nn_name(g, "%s.%s.bias", name, first),
                             (nn_linear_options){ .act = t->gated ? NN_NONE : t->act });
    if (h && nn_shape_of(h).d[2] != t->hidden) /* [N, T, hidden] */
        return nn_fail(g, RAP_E_FORMAT, "%s: its width contradicts the file's keys", up);
    if (t->gated) {
        nn_tensor *gate =
            nn_linear(g, x, nn_name(g, "%s.ffn_gate.weight", name),
                      nn_name(g, "%s.ffn_gate.bias", name), (nn_linear_options){ .act = t->act });
        h = nn_mul(g, h, gate);
    }
    return nn_linear(g, h, nn_name(g, "%s.%s.weight", name, last),
                     nn_name(g, "%s.%s.bias", name, last),
                     (nn_linear_options){ .residual = residual });
}

static nn_tensor *attend_apart(nn_graph *g, nn_tensor *x, const transformer *t, int i)
{
    const nn_linear_options plain = { 0 };
    nn_tensor *q = nn_linear(g, x, NAME("attn_q.weight"), NAME("attn_q.bias"), plain);
    nn_tensor *k = nn_linear(g, x, NAME("attn_k.weight"), NAME("attn_k.bias"), plain);
    nn_tensor *v = nn_linear(g, x, NAME("attn_v.weight"), NAME("attn_v.bias"), plain);
    return nn_attention(g, q, k, v, t->heads, t->causal);
}

/* x: the normalised rows; *rest: what the result is added to. */
static nn_tensor *attend(nn_graph *g, nn_tensor *x, nn_tensor **rest, const transformer *t, int i)
{
    if (t->apart)
        return attend_apart(g, x, t, i);
    nn_tensor *qkv = nn_linear(g, x, NAME("attn_qkv.weight"), NAME("attn_qkv.bias"),
                               (nn_linear_options){ 0 }); /* [N, T, 3 D] */
    if (!t->first_row || i + 1 < t->layers)
        return nn_attention_fused(g, qkv, t->heads, t->causal);
    *rest = nn_slice(g, *rest, 1, 0, 1);
    return attend_first(g, qkv, t);
}

static nn_tensor *block(nn_graph *g, nn_tensor *x, const transformer *t, int i)
{
    nn_tensor *h = nn_layer_norm(g, x, NAME("ln1.weight"), NAME("ln1.bias"), t->eps);
    h = attend(g, h, &x, t, i);
    x = nn_linear(g, h, NAME("attn_out.weight"), NAME("attn_out.bias"),
                  (nn_linear_options){ .residual = x });
    h = nn_layer_norm(g, x, NAME("ln2.weight"), NAME("ln2.bias"), t->eps);
    return transformer_mlp(g, h, x, t, nn_name(g, "%s.blk.%d", t->prefix, i));
}

nn_tensor *transformer_build(nn_graph *g, nn_tensor *x, const transformer *t)
{
    for (int i = 0; i < t->layers; i++)
        x = block(g, x, t, i);
    return x;
}

nn_tensor *transformer_patches(nn_graph *g, nn_tensor *pixels, const patch_grid *p, int64_t width)
{
    int64_t count = nn_shape_of(pixels).d[0], side = p->image_size / p->patch, rows = side * side;
    nn_tensor *x = nn_conv(g, pixels, "v.patch_embd.weight", p->bias ? "v.patch_embd.bias" : NULL,
                           (nn_conv_options){ .stride = (int)p->patch });
    if (x && nn_shape_of(x).d[3] != width)
        return nn_fail(g, RAP_E_FORMAT,
                       "v.patch_embd.weight: its width contradicts the file's keys");
    x = nn_reshape(g, x, NN_SHAPE(count, rows, width));
    if (p->lead > 0) {
        nn_tensor *lead = nn_weight(g, "v.class_embd", NN_SHAPE(1, p->lead, width));
        lead = nn_repeat(g, lead, count);
        x = nn_concat(g, (nn_tensor *[]){ lead, x }, 2, 1); /* [N, lead + rows, D] */
    }
    return nn_add(g, x, nn_weight(g, "v.position_embd.weight", NN_SHAPE(p->lead + rows, width)));
}
