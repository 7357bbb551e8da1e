/* map_clip_config.c: what the tensors of a CLIP cannot tell: heads, activation, epsilon, how pictures are
 * prepared. OpenAI's own models have one answer; others say it in a file beside the weights: Hugging
 * Face's config.json, or the open_clip_config.json of open_clip, which has OpenAI's names for the tensors
 * but mostly another activation and other heads. */
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "formats/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_CLIP_FILE "open_clip_config.json"

enum { HEAD_WIDTH = 64, OPENAI_MOST_WIDTH = 1024 };

/* Where a file says what; NULL: it does not say it. */
typedef struct layout {
    const char *image, *text; /* the parts of the towers */
    const char *shared;
    const char *width, *hidden, *layers, *patch, *side, *vocab, *context, *eps;
} layout;

static const layout silent = { .image = "", .text = "" };

static const layout hugging_face = {
    .image = "vision_config.",
    .text = "text_config.",
    .shared = "projection_dim",
    .width = "hidden_size",
    .hidden = "intermediate_size",
    .layers = "num_hidden_layers",
    .patch = "patch_size",
    .side = "image_size",
    .vocab = "vocab_size",
    .context = "max_position_embeddings",
    .eps = "layer_norm_eps",
};

static const layout open_clip = {
    .image = "model_cfg.vision_cfg.",
    .text = "model_cfg.text_cfg.",
    .shared = "model_cfg.embed_dim",
    .width = "width",
    .layers = "layers",
    .patch = "patch_size",
    .side = "image_size",
    .vocab = "vocab_size",
    .context = "context_length",
    .eps = "norm_kwargs.eps",
};

struct clip_config {
    const layout *at;
    json_t *file; /* open_clip's; NULL: what was open already */
    char *path;
};

/* ---- whose it is -------------------------------------------------------------------------- */

/* The numbers that OpenAI's files carry along. */
static bool is_openai(const conversion *c)
{
    return convert_has(c, "input_resolution") || convert_has(c, "context_length") ||
           convert_has(c, "vocab_size");
}

static bool is_hugging_face(const conversion *c)
{
    return json_is_object(json_at(c->config, "vision_config")) ||
           convert_config_is(c, "model_type", "clip_vision_model");
}

/* A plain .pt is how OpenAI's models are saved again; what a hub holds has its config beside it. */
static bool may_be_openai(const conversion *c, int64_t width)
{
    return !strcmp(path_extension(state_dict_path(c->in)), "pt") && width <= OPENAI_MOST_WIDTH;
}

static void refuse(conversion *c, const char *what)
{
    convert_fail(c, RAP_E_UNSUPPORTED, "%s: %s", OPEN_CLIP_FILE, what);
}

/* What open_clip can do beyond a CLIP, and leaves no trace of among the tensors. */
static void check_open_clip(conversion *c)
{
    const json_t *model = json_at(c->config, "model_cfg");
    const char *image_pool = "tok", *text_pool = "argmax";
    bool sees_all = false;
    if (c->status == RAP_OK && !json_is_object(json_at(model, "vision_cfg")))
        refuse(c, "has no model_cfg.vision_cfg");
    if (json_object_size(json_at(model, "vision_cfg.act_kwargs")) ||
        json_object_size(json_at(model, "text_cfg.act_kwargs")))
        refuse(c, "its activation has settings (act_kwargs), which are not done here");
    convert_config_string(c, "model_cfg.vision_cfg.pool_type", &image_pool);
    convert_config_string(c, "model_cfg.text_cfg.pool_type", &text_pool);
    if (strcmp(image_pool, "tok") || strcmp(text_pool, "argmax"))
        refuse(c, "its features are not those of the class token and the last token (pool_type)");
    if (c->status == RAP_OK)
        c->status = json_get_bool(&sees_all, c->config, "model_cfg.text_cfg.no_causal_mask",
                                  c->config_path, c->err);
    if (sees_all)
        refuse(c, "its text tower has no causal mask (no_causal_mask)");
}

static void read_open_clip(conversion *c, clip_config *k)
{
    if (c->status == RAP_OK)
        c->status = state_dict_beside(c->in, OPEN_CLIP_FILE, &k->path, c->err);
    if (c->status == RAP_OK && k->path)
        c->status = state_dict_beside_json(c->in, OPEN_CLIP_FILE, &k->file, c->err);
    if (!k->file)
        return;
    k->at = &open_clip;
    c->config = k->file;
    c->config_path = k->path;
    check_open_clip(c);
}

static void with_openai_names(conversion *c, clip_config *k, int64_t width)
{
    if (!is_openai(c))
        read_open_clip(c, k);
    if (c->status != RAP_OK || k->file)
        return;
    if (!is_openai(c) && is_hugging_face(c)) {
        k->at = &hugging_face;
    } else if (is_openai(c) || may_be_openai(c, width)) {
        c->config = NULL; /* another model's */
        if (!is_openai(c))
            convert_remark(c, "no " OPEN_CLIP_FILE " beside it; taken for OpenAI's own CLIP, with "
                              "QuickGELU and heads of 64. Of an open_clip model put that file "
                              "beside it");
    } else {
        convert_fail(
            c, RAP_E_ARGUMENT,
            "has OpenAI's names but not all of OpenAI's numbers, so its activation and heads "
            "are unknown: needs the " OPEN_CLIP_FILE " (or config.json) that is published "
            "with it, in the same folder");
    }
}

clip_config *clip_config_open(conversion *c, bool hugging_face_names, int64_t width)
{
    clip_config *k = mem_array(1, sizeof *k);
    if (!k) {
        c->status = err_memory(c->err, "converting");
        return NULL;
    }
    k->at = hugging_face_names ? &hugging_face : &silent;
    if (!hugging_face_names)
        with_openai_names(c, k, width);
    else if (!c->config)
        convert_fail(c, RAP_E_ARGUMENT,
                     "needs the config.json that is published with it, in the same folder");
    if (c->status == RAP_OK)
        return k;
    clip_config_close(c, k);
    return NULL;
}

