/* pictures.c: features by path, in an open hash table; the numbers in a file that was unlinked when it was made. */
#include "train/pictures.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/temp.h"
#include "generate/picture.h"
#include "train/cells.h"
#include "train/feature_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct entry {
    char *path;     /* behind 'c' or 'q' */
    int64_t offset; /* in floats */
    int32_t rows;
    int32_t *cells;
    int32_t count;
} entry;

struct pictures {
    vlm *v;
    char *folder; /* NULL: only counts */
    bool before_projector;
    int64_t width; /* of a row */
    temp file;
    int64_t floats; /* written */
    entry *entry;
    size_t count, cap;
    feature_cache *cache; /* NULL: none */
    size_t from_cache;
    size_t *slot; /* [slots] entry + 1; 0: free */
    size_t slots;
};

static void entry_release(entry *e)
{
    free(e->path);
    free(e->cells);
}

rap_status pictures_open(pictures **out, vlm *v, const char *folder, bool before_projector,
                         rap_err *err)
{
    pictures *p = mem_array(1, sizeof *p);
    char *path = folder ? path_join(folder, "features") : NULL;
    rap_status status = RAP_OK;

    *out = NULL;
    if (!p || (folder && !path)) {
        free(path);
        free(p);
        return err_memory(err, "reading pictures");
    }
    p->v = v;
    p->before_projector = before_projector;
    p->width = before_projector ? tower_feature_width(v->tower) : v->width;
    p->file = (temp)TEMP_INIT;
    if (folder)
        status = temp_file(&p->file, path, 0600, err);
    if (folder && !status)
        p->cache = feature_cache_open();
    p->folder = mem_string(folder);
    free(path);
    if (status) {
        pictures_close(p);
        return status;
    }
    *out = p;
    return RAP_OK;
}

void pictures_close(pictures *p)
{
    if (!p)
        return;
    temp_remove(&p->file);
    feature_cache_close(p->cache);
    for (size_t i = 0; i < p->count; i++)
        entry_release(&p->entry[i]);
    free(p->entry);
    free(p->slot);
    free(p->folder);
    free(p);
}

/* The slot of the path, or the free one where it belongs. */
static size_t *find(const pictures *p, const char *path)
{
    size_t i = (size_t)hash_fast(path, strlen(path), 0) % p->slots;

    while (p->slot[i] && strcmp(p->entry[p->slot[i] - 1].path, path) != 0)
        i = (i + 1) % p->slots;
    return &p->slot[i];
}

/* Room for one more, the table at most half full. */
static bool reserve(pictures *p)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        entry *grown = realloc(p->entry, cap * sizeof *grown);

        if (!grown)
            return false;
        p->entry = grown;
        p->cap = cap;
    }
    if (2 * (p->count + 1) > p->slots) {
        size_t slots = p->slots ? 2 * p->slots : 256, *old = p->slot,
               *slot = mem_array(slots, sizeof *slot);

        if (!slot)
            return false;
        p->slot = slot;
        p->slots = slots;
        for (size_t i = 0; i < p->count; i++)
            *find(p, p->entry[i].path) = i + 1;
        free(old);
    }
    return true;
}

static rap_status store(pictures *p, const float *data, size_t floats, rap_err *err)
{
    const char *at = (const char *)data;
    size_t left = floats * sizeof *data;
    off_t to = (off_t)p->floats * (off_t)sizeof *data;

    while (left) {
        ssize_t n = pwrite(p->file.fd, at, left, to);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_file(err, p->folder, "writing pictures' features to");
        at += n;
        to += n;
        left -= (size_t)n;
    }
    p->floats += (int64_t)floats;
    return RAP_OK;
}

static rap_status lay_cells(entry *out, const picture *pic, rap_err *err)
{
    rap_status status = cells_of_picture(&out->cells, &out->count, pic, err);

    for (int32_t i = 0; !status && i < out->count; i++)
        out->rows += out->cells[i] == CELL_ROW;
    return status;
}

/* ---- kept from earlier trainings ---- */

static bool name_of(char out[65], pictures *p, const char *path, bool of_concept)
{
    char text[128];

    snprintf(text, sizeof text, "%s %s %s", vlm_fingerprint(p->v),
             of_concept ? "concept" : "question", p->before_projector ? "before" : "after");
    return p->cache && *vlm_fingerprint(p->v) && feature_cache_name(out, path, text);
}

