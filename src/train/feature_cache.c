/* feature_cache.c: see feature_cache.h. A file: head, cells, rows. */
#include "train/feature_cache.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LIMIT ((uint64_t)8 << 30)
static const char magic[8] = "RAPFEAT1";

typedef struct head {
    char magic[8];
    int32_t count, row_count;
    int64_t width;
    uint64_t sum; /* of cells and rows */
} head;

struct feature_cache {
    char *folder;
    uint64_t used, limit; /* bytes */
    time_t began;
    bool full; /* nothing more is written */
};

void features_release(features *f)
{
    free(f->cells);
    free(f->rows);
    *f = (features){ .cells = NULL };
}

/* ---- the folder ---- */

static char *folder_of_cache(void)
{
    const char *own = getenv("RAP_FEATURE_CACHE"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (own && *own)
        return strcmp(own, "0") ? mem_string(own) : NULL;
    if (cache && *cache == '/')
        return path_join(cache, "rap/features");
    return home && *home == '/' ? path_join(home, ".cache/rap/features") : NULL;
}

typedef struct old_file {
    char name[65];
    uint64_t bytes;
    time_t used;
} old_file;

/* The files that are this cache's; *count 0 where there are none. */
static old_file *list_files(size_t *out_count, const char *folder)
{
    DIR *d = opendir(folder);
    old_file *all = NULL;
    size_t count = 0, cap = 0;
    struct dirent *e;

    while (d && (e = readdir(d))) {
        struct stat s;

        if (strlen(e->d_name) != 64 || strspn(e->d_name, "0123456789abcdef") != 64 ||
            fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(s.st_mode))
            continue;
        if (count == cap) {
            old_file *grown = realloc(all, (cap = cap ? 2 * cap : 256) * sizeof *all);

            if (!grown)
                break;
            all = grown;
        }
        all[count] = (old_file){ .bytes = (uint64_t)s.st_size, .used = s.st_mtime };
        memcpy(all[count++].name, e->d_name, 65);
    }
    if (d)
        closedir(d);
    *out_count = count;
    return all;
}

static int by_use(const void *a, const void *b)
{
    const old_file *x = a, *y = b;

    return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->name, y->name);
}

static void remove_file(feature_cache *c, const char *name)
{
    char *path = path_join(c->folder, name);

    if (path)
        unlink(path);
    free(path);
}

/* Removes files that this run has not used until `bytes` more fit; false: they do not. */
static bool make_room(feature_cache *c, uint64_t bytes)
{
    size_t count;
    old_file *all;

    if (c->used + bytes <= c->limit)
        return true;
    all = list_files(&count, c->folder);
    c->used = 0;
    for (size_t i = 0; i < count; i++)
        c->used += all[i].bytes;
    if (count)
        qsort(all, count, sizeof *all, by_use);
    for (size_t i = 0; i < count && c->used + bytes > c->limit && all[i].used < c->began; i++) {
        remove_file(c, all[i].name);
        c->used -= all[i].bytes;
    }
    free(all);
    return c->used + bytes <= c->limit;
}

feature_cache *feature_cache_open(void)
{
    char *folder = folder_of_cache();
    feature_cache *c = folder ? mem_array(1, sizeof *c) : NULL;
    size_t count;
    old_file *all;

    if (!c || file_make_folders(folder, NULL) != RAP_OK) {
        free(folder);
        free(c);
        return NULL;
    }
    *c = (feature_cache){ .folder = folder, .limit = LIMIT, .began = time(NULL) };
    all = list_files(&count, folder);
    for (size_t i = 0; i < count; i++)
        c->used += all[i].bytes;
    free(all);
    return c;
}

void feature_cache_close(feature_cache *c)
{
    if (!c)
        return;
    free(c->folder);
    free(c);
}

void feature_cache_limit(feature_cache *c, uint64_t bytes)
{
    if (c)
        c->limit = bytes;
}

/* ---- a picture ---- */

bool feature_cache_name(char out[65], const char *picture, const char *text)
{
    char sum[65], *all;

    if (!*text || file_sha256(sum, picture, NULL) != RAP_OK)
        return false;
    all = mem_array(strlen(text) + 70, 1);
    if (!all)
        return false;
    snprintf(all, strlen(text) + 70, "%s %s", sum, text);
    sha256_hex(out, all, strlen(all));
    free(all);
    return true;
}

static uint64_t sum_of(const void *cells, size_t cell_bytes, const void *rows, size_t row_bytes)
{
    return hash_fast(rows, row_bytes, hash_fast(cells, cell_bytes, 7));
}

/* Whole, and as the sum says. */
static bool is_good(const file_map *map, int64_t width)
{
    head h;
    size_t cells, rows, counted = 0;

    if (map->size < sizeof h)
        return false;
    memcpy(&h, map->data, sizeof h);
    if (memcmp(h.magic, magic, sizeof h.magic) != 0 || h.width != width || h.count < 0 ||
        h.row_count < 0 || h.row_count > h.count || width < 1 || width > 1 << 20)
        return false;
    cells = (size_t)h.count * sizeof(int32_t);
    rows = (size_t)h.row_count * (size_t)width * sizeof(float);
    if (map->size != sizeof h + cells + rows ||
        sum_of(map->data + sizeof h, cells, map->data + sizeof h + cells, rows) != h.sum)
        return false;
    for (int32_t i = 0; i < h.count; i++) {
        int32_t cell;

        memcpy(&cell, map->data + sizeof h + (size_t)i * sizeof cell, sizeof cell);
        counted += cell < 0;
    }
    return counted == (size_t)h.row_count;
}

static bool take(features *out, const file_map *map)
{
    head h;
    size_t cells, rows;

    memcpy(&h, map->data, sizeof h);
    cells = (size_t)h.count * sizeof(int32_t);
    rows = (size_t)h.row_count * (size_t)h.width * sizeof(float);
    *out = (features){ .count = h.count, .row_count = h.row_count, .width = h.width };
    out->cells = mem_copy(map->data + sizeof h, cells);
    out->rows = mem_copy(map->data + sizeof h + cells, rows);
    if (out->cells && out->rows)
        return true;
    features_release(out);
    return false;
}

bool feature_cache_read(features *out, feature_cache *c, const char *name, int64_t width)
{
    char *path = c ? path_join(c->folder, name) : NULL;
    file_map map = { .data = NULL };
    bool there = path && file_map_open(&map, path, NULL) == RAP_OK && map.data;
    bool good = there && is_good(&map, width) && take(out, &map);

    if (there)
        file_map_close(&map);
    if (good)
        utimensat(AT_FDCWD, path, NULL, 0); /* used now */
    free(path);
    return good;
}

void feature_cache_write(feature_cache *c, const char *name, const features *f)
{
    size_t cells = (size_t)f->count * sizeof *f->cells;
    size_t rows = (size_t)f->row_count * (size_t)f->width * sizeof *f->rows;
    head h = { .count = f->count, .row_count = f->row_count, .width = f->width };
    file_part part[] = { { &h, sizeof h }, { f->cells, cells }, { f->rows, rows } };
    char *path;

    if (!c || c->full)
        return;
    if (!make_room(c, sizeof h + cells + rows)) {
        c->full = true;
        return;
    }
    memcpy(h.magic, magic, sizeof h.magic);
    h.sum = sum_of(f->cells, cells, f->rows, rows);
    path = path_join(c->folder, name);
    if (path && file_write_cache(path, part, 3, NULL) == RAP_OK)
        c->used += sizeof h + cells + rows;
    else
        c->full = true; /* no room on the disk, say */
    free(path);
}
