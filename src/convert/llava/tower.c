/* tower.c: the image tower with its projector, as mtmd loads them (architecture "clip").
 *
 * The tower is a CLIP: in the checkpoint itself, or in a folder of its own (options.tower). LLaVA takes the output of the
 * block before the last, without the class token: only the blocks up to there are written, and
 * clip.vision.feature_layer says so, without which llama.cpp v0.5.0 leaves out one more. */
#include "base/file.h"
#include "base/mem.h"
#include "convert/llava/llava.h"
#include "formats/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 512, MAX_PATCH = 256, MAX_WIDTH = 1 << 16, MAX_CONFIG = 1 << 20 };

typedef struct tower {
    conversion in;  /* of the checkpoint that holds it */
    json_t *config; /* of another folder; owned, like its path */
    char *path;
    char prefix[64];    /* "model.vision_tower.vision_tower.vision_model." */
    const char *fields; /* of its config.json: "", "vision_config."; NULL: it has none */
    int64_t D, F, P, T, grid;
    int layers, used, heads; /* blocks it has; that are written */
    float eps;
    bool gelu;
    float mean[3], std[3];
} tower;

/* ---- where it is ---- */

static const char *in_tower(char out[256], const tower *t, const char *name)
{
    return convert_name(out, t->prefix, name, "");
}

/* Newer libraries leave "vision_model." out. */
static bool find_prefix(tower *t, const char *start)
{
    char name[256];

    for (int whole = 1; whole >= 0; whole--) {
        snprintf(t->prefix, sizeof t->prefix, "%s%s", start, whole ? "vision_model." : "");
        if (convert_has(&t->in, in_tower(name, t, "embeddings.class_embedding")))
            return true;
    }
    return false;
}

/* A second conversion, of the tower's own checkpoint. */
static void open_folder(llava *l, tower *t)
{
    const char *path = l->c->options->tower;
    state_dict *d = NULL;

    l->c->status = state_dict_open(&d, path, l->c->err);
    if (l->c->status != RAP_OK)
        return;
    t->in = (conversion){ .in = d,
                          .config = state_dict_config(d),
                          .config_path = state_dict_config_path(d),
                          .options = l->c->options,
                          .used = mem_array(state_dict_count(d) + 1, sizeof(bool)),
                          .err = l->c->err };
    t->fields = json_at(t->in.config, "vision_config") ? "vision_config."
                : t->in.config                         ? ""
                                                       : NULL;
    if (!t->in.used)
        l->c->status = err_memory(l->c->err, "converting");
    else if (!find_prefix(t, ""))
        l->c->status =
            convert_fail(&t->in, RAP_E_UNSUPPORTED,
                         "is not a CLIP in Hugging Face's layout, as a LLaVA's tower is");
}

/* A checkpoint with its own tower may say nothing of it; then the folder that is named does. */
static void read_other_config(llava *l, tower *t)
{
    const char *folder = l->c->options->tower;

    if (!folder)
        return;
    convert_remark(l->c,
                   "has an image tower of its own, which is taken; of %s only config.json is read",
                   folder);
    if (t->fields)
        return;
    t->path = path_join(folder, "config.json");
    if (!t->path)
        l->c->status = err_memory(l->c->err, "converting");
    else
        l->c->status = json_read(&t->config, t->path, MAX_CONFIG, l->c->err);
    if (l->c->status != RAP_OK)
        return;
    t->in.config = t->config;
    t->in.config_path = t->path;
    t->fields = json_at(t->config, "vision_config") ? "vision_config." : "";
}

static void open_tower(llava *l, tower *t)
{
    const char *named = "openai/clip-vit-large-patch14-336";

    t->in = *l->c;
    t->fields = json_at(l->c->config, "vision_config") ? "vision_config." : NULL;
    if (find_prefix(t, l->layout->tower)) {
        read_other_config(l, t);
        return;
    }
    if (l->c->options->tower) {
        open_folder(l, t);
        return;
    }
    convert_config_string(l->c, "mm_vision_tower", &named);
    convert_fail(l->c, RAP_E_ARGUMENT,
                 "does not hold its image tower: download %.80s and name its folder with --tower",
                 named);
}

static bool is_apart(const llava *l, const tower *t)
{
    return t->in.in && t->in.in != l->c->in;
}

/* ---- what the tensors do not tell ---- */

