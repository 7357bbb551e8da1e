/* check/mmproj.c: an image tower and projector (architecture "clip").
 *
 * Read check_mmproj() last. The "mlp" family (LLaVA: a CLIP tower without its last block, then two linear
 * layers) is checked tensor by tensor, because for it llama.cpp compares no shape by itself. */
#include "generate/check/check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 512, MAX_WIDTH = 1 << 16, MAX_IMAGE = 8192, MAX_POSITIONS = 16384 };

/* The hyper-parameters of a tower; letters as in the shapes below. */
typedef struct tower {
    int64_t S, P;     /* side of picture and patch, pixels       */
    int64_t T;        /* positions: patches, and the class token */
    int64_t D, F;     /* width, feed-forward width               */
    int64_t H, L;     /* heads, blocks                           */
    int64_t features; /* layers whose outputs are stacked; 1     */
} tower;

static rap_status check_sizes(tower *t, const gguf_file *g, rap_err *err)
{
    double eps = 0;
    int64_t head = 0, kv = 0;
    rap_status status = check_int(g, "clip.vision.image_size", 0, MAX_IMAGE, &t->S, err);

    if (!status)
        status = check_int(g, "clip.vision.patch_size", 1, MAX_IMAGE, &t->P, err);
    if (!status)
        status = check_int(g, "clip.vision.embedding_length", 1, MAX_WIDTH, &t->D, err);
    if (!status)
        status = check_int(g, "clip.vision.feed_forward_length", 0, MAX_WIDTH * 16, &t->F, err);
    if (!status)
        status = check_int(g, "clip.vision.attention.head_count", 1, t->D, &t->H, err);
    if (!status)
        status = check_int_or(g, "clip.vision.attention.head_count_kv", t->H, 1, t->H, &kv, err);
    if (!status)
        status =
            check_int_or(g, "clip.vision.attention.head_dim", t->D / t->H, 1, t->D, &head, err);
    if (!status)
        status = check_int(g, "clip.vision.block_count", 1, MAX_LAYERS, &t->L, err);
    if (!status)
        status = gguf_get_float(g, "clip.vision.attention.layer_norm_epsilon", &eps, err);
    if (status)
        return status;
    if (t->H % kv || (!gguf_has(g, "clip.vision.attention.head_dim") && t->D % t->H))
        return err_set(err, RAP_E_FORMAT, "%s: %" PRId64 " heads do not divide a width of %" PRId64,
                       gguf_file_path(g), t->H, t->D);
    if (eps < 0 || eps > 1)
        return err_set(err, RAP_E_FORMAT, "%s: the norm's epsilon is out of range",
                       gguf_file_path(g));
    return RAP_OK;
}

/* Colours less their mean, divided by their deviation. */
static rap_status check_colours(const gguf_file *g, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < 3; i++) {
        double mean = 0, deviation = 0;

        status = gguf_array_float(g, "clip.vision.image_mean", i, &mean, err);
        if (!status)
            status = gguf_array_float(g, "clip.vision.image_std", i, &deviation, err);
        if (!status && deviation <= 0)
            status = err_set(err, RAP_E_FORMAT, "%s: clip.vision.image_std must be positive",
                             gguf_file_path(g));
    }
    return status;
}

/* Sizes a picture may be split at (LLaVA 1.6): each side 1 to MAX_IMAGE. */
static rap_status check_pinpoints(const gguf_file *g, rap_err *err)
{
    const char *key = "clip.vision.image_grid_pinpoints";
    size_t count = 0;
    rap_status status = gguf_has(g, key) ? gguf_array_count(g, key, &count, err) : RAP_OK;

    for (size_t i = 0; !status && i < count; i++) {
        int64_t side = 0;

        status = gguf_array_int(g, key, i, &side, err);
        if (!status && (side < 1 || side > MAX_IMAGE || count % 2))
            status = err_set(err, RAP_E_FORMAT, "%s: '%s' is damaged", gguf_file_path(g), key);
    }
    return status;
}

/* Layers whose outputs are stacked (rare): rising, each at most L. */
static rap_status check_features(tower *t, const gguf_file *g, rap_err *err)
{
    const char *key = "clip.vision.feature_layer";
    size_t count = 0;
    int64_t before = -1;
    rap_status status = gguf_has(g, key) ? gguf_array_count(g, key, &count, err) : RAP_OK;

    for (size_t i = 0; !status && i < count; i++) {
        int64_t layer = 0;

        status = gguf_array_int(g, key, i, &layer, err);
        if (!status && (layer <= before || layer > t->L))
            status = err_set(err, RAP_E_FORMAT, "%s: '%s' is damaged", gguf_file_path(g), key);
        before = layer;
    }
    t->features = count ? (int64_t)count : 1;
    return status;
}