void clip_config_close(conversion *c, clip_config *k)
{
    if (!k)
        return;
    c->config = NULL; /* it may be the file that ends here */
    json_decref(k->file);
    free(k->path);
    free(k);
}

/* ---- what it says ------------------------------------------------------------------------- */

/* A field of a tower's part; a file with nothing but the image tower has no parts. */
static const char *field_of(char out[96], const conversion *c, const char *part, const char *field)
{
    bool alone = convert_config_is(c, "model_type", "clip_vision_model");
    snprintf(out, 96, "%s%s", alone ? "" : part, field);
    return out;
}

/* Both towers have the same activation; OpenAI's is QuickGELU, open_clip's is GELU where it says
 * nothing. */
bool clip_config_gelu(conversion *c, const clip_config *k, bool text)
{
    char full[96];
    bool quick = k->at != &open_clip;
    const char *image_act = "quick_gelu", *text_act = "quick_gelu";
    if (k->at == &open_clip && c->status == RAP_OK)
        c->status =
            json_get_bool(&quick, c->config, "model_cfg.quick_gelu", c->config_path, c->err);
    if (k->at != &hugging_face)
        return !quick;
    convert_config_string(c, field_of(full, c, k->at->image, "hidden_act"), &image_act);
    if (text)
        convert_config_string(c, field_of(full, c, k->at->text, "hidden_act"), &text_act);
    else
        text_act = image_act;
    bool gelu = !strcmp(image_act, "gelu");
    if (c->status == RAP_OK &&
        (strcmp(image_act, text_act) || (!gelu && strcmp(image_act, "quick_gelu"))))
        convert_fail(c, RAP_E_UNSUPPORTED,
                     "its towers have activations '%.40s' and '%.40s', not both quick_gelu or gelu",
                     image_act, text_act);
    return gelu;
}

static int heads_of(conversion *c, const clip_config *k, const clip_tower *t, const char *part)
{
    char full[96];
    int heads = t->vocab ? 8 : 12, each = HEAD_WIDTH; /* as the libraries have it */
    bool image = !t->vocab;
    if (k->at == &hugging_face) {
        convert_config_int(c, field_of(full, c, part, "num_attention_heads"), 1, 256, &heads);
    } else if (k->at == &open_clip && !image) {
        convert_config_int(c, field_of(full, c, part, "heads"), 1, 256, &heads);
    } else {
        if (k->at == &open_clip)
            convert_config_int(c, field_of(full, c, part, "head_width"), 1, 1024, &each);
        heads = t->width % each ? 0 : (int)(t->width / each);
    }
    if (heads < 1 || t->width % heads)
        convert_fail(c, RAP_E_UNSUPPORTED, "%d heads do not divide a width of %" PRId64, heads,
                     t->width);
    return heads;
}

static void agrees(conversion *c, const char *part, const char *field, int64_t tensors_say)
{
    char full[96];
    if (field && tensors_say)
        convert_config_agrees(c, field_of(full, c, part, field), tensors_say);
}

void clip_config_tower(conversion *c, const clip_config *k, clip_tower *t)
{
    char full[96];
    const char *part = t->vocab ? k->at->text : k->at->image;
    t->heads = heads_of(c, k, t, part);
    t->eps = 1e-5f;
    if (k->at->eps)
        convert_config_float(c, field_of(full, c, part, k->at->eps), 1e-12f, 1e-2f, &t->eps);
    agrees(c, part, k->at->width, t->width);
    agrees(c, part, k->at->hidden, t->hidden);
    agrees(c, part, k->at->layers, t->layers);
    agrees(c, part, k->at->patch, t->patch);
    agrees(c, part, k->at->side, t->side);
    agrees(c, part, k->at->vocab, t->vocab);
    agrees(c, part, k->at->context, t->context);
}

void clip_config_shared(conversion *c, const clip_config *k, int64_t width)
{
    if (k->at->shared)
        convert_config_agrees(c, k->at->shared, width);
}

static void open_clip_pictures(conversion *c, picture_recipe *r)
{
    const char *mode = "shortest", *filter = "bicubic";
    convert_json_triple(c, c->config, OPEN_CLIP_FILE, "preprocess_cfg.mean", -10, r->mean);
    convert_json_triple(c, c->config, OPEN_CLIP_FILE, "preprocess_cfg.std", 1e-3f, r->std);
    convert_config_string(c, "preprocess_cfg.resize_mode", &mode);
    convert_config_string(c, "preprocess_cfg.interpolation", &filter);
    r->squash = !strcmp(mode, "squash");
    if (!r->squash && strcmp(mode, "shortest"))
        refuse(c, "its resize_mode is neither shortest nor squash");
    r->interpolation = strcmp(filter, "bilinear") ? "bicubic" : "bilinear";
    if (strcmp(filter, r->interpolation) && strcmp(filter, "random")) /* it means training */
        refuse(c, "its interpolation is neither bilinear nor bicubic");
}

void clip_config_pictures(conversion *c, const clip_config *k, picture_recipe *r)
{
    char text[200];
    if (k->at == &hugging_face) {
        if (!convert_read_recipe(c, false, r) && !convert_colours_given(c))
            convert_remark(c,
                           "no preprocessor_config.json beside it; pictures are prepared as for "
                           "OpenAI's CLIP: %s",
                           convert_recipe_text(text, r));
    } else if (k->at == &open_clip) {
        open_clip_pictures(c, r);
    }
}
