/* tower.c: the image towers and projectors of LLaVA, Idefics 3 and Gemma 3. MODELS.md describes
 * them in prose, with all shapes.
 *
 * A file is read in this order: its family (find_kind), its sizes (read_shape), and whether it has
 * weights that no graph below uses (check_weights). Then the graph is built, which checks the shape of
 * every weight. It is compiled with the first picture. */
#include "vision/tower.h"

#include "base/mem.h"
#include "vision/transformer.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct tower_kind tower_kind;

struct tower {
    gguf_file *file;
    nn *net;
    nn_graph *graph;
    const tower_kind *kind;
    patch_grid grid;
    transformer blocks;
    bool pre_norm, post_norm, compiled;
    rap_err failure; /* of compiling */
    int64_t merge;   /* patches per side merged into one token */
    int side, rows, width;
    float *features; /* [rows, feature_width] of the last picture, NULL: not kept */
    int feature_width;
    pthread_mutex_t lock; /* guards the graph */
};

struct tower_kind {
    const char *projector;      /* clip.projector_type */
    const char *const *weights; /* of the projector, NULL-terminated */
    bool class_token;           /* whose row is not an image token */
    int merge;                  /* unless the file says otherwise */
    nn_tensor *(*project)(nn_graph *g, nn_tensor *x, const tower *t);
};

/* ---- projectors: x [1, side², D] → [1, tokens, width] ------------------------------------- */

/* Exact GELU, as in LLaVA's training. */
static nn_tensor *project_mlp(nn_graph *g, nn_tensor *x, const tower *t)
{
    (void)t;
    x = nn_linear(g, x, "mm.0.weight", "mm.0.bias", (nn_linear_options){ .act = NN_GELU });
    return nn_linear(g, x, "mm.2.weight", "mm.2.bias", (nn_linear_options){ 0 });
}

/* Pixel shuffle: the vectors of each m × m square of patches are concatenated row by row. */
static nn_tensor *project_idefics3(nn_graph *g, nn_tensor *x, const tower *t)
{
    static const int exchange[] = { 0, 2, 1, 3 };
    int64_t m = t->merge, side = t->side / t->grid.patch, less = side / m, width = t->blocks.width;

    x = nn_reshape(g, x, NN_SHAPE(less, m, less, m * width));
    x = nn_transpose(g, x, exchange); /* [less, less, m, m · D] */
    x = nn_reshape(g, x, NN_SHAPE(1, less * less, m * m * width));
    return nn_linear(g, x, "mm.model.fc.weight", NULL, (nn_linear_options){ 0 });
}

/* x / √(mean(x²) + ε) of each row. */
static rap_status rms_rows(float *out, const float *const *in, int threads, void *payload,
                           rap_err *err)
{
    const tower *t = payload;
    int64_t width = t->blocks.width;

    (void)threads;
    (void)err;
    for (int64_t row = 0; row < t->rows; row++) {
        const float *x = in[0] + row * width;
        double sum = 0;

        for (int64_t i = 0; i < width; i++)
            sum += (double)x[i] * x[i];
        for (int64_t i = 0; i < width; i++)
            out[row * width + i] = x[i] / sqrtf((float)(sum / (double)width) + t->blocks.eps);
    }
    return RAP_OK;
}

static nn_tensor *project_gemma3(nn_graph *g, nn_tensor *x, const tower *t)
{
    int64_t m = t->merge, side = t->side / t->grid.patch, less = side / m, width = t->blocks.width;

    x = nn_mean(g, nn_reshape(g, x, NN_SHAPE(side * less, m, width)), 1); /* horizontally */
    x = nn_mean(g, nn_reshape(g, x, NN_SHAPE(less, m, less * width)), 1); /* and vertically */
    x = nn_reshape(g, x, NN_SHAPE(1, less * less, width));
    x = nn_custom(g, rms_rows, (void *)t, &x, 1, NN_SHAPE(1, less * less, width));
    x = nn_mul(g, x, nn_weight(g, "mm.soft_emb_norm.weight", NN_SHAPE(width)));
    return nn_linear(g, x, "mm.input_projection.weight", NULL,
                     (nn_linear_options){ .in_out = true });
}

