/* prefixes.c: evaluated starts of prompts in files beside the store (prefixes.h).
 *
 * Reading order: names, a file's head, removing, reading, writing. A file is written under a temporary name and renamed.
 * One that was cut, damaged, made for another prompt or holds a concept that changed since is as good as none, and is
 * removed. Its bytes are overwritten first, as everywhere in a store. The file's time is that of its last use. */
#include "remember/prefixes.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".prefix"
enum { NAME_LEN = 64, FORMAT = 1, MOST_CONCEPTS = 1024 };

typedef struct head {
    char magic[8];
    uint32_t order, format;
    char name[NAME_LEN + 8];
    uint64_t concepts, size;
    uint64_t sum;      /* of the bytes */
    uint64_t head_sum; /* of the fields before it and of the concepts */
} head;

typedef struct owner {
    int64_t concept_id;
    char updated[32];
} owner;

static const char magic[8] = "RAPPREF";

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
    return len == NAME_LEN && strspn(name, "0123456789abcdef") >= NAME_LEN;
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

/* ---- a file's head ---- */

static uint64_t head_sum(const head *h, const owner *owners)
{
    return hash_fast(owners, (size_t)h->concepts * sizeof *owners,
                     hash_fast(h, offsetof(head, head_sum), FORMAT));
}

