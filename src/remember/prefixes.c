/* prefixes.c: evaluated starts of prompts in files beside the store (prefixes.h).
 *
 * Reading order: names, all files, reading, writing; prefix_file.h is one file. One that was cut, damaged, made for another prompt or holds a concept that changed since is as good as none, and is
 * removed. Its bytes are overwritten first, as everywhere in a store. The file's time is that of its last use. */
#include "remember/prefixes.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "remember/prefix_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".prefix"

/* ---- names ---- */

/* NULL: a store without a file, or out of memory. */
static char *folder_path(const store *s)
{
    const char *file = sqlite3_db_filename(s->d.handle, "main");
    buf path = BUF_INIT;

    if (!file || !*file)
        return NULL;
    buf_printf(&path, "%s-prefixes", file);
    if (!buf_failed(&path))
        return buf_detach(&path);
    buf_release(&path);
    return NULL;
}

char *store_prefix_folder(const store *s)
{
    return folder_path(s);
}

/* 64 hexadecimal digits, so that no name leaves the folder. */
static bool is_name(const char *name, size_t len)
{
    return len == PREFIX_NAME && strspn(name, "0123456789abcdef") >= PREFIX_NAME;
}

static bool is_file_name(const char *name)
{
    size_t len = strlen(name), end = sizeof SUFFIX - 1;

    return len > end && is_name(name, len - end) && strcmp(name + len - end, SUFFIX) == 0;
}

static char *file_path(const store *s, const char *name)
{
    char *folder = is_name(name, strlen(name)) ? folder_path(s) : NULL, *path = NULL;
    buf text = BUF_INIT;

    if (folder)
        buf_printf(&text, "%s/%s" SUFFIX, folder, name);
    if (folder && !buf_failed(&text))
        path = buf_detach(&text);
    buf_release(&text);
    free(folder);
    return path;
}

/* Whether the concepts are those that the store has now. */
static bool is_current(store *s, const prefix_file *f)
{
    for (uint64_t i = 0; i < f->concepts; i++) {
        bool found = false;

        if (db_int(&(int64_t){ 0 }, &found, &s->d, NULL,
                   "SELECT 1 FROM concept WHERE id = ? AND updated = ?", "is",
                   f->concept[i].concept_id, f->concept[i].updated) != RAP_OK ||
            !found)
            return false;
    }
    return true;
}

/* ---- all files ---- */

typedef struct file_entry {
    char *path;
    uint64_t size;
    int64_t used; /* nanoseconds */
} file_entry;

typedef struct file_list {
    file_entry *item; /* [count] */
    size_t count, room;
    uint64_t bytes;
} file_list;

static void list_release(file_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->item[i].path);
    free(l->item);
    *l = (file_list){ .item = NULL };
}

