/* map_clip.c: OpenAI's CLIP with a ViT image tower, and its text tower where there is one. */
#include "convert/convert_inside.h"

#include <string.h>

static const block_names names = {
    .ln1 = "ln_1",
    .ln2 = "ln_2",
    .qkv_weight = "attn.in_proj_weight",
    .qkv_bias = "attn.in_proj_bias",
    .out = "attn.out_proj",
    .up = "mlp.c_fc",
    .down = "mlp.c_proj",
};

static const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

enum { HEAD_WIDTH = 64, BYTE_TOKENS = 512, SPECIAL_TOKENS = 2 };

bool clip_recognise(const conversion *c)
{
    return convert_has(c, "visual.conv1.weight") || convert_has(c, "token_embedding.weight");
}

static void put_tower(conversion *c, bool image, int64_t width, int64_t hidden, int layers)
{
    gguf_put_int(c->out, image ? "clip.vision.embedding_length" : "clip.text.embedding_length",
                 (uint32_t)width);
    gguf_put_int(c->out,
                 image ? "clip.vision.feed_forward_length" : "clip.text.feed_forward_length",
                 (uint32_t)hidden);
    gguf_put_int(c->out, image ? "clip.vision.block_count" : "clip.text.block_count",
                 (uint32_t)layers);
    gguf_put_int(c->out,
                 image ? "clip.vision.attention.head_count" : "clip.text.attention.head_count",
                 (uint32_t)(width / HEAD_WIDTH));
    gguf_put_float(c->out,
                   image ? "clip.vision.attention.layer_norm_epsilon"
                         : "clip.text.attention.layer_norm_epsilon",
                   1e-5f);
}

static void image_tower(conversion *c)
{
    int64_t patch = convert_size(c, "visual.conv1.weight", 0),
            width = convert_size(c, "visual.conv1.weight", 3);
    int64_t rows = convert_size(c, "visual.positional_embedding", 1),
            embed = convert_size(c, "visual.proj", 0);
    int64_t grid = convert_grid(rows), hidden;
    if (!grid || !patch || patch > 256 || !width || width % HEAD_WIDTH || !embed) {
        convert_fail(c, RAP_E_UNSUPPORTED, "its image tower is not a ViT (only those are read)");
        return;
    }
    convert_tensor(c, "visual.class_embedding", "v.class_embd", (convert_shape){ 1, { width } });
    convert_tensor(c, "visual.conv1.weight", "v.patch_embd.weight",
                   (convert_shape){ 4, { width, 3, patch, patch } });
    convert_tensor(c, "visual.positional_embedding", "v.position_embd.weight",
                   (convert_shape){ 2, { rows, width } });
    convert_pair(c, "visual.ln_pre", "v.pre_ln", (convert_shape){ 1, { width } });
    int layers =
        convert_blocks(c, "visual.transformer.resblocks.", "v.blk.", &names, width, &hidden);
    convert_pair(c, "visual.ln_post", "v.post_ln", (convert_shape){ 1, { width } });
    convert_tensor(c, "visual.proj", "v.proj", (convert_shape){ 2, { width, embed } });
    put_tower(c, true, width, hidden, layers);
    gguf_put_int(c->out, "clip.vision.patch_size", (uint32_t)patch);
    gguf_put_int(c->out, "clip.projection_dim", (uint32_t)embed);
    convert_preprocessing(c, "clip", grid * patch, mean, std);
}

static void text_tower(conversion *c)
{
    int64_t vocab = convert_size(c, "token_embedding.weight", 1);
    int64_t width = convert_size(c, "token_embedding.weight", 0);
    int64_t context = convert_size(c, "positional_embedding", 1), hidden;
    int64_t embed = convert_size(c, "visual.proj", 0);
    if (vocab < BYTE_TOKENS + SPECIAL_TOKENS || vocab > 1 << 20 || !width || width % HEAD_WIDTH ||
        context < 3) {
        convert_fail(c, RAP_E_UNSUPPORTED, "its text tower has an impossible shape");
        return;
    }
    if (!c->vocab) {
        convert_fail(c, RAP_E_ARGUMENT,
                     "has a text tower, which needs its BPE vocabulary: pass --vocab "
                     "bpe_simple_vocab_16e6.txt.gz");
        return;
    }
    convert_tensor(c, "token_embedding.weight", "t.token_embd.weight",
                   (convert_shape){ 2, { vocab, width } });
    convert_tensor(c, "positional_embedding", "t.position_embd.weight",
                   (convert_shape){ 2, { context, width } });
    int layers = convert_blocks(c, "transformer.resblocks.", "t.blk.", &names, width, &hidden);
    convert_pair(c, "ln_final", "t.post_ln", (convert_shape){ 1, { width } });
    convert_tensor(c, "text_projection", "t.proj", (convert_shape){ 2, { width, embed } });
    convert_tensor(c, "logit_scale", "logit_scale", (convert_shape){ 1, { 1 } });
    put_tower(c, false, width, hidden, layers);
    gguf_put_int(c->out, "clip.text.context_length", (uint32_t)context);
    vocab_convert(c, c->vocab, (size_t)vocab - BYTE_TOKENS - SPECIAL_TOKENS);
}

void clip_convert(conversion *c)
{
    bool text = convert_has(c, "token_embedding.weight");
    gguf_put_bool(c->out, "clip.has_vision_encoder", true);
    gguf_put_bool(c->out, "clip.has_text_encoder", text);
    gguf_put_bool(c->out, "clip.use_gelu", false); /* QuickGELU */
    image_tower(c);
    if (text && c->status == RAP_OK)
        text_tower(c);
    convert_ignore(c, "input_resolution");
    convert_ignore(c, "context_length");
    convert_ignore(c, "vocab_size");
    if (!text)
        convert_ignore(c, "logit_scale");
}
