/* siglip.c: the image tower of SigLIP and of SigLIP 2 at a fixed resolution.
 *
 * A ViT without a class token. Instead, a pooling head attends to all patches with one learned query:
 *
 *     x = post_ln(blocks(patches(pixels) + positions))          [N, T, D]
 *     y = out(attention(query, k(x), v(x)))                     [N, 1, D]
 *     feature = y + down(act(up(ln(y))))                        [N, D]
 *
 * The query is the same for every picture, so it is projected once, when the file is converted: v.head.query. */
#include "vision/siglip.h"

rap_status siglip_read(siglip_shape *out, const gguf_file *g, rap_err *err)
{
    rap_status status;
    *out = (siglip_shape){ 0 };
    if ((status = transformer_read(&out->blocks, g, "siglip.vision", NN_GELU_TANH, err)) ||
        (status = transformer_read_grid(&out->grid, g, "siglip.vision", err)))
        return status;
    if (out->grid.lead != 0 || out->blocks.gated)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: SigLIP has neither tokens before its patches nor a gated MLP",
                       gguf_file_path(g));
    out->grid.bias = true;
    out->blocks.prefix = "v";
    return RAP_OK;
}

/* x [N, T, D] → [N, 1, D]. */
static nn_tensor *pool(nn_graph *g, nn_tensor *x, const siglip_shape *s)
{
    const nn_linear_options plain = { 0 };
    int64_t count = nn_shape_of(x).d[0], width = s->blocks.width;
    nn_tensor *query = nn_weight(g, "v.head.query", NN_SHAPE(1, 1, width));
    nn_tensor *k = nn_linear(g, x, "v.head.attn_k.weight", "v.head.attn_k.bias", plain);
    nn_tensor *v = nn_linear(g, x, "v.head.attn_v.weight", "v.head.attn_v.bias", plain);
    query = nn_repeat(g, query, count);
    nn_tensor *y = nn_attention(g, query, k, v, s->blocks.heads, false);
    return nn_linear(g, y, "v.head.attn_out.weight", "v.head.attn_out.bias", plain);
}

nn_tensor *siglip_image(nn_graph *g, nn_tensor *pixels, const siglip_shape *s)
{
    int64_t count = nn_shape_of(pixels).d[0];
    nn_tensor *x = transformer_patches(g, pixels, &s->grid, s->blocks.width);
    x = transformer_build(g, x, &s->blocks);
    x = nn_layer_norm(g, x, "v.post_ln.weight", "v.post_ln.bias", s->blocks.eps);
    nn_tensor *y = pool(g, x, s);
    nn_tensor *h = nn_layer_norm(g, y, "v.head.ln.weight", "v.head.ln.bias", s->blocks.eps);
    y = transformer_mlp(g, h, y, &s->blocks, "v.head");
    return nn_reshape(g, y, NN_SHAPE(count, s->blocks.width));
}
