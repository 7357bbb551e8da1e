/* map_clip.c: CLIP with a ViT image tower, and its text tower where there is one, as OpenAI names its
 * tensors and as Hugging Face does. Both give the same GGUF, tensor for tensor. */
#include "convert/convert_inside.h"

#include <stdio.h>
#include <string.h>

static const block_names openai_block = {
    .ln1 = "ln_1",
    .ln2 = "ln_2",
    .qkv_weight = "attn.in_proj_weight",
    .qkv_bias = "attn.in_proj_bias",
    .out = "attn.out_proj",
    .up = "mlp.c_fc",
    .down = "mlp.c_proj",
};

typedef struct tower_names {
    const char *position, *blocks, *post_ln, *proj;
    const char *class_embd, *patch, *pre_ln; /* of the image tower */
    const char *token;                       /* of the text tower */
} tower_names;

typedef struct clip_names {
    tower_names image, text;
    const block_names *block;
    bool proj_out_in; /* the projections are stored [E, D], not [D, E] */
} clip_names;

static const clip_names openai = {
    .image = { .class_embd = "visual.class_embedding",
               .patch = "visual.conv1.weight",
               .position = "visual.positional_embedding",
               .pre_ln = "visual.ln_pre",
               .blocks = "visual.transformer.resblocks.",
               .post_ln = "visual.ln_post",
               .proj = "visual.proj" },
    .text = { .token = "token_embedding.weight",
              .position = "positional_embedding",
              .blocks = "transformer.resblocks.",
              .post_ln = "ln_final",
              .proj = "text_projection" },
    .block = &openai_block,
};

static const clip_names hugging_face = {
    .image = { .class_embd = "vision_model.embeddings.class_embedding",
               .patch = "vision_model.embeddings.patch_embedding.weight",
               .position = "vision_model.embeddings.position_embedding.weight",
               .pre_ln = "vision_model.pre_layrnorm",
               .blocks = "vision_model.encoder.layers.",
               .post_ln = "vision_model.post_layernorm",
               .proj = "visual_projection.weight" },
    .text = { .token = "text_model.embeddings.token_embedding.weight",
              .position = "text_model.embeddings.position_embedding.weight",
              .blocks = "text_model.encoder.layers.",
              .post_ln = "text_model.final_layer_norm",
              .proj = "text_projection.weight" },
    .block = &convert_hf_block,
    .proj_out_in = true,
};

static const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

enum { BYTE_TOKENS = 512, SPECIAL_TOKENS = 2 };

bool clip_recognise(const conversion *c)
{
    return convert_has(c, openai.image.patch) || convert_has(c, openai.text.token) ||
           convert_has(c, "vision_model.pre_layrnorm.weight");
}

/* ---- towers ------------------------------------------------------------------------------- */

static void put_tower(conversion *c, const clip_config *k, const char *keys, clip_tower *t)
{
    char key[96];
    clip_config_tower(c, k, t);
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = { { "embedding_length", t->width },
                    { "feed_forward_length", t->hidden },
                    { "block_count", t->layers },
                    { "attention.head_count", t->heads } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(key, sizeof key, "%s.%s", keys, numbers[i].key);
        gguf_put_int(c->out, key, (uint32_t)numbers[i].value);
    }
    snprintf(key, sizeof key, "%s.attention.layer_norm_epsilon", keys);
    gguf_put_float(c->out, key, t->eps);
}

/* The width of the shared space. */
static int64_t shared_width(const conversion *c, const clip_names *n)
{
    return convert_size(c, n->image.proj, n->proj_out_in ? 1 : 0);
}

static void projection(conversion *c, const clip_names *n, const char *from, const char *to,
                       int64_t width)
{
    int64_t embed = shared_width(c, n);
    if (n->proj_out_in)
        convert_transposed(c, from, to, width, embed);
    else
        convert_tensor(c, from, to, (convert_shape){ 2, { width, embed } });
}

/* OpenAI's preprocessing, even where Hugging Face's code would crop half a pixel elsewhere: one model,
 * one feature. */
static void preprocessing(conversion *c, const clip_config *k, int side)
{
    picture_recipe r = { .resize = side, .size = side, .interpolation = "bicubic" };
    memcpy(r.mean, mean, sizeof mean);
    memcpy(r.std, std, sizeof std);
    clip_config_pictures(c, k, &r);
    r.floor = false;
    if (r.size != side)
        convert_fail(
            c, RAP_E_FORMAT,
            "preprocessor_config.json cuts pictures of %d pixels, but the tensors are for %d",
            r.size, side);
    convert_size_wanted(c, &r);
    convert_put_recipe(c, "clip.vision", &r);
}