/* "<name>.weight" and "<name>.bias"; a vector for a norm, else a matrix [in, out] and its bias [out]. */
typedef struct layer_rule {
    const char *name;
    bool norm;
    int64_t in, out;
} layer_rule;

static rap_status check_layer(const gguf_file *g, const char *prefix, const layer_rule *r,
                              bool bias, rap_err *err)
{
    char name[64];
    const int64_t norm[] = { r->out }, matrix[] = { r->in, r->out };
    rap_status status;

    snprintf(name, sizeof name, "%s%s.weight", prefix, r->name);
    status = check_tensor(g, name, r->norm ? CHECK_VECTOR : CHECK_MATRIX, r->norm ? 1 : 2,
                          r->norm ? norm : matrix, err);
    snprintf(name, sizeof name, "%s%s.bias", prefix, r->name);
    if (status)
        return status;
    return bias ? check_tensor(g, name, CHECK_VECTOR, 1, norm, err)
                : check_optional(g, name, CHECK_VECTOR, 1, norm, err);
}

/* Old converters swapped the names of the two feed-forward matrices; llama.cpp swaps them back. */
static bool is_swapped(const tower *t, const gguf_file *g, const char *prefix)
{
    char name[64];
    const gguf_tensor *down;

    snprintf(name, sizeof name, "%sffn_down.weight", prefix);
    down = gguf_find(g, name);
    return down && down->ne[0] == t->D;
}

static rap_status check_block(const tower *t, const gguf_file *g, int64_t i, rap_err *err)
{
    char prefix[32], gate[64];

    snprintf(prefix, sizeof prefix, "v.blk.%d.", (int)i);
    snprintf(gate, sizeof gate, "%sffn_gate.weight", prefix);
    if (gguf_find(g, gate))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: a gated feed-forward in an 'mlp' tower",
                       gguf_file_path(g));

    bool swapped = is_swapped(t, g, prefix);
    const layer_rule layers[] = {
        { "ln1", true, 0, t->D },
        { "ln2", true, 0, t->D },
        { "attn_q", false, t->D, t->D },
        { "attn_k", false, t->D, t->D },
        { "attn_v", false, t->D, t->D },
        { "attn_out", false, t->D, t->D },
        { swapped ? "ffn_down" : "ffn_up", false, t->D, t->F },
        { swapped ? "ffn_up" : "ffn_down", false, t->F, t->D },
    };

    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
        rap_status status = check_layer(g, prefix, &layers[k], false, err);

        if (status)
            return status;
    }
    return RAP_OK;
}

static rap_status check_embeddings(tower *t, const gguf_file *g, rap_err *err)
{
    const int64_t width[] = { t->D };
    rap_status status;

    if (t->S == 0 || t->S % t->P)
        return err_set(err, RAP_E_FORMAT,
                       "%s: patches of %" PRId64 " do not tile %" PRId64 " pixels",
                       gguf_file_path(g), t->P, t->S);
    t->T = (t->S / t->P) * (t->S / t->P) + (gguf_find(g, "v.class_embd") ? 1 : 0);
    if (t->T > MAX_POSITIONS)
        return err_set(err, RAP_E_LIMIT, "%s: %" PRId64 " patches, at most %d", gguf_file_path(g),
                       t->T, MAX_POSITIONS);
    status = check_tensor(g, "v.patch_embd.weight", CHECK_KERNEL, 4,
                          (int64_t[]){ t->P, t->P, 3, t->D }, err);
    if (!status)
        status = check_tensor(g, "v.position_embd.weight", CHECK_MATRIX, 2,
                              (int64_t[]){ t->D, t->T }, err);
    if (!status)
        status = check_optional(g, "v.class_embd", CHECK_VECTOR, 1, width, err);
    if (!status)
        status = check_optional(g, "v.patch_embd.bias", CHECK_VECTOR, 1, width, err);
    if (!status && gguf_find(g, "v.pre_ln.weight"))
        status = check_layer(g, "v.", &(layer_rule){ "pre_ln", true, 0, t->D }, false, err);
    if (!status && gguf_find(g, "v.post_ln.weight"))
        status = check_layer(g, "v.", &(layer_rule){ "post_ln", true, 0, t->D }, false, err);
    return status;
}