static const char *field(char out[96], const tower *t, const char *name)
{
    snprintf(out, 96, "%s%s", t->fields ? t->fields : "", name);
    return out;
}

/* OpenAI's towers, of which the checkpoint gives nothing but the name. */
static bool is_openai(const llava *l)
{
    static const char *const known[] = { "clip-vit-large-patch14-336", "clip-vit-large-patch14",
                                         "clip-vit-base-patch32", "clip-vit-base-patch16" };
    const char *name = json_string_value(json_at(l->c->config, "mm_vision_tower")), *base;

    base = name && strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    for (size_t i = 0; base && i < sizeof known / sizeof *known; i++)
        if (!strcmp(base, known[i]))
            return true;
    return false;
}

static void read_config(llava *l, tower *t)
{
    char f[96];
    const char *act;

    if (!t->fields) {
        if (!is_openai(l))
            convert_fail(l->c, RAP_E_ARGUMENT,
                         "does not say of which kind its image tower is: name the folder of the "
                         "published one, with its config.json, with --tower");
        t->heads = (int)(t->D / 64); /* in all of OpenAI's */
        return;
    }
    t->heads = 12;
    convert_config_int(&t->in, field(f, t, "num_attention_heads"), 1, 256, &t->heads);
    convert_config_float(&t->in, field(f, t, "layer_norm_eps"), 1e-12f, 1e-2f, &t->eps);
    convert_config_agrees(&t->in, field(f, t, "hidden_size"), t->D);
    convert_config_agrees(&t->in, field(f, t, "intermediate_size"), t->F);
    convert_config_agrees(&t->in, field(f, t, "num_hidden_layers"), t->layers);
    convert_config_agrees(&t->in, field(f, t, "patch_size"), t->P);
    convert_config_agrees(&t->in, field(f, t, "image_size"), t->grid * t->P);
    act = convert_config_act(&t->in, field(f, t, "hidden_act"), "quick_gelu");
    t->gelu = strcmp(act, "quick_gelu") != 0;
    if (t->in.status == RAP_OK && t->gelu && strcmp(act, "gelu") != 0)
        convert_fail(&t->in, RAP_E_UNSUPPORTED, "an image tower with '%s' is not read", act);
    l->c->status = t->in.status;
}

/* Mean and deviation are next to the checkpoint or the tower; else they are OpenAI's. */
static void read_colours(llava *l, tower *t)
{
    static const char *const files[] = { "preprocessor_config.json", "processor_config.json" };
    conversion *places[] = { l->c, is_apart(l, t) ? &t->in : NULL };

    for (size_t i = 0; i < 4 && l->c->status == RAP_OK; i++) {
        const char *file = files[i % 2];
        conversion *c = places[i / 2];
        json_t *whole = NULL;
        const json_t *inner;

        if (!c)
            return;
        l->c->status = state_dict_beside_json(c->in, file, &whole, l->c->err);
        inner = json_at(whole, "image_processor");
        inner = inner ? inner : whole;
        if (json_at(inner, "image_mean")) {
            convert_json_triple(l->c, inner, file, "image_mean", -10, t->mean);
            convert_json_triple(l->c, inner, file, "image_std", 1e-3f, t->std);
            json_decref(whole);
            return;
        }
        json_decref(whole);
    }
}

/* ---- how much of it ---- */

/* Which of the tower's outputs is used: 0 the embeddings, −1 the last block's. */
static int feature_layer(llava *l)
{
    int layer = -2;
    const char *taken = "patch", *strategy = "default";
    const json_t *list = json_at(l->c->config, "vision_feature_layer");

    if (json_is_array(list))
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "%s: several outputs of the image tower are stacked, which is not read",
                     l->c->config_path);
    convert_config_string(l->c, "mm_vision_select_feature", &taken);
    convert_config_string(l->c, "vision_feature_select_strategy", &strategy);
    if (l->c->status == RAP_OK && (strcmp(taken, "patch") != 0 || strcmp(strategy, "default") != 0))
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "%s: the class token is a token of its pictures, which is not read",
                     l->c->config_path);
    convert_config_int(l->c, "mm_vision_select_layer", -MAX_LAYERS, MAX_LAYERS, &layer);
    convert_config_int(l->c, "vision_feature_layer", -MAX_LAYERS, MAX_LAYERS, &layer);
    return layer;
}

