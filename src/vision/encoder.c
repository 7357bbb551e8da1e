/* encoder.c: a common interface to all image encoders.
 *
 * An encoder is a file, its sizes and preprocessing (clip.h and the like, pixels.h), and a few
 * compiled graphs: one for each recently used batch size or text length. Read encoder_open(), then
 * encoder_images(); texts work the same way. */
#include "vision/encoder.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "vision/clip.h"
#include "vision/clip_tokenizer.h"
#include "vision/dinov2.h"
#include "vision/pixels.h"
#include "vision/siglip.h"
#include "vision/vit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IMAGE_BATCH = 16, /* pictures per run; more only increase the activations */
    TEXT_BATCH = 32,
    TEXT_STEP = 8, /* text lengths are rounded up to this, so that few graphs are needed */
    GRAPHS = 8
};

typedef struct cached_graph {
    nn_graph *graph; /* NULL: free */
    bool text;
    int count, rows; /* batch size; text length, 0 for pictures */
    uint64_t used;   /* when last used, to evict the oldest */
} cached_graph;

typedef struct encoder_kind encoder_kind;

struct encoder {
    gguf_file *file;
    nn *net;
    const encoder_kind *kind;
    clip_shape clip;     /* of the kind in use */
    siglip_shape siglip; /* … */
    vit_shape vit;       /* of ViT and DINOv2 */
    pixels_recipe recipe;
    clip_tokenizer *tokenizer; /* NULL without a text tower */
    char name[128], fingerprint[48];
    int dim;
    pthread_mutex_t lock; /* guards the graphs, their memory, and the weights they pack */
    cached_graph graphs[GRAPHS];
    uint64_t clock;
    bool profile;
};

/* ---- opening ------------------------------------------------------------------------------ */

static rap_status read_name(encoder *e, rap_err *err)
{
    const char *text;
    size_t len;
    rap_status status = gguf_get_string(e->file, "general.name", &text, &len, err);
    if (status != RAP_OK)
        return status;
    snprintf(e->name, sizeof e->name, "%.*s", len < 100 ? (int)len : 100, text);
    return RAP_OK;
}

/* Features are comparable only with the same weights and the same preprocessing. */
static void read_fingerprint(encoder *e, precision p)
{
    char hex[65];
    nn_weights_sum(e->net, hex);
    snprintf(e->fingerprint, sizeof e->fingerprint, "%.16s-p%d%s", hex, PIXELS_VERSION,
             p == PRECISION_INT8 ? "-i8" : "");
}

/* One per general.architecture: reads the sizes and the feature width; builds the graph. */
struct encoder_kind {
    const char *architecture, *keys;
    rap_status (*read)(encoder *e, rap_err *err);
    nn_tensor *(*image)(nn_graph *g, nn_tensor *pixels, const encoder *e);
};

static rap_status read_clip(encoder *e, rap_err *err)
{
    rap_status status = clip_read(&e->clip, e->file, err);
    if (status != RAP_OK)
        return status;
    e->dim = (int)e->clip.embed;
    if (!e->clip.has_text)
        return RAP_OK;
    return clip_tokenizer_new(&e->tokenizer, e->file, e->clip.vocabulary, err);
}

static rap_status read_siglip(encoder *e, rap_err *err)
{
    rap_status status = siglip_read(&e->siglip, e->file, err);
    e->dim = (int)e->siglip.blocks.width;
    return status;
}

static rap_status read_dinov2(encoder *e, rap_err *err)
{
    rap_status status = dinov2_read(&e->vit, e->file, err);
    e->dim = (int)e->vit.blocks.width;
    return status;
}

static rap_status read_vit(encoder *e, rap_err *err)
{
    rap_status status = vit_read(&e->vit, e->file, "vit.vision", err);
    e->dim = (int)e->vit.blocks.width;
    return status;
}

static nn_tensor *image_clip(nn_graph *g, nn_tensor *pixels, const encoder *e)
{
    return clip_image(g, pixels, &e->clip);
}

static nn_tensor *image_siglip(nn_graph *g, nn_tensor *pixels, const encoder *e)
{
    return siglip_image(g, pixels, &e->siglip);
}

static nn_tensor *image_dinov2(nn_graph *g, nn_tensor *pixels, const encoder *e)
{
    return dinov2_image(g, pixels, &e->vit);
}

static nn_tensor *image_vit(nn_graph *g, nn_tensor *pixels, const encoder *e)
{
    return vit_image(g, pixels, &e->vit);
}