/* False: not kept. */
static bool read_kept(entry *out, rap_status *status, pictures *p, const char *name, rap_err *err)
{
    features f;

    if (!feature_cache_read(&f, p->cache, name, p->width))
        return false;
    *status = store(p, f.rows, (size_t)f.row_count * (size_t)f.width, err);
    out->cells = f.cells;
    out->count = f.count;
    out->rows = f.row_count;
    f.cells = NULL;
    features_release(&f);
    p->from_cache++;
    return true;
}

static rap_status store_new(pictures *p, const entry *e, const float *rows_of_it, const char *name,
                            rap_err *err)
{
    features f = { e->cells, (float *)rows_of_it, e->count, e->rows, p->width };

    if (*name)
        feature_cache_write(p->cache, name, &f);
    return store(p, rows_of_it, (size_t)e->rows * (size_t)p->width, err);
}

/* The cells of the picture, its features stored where they are wanted. */
static rap_status encode(entry *out, pictures *p, const char *path, bool of_concept, rap_err *err)
{
    image im = { 0 };
    picture pic = { .chunks = NULL };
    session_picture source = { .pixels = NULL };
    float *tokens = NULL;
    char name[65] = "";
    rap_status status;

    if (!p->folder && p->count) { /* counted like the first */
        const entry *e = &p->entry[0];

        out->cells = mem_copy(e->cells, (size_t)e->count * sizeof *e->cells);
        out->count = e->count;
        return !file_exists(path) ? err_set(err, RAP_E_NOT_FOUND, "%s: no such file", path)
               : out->cells       ? RAP_OK
                                  : err_memory(err, "reading pictures");
    }
    if (p->folder && !name_of(name, p, path, of_concept))
        *name = '\0';
    if (*name && read_kept(out, &status, p, name, err))
        return status;
    status = image_load(&im, path, err);
    if (!status)
        status =
            (of_concept ? vlm_encode_concept : vlm_encode)(p->v, &im, &tokens, &source.floats, err);
    source.tokens = tokens;
    if (!status)
        status = picture_init(&pic, p->v, &source, err);
    if (!status)
        status = lay_cells(out, &pic, err);
    if (!status && p->before_projector && out->rows != tower_rows(p->v->tower))
        status =
            err_set(err, RAP_E_UNSUPPORTED,
                    "%s: the model takes it in several pieces; its projector is not trained, give "
                    "--projector off",
                    path);
    if (!status && p->folder)
        status = store_new(p, out, p->before_projector ? tower_features(p->v->tower) : pic.rows,
                           name, err);
    picture_release(&pic);
    free(tokens);
    image_release(&im);
    return status;
}

static rap_status add_new(pictures *p, const char *path, bool of_concept, rap_err *err)
{
    entry new = { .offset = p->floats, .path = mem_string(path) };
    rap_status status =
        new.path ? encode(&new, p, path + 1, of_concept, err) : err_memory(err, "reading pictures");

    if (status)
        entry_release(&new);
    else
        p->entry[p->count++] = new;
    return status;
}

rap_status pictures_add(size_t *out_number, pictures *p, const char *path, bool of_concept,
                        rap_err *err)
{
    buf name = BUF_INIT;
    rap_status status = RAP_OK;
    size_t *slot;

    buf_printf(&name, "%c%s", of_concept ? 'c' : 'q', path);
    if (buf_failed(&name) || !reserve(p)) {
        buf_release(&name);
        return err_memory(err, "reading pictures");
    }
    slot = find(p, buf_text(&name));
    if (!*slot) {
        status = add_new(p, buf_text(&name), of_concept, err);
        *slot = status ? 0 : p->count;
    }
    *out_number = *slot - 1;
    buf_release(&name);
    return status;
}

rap_status pictures_read(float *out, const pictures *p, size_t number, rap_err *err)
{
    const entry *e = &p->entry[number];
    char *to = (char *)out;
    size_t left = (size_t)e->rows * (size_t)p->width * sizeof *out;
    off_t from = (off_t)e->offset * (off_t)sizeof *out;

    while (left) {
        ssize_t n = pread(p->file.fd, to, left, from);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_file(err, p->folder, "reading pictures' features from");
        to += n;
        from += n;
        left -= (size_t)n;
    }
    return RAP_OK;
}

int32_t pictures_rows(const pictures *p, size_t number)
{
    return p->entry[number].rows;
}

const int32_t *pictures_cells(int32_t *out_count, const pictures *p, size_t number)
{
    *out_count = p->entry[number].count;
    return p->entry[number].cells;
}

size_t pictures_from_cache(const pictures *p)
{
    return p->from_cache;
}

int64_t pictures_width(const pictures *p)
{
    return p->width;
}

size_t pictures_count(const pictures *p)
{
    return p->count;
}
