/* map_siglip.c: the image tower of SigLIP and of SigLIP 2 at a fixed resolution: Hugging Face's
 * SiglipModel and SiglipVisionModel, and timm's ViT with attention pooling. */
#include "base/mem.h"
#include "convert/convert_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *prefix_of(const conversion *c)
{
    return convert_has(c, "vision_model.embeddings.patch_embedding.weight") ? "vision_model." : "";
}

bool siglip_recognise(const conversion *c)
{
    char name[256];
    const char *p = prefix_of(c);
    return convert_has(c, convert_name(name, p, "embeddings.patch_embedding.weight", "")) &&
           convert_has(c, convert_name(name, p, "embeddings.position_embedding.weight", "")) &&
           !convert_has(c, convert_name(name, p, "embeddings.class_embedding", ""));
}

/* The head's question is the same for every picture: W_q · probe + b_q. */
static void put_query(conversion *c, const float *weight, const float *bias, const float *probe,
                      int64_t d)
{
    float *query = mem_array((size_t)d, sizeof *query);
    if (!query) {
        c->status = err_memory(c->err, "converting");
        return;
    }
    for (int64_t i = 0; i < d; i++) {
        double sum = (double)bias[i];
        for (int64_t k = 0; k < d; k++)
            sum += (double)weight[i * d + k] * (double)probe[k];
        query[i] = (float)sum;
    }
    convert_floats(c, "v.head.query", (convert_shape){ 1, { d } }, query);
    free(query);
}

static void put_half(conversion *c, const char *to, int64_t d, const float *weight,
                     const float *bias)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight", to);
    convert_floats(c, name, (convert_shape){ 2, { d, d } }, weight);
    snprintf(name, sizeof name, "%s.bias", to);
    convert_floats(c, name, (convert_shape){ 1, { d } }, bias);
}

static void head_attention(conversion *c, const head_names *n, int64_t d)
{
    bool packed = !n->kv_weight;
    convert_shape q_shape = { 2, { packed ? 3 * d : d, d } }, kv_shape = { 2, { 2 * d, d } };
    float *q = convert_read(c, n->q_weight, q_shape);
    float *q_bias = convert_read(c, n->q_bias, (convert_shape){ 1, { q_shape.d[0] } });
    float *kv = packed ? NULL : convert_read(c, n->kv_weight, kv_shape);
    float *kv_bias = packed ? NULL : convert_read(c, n->kv_bias, (convert_shape){ 1, { 2 * d } });
    float *probe = convert_read(c, n->probe, (convert_shape){ 1, { d } });
    if (c->status == RAP_OK) {
        const float *k = packed ? q + d * d : kv, *k_bias = packed ? q_bias + d : kv_bias;
        put_query(c, q, q_bias, probe, d);
        put_half(c, "v.head.attn_k", d, k, k_bias);
        put_half(c, "v.head.attn_v", d, k + d * d, k_bias + d);
    }
    free(q);
    free(q_bias);
    free(kv);
    free(kv_bias);
    free(probe);
}

void siglip_convert_head(conversion *c, const head_names *n, const block_sizes *s)
{
    int64_t d = s->width, h = s->hidden;
    head_attention(c, n, d);
    convert_pair(c, n->out, "v.head.attn_out", (convert_shape){ 2, { d, d } });
    convert_pair(c, n->norm, "v.head.ln", (convert_shape){ 1, { d } });
    convert_pair(c, n->up, "v.head.ffn_up", (convert_shape){ 2, { h, d } });
    convert_pair(c, n->down, "v.head.ffn_down", (convert_shape){ 2, { d, h } });
}

/* `p` begins all names. */
#define HEAD(names, p)                                 \
    static const head_names names = {                  \
        .probe = p "head.probe",                       \
        .q_weight = p "head.attention.in_proj_weight", \
        .q_bias = p "head.attention.in_proj_bias",     \
        .out = p "head.attention.out_proj",            \
        .norm = p "head.layernorm",                    \
        .up = p "head.mlp.fc1",                        \
        .down = p "head.mlp.fc2",                      \
    }
HEAD(head_alone, "");
HEAD(head_of_whole, "vision_model.");

static void head(conversion *c, const char *p, const block_sizes *s)
{
    const head_names *n = *p ? &head_of_whole : &head_alone;
    if (convert_has(c, n->probe))
        siglip_convert_head(c, n, s);
    else
        convert_fail(c, RAP_E_UNSUPPORTED,
                     "has no pooling head ('%s'), so it makes no feature of a picture", n->probe);
}