static const char *const mlp_weights[] = { "mm.0.weight", "mm.0.bias",           "mm.2.weight",
                                           "mm.2.bias",   "model.image_newline", NULL };
static const char *const idefics3_weights[] = { "mm.model.fc.weight", NULL };
static const char *const gemma3_weights[] = { "mm.soft_emb_norm.weight",
                                              "mm.input_projection.weight", NULL };

static const tower_kind kinds[] = {
    { "mlp", mlp_weights, true, 1, project_mlp },
    { "idefics3", idefics3_weights, false, 1, project_idefics3 },
    { "gemma3", gemma3_weights, false, 4, project_gemma3 },
};

/* ---- reading ------------------------------------------------------------------------------ */

/* A file that names no projector is an early LLaVA (2023). */
static rap_status find_kind(tower *t, rap_err *err)
{
    static const char *const keys[] = { "clip.projector_type", "clip.vision.projector_type" };
    const char *name = "mlp";
    size_t len = 3;
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < 2; i++)
        if (gguf_has(t->file, keys[i])) {
            status = gguf_get_string(t->file, keys[i], &name, &len, err);
            break;
        }
    if (status)
        return status;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].projector) == len && !memcmp(kinds[i].projector, name, len))
            t->kind = &kinds[i];
    if (t->kind && !strcmp(gguf_file_architecture(t->file), "clip"))
        return RAP_OK;
    return err_set(err, RAP_E_UNSUPPORTED,
                   "%s: its projector is '%.*s'; our engine runs mlp, idefics3 and gemma3",
                   gguf_file_path(t->file), len < 40 ? (int)len : 40, name);
}

static rap_status read_activation(nn_act *out, const gguf_file *g, rap_err *err)
{
    bool gelu = false, silu = false;
    rap_status status = RAP_OK;

    if (gguf_has(g, "clip.use_gelu"))
        status = gguf_get_bool(g, "clip.use_gelu", &gelu, err);
    if (!status && gguf_has(g, "clip.use_silu"))
        status = gguf_get_bool(g, "clip.use_silu", &silu, err);
    *out = gelu ? NN_GELU_TANH : silu ? NN_SILU : NN_QUICK_GELU;
    return status;
}

/* The tower ends before its last block if clip.vision.feature_layer says so. */
static rap_status read_depth(tower *t, rap_err *err)
{
    const char *key = "clip.vision.feature_layer";
    int64_t layer = t->blocks.layers;
    size_t count = 0;
    rap_status status = RAP_OK;

    if (t->kind->class_token && gguf_has(t->file, key))
        status = gguf_array_count(t->file, key, &count, err);
    if (!status && count == 1)
        status = gguf_array_int(t->file, key, 0, &layer, err);
    if (status)
        return status;
    if (count > 1 || layer < 1 || layer > t->blocks.layers)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: %s is not a block of the tower",
                       gguf_file_path(t->file), key);
    t->blocks.layers = (int)layer;
    return RAP_OK;
}

/* Old converters swapped the names of the MLP's two weights. */
static bool is_swapped(const tower *t)
{
    const gguf_tensor *down = gguf_find(t->file, "v.blk.0.ffn_down.weight");

    return down && down->dims == 2 && down->ne[0] == t->blocks.width;
}

static rap_status read_merge(tower *t, rap_err *err)
{
    int64_t side = t->grid.image_size / t->grid.patch;
    rap_status status = RAP_OK;

    t->merge = t->kind->merge;
    if (!t->kind->class_token && gguf_has(t->file, "clip.vision.projector.scale_factor"))
        status = transformer_int(&t->merge, t->file, "clip.vision", "projector.scale_factor", 1, 64,
                                 err);
    if (!status && side % t->merge)
        status = err_set(err, RAP_E_FORMAT,
                         "%s: a scale factor of %d does not divide a side of %d patches",
                         gguf_file_path(t->file), (int)t->merge, (int)side);
    t->rows = status ? 0 : (int)(side / t->merge * (side / t->merge));
    return status;
}