static void image_tower(conversion *c, const clip_names *n, const clip_config *k)
{
    const tower_names *t = &n->image;
    int64_t patch = convert_size(c, t->patch, 0), width = convert_size(c, t->patch, 3);
    int64_t rows = convert_size(c, t->position, 1), embed = shared_width(c, n);
    int64_t grid = convert_grid(rows), hidden;
    const position_table positions = { .rows = 1, .lead = 1, .grid = grid, .width = width };
    if (!grid || !patch || patch > 256 || !width || !embed) {
        convert_fail(c, RAP_E_UNSUPPORTED,
                     "its image tower is not a ViT with a projection (only those are read)");
        return;
    }
    convert_tensor(c, t->class_embd, "v.class_embd", (convert_shape){ 1, { width } });
    convert_tensor(c, t->patch, "v.patch_embd.weight",
                   (convert_shape){ 4, { width, 3, patch, patch } });
    convert_positions(c, t->position, &positions, convert_wanted_grid(c, patch, grid));
    convert_pair(c, t->pre_ln, "v.pre_ln", (convert_shape){ 1, { width } });
    int layers = convert_blocks(c, t->blocks, "v.blk.", n->block, width, &hidden);
    convert_pair(c, t->post_ln, "v.post_ln", (convert_shape){ 1, { width } });
    projection(c, n, t->proj, "v.proj", width);
    clip_tower tower = { .width = width, .hidden = hidden, .layers = layers };
    tower.patch = patch;
    tower.side = grid * patch;
    put_tower(c, k, "clip.vision", &tower);
    gguf_put_int(c->out, "clip.vision.patch_size", (uint32_t)patch);
    gguf_put_int(c->out, "clip.projection_dim", (uint32_t)embed);
    clip_config_shared(c, k, embed);
    preprocessing(c, k, (int)(grid * patch));
}

/* First of all, because a missing vocabulary is the mistake that users make. */
static void text_vocabulary(conversion *c, const clip_names *n)
{
    int64_t vocab = convert_size(c, n->text.token, 1), width = convert_size(c, n->text.token, 0);
    int64_t context = convert_size(c, n->text.position, 1);
    if (vocab < BYTE_TOKENS + SPECIAL_TOKENS || vocab > 1 << 20 || !width || context < 3)
        convert_fail(c, RAP_E_UNSUPPORTED, "its text tower has an impossible shape");
    else
        vocab_convert(c, (size_t)vocab - BYTE_TOKENS - SPECIAL_TOKENS);
}

static void text_tower(conversion *c, const clip_names *n, const clip_config *k)
{
    const tower_names *t = &n->text;
    int64_t vocab = convert_size(c, t->token, 1), width = convert_size(c, t->token, 0);
    int64_t context = convert_size(c, t->position, 1), hidden;
    convert_tensor(c, t->token, "t.token_embd.weight", (convert_shape){ 2, { vocab, width } });
    convert_tensor(c, t->position, "t.position_embd.weight",
                   (convert_shape){ 2, { context, width } });
    int layers = convert_blocks(c, t->blocks, "t.blk.", n->block, width, &hidden);
    convert_pair(c, t->post_ln, "t.post_ln", (convert_shape){ 1, { width } });
    projection(c, n, t->proj, "t.proj", width);
    convert_tensor(c, "logit_scale", "logit_scale", (convert_shape){ 1, { 1 } });
    clip_tower tower = { .width = width, .hidden = hidden, .layers = layers };
    tower.vocab = vocab;
    tower.context = context;
    put_tower(c, k, "clip.text", &tower);
    gguf_put_int(c->out, "clip.text.context_length", (uint32_t)context);
}

/* Numbers that stand in the checkpoint as tensors, and tables that count from 0. */
static void ignore_buffers(conversion *c, bool text)
{
    static const char *const names[] = { "input_resolution", "context_length", "vocab_size",
                                         "vision_model.embeddings.position_ids",
                                         "text_model.embeddings.position_ids" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        convert_ignore(c, names[i]);
    if (!text)
        convert_ignore(c, "logit_scale");
}

void clip_convert(conversion *c)
{
    const clip_names *n = convert_has(c, openai.image.patch) ? &openai : &hugging_face;
    bool text = convert_has(c, n->text.token);
    clip_config *k = clip_config_open(c, n == &hugging_face, convert_size(c, n->image.patch, 3));
    if (!k)
        return;
    gguf_put_bool(c->out, "clip.has_vision_encoder", true);
    gguf_put_bool(c->out, "clip.has_text_encoder", text);
    gguf_put_bool(c->out, "clip.use_gelu", clip_config_gelu(c, k, text));
    if (text)
        text_vocabulary(c, n);
    if (c->status == RAP_OK)
        image_tower(c, n, k);
    if (text && c->status == RAP_OK)
        text_tower(c, n, k);
    ignore_buffers(c, text);
    clip_config_close(c, k);
}