/* A key of config.json: a whole SigLIP keeps those of its image tower under "vision_config". */
static const char *field(char out[64], const conversion *c, const char *name)
{
    const json_t *config = c->config;
    bool inner = json_object_get(config, "vision_config") != NULL;
    snprintf(out, 64, "%s%s", inner ? "vision_config." : "", name);
    return out;
}

/* Where the tensors can tell, both must agree. */
static void check_config(conversion *c, const block_sizes *s, int64_t patch)
{
    char f[64];
    convert_config_agrees(c, field(f, c, "hidden_size"), s->width);
    convert_config_agrees(c, field(f, c, "intermediate_size"), s->hidden);
    convert_config_agrees(c, field(f, c, "num_hidden_layers"), s->layers);
    convert_config_agrees(c, field(f, c, "patch_size"), patch);
    if (c->status == RAP_OK && s->width % s->heads)
        convert_fail(c, RAP_E_FORMAT, "%d heads do not divide a width of %d", s->heads,
                     (int)s->width);
}

static void keys(conversion *c, block_sizes *s, int64_t patch, int64_t grid)
{
    char f[64];
    int image = (int)(grid * patch);
    picture_recipe r = { .squash = true,
                         .interpolation = "bicubic",
                         .mean = { 0.5f, 0.5f, 0.5f },
                         .std = { 0.5f, 0.5f, 0.5f } };
    s->heads = 12;
    s->eps = 1e-6f;
    convert_config_int(c, field(f, c, "image_size"), 1, 1024, &image);
    convert_config_int(c, field(f, c, "num_attention_heads"), 1, 256, &s->heads);
    convert_config_float(c, field(f, c, "layer_norm_eps"), 1e-12f, 1e-2f, &s->eps);
    s->activation = convert_config_act(c, field(f, c, "hidden_act"), "gelu_pytorch_tanh");
    check_config(c, s, patch);
    r.size = r.resize = image;
    convert_read_recipe(c, true, &r);
    if (c->status == RAP_OK && (image / patch != grid || r.size != image))
        convert_fail(c, RAP_E_FORMAT,
                     "has positions for %d × %d patches of %d pixels, its pictures have %d and are "
                     "prepared to %d",
                     (int)grid, (int)grid, (int)patch, image, r.size);
    if (c->status != RAP_OK)
        return;
    convert_size_wanted(c, &r);
    convert_put_sizes(c, "siglip.vision", s);
    gguf_put_int(c->out, "siglip.vision.patch_size", (uint32_t)patch);
    gguf_put_int(c->out, "siglip.vision.lead_tokens", 0);
    convert_put_recipe(c, "siglip.vision", &r);
}

static void ignore_rest(conversion *c, const char *p)
{
    char a[256];
    convert_ignore(c, "text_model.*");
    convert_ignore(c, "logit_scale");
    convert_ignore(c, "logit_bias");
    convert_ignore(c, "classifier.*");
    convert_ignore(c, convert_name(a, p, "embeddings.position_ids", ""));
}

void siglip_convert(conversion *c)
{
    char a[256], b[256];
    const char *p = prefix_of(c);
    const char *weight = convert_name(a, p, "embeddings.patch_embedding.weight", "");
    int64_t patch = convert_size(c, weight, 0), width = convert_size(c, weight, 3);
    int64_t rows =
        convert_size(c, convert_name(b, p, "embeddings.position_embedding.weight", ""), 1);
    int64_t grid = convert_grid(rows + 1);
    if (convert_size(c, weight, 2) == 0) {
        convert_fail(
            c, RAP_E_UNSUPPORTED,
            "a SigLIP 2 for pictures of any shape (NaFlex); those of a fixed size are read");
        return;
    }
    if (!c->config) { /* the tensors do not tell the heads */
        convert_fail(c, RAP_E_ARGUMENT,
                     "needs the config.json that is published with it, in the same folder");
        return;
    }
    if (!grid || !patch || patch > 256 || !width || width > 16384) {
        convert_fail(c, RAP_E_FORMAT, "its image tower has an impossible shape");
        return;
    }
    convert_pair(c, convert_name(a, p, "embeddings.patch_embedding", ""), "v.patch_embd",
                 (convert_shape){ 4, { width, 3, patch, patch } });
    const position_table positions = { .grid = grid, .width = width };
    convert_positions(c, b, &positions, convert_wanted_grid(c, patch, grid));
    block_sizes s = { .width = width };
    s.layers = convert_blocks(c, convert_name(a, p, "encoder.layers.", ""), "v.blk.",
                              &convert_hf_block, width, &s.hidden);
    convert_pair(c, convert_name(a, p, "post_layernorm", ""), "v.post_ln",
                 (convert_shape){ 1, { width } });
    head(c, p, &s);
    keys(c, &s, patch, grid);
    ignore_rest(c, p);
}
