/* map_dinov2.c: DINOv2 with and without registers, as Hugging Face lays it out. Its positions are
 * resampled here for the resolution at which pictures are prepared. */
#include "base/mem.h"
#include "convert/convert_inside.h"

#include <stdlib.h>
#include <string.h>

static const block_names names = {
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

static const char *prefix_of(const conversion *c)
{
    if (convert_has(c, "dinov2.embeddings.cls_token"))
        return "dinov2.";
    return convert_has(c, "dinov2_with_registers.embeddings.cls_token") ? "dinov2_with_registers."
                                                                        : "";
}

bool dinov2_recognise(const conversion *c)
{
    char name[256];
    const char *p = prefix_of(c);
    return convert_has(c, convert_name(name, p, "embeddings.cls_token", "")) &&
           convert_has(
               c, convert_name(name, p, "embeddings.patch_embeddings.projection.weight", "")) &&
           convert_has(c, convert_name(name, p, "encoder.layer.0.layer_scale1.lambda1", ""));
}

/* The class token and behind it the registers: [1 + R, D]. */
static void put_tokens(conversion *c, const char *p, int64_t registers, int64_t width)
{
    char a[256];
    size_t d = (size_t)width, r = (size_t)registers;
    float *all = mem_array((1 + r) * d, sizeof *all);
    float *first = convert_read(c, convert_name(a, p, "embeddings.cls_token", ""),
                                (convert_shape){ 1, { width } });
    float *more = registers ? convert_read(c, convert_name(a, p, "embeddings.register_tokens", ""),
                                           (convert_shape){ 2, { registers, width } })
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
static void put_positions(conversion *c, const char *p, int64_t registers, int64_t width,
                          int64_t from, int64_t to)
{
    char a[256];
    const position_table t = {
        .rows = 1, .lead = 1 + registers, .grid = from, .width = width, .antialias = registers > 0
    };
    convert_positions(c, convert_name(a, p, "embeddings.position_embeddings", ""), &t, to);
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
                 const picture_recipe *r)
{
    s->heads = (int)(s->width / HEAD_WIDTH);
    s->eps = 1e-6f;
    convert_config_int(c, "num_attention_heads", 1, 256, &s->heads);
    convert_config_float(c, "layer_norm_eps", 1e-12f, 1e-2f, &s->eps);
    s->activation = s->gated ? "silu" : convert_config_act(c, "hidden_act", "gelu");
    convert_put_sizes(c, "dinov2.vision", s);
    gguf_put_int(c->out, "dinov2.vision.patch_size", (uint32_t)patch);
    gguf_put_int(c->out, "dinov2.vision.lead_tokens", (uint32_t)(1 + registers));
    convert_put_recipe(c, "dinov2.vision", r);
}

void dinov2_convert(conversion *c)
{
    char a[256], b[256];
    const char *p = prefix_of(c);
    const char *weight = convert_name(a, p, "embeddings.patch_embeddings.projection.weight", "");
    int64_t patch = convert_size(c, weight, 0), width = convert_size(c, weight, 3);
    int64_t rows = convert_size(c, convert_name(b, p, "embeddings.position_embeddings", ""), 1);
    int64_t registers = convert_size(c, convert_name(b, p, "embeddings.register_tokens", ""), 1);
    int64_t from = convert_grid(rows);
    picture_recipe r = published;
    convert_read_recipe(c, true, &r);
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
    put_tokens(c, p, registers, width);
    put_positions(c, p, registers, width, from, to);
    convert_pair(c, convert_name(a, p, "embeddings.patch_embeddings.projection", ""),
                 "v.patch_embd", (convert_shape){ 4, { width, 3, patch, patch } });
    const char *blocks = convert_name(a, p, "encoder.layer.", "");
    block_sizes s = { .width = width, .gated = convert_gated(c, blocks, &names) };
    s.layers = convert_blocks(c, blocks, "v.blk.", &names, width, &s.hidden);
    convert_pair(c, convert_name(a, p, "layernorm", ""), "v.post_ln",
                 (convert_shape){ 1, { width } });
    keys(c, &s, patch, registers, &r);
    check_config(c, &s, patch, from, registers);
    convert_ignore(c, convert_name(a, p, "embeddings.mask_token", ""));
    convert_ignore(c, "classifier.*");
}
