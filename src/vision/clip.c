/* clip.c: CLIP as OpenAI published it. MODELS.md describes it in prose, with all shapes. */
#include "vision/clip.h"

static rap_status read_image(clip_shape *s, const gguf_file *g, nn_act act, rap_err *err)
{
    rap_status status;
    if ((status = transformer_read(&s->image, g, "clip.vision", act, err)) ||
        (status = transformer_read_grid(&s->grid, g, "clip.vision", err)) ||
        (status = transformer_int(&s->embed, g, "clip", "projection_dim", 1, 16384, err)))
        return status;
    s->image.prefix = "v";
    s->image.first_row = true;
    return RAP_OK;
}

static rap_status read_text(clip_shape *s, const gguf_file *g, nn_act act, rap_err *err)
{
    rap_status status;
    const gguf_tensor *table = gguf_find(g, "t.token_embd.weight");
    if ((status = transformer_read(&s->text, g, "clip.text", act, err)) ||
        (status = transformer_int(&s->context, g, "clip.text", "context_length", 3, 1024, err)))
        return status;
    if (!table || table->dims != 2 || table->ne[0] != s->text.width)
        return err_set(err, RAP_E_FORMAT, "%s: has no tensor t.token_embd.weight of width %d",
                       gguf_file_path(g), (int)s->text.width);
    s->vocabulary = table->ne[1];
    s->text.prefix = "t";
    s->text.causal = true;
    return RAP_OK;
}

rap_status clip_read(clip_shape *out, const gguf_file *g, rap_err *err)
{
    bool gelu = false;
    rap_status status;
    *out = (clip_shape){ 0 };
    if ((status = gguf_get_bool(g, "clip.has_text_encoder", &out->has_text, err)) ||
        (status = gguf_get_bool(g, "clip.use_gelu", &gelu, err)) ||
        (status = read_image(out, g, gelu ? NN_GELU : NN_QUICK_GELU, err)))
        return status;
    return out->has_text ? read_text(out, g, gelu ? NN_GELU : NN_QUICK_GELU, err) : RAP_OK;
}

nn_tensor *clip_image(nn_graph *g, nn_tensor *pixels, const clip_shape *s)
{
    int64_t count = nn_shape_of(pixels).d[0];
    nn_tensor *x = transformer_patches(g, pixels, &s->grid, s->image.width);
    x = nn_layer_norm(g, x, "v.pre_ln.weight", "v.pre_ln.bias", s->image.eps);
    x = transformer_build(g, x, &s->image); /* [N, 1, D] */
    x = nn_layer_norm(g, x, "v.post_ln.weight", "v.post_ln.bias", s->image.eps);
    x = nn_linear(g, x, "v.proj", NULL, (nn_linear_options){ .in_out = true });
    return nn_reshape(g, x, NN_SHAPE(count, s->embed));
}

nn_tensor *clip_text(nn_graph *g, nn_tensor *ids, nn_tensor *ends, const clip_shape *s)
{
    int64_t rows = nn_shape_of(ids).d[1];
    nn_tensor *position =
        nn_weight(g, "t.position_embd.weight", NN_SHAPE(s->context, s->text.width));
    nn_tensor *x = nn_embedding(g, ids, "t.token_embd.weight"); /* [N, T, D] */
    x = nn_add(g, x, nn_slice(g, position, 0, 0, rows));
    x = transformer_build(g, x, &s->text);
    x = nn_gather(g, x, ends); /* [N, D] */
    x = nn_layer_norm(g, x, "t.post_ln.weight", "t.post_ln.bias", s->text.eps);
    x = nn_linear(g, x, "t.proj", NULL, (nn_linear_options){ .in_out = true });
    return nn_reshape(
        g, x, NN_SHAPE(nn_shape_of(ids).d[0], s->embed)); /* images and texts share one space */
}
