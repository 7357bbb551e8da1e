/* checkpoint.c: see checkpoint.h. */
#include "train/checkpoint.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "formats/gguf_file.h"
#include "formats/json.h"
#include "image/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the state ---- */

enum { PARTS = 6 };

typedef struct stored {
    const char *name;
    real *data;
    size_t count; /* 0: there is none */
} stored;

static void list_parts(stored out[PARTS], const checkpoint *c)
{
    out[0] = (stored){ "lora", c->param, c->count };
    out[1] = (stored){ "adam.m", c->m, c->count };
    out[2] = (stored){ "adam.v", c->v, c->count };
    out[3] = (stored){ "projector", c->projector, c->projector_count };
    out[4] = (stored){ "projector.adam.m", c->projector_m, c->projector_count };
    out[5] = (stored){ "projector.adam.v", c->projector_v, c->projector_count };
}

/* As large as three times the LoRA: written from where it is, without a copy. */
static rap_status write_parts(const gguf_writer *w, const char *path, const checkpoint *c,
                              rap_err *err)
{
    stored part[PARTS];
    gguf_stream *s = NULL;
    rap_status status = gguf_stream_open(&s, w, path, err);

    list_parts(part, c);
    for (int i = 0; !status && i < PARTS; i++) {
        if (!part[i].count)
            continue;
        status = gguf_stream_write(s, part[i].data, part[i].count * sizeof *part[i].data, err);
        if (!status)
            status = gguf_stream_end_tensor(s, err);
    }
    if (!status)
        status = gguf_stream_publish(s, err);
    gguf_stream_close(s);
    return status;
}

rap_status checkpoint_write(const char *path, const checkpoint *c, rap_err *err)
{
    stored part[PARTS];
    gguf_writer *w = gguf_writer_new("rap-training");
    rap_status status;

    if (!w)
        return err_memory(err, "writing a checkpoint");
    gguf_put_int(w, "rap.train.step", (uint32_t)c->step);
    gguf_put_string(w, "rap.train.settings", c->settings, strlen(c->settings));
    list_parts(part, c);
    for (int i = 0; i < PARTS; i++)
        if (part[i].count)
            gguf_declare_tensor(w, part[i].name, GGUF_F32, 1, &(int64_t){ (int64_t)part[i].count });
    status = write_parts(w, path, c, err);
    gguf_writer_free(w);
    return status;
}

static rap_status read_parts(checkpoint *c, const gguf_file *g, rap_err *err)
{
    stored part[PARTS];

    list_parts(part, c);
    for (int i = 0; i < PARTS; i++) {
        const gguf_tensor *t = gguf_find(g, part[i].name);

        if (!part[i].count)
            continue;
        if (!t || t->type != GGUF_F32 || t->bytes != part[i].count * sizeof(float))
            return err_set(err, RAP_E_FORMAT,
                           "%s: is no checkpoint of this training; remove it to begin again",
                           gguf_file_path(g));
        memcpy(part[i].data, t->data, t->bytes);
    }
    return RAP_OK;
}

rap_status checkpoint_read(checkpoint *c, const char *path, rap_err *err)
{
    gguf_file *g = NULL;
    const char *settings = NULL;
    size_t len = 0;
    rap_status status;

    c->step = 0;
    if (!file_exists(path))
        return RAP_OK;
    status = gguf_file_open(&g, path, err);
    if (status)
        return status;
    status = gguf_get_int(g, "rap.train.step", &c->step, err);
    if (!status)
        status = gguf_get_string(g, "rap.train.settings", &settings, &len, err);
    if (!status && (len != strlen(c->settings) || memcmp(settings, c->settings, len) != 0))
        status = err_set(err, RAP_E_EXISTS,
                         "%s: is the checkpoint of another training (%.*s); this one is %s. Give "
                         "another --out, or "
                         "remove it",
                         path, (int)(len > 300 ? 300 : len), settings, c->settings);
    if (!status)
        status = read_parts(c, g, err);
    gguf_file_close(g);
    return status;
}

/* ---- the record ---- */

static bool remember_loss(record *r, double loss)
{
    if (r->count == r->cap) {
        int64_t cap = r->cap ? 2 * r->cap : 256;
        double *grown = realloc(r->loss, (size_t)cap * sizeof *grown);

        if (!grown)
            return false;
        r->loss = grown;
        r->cap = cap;
    }
    r->loss[r->count++] = loss;
    return true;
}

bool record_is_best(const record *r, double validation)
{
    return isfinite(validation) && !(r->best <= validation);
}

/* Of the last step in the record. */
static void remember_validation(record *r, double validation)
{
    bool best = record_is_best(r, validation);

    r->validation = validation;
    r->validations++;
    r->best = best ? validation : r->best;
    r->best_step = best ? r->count : r->best_step;
    r->since = best ? 0 : r->since + 1;
}

