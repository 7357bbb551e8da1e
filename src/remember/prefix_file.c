/* prefix_file.c: a file of a kept prefix: a head, the concepts it is about, the bytes; each part with a sum. */
#include "remember/prefix_file.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, ORDER = 0x01020304 };

typedef struct head {
    char magic[8];
    uint32_t order, format;
    char name[PREFIX_NAME + 8];
    uint64_t concepts, size;
    uint64_t sum;      /* of the bytes */
    uint64_t head_sum; /* of the fields before it and of the concepts */
} head;

static const char magic[8] = "RAPPREF";

/* ---- reading ---- */

static uint64_t head_sum(const head *h, const store_stamp *stamps)
{
    return hash_fast(stamps, (size_t)h->concepts * sizeof *stamps,
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

/* Leaves `fd` behind the head. *out_stamps: free(), also after a failure. */
static bool read_head(head *out, store_stamp **out_stamps, int fd, uint64_t file_size)
{
    uint64_t stamps;

    *out_stamps = NULL;
    if (!read_all(fd, out, sizeof *out) || memcmp(out->magic, magic, sizeof magic) != 0 ||
        out->order != ORDER || out->format != FORMAT || out->concepts > PREFIX_CONCEPTS)
        return false;
    stamps = out->concepts * sizeof **out_stamps;
    if (file_size < sizeof *out + stamps || out->size != file_size - sizeof *out - stamps ||
        !(*out_stamps = mem_array((size_t)out->concepts + 1, sizeof **out_stamps)))
        return false;
    return read_all(fd, *out_stamps, (size_t)stamps) && head_sum(out, *out_stamps) == out->head_sum;
}

static bool read_bytes(prefix_file *out, const head *h, int fd)
{
    out->bytes = malloc((size_t)h->size + 1);
    return out->bytes && read_all(fd, out->bytes, (size_t)h->size) &&
           hash_fast(out->bytes, (size_t)h->size, FORMAT) == h->sum;
}

bool prefix_file_read(prefix_file *out, const char *path, bool whole)
{
    struct stat info;
    head h;
    int fd = open_own(path, O_RDONLY, &info);
    bool good;

    *out = (prefix_file){ .bytes = NULL };
    if (fd < 0)
        return false;
    good = read_head(&h, &out->concept, fd, (uint64_t)info.st_size);
    if (good) {
        memcpy(out->name, h.name, PREFIX_NAME);
        out->concepts = h.concepts;
        out->size = h.size;
        for (uint64_t i = 0; i < h.concepts; i++)
            good = good && memchr(out->concept[i].updated, '\0', sizeof out->concept[i].updated);
    }
    good = good && (!whole || read_bytes(out, &h, fd));
    close(fd);
    if (!good)
        prefix_file_release(out);
    return good;
}

void prefix_file_release(prefix_file *f)
{
    free(f->concept);
    free(f->bytes);
    *f = (prefix_file){ .bytes = NULL };
}

void prefix_file_touch(const char *path)
{
    utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
}

/* ---- writing ---- */

bool prefix_file_write(const char *path, const prefix_file *f)
{
    size_t stamps = (size_t)f->concepts * sizeof *f->concept;
    head h = { .order = ORDER, .format = FORMAT, .concepts = f->concepts, .size = f->size };
    temp t = TEMP_INIT;
    bool done;

    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.name, f->name, PREFIX_NAME);
    h.sum = hash_fast(f->bytes, (size_t)f->size, FORMAT);
    h.head_sum = head_sum(&h, f->concept);
    done = temp_file(&t, path, 0600, NULL) == RAP_OK &&
           file_room(t.fd, sizeof h + stamps + f->size, path, NULL) == RAP_OK &&
           file_put(t.fd, &h, sizeof h) && file_put(t.fd, f->concept, stamps) &&
           file_put(t.fd, f->bytes, (size_t)f->size) &&
           temp_publish(&t, path, TEMP_REPLACE_CACHE, NULL) == RAP_OK;
    temp_remove(&t);
    return done;
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

bool prefix_file_remove(const char *path)
{
    overwrite(path);
    return unlink(path) == 0 || errno == ENOENT;
}

void prefix_file_remove_leftover(const char *path)
{
    struct stat info;
    int fd = open_own(path, O_RDWR, &info);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) /* its writer is gone */
        prefix_file_remove(path);
    close(fd);
}
