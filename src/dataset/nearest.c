/* nearest.c: features in batches, appended to a file as they come; an exact index for each side of the split.
 *
 * The file: a line with what made the features, then for each entry of the index in order the hash of its key and its
 * feature, zeros when its photo cannot be used. A row whose hash is another one, as after a power cut, ends what
 * is taken from it. */
#include "dataset/nearest.h"

#include "base/hash.h"
#include "base/mem.h"
#include "dataset/crop.h"
#include "engine/engine.h"
#include "retrieve/embed.h"
#include "retrieve/search.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CANDIDATES = 32, DRAWN_FROM = 4, HEAD = 256 };

struct nearest {
    nearest_options o;
    rap_engine *engine;
    encoder *encoder; /* the engine's */
    embed_crop crop;
    int dim;
    char head[HEAD]; /* the first line of the file, padded */
    float *feature;  /* [index->count, dim] */
    search_index *side[2];
};

/* ---- the file ---- */

static uint64_t row_key(const nearest *n, size_t entry)
{
    const char *key = n->o.index->entry[entry].item->key;

    return hash_fast(key, strlen(key), n->o.plan->seed);
}

/* How many rows the file holds that are ours, in whole batches, so that these are the same in every run. */
static size_t read_rows(nearest *n, FILE *file)
{
    char head[HEAD];
    uint64_t key;
    size_t rows = 0, dim = (size_t)n->dim;

    if (fread(head, 1, HEAD, file) != HEAD || memcmp(head, n->head, HEAD) != 0)
        return 0;
    while (rows < n->o.index->count && fread(&key, sizeof key, 1, file) == 1 &&
           key == row_key(n, rows) &&
           fread(n->feature + rows * dim, sizeof(float), dim, file) == dim)
        rows++;
    return rows - rows % EMBED_BATCH;
}

static rap_status write_failed(const nearest *n, rap_err *err)
{
    return err_set(err, RAP_E_IO, "%s: writing failed: %s", n->o.file, strerror(errno));
}

static rap_status open_file(FILE **out, size_t *out_rows, nearest *n, rap_err *err)
{
    FILE *file = fopen(n->o.file, "r+b");
    off_t end;

    if (!file)
        file = fopen(n->o.file, "w+b");
    *out = file;
    if (!file)
        return write_failed(n, err);
    *out_rows = read_rows(n, file);
    end = HEAD + (off_t)*out_rows * (off_t)(sizeof(uint64_t) + (size_t)n->dim * sizeof(float));
    if (*out_rows == 0 && (fseeko(file, 0, SEEK_SET) != 0 ||
                           fwrite(n->head, 1, HEAD, file) != HEAD || fflush(file) != 0))
        return write_failed(n, err);
    if (fseeko(file, end, SEEK_SET) != 0 || ftruncate(fileno(file), end) != 0)
        return write_failed(n, err);
    return RAP_OK;
}

static rap_status write_rows(const nearest *n, FILE *file, size_t from, size_t count, rap_err *err)
{
    size_t dim = (size_t)n->dim;

    for (size_t i = from; i < from + count; i++) {
        uint64_t key = row_key(n, i);

        if (fwrite(&key, sizeof key, 1, file) != 1 ||
            fwrite(n->feature + i * dim, sizeof(float), dim, file) != dim)
            return write_failed(n, err);
    }
    return fflush(file) == 0 ? RAP_OK : write_failed(n, err);
}

/* ---- features ---- */

/* One batch; a photo that cannot be used leaves zeros. */
static rap_status embed_batch(nearest *n, size_t from, size_t count, rap_err *err)
{
    const index_entry *entry = n->o.index->entry;
    image photo[EMBED_BATCH] = { { 0 } };
    const image *usable[EMBED_BATCH];
    rap_box box[EMBED_BATCH];
    size_t row[EMBED_BATCH], dim = (size_t)n->dim;
    int found = 0;
    float *feature = mem_array(count, dim * sizeof *feature);
    rap_status status = feature ? RAP_OK : err_memory(err, "embedding concepts");

    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        const dataset_place *place = &entry[from + i].item->concept;
        drop_reason reason;
        rap_status read = !place->picture
                              ? RAP_E_FORMAT
                              : crop_photo(&photo[i], &reason, n->o.plan, n->o.images, place, err);

        if (read == RAP_E_MEMORY)
            status = read;
        if (read != RAP_OK || embed_check_size(&photo[i], place->picture, NULL) != RAP_OK)
            continue;
        usable[found] = &photo[i];
        box[found] = place->box;
        row[found++] = from + i;
    }
    memset(n->feature + from * dim, 0, count * dim * sizeof(float));
    if (status == RAP_OK && found > 0)
        status = embed_photos(feature, n->encoder, usable, box, found, &n->crop, err);
    for (int i = 0; status == RAP_OK && i < found; i++)
        memcpy(n->feature + row[i] * dim, feature + (size_t)i * dim, dim * sizeof(float));
    for (size_t i = 0; i < count; i++)
        image_release(&photo[i]);
    free(feature);
    return status;
}