static void find_sizes(llava *l, tower *t)
{
    char name[256];
    int layer = feature_layer(l);

    in_tower(name, t, "embeddings.patch_embedding.weight");
    t->D = convert_size(&t->in, name, 3);
    t->P = convert_size(&t->in, name, 0);
    t->T = convert_size(&t->in, in_tower(name, t, "embeddings.position_embedding.weight"), 1);
    t->grid = convert_grid(t->T);
    t->F = convert_size(&t->in, in_tower(name, t, "encoder.layers.0.mlp.fc1.weight"), 1);
    for (t->layers = 0; t->layers < MAX_LAYERS; t->layers++) {
        snprintf(name, sizeof name, "%sencoder.layers.%d.layer_norm1.weight", t->prefix, t->layers);
        if (!convert_has(&t->in, name))
            break;
    }
    t->used = layer < 0 ? t->layers + 1 + layer : layer;
    if (l->c->status == RAP_OK && (t->D < 1 || t->D > MAX_WIDTH || t->P < 1 || t->P > MAX_PATCH ||
                                   !t->grid || t->F < 1 || !t->layers))
        l->c->status =
            convert_fail(&t->in, RAP_E_FORMAT, "its image tower has an impossible shape");
    if (l->c->status == RAP_OK && (t->used < 1 || t->used > t->layers))
        convert_fail(l->c, RAP_E_FORMAT, "%s: output %d of an image tower of %d blocks",
                     l->c->config_path, layer, t->layers);
}

/* ---- tensors ---- */

static void pair(llava *l, conversion *in, const char *from, const char *to, convert_shape weight)
{
    char a[256], b[64];

    snprintf(a, sizeof a, "%s.weight", from);
    snprintf(b, sizeof b, "%s.weight", to);
    plan_tensor(l, in, a, b, weight);
    snprintf(a, sizeof a, "%s.bias", from);
    snprintf(b, sizeof b, "%s.bias", to);
    plan_tensor(l, in, a, b, (convert_shape){ 1, { weight.d[0] } });
}

static void block(llava *l, tower *t, int i)
{
    const convert_shape norm = { 1, { t->D } }, square = { 2, { t->D, t->D } };
    const struct {
        const char *from, *to;
        convert_shape shape;
    } layers[] = {
        { "layer_norm1", "ln1", norm },
        { "self_attn.q_proj", "attn_q", square },
        { "self_attn.k_proj", "attn_k", square },
        { "self_attn.v_proj", "attn_v", square },
        { "self_attn.out_proj", "attn_out", square },
        { "layer_norm2", "ln2", norm },
        { "mlp.fc1", "ffn_up", { 2, { t->F, t->D } } },
        { "mlp.fc2", "ffn_down", { 2, { t->D, t->F } } },
    };

    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
        char from[256], to[64];

        snprintf(from, sizeof from, "%sencoder.layers.%d.%s", t->prefix, i, layers[k].from);
        snprintf(to, sizeof to, "v.blk.%d.%s", i, layers[k].to);
        pair(l, &t->in, from, to, layers[k].shape);
    }
}

/* Positions are added, and few: f32. The convolution of the patches is computed in f16 or f32 only. */
static void embeddings(llava *l, tower *t)
{
    char name[256];
    bool half = l->c->options->type == CONVERT_F16;
    const state_tensor *kernel =
        state_dict_find(t->in.in, in_tower(name, t, "embeddings.patch_embedding.weight"));

    if (l->c->options->type == CONVERT_KEEP)
        half = kernel && kernel->type == DTYPE_F16;
    plan_typed(l, &t->in, name, "v.patch_embd.weight",
               (convert_shape){ 4, { t->D, 3, t->P, t->P } }, half ? GGUF_F16 : GGUF_F32);
    plan_tensor(l, &t->in, in_tower(name, t, "embeddings.class_embedding"), "v.class_embd",
                (convert_shape){ 1, { t->D } });
    plan_typed(l, &t->in, in_tower(name, t, "embeddings.position_embedding.weight"),
               "v.position_embd.weight", (convert_shape){ 2, { t->T, t->D } }, GGUF_F32);
    pair(l, &t->in, in_tower(name, t, "pre_layrnorm"), "v.pre_ln", (convert_shape){ 1, { t->D } });
}

