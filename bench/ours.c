/* ours.c: opening and running our side of bench_compare. */
#include "ours.h"

#include "base/buf.h"
#include "base/mem.h"
#include "vision/clip.h"
#include "vision/yolo_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rap_status open_encoder(ours *o, int threads, nn_precision p, rap_err *err)
{
    clip_shape s;
    rap_status status;
    if ((status = clip_read(&s, o->file, err)) ||
        (status = nn_open(&o->n, o->file, threads, p, err)) ||
        (status = nn_graph_new(&o->graph, o->n, err)))
        return status;
    o->size = s.grid.image_size;
    o->numbers = s.embed;
    nn_tensor *pixels = nn_input(o->graph, NN_SHAPE(1, o->size, o->size, 3));
    nn_output(o->graph, clip_image(o->graph, pixels, &s));
    return nn_graph_compile(o->graph, err);
}

static rap_status read_names(ours *o, const char *model, rap_err *err)
{
    char path[1024], bytes[4096];
    buf all = BUF_INIT;
    size_t got, dim = (size_t)yolo_world_text_dim(o->detector);
    snprintf(path, sizeof path, "%s.names", model);
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_set(err, RAP_E_NOT_FOUND, "%s: cannot be opened", path);
    while ((got = fread(bytes, 1, sizeof bytes, f)) > 0)
        buf_add(&all, bytes, got);
    fclose(f);
    int count = (int)(all.len / sizeof(float) / dim);
    float *text = mem_copy(buf_text(&all), all.len);
    buf_release(&all);
    rap_status status = text ? yolo_vocabulary_new(&o->names, o->detector, text, count, err)
                             : err_memory(err, "a vocabulary");
    free(text);
    o->boxes = 4 * (int64_t)o->detector->anchors;
    o->numbers = o->boxes + count * (int64_t)o->detector->anchors;
    return status;
}

static rap_status open_detector(ours *o, const char *path, const char *model, int threads,
                                nn_precision p, rap_err *err)
{
    rap_status status = yolo_world_open(&o->detector, path, threads, (precision)p, err);
    if (status == RAP_OK)
        status = read_names(o, model, err);
    if (status != RAP_OK)
        return status;
    o->n = o->detector->n;
    o->graph = o->detector->graph;
    o->size = o->detector->size;
    return RAP_OK;
}

rap_status ours_open(ours *out, const char *model, int threads, nn_precision p, rap_err *err)
{
    char path[1024];
    *out = (ours){ 0 };
    snprintf(path, sizeof path, "%s.gguf", model);
    rap_status status = gguf_file_open(&out->file, path, err);
    if (status == RAP_OK)
        status = strcmp(gguf_file_architecture(out->file), "yolo-world")
                     ? open_encoder(out, threads, p, err)
                     : open_detector(out, path, model, threads, p, err);
    if (status == RAP_OK && !(out->out = mem_array((size_t)out->numbers, sizeof *out->out)))
        status = err_memory(err, "a result");
    return status;
}

void ours_close(ours *o)
{
    if (o->detector) {
        yolo_vocabulary_free(o->names);
        yolo_world_close(o->detector);
    } else {
        nn_graph_free(o->graph);
        nn_close(o->n);
    }
    gguf_file_close(o->file);
    free(o->out);
    *o = (ours){ 0 };
}

/* The detector's result as the exported network orders it: [4 + T, anchors], boxes as centre and size. */
static void arrange(ours *o)
{
    yolo_world *y = o->detector;
    int64_t anchors = y->anchors, at = 0, names = o->names->names;
    for (int i = 0; i < YOLO_LEVELS; i++)
        for (int p = 0; p < y->level[i].side * y->level[i].side; p++, at++) {
            float b[4];
            yolo_decode(b, &y->level[i], y->bins, p);
            float row[4] = { (b[0] + b[2]) / 2, (b[1] + b[3]) / 2, b[2] - b[0], b[3] - b[1] };
            for (int k = 0; k < 4; k++)
                o->out[k * anchors + at] = row[k];
        }
    for (int64_t a = 0; a < anchors; a++)
        for (int64_t t = 0; t < names; t++)
            o->out[(4 + t) * anchors + a] = y->run.scores[a * names + t];
}

rap_status ours_run(ours *o, const float *pixels, rap_err *err)
{
    if (!o->detector)
        return nn_graph_run(o->graph, (const void *[]){ pixels }, (float *[]){ o->out }, err);
    memcpy(o->detector->canvas, pixels, (size_t)(o->size * o->size) * 3 * sizeof *pixels);
    rap_status status = yolo_forward(o->detector, o->names, err);
    if (status == RAP_OK)
        arrange(o);
    return status;
}
