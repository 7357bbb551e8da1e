/* vit.c: the plain Vision Transformer as timm builds it. It differs from CLIP's image tower by a
 * bias on the patches, exact GELU, and no projection. Options: a norm before the blocks,
 * registers, a gated MLP (both in transformer.c), and the mean of the patches instead of the class
 * token. */
#include "vision/vit.h"

#include <stdio.h>
#include <string.h>

static rap_status read_bool(bool *out, const gguf_file *g, const char *keys, const char *key,
                            rap_err *err)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", keys, key);
    return gguf_has(g, name) ? gguf_get_bool(g, name, out, err) : RAP_OK;
}

static rap_status read_pooling(vit_shape *out, const gguf_file *g, const char *keys, rap_err *err)
{
    char name[96];
    const char *text;
    size_t len;
    snprintf(name, sizeof name, "%s.pooling", keys);
    if (gguf_has(g, name)) {
        rap_status status = gguf_get_string(g, name, &text, &len, err);
        if (status != RAP_OK)
            return status;
        out->mean = len == 4 && !memcmp(text, "mean", 4);
        if (!out->mean && (len != 5 || memcmp(text, "token", 5)))
            return err_set(err, RAP_E_UNSUPPORTED, "%s: %s is neither token nor mean",
                           gguf_file_path(g), name);
    }
    if (!out->mean && out->grid.lead < 1)
        return err_set(err, RAP_E_FORMAT, "%s: the feature is the class token, but there is none",
                       gguf_file_path(g));
    return RAP_OK;
}

rap_status vit_read(vit_shape *out, const gguf_file *g, const char *keys, rap_err *err)
{
    rap_status status;
    *out = (vit_shape){ 0 };
    if ((status = transformer_read(&out->blocks, g, keys, NN_GELU, err)) ||
        (status = transformer_read_grid(&out->grid, g, keys, err)) ||
        (status = read_pooling(out, g, keys, err)) ||
        (status = read_bool(&out->pre_norm, g, keys, "pre_norm", err)) ||
        (status = read_bool(&out->norm_later, g, keys, "norm_after_pooling", err)))
        return status;
    out->grid.bias = !out->pre_norm;
    out->blocks.prefix = "v";
    out->blocks.first_row = !out->mean;
    return RAP_OK;
}

static nn_tensor *last_norm(nn_graph *g, nn_tensor *x, const vit_shape *s)
{
    return nn_layer_norm(g, x, "v.post_ln.weight", "v.post_ln.bias", s->blocks.eps);
}

/* x [N, lead + T, D] → [N, D]. */
static nn_tensor *mean_of_patches(nn_graph *g, nn_tensor *x, const vit_shape *s)
{
    int64_t patches = nn_shape_of(x).d[1] - s->grid.lead;
    if (s->grid.lead > 0)
        x = nn_slice(g, x, 1, s->grid.lead, patches);
    if (!s->norm_later)
        x = last_norm(g, x, s);
    x = nn_mean(g, x, 1);
    return s->norm_later ? last_norm(g, x, s) : x;
}

nn_tensor *vit_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s)
{
    int64_t count = nn_shape_of(pixels).d[0];
    nn_tensor *x = transformer_patches(g, pixels, &s->grid, s->blocks.width);
    if (s->pre_norm)
        x = nn_layer_norm(g, x, "v.pre_ln.weight", "v.pre_ln.bias", s->blocks.eps);
    x = transformer_build(g, x, &s->blocks); /* [N, 1, D], or all rows for their mean */
    if (s->mean)
        return mean_of_patches(g, x, s);
    return nn_reshape(g, last_norm(g, x, s), NN_SHAPE(count, s->blocks.width));
}