/* mtmd computes the exact GELU between the two layers. */
static void check_activation(llava *l)
{
    const char *act = "gelu";

    convert_config_string(l->c, "projector_hidden_act", &act);
    if (l->c->status == RAP_OK && strcmp(act, "gelu") != 0)
        convert_fail(l->c, RAP_E_UNSUPPORTED, "%s: a projector with '%.40s' where 'gelu' is known",
                     l->c->config_path, act);
}

/* Returns the width of the language model. */
static int64_t projector(llava *l, const tower *t)
{
    char name[256];
    const char *first = l->layout->linear1, *second = l->layout->linear2;
    int64_t M = convert_size(l->c, convert_name(name, first, ".weight", ""), 1),
            N = convert_size(l->c, convert_name(name, second, ".weight", ""), 1);

    if (l->c->status == RAP_OK && !(M && N))
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "its projector is not of two linear layers, as LLaVA-1.5 has it ('%s.weight', "
                     "'%s.weight')",
                     first, second);
    check_activation(l);
    pair(l, l->c, first, "mm.0", (convert_shape){ 2, { M, t->D } });
    pair(l, l->c, second, "mm.2", (convert_shape){ 2, { N, M } });
    return N;
}

static void put_keys(llava *l, const tower *t, int64_t width)
{
    gguf_writer *out = l->c->out;
    const convert_options *o = l->c->options;
    const int32_t layers[] = { t->used };
    bool given = convert_colours_given(l->c);

    gguf_put_bool(out, "clip.has_text_encoder", false);
    gguf_put_bool(out, "clip.has_vision_encoder", true);
    gguf_put_bool(out, "clip.has_llava_projector", true);
    gguf_put_string(out, "clip.projector_type", "mlp", 3);
    gguf_put_int(out, "clip.vision.image_size", (uint32_t)(t->grid * t->P));
    gguf_put_int(out, "clip.vision.patch_size", (uint32_t)t->P);
    gguf_put_int(out, "clip.vision.embedding_length", (uint32_t)t->D);
    gguf_put_int(out, "clip.vision.feed_forward_length", (uint32_t)t->F);
    gguf_put_int(out, "clip.vision.projection_dim", (uint32_t)width);
    gguf_put_int(out, "clip.vision.block_count", (uint32_t)t->used);
    gguf_put_int(out, "clip.vision.attention.head_count", (uint32_t)t->heads);
    gguf_put_float(out, "clip.vision.attention.layer_norm_epsilon", t->eps);
    gguf_put_floats(out, "clip.vision.image_mean", given ? o->mean : t->mean, 3);
    gguf_put_floats(out, "clip.vision.image_std", given ? o->std : t->std, 3);
    gguf_put_signed_ints(out, "clip.vision.feature_layer", layers, 1);
    gguf_put_bool(out, "clip.use_gelu", t->gelu);
}

/* LLaVA-1.6 splits a picture into tiles, with rows that end in a vector of their own. */
static void refuse_tiles(llava *l)
{
    const char *merge = "flat";

    convert_config_string(l->c, "mm_patch_merge_type", &merge);
    if (l->c->status == RAP_OK &&
        (strcmp(merge, "flat") != 0 || convert_has(l->c, "model.image_newline") ||
         convert_has(l->c, "image_newline")))
        convert_fail(l->c, RAP_E_UNSUPPORTED,
                     "splits its pictures into tiles (LLaVA-1.6), which is not read");
}

void tower_plan(llava *l)
{
    tower t = { .eps = 1e-5f,
                .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
                .std = { 0.26862954f, 0.26130258f, 0.27577711f } };

    refuse_tiles(l);
    if (l->c->status == RAP_OK)
        open_tower(l, &t);
    if (l->c->status == RAP_OK)
        find_sizes(l, &t);
    if (l->c->status == RAP_OK)
        read_config(l, &t);
    if (l->c->status == RAP_OK && (t.heads < 1 || t.D % t.heads))
        convert_fail(l->c, RAP_E_FORMAT, "%d heads do not divide a width of %" PRId64, t.heads,
                     t.D);
    if (l->c->status == RAP_OK)
        read_colours(l, &t);
    if (l->c->status == RAP_OK) {
        llava_put_general(l, "mmproj");
        llava_put_name(l);
        embeddings(l, &t);
        for (int i = 0; l->c->status == RAP_OK && i < t.used; i++)
            block(l, &t, i);
        put_keys(l, &t, projector(l, &t));
    }
    json_decref(t.config);
    free(t.path);
    l->tower = is_apart(l, &t) ? t.in : (conversion){ 0 };
}
