/* map_vit.c: the plain Vision Transformer, as timm names it. The feature is the class token after the
 * last norm, so the classifier behind it is left out. */
#include "convert/convert_inside.h"

static const block_names names = {
    .ln1 = "norm1",
    .ln2 = "norm2",
    .qkv_weight = "attn.qkv.weight",
    .qkv_bias = "attn.qkv.bias",
    .out = "attn.proj",
    .up = "mlp.fc1",
    .down = "mlp.fc2",
};

/* What timm's own ViTs are trained with. */
static const float half[3] = { 0.5f, 0.5f, 0.5f };

enum { HEAD_WIDTH = 64 };

bool vit_recognise(const conversion *c)
{
    return convert_has(c, "patch_embed.proj.weight") && convert_has(c, "cls_token") &&
           convert_has(c, "pos_embed");
}

void vit_convert(conversion *c)
{
    int64_t patch = convert_size(c, "patch_embed.proj.weight", 0);
    int64_t width = convert_size(c, "patch_embed.proj.weight", 3),
            rows = convert_size(c, "pos_embed", 1);
    int64_t grid = convert_grid(rows), hidden;
    if (!grid || !patch || patch > 256 || !width || width % HEAD_WIDTH) {
        convert_fail(c, RAP_E_UNSUPPORTED,
                     "not a plain ViT with a class token and a square of patches");
        return;
    }
    convert_tensor(c, "cls_token", "v.class_embd", (convert_shape){ 1, { width } });
    convert_pair(c, "patch_embed.proj", "v.patch_embd",
                 (convert_shape){ 4, { width, 3, patch, patch } });
    convert_tensor(c, "pos_embed", "v.position_embd.weight", (convert_shape){ 2, { rows, width } });
    int layers = convert_blocks(c, "blocks.", "v.blk.", &names, width, &hidden);
    convert_pair(c, "norm", "v.post_ln", (convert_shape){ 1, { width } });
    convert_ignore(c, "head.*");
    gguf_put_int(c->out, "vit.vision.patch_size", (uint32_t)patch);
    gguf_put_int(c->out, "vit.vision.embedding_length", (uint32_t)width);
    gguf_put_int(c->out, "vit.vision.feed_forward_length", (uint32_t)hidden);
    gguf_put_int(c->out, "vit.vision.block_count", (uint32_t)layers);
    gguf_put_int(c->out, "vit.vision.attention.head_count", (uint32_t)(width / HEAD_WIDTH));
    gguf_put_float(c->out, "vit.vision.attention.layer_norm_epsilon", 1e-6f);
    convert_preprocessing(c, "vit", grid * patch, half, half);
}