/* Two linear layers; with norms after each when mm.3 is there. N: the language model's width. */
static rap_status check_projector(const tower *t, const gguf_file *g, int64_t N, rap_err *err)
{
    const gguf_tensor *first = gguf_find(g, "mm.0.weight");
    bool normed = gguf_find(g, "mm.3.weight") != NULL;
    int64_t in = t->D * t->features, M = first ? first->ne[1] : 0;
    const layer_rule plain[] = { { "0", false, in, M }, { "2", false, M, N } };
    const layer_rule with_norms[] = {
        { "0", false, in, M }, { "1", true, 0, M }, { "3", false, M, N }, { "4", true, 0, N }
    };
    const layer_rule *layers = normed ? with_norms : plain;
    size_t count = normed ? 4 : 2;

    for (size_t i = 0; i < count; i++) {
        rap_status status = check_layer(g, "mm.", &layers[i], true, err);

        if (status)
            return status;
    }
    return RAP_OK;
}

static rap_status check_mlp(tower *t, const gguf_file *g, int64_t width, rap_err *err)
{
    rap_status status = check_pinpoints(g, err);

    if (gguf_has(g, "clip.vision.attention.head_count_kv") ||
        gguf_has(g, "clip.vision.attention.head_dim"))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: an 'mlp' tower with its own head lengths",
                       gguf_file_path(g));
    if (!status)
        status = check_features(t, g, err);
    if (!status)
        status = check_embeddings(t, g, err);
    for (int64_t i = 0; !status && i < t->L; i++)
        status = check_block(t, g, i, err);
    return status ? status : check_projector(t, g, width, err);
}

/* The projector's kind stands in one of two keys. Those of 2023 do not say it: there was one, LLaVA's two layers. */
static rap_status find_projector(const gguf_file *g, const char **out, size_t *out_len,
                                 rap_err *err)
{
    const char *key =
        gguf_has(g, "clip.projector_type") ? "clip.projector_type" : "clip.vision.projector_type";

    if (gguf_has(g, key) || !gguf_find(g, "mm.0.weight"))
        return gguf_get_string(g, key, out, out_len, err);
    *out = "mlp";
    *out_len = 3;
    return RAP_OK;
}

/* Only LLaVA's kind is checked tensor by tensor; damaged ones of all others can crash llama.cpp. */
static bool is_known(const char *kind, size_t len)
{
    return len == 3 && memcmp(kind, "mlp", 3) == 0;
}

/* Two families number a picture's tokens by where in the prompt it stands, so that it cannot be prepared
 * by itself. */
static rap_status check_family(const gguf_file *g, const char *kind, size_t len, rap_err *err)
{
    static const char *const placed[] = { "deepseek4v", "hunyuanvl" };

    for (size_t i = 0; i < sizeof placed / sizeof *placed; i++)
        if (len == strlen(placed[i]) && memcmp(kind, placed[i], len) == 0)
            return err_set(err, RAP_E_UNSUPPORTED, "%s: projectors of kind '%s' are not supported",
                           gguf_file_path(g), placed[i]);
    return RAP_OK;
}

static rap_status check_purpose(const gguf_file *g, rap_err *err)
{
    bool vision = false;
    rap_status status = RAP_OK;

    if (strcmp(gguf_file_architecture(g), "clip") != 0)
        return err_set(err, RAP_E_FORMAT, "%s: is not an image projector (architecture '%.40s')",
                       gguf_file_path(g), gguf_file_architecture(g));
    status = gguf_get_bool(g, "clip.has_vision_encoder", &vision, err);
    if (!status && !vision)
        status = err_set(err, RAP_E_UNSUPPORTED, "%s: has no image tower", gguf_file_path(g));
    return status;
}

rap_status check_mmproj(const char *path, check_facts *model, rap_err *err)
{
    gguf_file *g = NULL;
    const char *kind = NULL;
    size_t len = 0;
    tower t = { 0 };
    rap_status status = gguf_file_open(&g, path, err);

    if (status)
        return status;
    status = check_purpose(g, err);
    if (!status)
        status = check_kinds(g, err);
    if (!status)
        status = find_projector(g, &kind, &len, err);
    if (!status)
        status = check_family(g, kind, len, err);
    model->known = model->known && !status && is_known(kind, len);
    if (!status)
        status = check_sizes(&t, g, err);
    if (!status)
        status = check_colours(g, err);
    if (!status && gguf_find(g, "v.position_embd.weight"))
        status = check_tensor(g, "v.position_embd.weight", CHECK_MATRIX, 4,
                              (int64_t[]){ t.D, CHECK_ANY, CHECK_ANY, CHECK_ANY }, err);
    if (!status && is_known(kind, len))
        status = check_mlp(&t, g, model->width, err);
    if (!status)
        status = check_types(g, err);
    gguf_file_close(g);
    return status;
}