static bool read_all(int fd, void *out, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, (char *)out + at, size - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* A regular file that nobody else could have written; −1: none. */
static int open_own(const char *path, int flags, struct stat *info)
{
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && fstat(fd, info) == 0 && S_ISREG(info->st_mode) && info->st_uid == geteuid() &&
        (info->st_mode & 077) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Leaves `fd` behind the head. *out_owners: free(), also after a failure. */
static bool read_head(head *out, owner **out_owners, int fd, uint64_t file_size)
{
    uint64_t owners;

    *out_owners = NULL;
    if (!read_all(fd, out, sizeof *out) || memcmp(out->magic, magic, sizeof magic) != 0 ||
        out->order != 0x01020304 || out->format != FORMAT || out->concepts > MOST_CONCEPTS)
        return false;
    owners = out->concepts * sizeof **out_owners;
    if (file_size < sizeof *out + owners || out->size != file_size - sizeof *out - owners ||
        !(*out_owners = mem_array((size_t)out->concepts + 1, sizeof **out_owners)))
        return false;
    return read_all(fd, *out_owners, (size_t)owners) && head_sum(out, *out_owners) == out->head_sum;
}

/* Whether the concepts are those that the store has now. */
static bool is_current(store *s, const head *h, const owner *owners)
{
    for (uint64_t i = 0; i < h->concepts; i++) {
        bool found = false;

        if (!memchr(owners[i].updated, '\0', sizeof owners[i].updated) ||
            db_int(&(int64_t){ 0 }, &found, &s->d, NULL,
                   "SELECT 1 FROM concept WHERE id = ? AND updated = ?", "is", owners[i].concept_id,
                   owners[i].updated) != RAP_OK ||
            !found)
            return false;
    }
    return true;
}

/* ---- removing ---- */

static void overwrite(const char *path)
{
    static const char zero[1 << 16];
    struct stat info;
    int fd = open_own(path, O_WRONLY, &info);

    if (fd < 0)
        return;
    for (off_t left = info.st_size; left > 0;) {
        size_t some = left < (off_t)sizeof zero ? (size_t)left : sizeof zero;

        if (!file_put(fd, zero, some))
            break;
        left -= (off_t)some;
    }
    fdatasync(fd);
    close(fd);
}

/* False: it is still there. */
static bool remove_file(const char *path)
{
    overwrite(path);
    return unlink(path) == 0 || errno == ENOENT;
}

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
    struct stat info;
    owner *owners = NULL;
    head h;
    int fd = open_own(path, O_RDONLY, &info);
    bool current = fd >= 0 && read_head(&h, &owners, fd, (uint64_t)info.st_size) &&
                   is_current(s, &h, owners);

    free(owners);
    if (fd >= 0)
        close(fd);
    return current;
}

/* What a writer left that was killed: its lock is gone. */
static void remove_leftover(const char *path)
{
    struct stat info;
    int fd = open_own(path, O_RDWR, &info);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_file(path);
    close(fd);
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
            remove_leftover(path);
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
        if (!file_is_current(s, files.item[i].path) && !remove_file(files.item[i].path))
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

static uint8_t *read_bytes(size_t *out_size, store *s, const char *name, int fd, uint64_t file_size)
{
    owner *owners = NULL;
    uint8_t *bytes = NULL;
    head h;

    if (read_head(&h, &owners, fd, file_size) && strncmp(h.name, name, sizeof h.name) == 0 &&
        is_current(s, &h, owners) && (bytes = malloc((size_t)h.size + 1)) != NULL) {
        *out_size = (size_t)h.size;
        if (!read_all(fd, bytes, *out_size) || hash_fast(bytes, *out_size, FORMAT) != h.sum) {
            free(bytes);
            bytes = NULL;
        }
    }
    free(owners);
    return bytes;
}

uint8_t *store_get_prefix(store *s, const char *name, size_t *out_size)
{
    char *path = s->prefix_limit > 0 ? file_path(s, name) : NULL;
    struct stat info;
    uint8_t *bytes = NULL;
    int fd = path ? open_own(path, O_RDONLY, &info) : -1;

    *out_size = 0;
    if (fd >= 0) {
        bytes = read_bytes(out_size, s, name, fd, (uint64_t)info.st_size);
        if (bytes)
            futimens(fd, NULL); /* used now */
        close(fd);
    }
    if (!bytes && path && !s->read_only && file_exists(path))
        remove_file(path);
    free(path);
    return bytes;
}

void store_drop_prefix(store *s, const char *name)
{
    char *path = s->read_only ? NULL : file_path(s, name);

    if (path && file_exists(path))
        remove_file(path);
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
        if (remove_file(files.item[i].path))
            files.bytes -= files.item[i].size;
    list_release(&files);
}

static bool find_owner(owner *out, store *s, int64_t id)
{
    sqlite3_stmt *statement = NULL;
    char *updated = NULL;
    bool row = false;
    rap_status status =
        db_query(&statement, &s->d, NULL, "SELECT updated FROM concept WHERE id = ?", "i", id);

    if (status == RAP_OK)
        status = db_step(&row, &s->d, statement, NULL);
    if (status == RAP_OK && row)
        updated = db_text(statement, 0);
    sqlite3_finalize(statement);
    out->concept_id = id;
    if (updated)
        snprintf(out->updated, sizeof out->updated, "%s", updated);
    free(updated);
    return *out->updated != '\0';
}

static bool write_file(const char *path, const head *h, const owner *owners, const void *bytes)
{
    uint64_t all = sizeof *h + h->concepts * sizeof *owners + h->size;
    temp t = TEMP_INIT;
    bool done = temp_file(&t, path, 0600, NULL) == RAP_OK &&
                file_room(t.fd, all, path, NULL) == RAP_OK && file_put(t.fd, h, sizeof *h) &&
                file_put(t.fd, owners, (size_t)h->concepts * sizeof *owners) &&
                file_put(t.fd, bytes, (size_t)h->size) &&
                temp_publish(&t, path, TEMP_REPLACE_CACHE, NULL) == RAP_OK;

    temp_remove(&t);
    return done;
}

static void put(store *s, const char *path, head *h, owner *owners, const int64_t *concept_id,
                const void *bytes)
{
    char *folder = path_folder(path);

    for (uint64_t i = 0; i < h->concepts; i++)
        if (!find_owner(&owners[i], s, concept_id[i])) {
            free(folder);
            return;
        }
    h->sum = hash_fast(bytes, (size_t)h->size, FORMAT);
    h->head_sum = head_sum(h, owners);
    if (folder && (mkdir(folder, 0700) == 0 || errno == EEXIST)) {
        make_room(s, h->size);
        /* Who forgets a concept commits first and sweeps then, so one of the two removes this. */
        if (write_file(path, h, owners, bytes) && !is_current(s, h, owners))
            remove_file(path);
    }
    free(folder);
}

void store_put_prefix(store *s, const char *name, const int64_t *concept_id, size_t concepts,
                      const void *bytes, size_t size)
{
    head h = { .order = 0x01020304, .format = FORMAT, .concepts = concepts, .size = size };
    owner *owners;
    char *path;

    if (s->read_only || size == 0 || (uint64_t)size > (uint64_t)s->prefix_limit ||
        concepts > MOST_CONCEPTS)
        return;
    path = file_path(s, name);
    owners = mem_array(concepts + 1, sizeof *owners);
    if (path && owners) {
        memcpy(h.magic, magic, sizeof magic);
        memcpy(h.name, name, NAME_LEN);
        put(s, path, &h, owners, concept_id, bytes);
    }
    free(owners);
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

    for (size_t i = 0; status == RAP_OK && i < files.count; i++)
        if (!remove_file(files.item[i].path))
            status = err_set(err, RAP_E_IO, "%s: cannot be removed: %s", files.item[i].path,
                             strerror(errno));
    if (folder && status == RAP_OK)
        rmdir(folder); /* unless something else is in it */
    free(folder);
    list_release(&files);
    return status;
}
