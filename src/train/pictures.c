/* pictures.c: features by path, in an open hash table; the numbers in a file that was unlinked when it was made. */
#include "train/pictures.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/temp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct entry {
    char *path;
    int64_t offset; /* in floats */
    int32_t rows;
} entry;

struct pictures {
    vlm *v;
    char *folder; /* NULL: only counts */
    temp file;
    int64_t floats; /* written */
    int32_t rows_of_first;
    entry *entry;
    size_t count, cap;
    size_t *slot; /* [slots] entry + 1; 0: free */
    size_t slots;
};

rap_status pictures_open(pictures **out, vlm *v, const char *folder, rap_err *err)
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
    p->file = (temp)TEMP_INIT;
    if (folder)
        status = temp_file(&p->file, path, 0600, err);
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
    for (size_t i = 0; i < p->count; i++)
        free(p->entry[i].path);
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

/* Rows of the picture, its features stored where they are wanted. */
static rap_status encode(int32_t *out_rows, pictures *p, const char *path, rap_err *err)
{
    image im = { 0 };
    float *tokens = NULL;
    size_t floats = 0;
    rap_status status;

    if (!p->folder && p->rows_of_first) {
        *out_rows = p->rows_of_first;
        return file_exists(path) ? RAP_OK : err_set(err, RAP_E_NOT_FOUND, "%s: no such file", path);
    }
    status = image_load(&im, path, err);
    if (!status)
        status = vlm_encode(p->v, &im, &tokens, &floats, err);
    if (!status && p->folder)
        status = store(p, tokens, floats, err);
    *out_rows = p->rows_of_first = (int32_t)(floats / (size_t)vlm_embedding_width(p->v));
    free(tokens);
    image_release(&im);
    return status;
}

rap_status pictures_add(size_t *out_number, int32_t *out_rows, pictures *p, const char *path,
                        rap_err *err)
{
    size_t *slot;
    entry new = { .offset = p->floats };
    rap_status status;

    if (!reserve(p))
        return err_memory(err, "reading pictures");
    slot = find(p, path);
    if (!*slot) {
        status = encode(&new.rows, p, path, err);
        if (status)
            return status;
        new.path = mem_string(path);
        if (!new.path)
            return err_memory(err, "reading pictures");
        p->entry[p->count++] = new;
        *slot = p->count;
    }
    *out_number = *slot - 1;
    *out_rows = p->entry[*out_number].rows;
    return RAP_OK;
}

rap_status pictures_read(float *out, const pictures *p, size_t number, rap_err *err)
{
    const entry *e = &p->entry[number];
    char *to = (char *)out;
    size_t left = (size_t)e->rows * (size_t)vlm_embedding_width(p->v) * sizeof *out;
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

size_t pictures_count(const pictures *p)
{
    return p->count;
}