static rap_status read_shape(tower *t, rap_err *err)
{
    const gguf_file *g = t->file;
    nn_act act;
    rap_status status;

    if ((status = read_activation(&act, g, err)) ||
        (status = transformer_read(&t->blocks, g, "clip.vision", act, err)) ||
        (status = transformer_read_grid(&t->grid, g, "clip.vision", err)) ||
        (status = read_depth(t, err)) || (status = read_merge(t, err)))
        return status;
    t->blocks.prefix = "v";
    t->blocks.apart = !gguf_find(g, "v.blk.0.attn_qkv.weight");
    t->blocks.swapped = is_swapped(t);
    t->grid.lead = gguf_find(g, "v.class_embd") ? 1 : 0;
    t->grid.bias = gguf_find(g, "v.patch_embd.bias") != NULL;
    t->pre_norm = gguf_find(g, "v.pre_ln.weight") != NULL;
    t->post_norm = gguf_find(g, "v.post_ln.weight") != NULL;
    t->side = (int)t->grid.image_size;
    if (t->grid.lead && !t->kind->class_token)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: a class token in a tower of '%s'",
                       gguf_file_path(g), t->kind->projector);
    return RAP_OK;
}

/* ---- weights that nothing below would use ---- */

static bool is_in(const char *name, const char *const *list)
{
    while (*list && strcmp(*list, name))
        list++;
    return *list != NULL;
}

static bool is_of_tower(const char *name)
{
    static const char *const plain[] = {
        "v.patch_embd.weight",    "v.patch_embd.bias", "v.class_embd",
        "v.position_embd.weight", "v.pre_ln.weight",   "v.pre_ln.bias",
        "v.post_ln.weight",       "v.post_ln.bias",    NULL,
    };
    static const char *const parts[] = { "ln1",    "ln2",      "attn_qkv", "attn_q",   "attn_k",
                                         "attn_v", "attn_out", "ffn_up",   "ffn_down", NULL };
    char part[32] = "";
    const char *rest = name, *dot;

    if (is_in(name, plain))
        return true;
    if (strncmp(name, "v.blk.", 6) || !(rest = strchr(name + 6, '.')) ||
        !(dot = strchr(rest + 1, '.')) || (size_t)(dot - rest) > sizeof part)
        return false;
    memcpy(part, rest + 1, (size_t)(dot - rest - 1));
    return is_in(part, parts) && (!strcmp(dot, ".weight") || !strcmp(dot, ".bias"));
}

/* Query norms, layer scales and the like would change the result, so files that have them are
 * refused. */
static rap_status check_weights(const tower *t, rap_err *err)
{
    for (size_t i = 0; i < gguf_tensor_count(t->file); i++) {
        const gguf_tensor *tensor = gguf_tensor_at(t->file, i);
        const char *name = tensor->name;

        if (!gguf_is_readable(tensor))
            return err_set(err, RAP_E_UNSUPPORTED,
                           "%s: our engine does not read the type (%d) of the tensor '%.80s'",
                           gguf_file_path(t->file), tensor->type, name);
        if (!is_of_tower(name) && !is_in(name, t->kind->weights))
            return err_set(err, RAP_E_UNSUPPORTED,
                           "%s: our engine does not support the tensor '%.80s'",
                           gguf_file_path(t->file), name);
    }
    return RAP_OK;
}

/* ---- the graph ---------------------------------------------------------------------------- */

/* pixels [1, S, S, 3] → [1, T, width], and what the projector takes in. */
static nn_tensor *build(nn_graph *g, nn_tensor *pixels, nn_tensor **features, const tower *t)
{
    int64_t side = t->grid.image_size / t->grid.patch;
    nn_tensor *x = transformer_patches(g, pixels, &t->grid, t->blocks.width);

    if (t->pre_norm)
        x = nn_layer_norm(g, x, "v.pre_ln.weight", "v.pre_ln.bias", t->blocks.eps);
    x = transformer_build(g, x, &t->blocks);
    if (t->post_norm)
        x = nn_layer_norm(g, x, "v.post_ln.weight", "v.post_ln.bias", t->blocks.eps);
    if (t->grid.lead)
        x = nn_slice(g, x, 1, t->grid.lead, side * side);
    *features = x;
    return t->kind->project(g, x, t);
}