static rap_status embed_all(nearest *n, rap_err *err)
{
    size_t count = n->o.index->count, done = 0;
    FILE *file = NULL;
    rap_status status = open_file(&file, &done, n, err);

    while (status == RAP_OK && done < count) {
        size_t batch = count - done < EMBED_BATCH ? count - done : EMBED_BATCH;

        status = embed_batch(n, done, batch, err);
        if (status == RAP_OK)
            status = write_rows(n, file, done, batch, err);
        done += batch;
        if (status == RAP_OK && n->o.on_progress &&
            n->o.on_progress("embedding concepts", done, count, n->o.payload) != 0)
            status = err_set(err, RAP_E_CANCELLED, "cancelled; the same command goes on from here");
    }
    if (file)
        fclose(file);
    return status;
}

/* ---- the two indices ---- */

static rap_status index_sides(nearest *n, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int side = 0; status == RAP_OK && side < 2; side++) {
        size_t from = n->o.index->side_first[side], to = n->o.index->side_first[side + 1];
        int64_t *id = mem_array(to - from + 1, sizeof *id);

        if (!id)
            return err_memory(err, "comparing concepts");
        for (size_t i = from; i < to; i++)
            id[i - from] = (int64_t)i;
        status = search_index_new(&n->side[side], n->feature + from * (size_t)n->dim, id, to - from,
                                  n->dim, err);
        free(id);
    }
    return status;
}

static rap_status open_encoder(nearest *n, rap_err *err)
{
    rap_engine_options options = RAP_ENGINE_OPTIONS_INIT;
    const profile *p = NULL;
    const char *maker = NULL;
    rap_status status;

    options.profile = n->o.plan->profile;
    options.threads = n->o.threads;
    status = engine_open(&n->engine, &options, err);
    if (status == RAP_OK)
        status = engine_profile(&p, n->engine, err);
    if (status == RAP_OK)
        status = engine_encoder(&n->encoder, &maker, n->engine, err);
    if (status != RAP_OK)
        return status;
    n->crop = p->crop;
    n->dim = encoder_dim(n->encoder);
    snprintf(n->head, sizeof n->head, "features %d %.220s\n", n->dim, maker);
    return RAP_OK;
}

rap_status nearest_open(nearest **out, const nearest_options *options, rap_err *err)
{
    nearest *n = mem_array(1, sizeof *n);
    rap_status status;

    *out = NULL;
    if (!n)
        return err_memory(err, "embedding concepts");
    n->o = *options;
    status = open_encoder(n, err);
    if (status == RAP_OK) {
        n->feature = mem_array(options->index->count + 1, (size_t)n->dim * sizeof *n->feature);
        status = n->feature ? embed_all(n, err) : err_memory(err, "embedding concepts");
    }
    if (status == RAP_OK)
        status = index_sides(n, err);
    engine_close(n->engine);
    n->engine = NULL;
    n->encoder = NULL;
    if (status == RAP_OK)
        *out = n;
    else
        nearest_close(n);
    return status;
}

void nearest_close(nearest *n)
{
    if (!n)
        return;
    search_index_free(n->side[0]);
    search_index_free(n->side[1]);
    engine_close(n->engine);
    free(n->feature);
    free(n);
}

rap_status nearest_other(const dataset_item **out, const nearest *n, const dataset_item *item,
                         draw *d, rap_err *err)
{
    const index_entry *self = index_find(n->o.index, item), *found[DRAWN_FROM];
    size_t count = 0;
    search_hit hit[CANDIDATES];
    const float *feature;
    rap_status status;
    bool any = false;

    *out = NULL;
    if (!self)
        return RAP_OK;
    feature = n->feature + (size_t)(self - n->o.index->entry) * (size_t)n->dim;
    for (int i = 0; i < n->dim && !any; i++)
        any = feature[i] != 0;
    if (!any)
        return RAP_OK;
    status = search_nearest(n->side[self->side], feature, 1, CANDIDATES, 1, hit, err);
    for (int i = 0; status == RAP_OK && i < CANDIDATES && count < DRAWN_FROM; i++)
        if (hit[i].id >= 0 && index_apart(item, n->o.index->entry[hit[i].id].item))
            found[count++] = &n->o.index->entry[hit[i].id];
    if (count > 0)
        *out = found[draw_below(d, count)]->item;
    return status;
}
