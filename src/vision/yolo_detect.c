/* yolo_detect.c: the detector's public interface (yolo_world.h): open, detect, raw outputs.
 * yolo_inside.h gives the reading order of the parts; MODELS.md explains the network. */
#include "vision/yolo_inside.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Reads an integer from the file, with bounds. */
static rap_status read_int(const gguf_file *f, const char *key, int low, int high, int *out,
                           rap_err *err)
{
    int64_t v;
    rap_status s = gguf_get_int(f, key, &v, err);
    if (s != RAP_OK)
        return s;
    if (v < low || v > high)
        return err_set(err, RAP_E_FORMAT, "%s: %s is %lld; it must be %d to %d", gguf_file_path(f),
                       key, (long long)v, low, high);
    *out = (int)v;
    return RAP_OK;
}

static rap_status read_heads(yolo_world *y, rap_err *err)
{
    const char *key = "yolo-world.num_heads";
    size_t count;
    rap_status s = gguf_array_count(y->file, key, &count, err);
    if (s == RAP_OK && count != YOLO_ATTENTIONS)
        s = err_set(err, RAP_E_FORMAT, "%s: %s has %zu values, expected %d",
                    gguf_file_path(y->file), key, count, YOLO_ATTENTIONS);
    for (size_t i = 0; s == RAP_OK && i < count; i++) {
        int64_t v;
        s = gguf_array_int(y->file, key, i, &v, err);
        if (s == RAP_OK && (v < 1 || v > 1024))
            s = err_set(err, RAP_E_FORMAT, "%s: %s holds %lld", gguf_file_path(y->file), key,
                        (long long)v);
        if (s == RAP_OK)
            y->heads[i] = (int)v;
    }
    return s;
}

static rap_status read_keys(yolo_world *y, rap_err *err)
{
    const gguf_file *f = y->file;
    int embed = 0;
    if (strcmp(gguf_file_architecture(f), "yolo-world"))
        return err_set(err, RAP_E_FORMAT, "%s: the architecture is \"%s\", not yolo-world",
                       gguf_file_path(f), gguf_file_architecture(f));
    rap_status s = read_int(f, "yolo-world.image_size", 32, YOLO_MAX_SIZE, &y->size, err);
    if (s == RAP_OK)
        s = read_int(f, "yolo-world.text_dim", 1, 8192, &y->text_dim, err);
    if (s == RAP_OK)
        s = read_int(f, "yolo-world.embed_dim", 1, 8192, &embed, err);
    if (s == RAP_OK)
        s = read_int(f, "yolo-world.reg_max", 2, 64, &y->bins, err);
    if (s == RAP_OK && y->size % 32)
        s = err_set(err, RAP_E_FORMAT,
                    "%s: yolo-world.image_size is %d, which is not a multiple of 32",
                    gguf_file_path(f), y->size);
    if (s == RAP_OK && embed != y->text_dim)
        s = err_set(err, RAP_E_FORMAT,
                    "%s: image embeddings have %d dimensions, text embeddings %d",
                    gguf_file_path(f), embed, y->text_dim);
    return s == RAP_OK ? read_heads(y, err) : s;
}

static rap_status make_room(yolo_world *y, rap_err *err)
{
    bool ok = (y->canvas = mem_array((size_t)y->size * (size_t)y->size * 3, sizeof(float))) != NULL;
    for (int i = 0; i < YOLO_LEVELS; i++) {
        yolo_level *l = &y->level[i];
        size_t places = (size_t)l->side * (size_t)l->side;
        l->sides = mem_array(places * 4 * (size_t)y->bins, sizeof(float));
        l->features = mem_array(places * (size_t)l->width, sizeof(float));
        ok = ok && l->sides && l->features;
        y->anchors += (int)places;
    }
    return ok ? RAP_OK : err_memory(err, "opening a detector");
}

rap_status yolo_world_open(yolo_world **out, const char *path, int threads, precision p,
                           rap_err *err)
{
    yolo_world *y = calloc(1, sizeof *y);
    *out = NULL;
    if (!y)
        return err_memory(err, "opening a detector");
    pthread_mutex_init(&y->lock, NULL);
    p = p == PRECISION_INT8 ? PRECISION_AUTO : p;
    rap_status s = gguf_file_open(&y->file, path, err);
    if (s == RAP_OK)
        s = read_keys(y, err);
    if (s == RAP_OK)
        s = nn_open(&y->n, y->file, threads, (nn_precision)p, err);
    if (s == RAP_OK)
        s = yolo_build(y, err);
    if (s == RAP_OK)
        s = make_room(y, err);
    if (s != RAP_OK) {
        yolo_world_close(y);
        return s;
    }
    *out = y;
    return RAP_OK;
}