/* The first `steps` lines of text; the bytes they take. */
static rap_status read_lines(size_t *out_bytes, record *r, const char *text, int64_t steps,
                             rap_err *err)
{
    const char *at = text;

    while (r->count < steps) {
        const char *end = strchr(at, '\n');
        json_t *line = NULL;
        double loss;

        if (!end || json_parse(&line, at, (size_t)(end - at), r->path, NULL) != RAP_OK)
            return err_set(err, RAP_E_FORMAT,
                           "%s: lacks step %lld; remove the folder to begin again", r->path,
                           (long long)r->count + 1);
        loss = json_number_value(json_object_get(line, "loss"));
        if (!remember_loss(r, loss)) {
            json_decref(line);
            return err_memory(err, "reading the losses");
        }
        if (json_object_get(line, "validation"))
            remember_validation(r, json_number_value(json_object_get(line, "validation")));
        json_decref(line);
        at = end + 1;
    }
    *out_bytes = (size_t)(at - text);
    return RAP_OK;
}

rap_status record_open(record *out, const char *path, int64_t steps, rap_err *err)
{
    char *text = NULL;
    size_t size = 0, kept = 0;
    rap_status status = RAP_OK;

    *out = (record){ .path = mem_string(path), .validation = NAN, .best = NAN };
    if (!out->path)
        return err_memory(err, "reading the losses");
    if (steps > 0)
        status = file_read(&text, &size, path, (size_t)1 << 30, err);
    if (!status && steps > 0)
        status = read_lines(&kept, out, text, steps, err);
    if (!status)
        status = file_write(path, text ? text : "", kept, err);
    if (!status && !(out->file = fopen(path, "ae")))
        status = err_file(err, path, "opening");
    free(text);
    if (status)
        record_close(out);
    return status;
}

rap_status record_add(record *r, double loss, double validation, double lr, double norm,
                      double tokens_per_second, rap_err *err)
{
    char held[64] = "";

    if (!remember_loss(r, loss))
        return err_memory(err, "keeping the losses");
    if (isfinite(validation)) {
        remember_validation(r, validation);
        snprintf(held, sizeof held, "\"validation\": %.17g, ", validation);
    }
    if (fprintf(r->file,
                "{\"step\": %lld, \"loss\": %.17g, %s\"lr\": %.9g, \"gradient\": %.9g, "
                "\"tokens_per_second\": %.1f}\n",
                (long long)r->count, loss, held, lr, norm, tokens_per_second) < 0 ||
        fflush(r->file) != 0)
        return err_file(err, r->path, "writing");
    return RAP_OK;
}

void record_close(record *r)
{
    if (r->file)
        fclose(r->file);
    free(r->loss);
    free(r->path);
    *r = (record){ .loss = NULL };
}

/* ---- the picture ---- */

enum { WIDTH = 800, HEIGHT = 420, LEFT = 70, RIGHT = 20, TOP = 40, BOTTOM = 40, DOT = 3 };

static rap_status label(image *page, int x, int y, const char *text, rap_err *err)
{
    int height;

    return page_text(&height, page, x, y, WIDTH - x, text, 13, 0x404040, err);
}

/* A running mean, which shows the way through the noise of batches. */
static void draw_losses(image *page, const record *r, double top)
{
    double mean = r->count ? r->loss[0] : 0, share = r->count > 200 ? 0.02 : 0.1;

    for (int64_t i = 0; i < r->count; i++) {
        int x = LEFT + (int)((double)(WIDTH - LEFT - RIGHT - DOT) * (double)i /
                             (double)(r->count > 1 ? r->count - 1 : 1));
        int span = HEIGHT - TOP - BOTTOM - DOT;

        mean += share * (r->loss[i] - mean);
        page_fill(page, x, TOP + span - (int)(fmin(r->loss[i], top) / top * span), DOT, DOT,
                  0xB8CCE8);
        page_fill(page, x, TOP + span - (int)(fmin(mean, top) / top * span), DOT, DOT, 0x2050A0);
    }
}

rap_status record_draw(const record *r, const char *png, rap_err *err)
{
    image page = { 0 };
    double top = 1e-6;
    char text[96];
    rap_status status = page_new(&page, WIDTH, HEIGHT, 0xFFFFFF, err);

    for (int64_t i = 0; i < r->count; i++)
        top = isfinite(r->loss[i]) && r->loss[i] > top ? r->loss[i] : top;
    if (!status) {
        page_fill(&page, LEFT - 1, TOP, 1, HEIGHT - TOP - BOTTOM, 0xA0A0A0);
        page_fill(&page, LEFT - 1, HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT, 1, 0xA0A0A0);
        draw_losses(&page, r, top);
        status = label(&page, LEFT, 12, "loss of the answers' tokens, by step", err);
    }
    snprintf(text, sizeof text, "%.3g", top);
    if (!status)
        status = label(&page, 10, TOP, text, err);
    if (!status)
        status = label(&page, 10, HEIGHT - BOTTOM - 12, "0", err);
    snprintf(text, sizeof text, "%lld steps, the last %.4g", (long long)r->count,
             r->count ? r->loss[r->count - 1] : 0);
    if (!status)
        status = label(&page, LEFT, HEIGHT - BOTTOM + 10, text, err);
    if (!status)
        status = image_save_png(&page, png, err);
    image_release(&page);
    return status;
}