static bool list_add(file_list *l, const char *folder, const char *name)
{
    struct stat info;
    char *path = path_join(folder, name);
    file_entry *grown;

    if (!path || lstat(path, &info) != 0) {
        free(path);
        return path != NULL;
    }
    grown = mem_grow(l->item, l->count, &l->room, sizeof *l->item);
    if (!grown) {
        free(path);
        return false;
    }
    l->item = grown;
    l->item[l->count++] =
        (file_entry){ path, (uint64_t)info.st_size,
                      (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec };
    l->bytes += (uint64_t)info.st_size;
    return true;
}

/* All files of kept prefixes. False: out of memory. */
static bool list_files(file_list *out, const store *s)
{
    char *folder = folder_path(s);
    DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    bool done = true;

    *out = (file_list){ .item = NULL };
    while (dir && done && (entry = readdir(dir)) != NULL)
        if (is_file_name(entry->d_name))
            done = list_add(out, folder, entry->d_name);
    if (dir)
        closedir(dir);
    free(folder);
    return done;
}

static bool file_is_current(store *s, const char *path)
{
    prefix_file f;
    bool current = prefix_file_read(&f, path, false) && is_current(s, &f);

    prefix_file_release(&f);
    return current;
}

static void remove_leftovers(const store *s)
{
    char *folder = folder_path(s), *path;
    DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        const char *end = strstr(entry->d_name, SUFFIX ".");

        if (!end || !is_name(entry->d_name, (size_t)(end - entry->d_name)))
            continue;
        path = path_join(folder, entry->d_name);
        if (path)
            prefix_file_remove_leftover(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    free(folder);
}

void prefixes_sweep(store *s)
{
    file_list files;

    if (s->read_only)
        return;
    remove_leftovers(s);
    list_files(&files, s); /* as many as memory lets */
    for (size_t i = 0; i < files.count; i++)
        if (!file_is_current(s, files.item[i].path) && !prefix_file_remove(files.item[i].path))
            store_say(s, "%s: done, but this file holds what was forgotten and cannot be removed",
                      files.item[i].path);
    list_release(&files);
}

/* ---- reading ---- */

void store_limit_prefixes(store *s, int64_t bytes)
{
    s->prefix_limit = bytes < 0 ? 0 : bytes;
}

int64_t store_prefix_limit(const store *s)
{
    return s->prefix_limit;
}

uint8_t *store_get_prefix(store *s, const char *name, size_t *out_size)
{
    char *path = s->prefix_limit > 0 ? file_path(s, name) : NULL;
    prefix_file f = { .bytes = NULL };
    uint8_t *bytes = NULL;

    *out_size = 0;
    if (path && prefix_file_read(&f, path, true) && strcmp(f.name, name) == 0 &&
        is_current(s, &f)) {
        bytes = f.bytes; /* moved */
        f.bytes = NULL;
        *out_size = (size_t)f.size;
        prefix_file_touch(path);
    } else if (path && !s->read_only && file_exists(path)) {
        prefix_file_remove(path);
    }
    prefix_file_release(&f);
    free(path);
    return bytes;
}

void store_drop_prefix(store *s, const char *name)
{
    char *path = s->read_only ? NULL : file_path(s, name);

    if (path && file_exists(path))
        prefix_file_remove(path);
    free(path);
}

/* ---- writing ---- */

static int older_first(const void *a, const void *b)
{
    const file_entry *x = a, *y = b;

    return x->used < y->used ? -1 : x->used > y->used;
}

/* Removes those used longest ago until `size` more bytes fit. */
static void make_room(store *s, uint64_t size)
{
    uint64_t limit = (uint64_t)s->prefix_limit;
    file_list files;

    list_files(&files, s);
    if (files.count > 0)
        qsort(files.item, files.count, sizeof *files.item, older_first);
    for (size_t i = 0; i < files.count && files.bytes > limit - size; i++)
        if (prefix_file_remove(files.item[i].path))
            files.bytes -= files.item[i].size;
    list_release(&files);
}

static void put(store *s, const char *path, const prefix_file *f)
{
    char *folder = path_folder(path);

    if (folder && (mkdir(folder, 0700) == 0 || errno == EEXIST)) {
        make_room(s, f->size);
        /* Who forgets a concept commits first and sweeps then, so one of the two removes this. */
        if (prefix_file_write(path, f) && !is_current(s, f))
            prefix_file_remove(path);
    }
    free(folder);
}

void store_put_prefix(store *s, const char *name, const store_stamp *concept, size_t concepts,
                      const void *bytes, size_t size)
{
    prefix_file f = { .concepts = concepts,
                      .concept = (store_stamp *)concept, /* only read, as are the bytes */
                      .bytes = (uint8_t *)bytes,
                      .size = size };
    char *path;

    if (s->read_only || size == 0 || (uint64_t)size > (uint64_t)s->prefix_limit ||
        concepts > PREFIX_CONCEPTS)
        return;
    path = file_path(s, name);
    if (path && is_current(s, &f)) {
        memcpy(f.name, name, PREFIX_NAME);
        put(s, path, &f);
    }
    free(path);
}

/* ---- how much there is ---- */

rap_status store_count_prefixes(store *s, store_kept *out, rap_err *err)
{
    file_list files;
    bool done = list_files(&files, s);

    *out = (store_kept){ (int64_t)files.count, (int64_t)files.bytes };
    list_release(&files);
    return done ? RAP_OK : err_memory(err, "counting kept prefixes");
}

rap_status store_clear_prefixes(store *s, rap_err *err)
{
    file_list files;
    bool done = list_files(&files, s);
    char *folder = folder_path(s);
    rap_status status = done ? RAP_OK : err_memory(err, "removing kept prefixes");

    remove_leftovers(s);
    for (size_t i = 0; status == RAP_OK && i < files.count; i++)
        if (!prefix_file_remove(files.item[i].path))
            status = err_set(err, RAP_E_IO, "%s: cannot be removed: %s", files.item[i].path,
                             strerror(errno));
    if (folder && status == RAP_OK)
        rmdir(folder); /* unless something else is in it */
    free(folder);
    list_release(&files);
    return status;
}