static const encoder_kind kinds[] = {
    { "clip", "clip.vision", read_clip, image_clip },
    { "siglip", "siglip.vision", read_siglip, image_siglip },
    { "dinov2", "dinov2.vision", read_dinov2, image_dinov2 },
    { "vit", "vit.vision", read_vit, image_vit },
};

static rap_status read_model(encoder *e, rap_err *err)
{
    rap_status status;
    const char *name = gguf_file_architecture(e->file);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        e->kind = &kinds[i];
        if (strcmp(name, e->kind->architecture))
            continue;
        if ((status = pixels_read(&e->recipe, e->file, e->kind->keys, err)))
            return status;
        return e->kind->read(e, err);
    }
    return err_set(
        err, RAP_E_FORMAT,
        "%s: the architecture is '%.40s'; an encoder must be clip, siglip, dinov2 or vit",
        gguf_file_path(e->file), name);
}

/* The padded length of a batch whose longest text has `longest` tokens. */
static int text_rows(const encoder *e, int longest)
{
    int rows = (longest + TEXT_STEP - 1) / TEXT_STEP * TEXT_STEP;
    return rows < e->clip.context ? rows : (int)e->clip.context;
}

static rap_status need_text(const encoder *e, rap_err *err)
{
    return e->tokenizer ? RAP_OK
                        : err_set(err, RAP_E_UNSUPPORTED, "%s: this encoder has no text tower",
                                  gguf_file_path(e->file));
}

/* Building the smallest graph checks every weight and its shape. The other tower is checked on
 * first use: an application that only encodes pictures need not pack CLIP's text half. */
static rap_status graph_for(nn_graph **out, encoder *e, bool text, int count, int rows,
                            rap_err *err);

static rap_status check_weights(encoder *e, bool text, rap_err *err)
{
    nn_graph *g;
    rap_status status = text ? need_text(e, err) : RAP_OK;
    if (status != RAP_OK)
        return status;
    return graph_for(&g, e, text, 1, text ? text_rows(e, 1) : 0, err);
}

static rap_status open_for(encoder **out, const char *path, bool text, int threads, precision p,
                           rap_err *err)
{
    rap_status status;
    encoder *e = mem_array(1, sizeof *e);
    *out = NULL;
    if (!e)
        return err_memory(err, "opening an encoder");
    pthread_mutex_init(&e->lock, NULL);
    if ((status = gguf_file_open(&e->file, path, err)) || (status = read_model(e, err)) ||
        (status = read_name(e, err)) ||
        (status = nn_open(&e->net, e->file, threads, (nn_precision)p, err)))
        goto cleanup;
    read_fingerprint(e, p); /* before packing: the hash is cached with the packed weights */
    if ((status = check_weights(e, text, err)))
        goto cleanup;
    *out = e;
    e = NULL;
cleanup:
    encoder_close(e);
    return status;
}

rap_status encoder_open(encoder **out, const char *path, int threads, precision p, rap_err *err)
{
    return open_for(out, path, false, threads, p, err);
}

rap_status encoder_open_text(encoder **out, const char *path, int threads, precision p,
                             rap_err *err)
{
    return open_for(out, path, true, threads, p, err);
}

