/* map_dinov2.c: DINOv2 with and without registers, as Hugging Face lays it out and as its authors publish it
 * (dinov2_vits14_pretrain.pth). Its positions are resampled here for the resolution at which pictures are
 * prepared. */
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

typedef struct layout {
    const char *prefix; /* of all names */
    const char *token, *registers, *positions, *patch, *blocks, *norm, *mask;
    const block_names *block;
    bool of_authors; /* then no config tells of the model, and its names are those of timm's ViT */
} layout;

static const block_names hugging_face_block = {
    .ln1 = "norm1",
    .ln2 = "norm2",
    .q = "attention.attention.query",
    .k = "attention.attention.key",
    .v = "attention.attention.value",
    .bias_optional = true,
    .out = "attention.output.dense",
    .up = "mlp.fc1",
    .down = "mlp.fc2",
    .scale1 = "layer_scale1.lambda1",
    .scale2 = "layer_scale2.lambda1",
    .gate_and_up = "mlp.weights_in",
    .down_gated = "mlp.weights_out",
};

static const block_names authors_block = {
    .ln1 = "norm1",
    .ln2 = "norm2",
    .qkv_weight = "attn.qkv.weight",
    .qkv_bias = "attn.qkv.bias",
    .bias_optional = true,
    .out = "attn.proj",
    .up = "mlp.fc1",
    .down = "mlp.fc2",
    .scale1 = "ls1.gamma",
    .scale2 = "ls2.gamma",
    .gate_and_up = "mlp.w12",
    .down_gated = "mlp.w3",
};

#define HUGGING_FACE(p)                                                                         \
    {                                                                                           \
        .prefix = p, .token = p "embeddings.cls_token",                                         \
        .registers = p "embeddings.register_tokens",                                            \
        .positions = p "embeddings.position_embeddings",                                        \
        .patch = p "embeddings.patch_embeddings.projection", .blocks = p "encoder.layer.",      \
        .norm = p "layernorm", .mask = p "embeddings.mask_token", .block = &hugging_face_block, \
    }

static const layout layouts[] = {
    HUGGING_FACE("dinov2."),
    HUGGING_FACE("dinov2_with_registers."),
    HUGGING_FACE(""),
    {
        .prefix = "",
        .token = "cls_token",
        .registers = "register_tokens",
        .positions = "pos_embed",
        .patch = "patch_embed.proj",
        .blocks = "blocks.",
        .norm = "norm",
        .mask = "mask_token",
        .block = &authors_block,
        .of_authors = true,
    },
};

enum { HEAD_WIDTH = 64, MAX_REGISTERS = 32 };

/* What the authors prepare pictures with. */
static const picture_recipe published = {
    .resize = 256,
    .size = 224,
    .floor = true,
    .interpolation = "bicubic",
    .mean = { 0.485f, 0.456f, 0.406f },
    .std = { 0.229f, 0.224f, 0.225f },
};

enum { AUTHORS_PATCH = 14, AUTHORS_GRID = 37 }; /* pictures of 518 pixels */

/* The authors' models all have patches of 14 and positions for 518 pixels; timm's copy of them has its own
 * config, and is a ViT of timm's. */
static bool is_of_authors(const conversion *c)
{
    return convert_size(c, "patch_embed.proj.weight", 0) == AUTHORS_PATCH &&
           convert_size(c, "pos_embed", 1) == AUTHORS_GRID * AUTHORS_GRID + 1 &&
           !convert_has(c, "head.weight") && !json_is_object(json_at(c->config, "pretrained_cfg"));
}

static const layout *layout_of(const conversion *c)
{
    char name[256];
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const layout *l = &layouts[i];
        if (convert_has(c, l->token) &&
            convert_has(c, convert_name(name, l->patch, ".weight", "")) &&
            convert_has(c, convert_name(name, l->blocks, "0.", l->block->scale1)) &&
            (!l->of_authors || is_of_authors(c)))
            return l;
    }
    return NULL;
}

bool dinov2_recognise(const conversion *c)
{
    return layout_of(c) != NULL;
}

/* The class token and behind it the registers: [1 + R, D]. */
static void put_tokens(conversion *c, const layout *l, int64_t registers, int64_t width)
{
    size_t d = (size_t)width, r = (size_t)registers;
    float *all = mem_array((1 + r) * d, sizeof *all);
    float *first = convert_read(c, l->token, (convert_shape){ 1, { width } });
    float *more = registers
                      ? convert_read(c, l->registers, (convert_shape){ 2, { registers, width } })
                      : NULL;
    if (!all && c->status == RAP_OK)
        c->status = err_memory(c->err, "converting");
    if (c->status == RAP_OK) {
        memcpy(all, first, d * sizeof *all);
        if (more)
            memcpy(all + d, more, r * d * sizeof *all);
        convert_floats(c, "v.class_embd", (convert_shape){ 2, { 1 + registers, width } }, all);
    }
    free(all);
    free(first);
    free(more);
}