void yolo_world_close(yolo_world *y)
{
    if (!y)
        return;
    nn_graph_free(y->graph);
    nn_close(y->n);
    gguf_file_close(y->file);
    yolo_text_release(y);
    for (int i = 0; i < YOLO_LEVELS; i++) {
        free(y->level[i].sides);
        free(y->level[i].features);
    }
    free(y->canvas);
    pthread_mutex_destroy(&y->lock);
    free(y);
}

void yolo_world_profile(yolo_world *y)
{
    pthread_mutex_lock(&y->lock);
    nn_graph_profile(y->graph, true);
    pthread_mutex_unlock(&y->lock);
}

rap_status yolo_world_report(yolo_world *y, char **out, rap_err *err)
{
    double peak = nn_matmul_speed(y->n);
    pthread_mutex_lock(&y->lock);
    rap_status s = nn_graph_report(y->graph, peak, out, err);
    pthread_mutex_unlock(&y->lock);
    return s;
}

int yolo_world_text_dim(const yolo_world *y)
{
    return y->text_dim;
}

/* ---- a picture ---------------------------------------------------------------------------- */

rap_status yolo_forward(yolo_world *y, const yolo_vocabulary *v, rap_err *err)
{
    float *outputs[2 * YOLO_LEVELS];
    for (int i = 0; i < YOLO_LEVELS; i++) {
        outputs[2 * i] = y->level[i].sides;
        outputs[2 * i + 1] = y->level[i].features;
    }
    rap_status s = yolo_run_prepare(y, v, err);
    if (s == RAP_OK)
        s = nn_graph_run(y->graph, (const void *[]){ y->canvas }, outputs, err);
    float *scores = y->run.scores;
    for (int i = 0; s == RAP_OK && i < YOLO_LEVELS; i++) {
        const yolo_level *l = &y->level[i];
        s = yolo_score(y, i, scores, err);
        scores += (size_t)l->side * (size_t)l->side * (size_t)v->names;
    }
    return s;
}

/* Letterboxes the picture onto the canvas and runs the network. */
static rap_status run_picture(yolo_world *y, const yolo_vocabulary *v, const image *im,
                              yolo_letterbox *fit, rap_err *err)
{
    if (!v)
        return err_set(err, RAP_E_ARGUMENT, "the detector was given no vocabulary");
    if (im->width < 1 || im->height < 1 || !im->rgb)
        return err_set(err, RAP_E_ARGUMENT, "the detector was given an empty picture");
    *fit = yolo_fit(y->canvas, y->size, im);
    return yolo_forward(y, v, err);
}

rap_status yolo_world_detect(yolo_world *y, const yolo_vocabulary *v, const image *im,
                             const detect_options *options, detection **out, int *out_count,
                             rap_err *err)
{
    static const detect_options standard = DETECT_OPTIONS_INIT;
    yolo_letterbox fit;
    *out = NULL;
    *out_count = 0;
    pthread_mutex_lock(&y->lock);
    rap_status s = run_picture(y, v, im, &fit, err);
    if (s == RAP_OK)
        s = yolo_collect(y, im, fit, options ? options : &standard, out, out_count, err);
    pthread_mutex_unlock(&y->lock);
    return s;
}

static rap_status copy_raw(const yolo_world *y, float **boxes, float **scores, rap_err *err)
{
    *boxes = mem_array((size_t)y->anchors * 4, sizeof **boxes);
    *scores = mem_copy(y->run.scores,
                       (size_t)y->anchors * (size_t)y->run.vocabulary->names * sizeof **scores);
    if (!*boxes || !*scores) {
        free(*boxes);
        free(*scores);
        *boxes = *scores = NULL;
        return err_memory(err, "detecting");
    }
    float *to = *boxes;
    for (int i = 0; i < YOLO_LEVELS; i++)
        for (int p = 0; p < y->level[i].side * y->level[i].side; p++, to += 4)
            yolo_decode(to, &y->level[i], y->bins, p);
    return RAP_OK;
}

rap_status yolo_world_raw(yolo_world *y, const yolo_vocabulary *v, const image *im, float **boxes,
                          float **scores, int *out_anchors, rap_err *err)
{
    yolo_letterbox fit;
    *boxes = *scores = NULL;
    *out_anchors = y->anchors;
    pthread_mutex_lock(&y->lock);
    rap_status s = run_picture(y, v, im, &fit, err);
    if (s == RAP_OK)
        s = copy_raw(y, boxes, scores, err);
    pthread_mutex_unlock(&y->lock);
    return s;
}