/* The model's own errors may lack the file name. */
static rap_status name_file(const tower *t, rap_status status, const rap_err *why, rap_err *err)
{
    const char *path = gguf_file_path(t->file);

    if (status == RAP_OK)
        return RAP_OK;
    if (strstr(why->text, path))
        return err_set(err, status, "%s", why->text);
    return err_set(err, status, "%s: %s", path, why->text);
}

/* Checks names and shapes of all weights. */
static rap_status make_graph(tower *t, bool keep_features, rap_err *err)
{
    nn_tensor *rows = NULL, *features = NULL;
    rap_err why = { 0 };
    rap_status status = nn_graph_new(&t->graph, t->net, err);

    if (status)
        return status;
    rows = build(t->graph, nn_input(t->graph, NN_SHAPE(1, t->side, t->side, 3)), &features, t);
    nn_output(t->graph, rows);
    if (keep_features)
        nn_output(t->graph, features);
    status = nn_graph_check(t->graph, &why);
    if (!status) {
        t->width = (int)nn_shape_of(rows).d[2];
        t->feature_width = keep_features ? (int)nn_shape_of(features).d[2] : 0;
    }
    return name_file(t, status, &why, err);
}

/* Packs the weights, which takes most of the time of opening: a question without a picture does not need them. */
static rap_status compile(tower *t, rap_err *err)
{
    if (!t->compiled)
        nn_graph_compile(t->graph, &t->failure);
    t->compiled = true; /* a graph that failed is not tried again */
    return name_file(t, t->failure.status, &t->failure, err);
}

/* ---- the interface ------------------------------------------------------------------------ */

rap_status tower_open(tower **out, const char *path, int threads, precision p, rap_err *err)
{
    tower *t = mem_array(1, sizeof *t);
    rap_status status;

    *out = NULL;
    if (!t)
        return err_memory(err, "opening an image tower");
    pthread_mutex_init(&t->lock, NULL);
    if ((status = gguf_file_open(&t->file, path, err)) || (status = find_kind(t, err)) ||
        (status = read_shape(t, err)) || (status = check_weights(t, err)) ||
        (status = nn_open(&t->net, t->file, threads, (nn_precision)p, err)) ||
        (status = make_graph(t, false, err))) {
        tower_close(t);
        return status;
    }
    *out = t;
    return RAP_OK;
}

void tower_close(tower *t)
{
    if (!t)
        return;
    nn_graph_free(t->graph);
    nn_close(t->net);
    gguf_file_close(t->file);
    free(t->features);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int tower_side(const tower *t)
{
    return t->side;
}

int tower_rows(const tower *t)
{
    return t->rows;
}

int tower_width(const tower *t)
{
    return t->width;
}

int tower_threads(const tower *t)
{
    return nn_threads(t->net);
}

bool tower_is_ready(tower *t)
{
    bool ready;

    pthread_mutex_lock(&t->lock);
    ready = t->compiled;
    pthread_mutex_unlock(&t->lock);
    return ready;
}

precision tower_precision(const tower *t)
{
    return (precision)nn_precision_of(t->net);
}

rap_status tower_keep_features(tower *t, rap_err *err)
{
    rap_status status;

    if (t->features)
        return RAP_OK;
    if (t->kind->project != project_mlp)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: its projector is not LLaVA's of two layers",
                       gguf_file_path(t->file));
    nn_graph_free(t->graph);
    t->graph = NULL;
    t->compiled = false;
    status = make_graph(t, true, err);
    if (!status &&
        !(t->features = mem_array((size_t)t->rows * (size_t)t->feature_width, sizeof(float))))
        status = err_memory(err, "keeping features");
    return status;
}

int tower_feature_width(const tower *t)
{
    return t->feature_width;
}

const float *tower_features(const tower *t)
{
    return t->features;
}

rap_status tower_encode(tower *t, const float *pixels, float *out, rap_err *err)
{
    rap_status status;

    pthread_mutex_lock(&t->lock);
    status = compile(t, err);
    if (!status)
        status = nn_graph_run(t->graph, (const void *[]){ pixels }, (float *[]){ out, t->features },
                              err);
    pthread_mutex_unlock(&t->lock);
    return status;
}
