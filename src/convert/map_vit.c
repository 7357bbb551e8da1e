/* map_vit.c: the Vision Transformer as timm names it: with a class token, registers or neither, layer
 * scale or not, a norm before the blocks or not. The feature is what the classifier behind it would see:
 * the class token or the patches' mean after the last norm; the classifier is left out. Also timm's SigLIP,
 * which is such a ViT with attention pooling. */
#include "base/file.h"
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const block_names names = {
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
    .gate_and_up = "mlp.fc1",
    .down_gated = "mlp.fc2",
};

static const head_names timm_head = {
    .probe = "attn_pool.latent",
    .q_weight = "attn_pool.q.weight",
    .q_bias = "attn_pool.q.bias",
    .kv_weight = "attn_pool.kv.weight",
    .kv_bias = "attn_pool.kv.bias",
    .out = "attn_pool.proj",
    .norm = "attn_pool.norm",
    .up = "attn_pool.mlp.fc1",
    .down = "attn_pool.mlp.fc2",
};

enum { MAX_REGISTERS = 32 };

typedef struct layout {
    int64_t patch, width, grid;
    int64_t lead, rows; /* tokens before the patches; rows of the position table */
    bool class_token;
} layout;

bool vit_recognise(const conversion *c)
{
    return convert_has(c, "patch_embed.proj.weight") && convert_has(c, "pos_embed");
}

bool timm_siglip_recognise(const conversion *c)
{
    return vit_recognise(c) && convert_has(c, "attn_pool.latent");
}

/* ---- what a name tells --------------------------------------------------------------------- */

static const float imagenet_mean[3] = { 0.485f, 0.456f, 0.406f },
                   imagenet_std[3] = { 0.229f, 0.224f, 0.225f };

/* Families that are known by the names of their files; all take ImageNet's mean and deviation. */
typedef struct family {
    const char *in_name, *called;
    double share; /* crop_pct for pictures of up to 256 pixels, 1 for larger ones */
} family;

static const family families[] = {
    { "dino_deit", "DINO", 0.875 },
    { "dino_vit", "DINO", 0.875 },
    { "deit", "DeiT", 0.9 },
};

static const family *family_of(const conversion *c)
{
    const char *base = path_base(state_dict_path(c->in));
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcasestr(base, families[i].in_name))
            return &families[i];
    return NULL;
}

static bool has_timm_config(const conversion *c)
{
    return json_is_object(json_at(c->config, "pretrained_cfg"));
}

/* Without timm's config the tensors do not tell for which pictures they are. A ViT with its classifier is
 * taken for one of timm's own, unless its name says more; a backbone alone may be anyone's (MAE, DINOv2). */
static bool is_known(conversion *c, bool own)
{
    if (own || has_timm_config(c) || family_of(c) || convert_colours_given(c) ||
        convert_has_recipe(c))
        return true;
    convert_fail(
        c, RAP_E_ARGUMENT,
        "needs timm's config.json (with \"pretrained_cfg\") or the preprocessor_config.json that "
        "is published with it, in the same folder; or --mean and --std of its training, as in "
        "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 (ImageNet's)");
    return false;
}

/* How pictures are prepared: timm's config, else preprocessor_config.json, else what the name tells or what
 * timm's own ViTs have, which is then said. */