void encoder_close(encoder *e)
{
    if (!e)
        return;
    for (int i = 0; i < GRAPHS; i++)
        nn_graph_free(e->graphs[i].graph);
    nn_close(e->net);
    clip_tokenizer_free(e->tokenizer);
    gguf_file_close(e->file);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

int encoder_dim(const encoder *e)
{
    return e->dim;
}

int encoder_threads(const encoder *e)
{
    return nn_threads(e->net);
}

const char *encoder_name(const encoder *e)
{
    return e->name;
}

const char *encoder_fingerprint(const encoder *e)
{
    return e->fingerprint;
}

int encoder_has_text(const encoder *e)
{
    return e->clip.has_text;
}

/* ---- graphs ------------------------------------------------------------------------------- */

static nn_tensor *build(nn_graph *g, const encoder *e, bool text, int count, int rows)
{
    int size = e->recipe.size;
    if (text) {
        nn_tensor *ids = nn_input_ids(g, NN_SHAPE(count, rows));
        nn_tensor *ends = nn_input_ids(g, NN_SHAPE(count));
        return clip_text(g, ids, ends, &e->clip);
    }
    nn_tensor *pixels = nn_input(g, NN_SHAPE(count, size, size, 3));
    return e->kind->image(g, pixels, e);
}

static rap_status compile(nn_graph **out, encoder *e, bool text, int count, int rows, rap_err *err)
{
    nn_graph *g;
    rap_err why = { 0 };
    const char *path = gguf_file_path(e->file);
    rap_status status = nn_graph_new(&g, e->net, err);
    if (status != RAP_OK)
        return status;
    nn_output(g, build(g, e, text, count, rows));
    status = nn_graph_compile(g, &why);
    if (status == RAP_OK) {
        nn_graph_profile(g, e->profile);
        *out = g;
        return RAP_OK;
    }
    nn_graph_free(g);
    if (strstr(why.text, path)) /* the model's own errors lack the file name */
        return err_set(err, status, "%s", why.text);
    return err_set(err, status, "%s: %s", path, why.text);
}

/* Borrowed until the next call; takes the lock once the encoder is open. */
static rap_status graph_for(nn_graph **out, encoder *e, bool text, int count, int rows,
                            rap_err *err)
{
    cached_graph *oldest = &e->graphs[0];
    for (int i = 0; i < GRAPHS; i++) {
        cached_graph *c = &e->graphs[i];
        if (c->graph && c->text == text && c->count == count && c->rows == rows) {
            c->used = ++e->clock;
            *out = c->graph;
            return RAP_OK;
        }
        if (c->used < oldest->used)
            oldest = c;
    }
    nn_graph *fresh;
    rap_status status = compile(&fresh, e, text, count, rows, err);
    if (status != RAP_OK)
        return status;
    nn_graph_free(oldest->graph);
    *oldest = (cached_graph){ fresh, text, count, rows, ++e->clock };
    *out = fresh;
    return RAP_OK;
}

static rap_status run_graph(encoder *e, bool text, int count, int rows, const void *const *inputs,
                            float *out, rap_err *err)
{
    nn_graph *g;
    pthread_mutex_lock(&e->lock);
    rap_status status = graph_for(&g, e, text, count, rows, err);
    if (status == RAP_OK)
        status = nn_graph_run(g, inputs, (float *[]){ out }, err);
    pthread_mutex_unlock(&e->lock);
    return status;
}

/* ---- times -------------------------------------------------------------------------------- */

void encoder_profile(encoder *e)
{
    pthread_mutex_lock(&e->lock);
    e->profile = true;
    for (int i = 0; i < GRAPHS; i++)
        if (e->graphs[i].graph)
            nn_graph_profile(e->graphs[i].graph, true);
    pthread_mutex_unlock(&e->lock);
}

static rap_status report_graph(buf *b, const cached_graph *c, double peak, rap_err *err)
{
    char *text = NULL;
    rap_status status = nn_graph_report(c->graph, peak, &text, err);
    if (status != RAP_OK)
        return status;
    if (c->text)
        buf_printf(b, "%d text%s of up to %d tokens:\n%s\n", c->count, c->count > 1 ? "s" : "",
                   c->rows, text);
    else
        buf_printf(b, "%d picture%s at once:\n%s\n", c->count, c->count > 1 ? "s" : "", text);
    free(text);
    return RAP_OK;
}

rap_status encoder_report(encoder *e, char **out, rap_err *err)
{
    buf b = BUF_INIT;
    double peak = nn_matmul_speed(e->net);
    rap_status status = RAP_OK;
    *out = NULL;
    pthread_mutex_lock(&e->lock);
    for (int i = 0; status == RAP_OK && i < GRAPHS; i++)
        if (e->graphs[i].graph && nn_graph_was_run(e->graphs[i].graph))
            status = report_graph(&b, &e->graphs[i], peak, err);
    pthread_mutex_unlock(&e->lock);
    if (status == RAP_OK && !(*out = buf_detach(&b)))
        status = err_memory(err, "a profile");
    buf_release(&b);
    return status;
}

/* ---- pictures ----------------------------------------------------------------------------- */

typedef struct preparing {
    const encoder *e;
    const image *images;
    float *pixels;
    rap_err *why; /* of each picture */
} preparing;

static void prepare_one(void *payload, int64_t i, int lane)
{
    const preparing *p = payload;
    size_t one = 3 * (size_t)p->e->recipe.size * (size_t)p->e->recipe.size;
    pixels_prepare(p->pixels + (size_t)i * one, &p->images[i], &p->e->recipe, &p->why[i]);
}

/* One picture per thread: scaling a large photo takes as long as encoding it. count ≤ IMAGE_BATCH. */
static rap_status prepare_all(float *pixels, encoder *e, const image *images, int count,
                              rap_err *err)
{
    rap_err why[IMAGE_BATCH] = { 0 };
    preparing p = { e, images, pixels, why };
    nn_each(nn_threads(e->net), count, prepare_one, &p);
    for (int i = 0; i < count; i++)
        if (why[i].status != RAP_OK)
            return err_set(err, why[i].status, "%s", why[i].text);
    return RAP_OK;
}

static rap_status run_images(encoder *e, const image *images, int count, float *pixels, float *out,
                             rap_err *err)
{
    rap_status status = prepare_all(pixels, e, images, count, err);
    if (status != RAP_OK)
        return status;
    return run_graph(e, false, count, 0, (const void *[]){ pixels }, out, err);
}

rap_status encoder_images(encoder *e, const image *images, int count, float *out, rap_err *err)
{
    int batch = count < IMAGE_BATCH ? count : IMAGE_BATCH;
    size_t side = (size_t)e->recipe.size;
    float *pixels = mem_array((size_t)batch * side * side * 3, sizeof *pixels); /* [N, S, S, 3] */
    rap_status status = pixels ? RAP_OK : err_memory(err, "encoding pictures");
    for (int i = 0; status == RAP_OK && i < count; i += batch) {
        int now = count - i < batch ? count - i : batch;
        status = run_images(e, images + i, now, pixels, out + (size_t)i * (size_t)e->dim, err);
    }
    free(pixels);
    return status;
}

rap_status encoder_preprocess(encoder *e, const image *im, float **out, int *out_size, rap_err *err)
{
    size_t area = (size_t)e->recipe.size * (size_t)e->recipe.size;
    float *pixels = mem_array(area * 3, sizeof *pixels); /* [S, S, 3] */
    float *planes = mem_array(area * 3, sizeof *planes); /* [3, S, S] */
    rap_status status = RAP_E_MEMORY;
    *out = NULL;
    if (!pixels || !planes)
        err_memory(err, "preparing a picture");
    else
        status = pixels_prepare(pixels, im, &e->recipe, err);
    for (size_t i = 0; status == RAP_OK && i < area * 3; i++)
        planes[i % 3 * area + i / 3] = pixels[i];
    if (status == RAP_OK) {
        *out = planes;
        *out_size = e->recipe.size;
        planes = NULL;
    }
    free(pixels);
    free(planes);
    return status;
}

/* ---- texts -------------------------------------------------------------------------------- */

rap_status encoder_tokens(encoder *e, const char *text, int32_t **out, int *out_count, rap_err *err)
{
    int used;
    rap_status status = need_text(e, err);
    *out = NULL;
    if (status != RAP_OK)
        return status;
    int32_t *ids = mem_array((size_t)e->clip.context, sizeof *ids);
    status = ids ? clip_tokenizer_encode(e->tokenizer, text, (int)e->clip.context, ids, &used, err)
                 : err_memory(err, "tokenizing a text");
    if (status != RAP_OK) {
        free(ids);
        return status;
    }
    *out = ids;
    *out_count = (int)e->clip.context;
    return RAP_OK;
}

/* ids [count, context] → [count, rows] in place, where rows covers the longest text. */
static int trim_rows(const encoder *e, int32_t *ids, const int32_t *ends, int count)
{
    int longest = 0, context = (int)e->clip.context;
    for (int i = 0; i < count; i++)
        longest = ends[i] + 1 > longest ? ends[i] + 1 : longest;
    int rows = text_rows(e, longest);
    for (int i = 1; i < count; i++)
        memmove(ids + i * rows, ids + i * context, (size_t)rows * sizeof *ids);
    return rows;
}

static rap_status run_texts(encoder *e, const char *const *texts, int count, int32_t *ids,
                            int32_t *ends, float *out, rap_err *err)
{
    int context = (int)e->clip.context;
    rap_status status;
    for (int i = 0; i < count; i++) {
        int used;
        if ((status = clip_tokenizer_encode(e->tokenizer, texts[i], context, ids + i * context,
                                            &used, err)))
            return status;
        ends[i] = used - 1;
    }
    int rows = trim_rows(e, ids, ends, count);
    return run_graph(e, true, count, rows, (const void *[]){ ids, ends }, out, err);
}

rap_status encoder_texts(encoder *e, const char *const *texts, int count, float *out, rap_err *err)
{
    rap_status status = need_text(e, err);
    if (status != RAP_OK)
        return status;
    int batch = count < TEXT_BATCH ? count : TEXT_BATCH;
    int32_t *ids = mem_array((size_t)batch * (size_t)e->clip.context, sizeof *ids);
    int32_t *ends = mem_array((size_t)batch, sizeof *ends);
    if (!ids || !ends)
        status = err_memory(err, "encoding texts");
    for (int i = 0; status == RAP_OK && i < count; i += batch) {
        int now = count - i < batch ? count - i : batch;
        status = run_texts(e, texts + i, now, ids, ends, out + (size_t)i * (size_t)e->dim, err);
    }
    free(ids);
    free(ends);
    return status;
}
