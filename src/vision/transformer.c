/* transformer.c: the pre-norm transformer blocks that CLIP's towers and ViT share.
 *
 *     x = x + out(attention(qkv(ln1(x))))
 *     x = x + down(act(up(ln2(x)))) */
#include "vision/transformer.h"

#include <inttypes.h>
#include <stdio.h>

enum { MAX_GRID = 64 };

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

rap_status transformer_read(transformer *out, const gguf_file *g, const char *keys, rap_err *err)
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
        (status = gguf_get_float(g, name, &eps, err)))
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

rap_status transformer_check_grid(const gguf_file *g, int64_t image_size, int64_t patch,
                                  rap_err *err)
{
    if (image_size % patch || image_size / patch > MAX_GRID)
        return err_set(err, RAP_E_FORMAT,
                       "%s: patches of %" PRId64 " do not make a grid of up to %d from %" PRId64
                       " pixels",
                       gguf_file_path(g), patch, MAX_GRID, image_size);
    return RAP_OK;
}

/* The name of a weight of block i. */
#define NAME(part) nn_name(g, "%s.blk.%d." part, t->prefix, i)

/* Attention of row 0 over all rows: [N, 1, D]. */
static nn_tensor *attend_first(nn_graph *g, nn_tensor *qkv, const transformer *t)
{
    nn_tensor *q = nn_slice(g, nn_slice(g, qkv, 1, 0, 1), 2, 0, t->width); /* [N, 1, D] */
    nn_tensor *k = nn_slice(g, qkv, 2, t->width, t->width);                /* [N, T, D] */
    nn_tensor *v = nn_slice(g, qkv, 2, 2 * t->width, t->width);
    return nn_attention(g, q, k, v, t->heads, false);
}

static nn_tensor *block(nn_graph *g, nn_tensor *x, const transformer *t, int i)
{
    nn_tensor *h = nn_layer_norm(g, x, NAME("ln1.weight"), NAME("ln1.bias"), t->eps);
    nn_tensor *qkv = nn_linear(g, h, NAME("attn_qkv.weight"), NAME("attn_qkv.bias"),
                               (nn_linear_options){ 0 }); /* [N, T, 3 D] */
    if (t->first_row && i + 1 == t->layers) {
        h = attend_first(g, qkv, t);
        x = nn_slice(g, x, 1, 0, 1);
    } else {
        h = nn_attention_fused(g, qkv, t->heads, t->causal);
    }
    x = nn_linear(g, h, NAME("attn_out.weight"), NAME("attn_out.bias"),
                  (nn_linear_options){ .residual = x });
    h = nn_layer_norm(g, x, NAME("ln2.weight"), NAME("ln2.bias"), t->eps);
    h = nn_linear(g, h, NAME("ffn_up.weight"), NAME("ffn_up.bias"),
                  (nn_linear_options){ .act = t->act }); /* [N, T, hidden] */
    if (h && nn_shape_of(h).d[2] != t->hidden)
        return nn_fail(g, RAP_E_FORMAT,
                       "%s.blk.%d.ffn_up.weight has not the width that its keys say", t->prefix, i);
    return nn_linear(g, h, NAME("ffn_down.weight"), NAME("ffn_down.bias"),
                     (nn_linear_options){ .residual = x });
}

nn_tensor *transformer_build(nn_graph *g, nn_tensor *x, const transformer *t)
{
    for (int i = 0; i < t->layers; i++)
        x = block(g, x, t, i);
    return x;
}

nn_tensor *transformer_patches(nn_graph *g, nn_tensor *pixels, int64_t patch, int64_t width,
                               const char *bias)
{
    nn_shape in = nn_shape_of(pixels);
    int64_t count = in.d[0], rows = (in.d[1] / patch) * (in.d[2] / patch);
    nn_tensor *x =
        nn_conv(g, pixels, "v.patch_embd.weight", bias, (nn_conv_options){ .stride = (int)patch });
    if (x && nn_shape_of(x).d[3] != width)
        return nn_fail(g, RAP_E_FORMAT, "v.patch_embd.weight has not the width that its keys say");
    x = nn_reshape(g, x, NN_SHAPE(count, rows, width));
    nn_tensor *token = nn_weight(g, "v.class_embd", NN_SHAPE(1, 1, width));
    token = nn_repeat(g, token, count);
    x = nn_concat(g, (nn_tensor *[]){ token, x }, 2, 1); /* [N, 1 + rows, D] */
    return nn_add(g, x, nn_weight(g, "v.position_embd.weight", NN_SHAPE(rows + 1, width)));
}