static void read_recipe(conversion *c, picture_recipe *r)
{
    char text[200];
    const family *f = family_of(c);
    if (has_timm_config(c)) {
        convert_timm_recipe(c, r);
        return;
    }
    if (f) {
        r->share = r->size > 256 ? 1 : f->share;
        r->resize = (int)floor(r->size / r->share);
        memcpy(r->mean, imagenet_mean, sizeof r->mean);
        memcpy(r->std, imagenet_std, sizeof r->std);
    }
    if (convert_read_recipe(c, false, r)) {
        r->share = 0;
        return;
    }
    if (convert_colours_given(c))
        return;
    convert_remark(c,
                   "no timm config.json beside it; taken for a %s by its %s: %s. Other numbers: "
                   "--mean and --std, or a preprocessor_config.json beside it",
                   f ? f->called : "ViT of timm's own", f ? "name" : "tensors",
                   convert_recipe_text(text, r));
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* Some position tables have rows for the leading tokens, some for the patches only. */
static bool read_layout(conversion *c, layout *l)
{
    l->patch = convert_size(c, "patch_embed.proj.weight", 0);
    l->width = convert_size(c, "patch_embed.proj.weight", 3);
    l->rows = convert_size(c, "pos_embed", 1);
    l->class_token = convert_has(c, "cls_token");
    l->lead = convert_size(c, "reg_token", 1) + l->class_token;
    l->grid = convert_grid(l->rows + 1);
    if (!l->grid && l->rows > l->lead)
        l->grid = convert_grid(l->rows - l->lead + 1);
    if (l->grid && l->patch && l->patch <= 256 && l->width && l->width <= 16384 &&
        l->lead <= MAX_REGISTERS)
        return true;
    convert_fail(c, RAP_E_UNSUPPORTED, "not a plain ViT with a square of patches");
    return false;
}

/* Registers, behind the class token where there is one: [lead, D]. */
static void put_tokens(conversion *c, const layout *l)
{
    int64_t registers = l->lead - l->class_token, d = l->width;
    if (registers == 0) {
        convert_tensor(c, "cls_token", "v.class_embd", (convert_shape){ 1, { d } });
        return;
    }
    float *more = convert_read(c, "reg_token", (convert_shape){ 2, { registers, d } });
    float *token =
        l->class_token ? convert_read(c, "cls_token", (convert_shape){ 1, { d } }) : NULL;
    float *all = more ? mem_array((size_t)(l->lead * d), sizeof *all) : NULL;
    if (more && !all)
        c->status = err_memory(c->err, "converting");
    if (c->status == RAP_OK) {
        if (token)
            memcpy(all, token, (size_t)d * sizeof *all);
        memcpy(all + l->class_token * d, more, (size_t)(registers * d) * sizeof *all);
        convert_floats(c, "v.class_embd", (convert_shape){ 2, { l->lead, d } }, all);
    }
    free(all);
    free(token);
    free(more);
}

/* The table has rows for all leading tokens or for none. */
static void put_positions(conversion *c, const layout *l)
{
    const position_table t = { .rows = l->rows - l->grid * l->grid,
                               .lead = l->lead,
                               .grid = l->grid,
                               .width = l->width,
                               .antialias = true };
    convert_positions(c, "pos_embed", &t, convert_wanted_grid(c, l->patch, l->grid));
}

static void patches(conversion *c, const layout *l)
{
    convert_shape kernel = { 4, { l->width, 3, l->patch, l->patch } };
    if (l->lead > 0)
        put_tokens(c, l);
    put_positions(c, l);
    if (convert_has(c, "norm_pre.weight")) /* then the patches have no bias */
        convert_tensor(c, "patch_embed.proj.weight", "v.patch_embd.weight", kernel);
    else
        convert_pair(c, "patch_embed.proj", "v.patch_embd", kernel);
}

static block_sizes blocks(conversion *c, const layout *l, float eps)
{
    block_sizes s = { .width = l->width, .eps = eps };
    s.gated = convert_gated(c, "blocks.", &names);
    s.layers = convert_blocks(c, "blocks.", "v.blk.", &names, l->width, &s.hidden);
    s.heads = convert_timm_heads(c, l->width);
    s.activation = s.gated ? "silu" : convert_timm_act(c);
    if (c->status == RAP_OK && (s.heads < 1 || l->width % s.heads))
        convert_fail(c, RAP_E_FORMAT, "%d heads do not divide a width of %d", s.heads,
                     (int)l->width);
    return s;
}

/* The keys that ViT and SigLIP share. */
static void keys(conversion *c, const char *prefix, const layout *l, const block_sizes *s)
{
    char key[64];
    int size = (int)(l->grid * l->patch);
    picture_recipe r = { .resize = size,
                         .size = size,
                         .interpolation = "bicubic",
                         .mean = { 0.5f, 0.5f, 0.5f }, /* what timm's own ViTs are trained with */
                         .std = { 0.5f, 0.5f, 0.5f } };
    read_recipe(c, &r);
    if (c->status == RAP_OK && r.size / l->patch != l->grid)
        convert_fail(c, RAP_E_FORMAT,
                     "has positions for %d × %d patches of %d pixels, pictures are prepared to %d",
                     (int)l->grid, (int)l->grid, (int)l->patch, r.size);
    if (c->status != RAP_OK)
        return;
    convert_size_wanted(c, &r);
    convert_put_sizes(c, prefix, s);
    snprintf(key, sizeof key, "%s.patch_size", prefix);
    gguf_put_int(c->out, key, (uint32_t)l->patch);
    snprintf(key, sizeof key, "%s.lead_tokens", prefix);
    gguf_put_int(c->out, key, (uint32_t)l->lead);
    convert_put_recipe(c, prefix, &r);
}

/* "token" or "mean". Without a config the tensors tell: a norm called fc_norm follows a mean. */
static bool pools_mean(conversion *c, const layout *l)
{
    bool mean = convert_has(c, "fc_norm.weight") || !l->class_token;
    const char *pool = mean ? "avg" : "token";
    convert_config_string(c, "global_pool", &pool);
    convert_config_string(c, "model_args.global_pool", &pool);
    if (strcmp(pool, "avg") && strcmp(pool, "token"))
        convert_fail(c, RAP_E_UNSUPPORTED, "config.json: unknown global_pool '%.40s'", pool);
    else if (!strcmp(pool, "token") && !l->class_token)
        convert_fail(c, RAP_E_FORMAT, "config.json: global_pool is a token that is not there");
    return !strcmp(pool, "avg");
}

void vit_convert(conversion *c)
{
    layout l;
    if (!read_layout(c, &l) || !is_known(c, convert_has(c, "head.weight")))
        return;
    bool mean = pools_mean(c, &l), later = mean && convert_has(c, "fc_norm.weight");
    bool pre_norm = convert_has(c, "norm_pre.weight");
    patches(c, &l);
    if (pre_norm)
        convert_pair(c, "norm_pre", "v.pre_ln", (convert_shape){ 1, { l.width } });
    block_sizes s = blocks(c, &l, pre_norm ? 1e-5f : 1e-6f); /* with it, timm follows CLIP */
    convert_pair(c, later ? "fc_norm" : "norm", "v.post_ln", (convert_shape){ 1, { l.width } });
    convert_ignore(c, "head.*");
    keys(c, "vit.vision", &l, &s);
    gguf_put_string(c->out, "vit.vision.pooling", mean ? "mean" : "token", mean ? 4 : 5);
    gguf_put_bool(c->out, "vit.vision.norm_after_pooling", later);
    gguf_put_bool(c->out, "vit.vision.pre_norm", pre_norm);
}

void timm_siglip_convert(conversion *c)
{
    layout l;
    if (!read_layout(c, &l) || !is_known(c, false))
        return;
    if (l.lead > 0) {
        convert_fail(c, RAP_E_UNSUPPORTED,
                     "attention pooling with a class token or registers is not read");
        return;
    }
    patches(c, &l);
    block_sizes s = blocks(c, &l, 1e-6f);
    convert_pair(c, "norm", "v.post_ln", (convert_shape){ 1, { l.width } });
    siglip_convert_head(c, &timm_head, &s);
    convert_ignore(c, "head.*");
    keys(c, "siglip.vision", &l, &s);
}