/* The class token has a position, the registers have none. The two kinds of model were published with two ways of
 * resampling. */
static void put_positions(conversion *c, const layout *l, int64_t registers, int64_t width,
                          int64_t from, int64_t to)
{
    const position_table t = {
        .rows = 1, .lead = 1 + registers, .grid = from, .width = width, .antialias = registers > 0
    };
    convert_positions(c, l->positions, &t, to);
}

/* Where the tensors can tell, both must agree. */
static void check_config(conversion *c, const block_sizes *s, int64_t patch, int64_t from,
                         int64_t registers)
{
    int image = (int)(from * patch);
    convert_config_agrees(c, "hidden_size", s->width);
    convert_config_agrees(c, "num_hidden_layers", s->layers);
    convert_config_agrees(c, "patch_size", patch);
    convert_config_agrees(c, "num_register_tokens", registers);
    convert_config_int(c, "image_size", 1, 4096, &image);
    if (c->status == RAP_OK && image / patch != from)
        convert_fail(c, RAP_E_FORMAT, "config.json says image_size %d, the tensors %d × %d patches",
                     image, (int)from, (int)from);
    if (c->status == RAP_OK && (s->heads < 1 || s->width % s->heads))
        convert_fail(c, RAP_E_FORMAT, "%d heads do not divide a width of %d", s->heads,
                     (int)s->width);
}

static void keys(conversion *c, block_sizes *s, int64_t patch, int64_t registers,
                 const picture_recipe *r, bool of_authors)
{
    s->heads = (int)(s->width / HEAD_WIDTH);
    s->eps = 1e-6f;
    convert_config_int(c, "num_attention_heads", 1, 256, &s->heads);
    convert_config_float(c, "layer_norm_eps", 1e-12f, 1e-2f, &s->eps);
    s->activation = s->gated ? "silu" : convert_config_act(c, "hidden_act", "gelu");
    if (!c->config && !of_authors)
        convert_remark(c, "no config.json beside it; taken as published: heads of %d, GELU",
                       HEAD_WIDTH);
    convert_put_sizes(c, "dinov2.vision", s);
    gguf_put_int(c->out, "dinov2.vision.patch_size", (uint32_t)patch);
    gguf_put_int(c->out, "dinov2.vision.lead_tokens", (uint32_t)(1 + registers));
    convert_put_recipe(c, "dinov2.vision", r);
}

/* Its authors' preprocessing, which the file does not contain. */
static void read_recipe(conversion *c, const layout *l, picture_recipe *r)
{
    char text[200];
    bool found = convert_read_recipe(c, !l->of_authors, r);
    if (!found && !convert_colours_given(c))
        convert_remark(c, "taken for a DINOv2 of its authors by its tensors: %s",
                       convert_recipe_text(text, r));
}

void dinov2_convert(conversion *c)
{
    char a[256];
    const layout *l = layout_of(c);
    const char *weight = convert_name(a, l->patch, ".weight", "");
    int64_t patch = convert_size(c, weight, 0), width = convert_size(c, weight, 3);
    int64_t registers = convert_size(c, l->registers, 1);
    int64_t from = convert_grid(convert_size(c, l->positions, 1));
    picture_recipe r = published;
    read_recipe(c, l, &r);
    if (!from || !patch || patch > 256 || !width || width > 16384 || registers > MAX_REGISTERS) {
        convert_fail(c, RAP_E_FORMAT, "its image tower has an impossible shape");
        return;
    }
    int64_t to = convert_wanted_grid(c, patch, r.size / patch);
    convert_size_wanted(c, &r);
    if (c->status == RAP_OK && (to < 1 || to > 64)) {
        convert_fail(c, RAP_E_FORMAT,
                     "pictures of %d pixels do not make up to 64 × 64 patches of %d", r.size,
                     (int)patch);
        return;
    }
    put_tokens(c, l, registers, width);
    put_positions(c, l, registers, width, from, to);
    convert_pair(c, l->patch, "v.patch_embd", (convert_shape){ 4, { width, 3, patch, patch } });
    block_sizes s = { .width = width, .gated = convert_gated(c, l->blocks, l->block) };
    s.layers = convert_blocks(c, l->blocks, "v.blk.", l->block, width, &s.hidden);
    convert_pair(c, l->norm, "v.post_ln", (convert_shape){ 1, { width } });
    keys(c, &s, patch, registers, &r, l->of_authors);
    check_config(c, &s, patch, from, registers);
    convert_ignore(c, l->mask);
    convert_ignore(c, "classifier.*");
}
