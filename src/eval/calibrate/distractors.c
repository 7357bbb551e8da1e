/* distractors.c: vectors of concepts that are not in any photo of a set, from pictures or from a file: a GGUF of
 * architecture "rap-vectors" with one tensor "vectors" [dim, count] and their maker. */
#include "base/file.h"
#include "base/mem.h"
#include "base/vector.h"
#include "engine/engine.h"
#include "eval/calibrate/calibrate_inside.h"
#include "formats/gguf_file.h"
#include "formats/gguf_types.h"

#include <stdlib.h>
#include <string.h>

#define VECTORS_KIND "rap-vectors"
#define VECTORS_MAKER "rap-vectors.maker"
enum { VECTORS_MAX = 1000000, VECTORS_MAX_DIM = 65536 };

void calibrate_vectors_release(calibrate_vectors *v)
{
    free(v->data);
    memset(v, 0, sizeof *v);
}

/* ---- from pictures ---- */

static rap_status load_batch(image *out, char *const *name, int count, const char *folder,
                             rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < count; i++) {
        char *path = path_join(folder, name[i]);

        status = path ? image_load(&out[i], path, err) : err_memory(err, "reading distractors");
        if (status == RAP_OK)
            status = embed_check_size(&out[i], path, err);
        free(path);
    }
    return status;
}

static rap_status embed_all(calibrate_vectors *v, encoder *e, const embed_crop *crop,
                            const char *folder, char *const *name, const calibrate_models *models,
                            rap_err *err)
{
    const rap_box everywhere[EMBED_BATCH] = { { 0, 0, 0, 0 } };
    rap_status status = RAP_OK;

    for (int done = 0, now; status == RAP_OK && done < v->count; done += now) {
        image im[EMBED_BATCH] = { 0 };
        const image *photo[EMBED_BATCH];

        now = v->count - done < EMBED_BATCH ? v->count - done : EMBED_BATCH;
        for (int i = 0; i < now; i++)
            photo[i] = &im[i];
        status = load_batch(im, name + done, now, folder, err);
        if (status == RAP_OK)
            status = embed_photos(v->data + (size_t)done * (size_t)v->dim, e, photo, everywhere,
                                  now, crop, err);
        for (int i = 0; i < now; i++)
            image_release(&im[i]);
        if (status == RAP_OK && models->on_progress &&
            models->on_progress("embedding distractors", (uint64_t)(done + now), (uint64_t)v->count,
                                models->payload))
            status = err_set(err, RAP_E_CANCELLED, "embedding distractors was cancelled");
    }
    return status;
}

static rap_status from_folder(calibrate_vectors *out, const char *folder,
                              const calibrate_models *models, rap_err *err)
{
    rap_engine *engine = NULL;
    const profile *p = NULL;
    encoder *e = NULL;
    const char *maker = NULL;
    char **name = NULL;
    rap_status status = calibrate_list(&name, &out->count, folder, 0, err);
    int count = out->count;

    if (status == RAP_OK && count == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: holds no pictures", folder);
    if (status == RAP_OK)
        status = calibrate_engine(&engine, models, err);
    if (status == RAP_OK)
        status = engine_profile(&p, engine, err);
    if (status == RAP_OK)
        status = engine_encoder(&e, &maker, engine, err);
    if (status == RAP_OK) {
        out->dim = encoder_dim(e);
        memcpy(out->maker, maker, strlen(maker) + 1);
        out->data = mem_array((size_t)count * (size_t)out->dim, sizeof *out->data);
        status = out->data ? embed_all(out, e, &p->crop, folder, name, models, err)
                           : err_memory(err, "reading distractors");
    }
    engine_close(engine);
    calibrate_list_free(name, count);
    return status;
}

/* ---- from a file ---- */

static rap_status read_vectors(calibrate_vectors *out, const gguf_file *g, const char *path,
                               rap_err *err)
{
    const gguf_tensor *t = gguf_find(g, "vectors");
    const char *maker = NULL;
    size_t len = 0;
    rap_status status;

    if (strcmp(gguf_file_architecture(g), VECTORS_KIND) != 0 || !t || t->dims != 2)
        return err_set(err, RAP_E_FORMAT, "%s: not a file of vectors", path);
    if (t->ne[0] > VECTORS_MAX_DIM || t->ne[1] > VECTORS_MAX)
        return err_set(err, RAP_E_LIMIT, "%s: more than %d vectors of %d numbers", path,
                       VECTORS_MAX, VECTORS_MAX_DIM);
    status = gguf_get_string(g, VECTORS_MAKER, &maker, &len, err);
    if (status != RAP_OK)
        return status;
    if (len >= sizeof out->maker || memchr(maker, '\0', len))
        return err_set(err, RAP_E_FORMAT, "%s: its maker has no proper name", path);
    memcpy(out->maker, maker, len);
    out->dim = (int)t->ne[0];
    out->count = (int)t->ne[1];
    out->data = mem_array((size_t)out->dim * (size_t)out->count, sizeof *out->data);
    return out->data ? gguf_to_f32(g, t, out->data, err) : err_memory(err, "reading distractors");
}

/* Normalises every vector. */
static rap_status to_units(calibrate_vectors *v, const char *path, rap_err *err)
{
    for (int i = 0; i < v->count; i++) {
        float *x = v->data + (size_t)i * (size_t)v->dim;

        if (!vector_normalise(x, x, v->dim))
            return err_set(err, RAP_E_FORMAT, "%s: vector %d has no direction", path, i);
    }
    return RAP_OK;
}

rap_status calibrate_vectors_open(calibrate_vectors *out, const char *path,
                                  const calibrate_models *models, rap_err *err)
{
    gguf_file *g = NULL;
    rap_status status;

    memset(out, 0, sizeof *out);
    if (file_is_folder(path)) {
        status = from_folder(out, path, models, err);
    } else {
        status = gguf_file_open(&g, path, err);
        if (status == RAP_OK)
            status = read_vectors(out, g, path, err);
        gguf_file_close(g);
    }
    if (status == RAP_OK)
        status = to_units(out, path, err);
    if (status != RAP_OK)
        calibrate_vectors_release(out);
    return status;
}

/* ---- into a file ---- */

rap_status calibrate_vectors_save(const calibrate_vectors *v, const char *path, rap_err *err)
{
    size_t floats = (size_t)v->count * (size_t)v->dim;
    const int64_t ne[2] = { v->dim, v->count };
    gguf_writer *w = gguf_writer_new(VECTORS_KIND);
    uint16_t *half = mem_array(floats, sizeof *half);
    rap_status status = w && half ? RAP_OK : err_memory(err, "writing distractors");

    for (size_t i = 0; status == RAP_OK && i < floats; i++)
        half[i] = gguf_float_to_half(v->data[i]);
    if (status == RAP_OK) {
        gguf_put_string(w, VECTORS_MAKER, v->maker, strlen(v->maker));
        gguf_put_tensor(w, "vectors", GGUF_F16, 2, ne, half);
        status = gguf_writer_save(w, path, err);
    }
    gguf_writer_free(w);
    free(half);
    return status;
}
