/* file.c: whole files read, written, mapped. Paths are in path.c, SHA-256 in hash.c. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    PIPE_PATIENCE = 300,  /* seconds that a pipe may send nothing */
    PIPE_FIRST = 1 << 16, /* initial buffer of a pipe */
};

/* ---- reading ---- */

static const char *file_other(mode_t mode)
{
    return S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a pipe" : "a device";
}

/* Opens a regular file or, if `out_pipe` is given, a pipe. O_NONBLOCK, so that opening a pipe does not wait for a
 * writer. */
static rap_status file_open(int *out, size_t *out_size, bool *out_pipe, const char *path,
                            rap_err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    rap_status status;

    if (fd < 0)
        return err_file(err, path, "opening");
    if (fstat(fd, &info) != 0)
        status = err_file(err, path, "reading");
    else if (S_ISDIR(info.st_mode))
        status = err_set(err, RAP_E_ARGUMENT, "%s: is a folder, not a file", path);
    else if (!S_ISREG(info.st_mode) && !(out_pipe && S_ISFIFO(info.st_mode)))
        status =
            err_set(err, RAP_E_ARGUMENT, "%s: is %s, not a file", path, file_other(info.st_mode));
    else
        status = RAP_OK;
    if (status != RAP_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    *out_size = (size_t)info.st_size;
    if (out_pipe)
        *out_pipe = S_ISFIFO(info.st_mode);
    return RAP_OK;
}

/* Reads up to `size` bytes; fewer when the file ended. -1 and errno on failure. */
static ssize_t file_read_all(int fd, char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* One read from a pipe that is opened without blocking; 0 at its end, −1 and errno on failure. */
static ssize_t file_read_pipe(int fd, char *data, size_t size)
{
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int ready = poll(&wait, 1, PIPE_PATIENCE * 1000);
        ssize_t got = ready > 0 ? read(fd, data, size) : -1;

        if (ready == 0)
            errno = ETIMEDOUT;
        if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            return got;
    }
}

/* Reads a pipe to its end, at most `limit` bytes. */
static rap_status file_drain(char **out, size_t *out_size, int fd, const char *path, size_t limit,
                             rap_err *err)
{
    size_t size = 0, room = 0;
    char *data = NULL;
    ssize_t got = 1;

    while (got > 0 && size <= limit) {
        if (room - size < 2) {
            size_t larger = room ? room * 2 : PIPE_FIRST;
            char *moved = larger > room ? realloc(data, larger) : NULL;
            if (!moved) {
                free(data);
                return err_memory(err, "reading a pipe");
            }
            data = moved;
            room = larger;
        }
        got = file_read_pipe(fd, data + size, room - size - 1);
        size += got > 0 ? (size_t)got : 0;
    }
    if (got < 0 || size > limit) {
        free(data);
        return got < 0 ? err_file(err, path, "reading")
                       : err_set(err, RAP_E_LIMIT, "%s: is larger than the limit of %zu bytes",
                                 path, limit);
    }
    data[size] = '\0';
    *out = data;
    *out_size = size;
    return RAP_OK;
}

/* A regular file of `size` bytes. */
static rap_status file_take(char **out, size_t *out_size, int fd, size_t size, const char *path,
                            rap_err *err)
{
    char *data = malloc(size + 1);
    ssize_t got;

    if (!data)
        return err_memory(err, "reading a file");
    got = file_read_all(fd, data, size);
    if (got < 0) {
        free(data);
        return err_file(err, path, "reading");
    }
    data[got] = '\0';
    *out = data;
    *out_size = (size_t)got;
    return RAP_OK;
}

/* `pipes`: accept pipes as well. */
static rap_status file_read_any(char **out, size_t *out_size, const char *path, size_t limit,
                                bool pipes, rap_err *err)
{
    size_t size = 0;
    bool pipe = false;
    int fd = -1;
    rap_status status;

    *out = NULL;
    *out_size = 0;
    status = file_open(&fd, &size, pipes ? &pipe : NULL, path, err);
    if (status != RAP_OK)
        return status;
    if (pipe)
        status = file_drain(out, out_size, fd, path, limit, err);
    else if (size > limit)
        status =
            err_set(err, RAP_E_LIMIT, "%s: has %zu bytes, but the limit is %zu", path, size, limit);
    else
        status = file_take(out, out_size, fd, size, path, err);
    close(fd);
    return status;
}

rap_status file_read(char **out, size_t *out_size, const char *path, size_t limit, rap_err *err)
{
    return file_read_any(out, out_size, path, limit, false, err);
}

rap_status file_read_stream(char **out, size_t *out_size, const char *path, size_t limit,
                            rap_err *err)
{
    return file_read_any(out, out_size, path, limit, true, err);
}

rap_status file_map_open(file_map *out, const char *path, rap_err *err)
{
    size_t size = 0;
    int fd = -1;
    rap_status status;
    void *data;

    *out = (file_map){ NULL, 0 };
    status = file_open(&fd, &size, NULL, path, err);
    if (status != RAP_OK)
        return status;
    if (size > 0) {
        data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = err_file(err, path, "mapping");
        else
            *out = (file_map){ data, size };
    }
    close(fd);
    return status;
}

void file_map_close(file_map *map)
{
    if (!map)
        return;
    if (map->data)
        munmap((void *)map->data, map->size);
    *map = (file_map){ NULL, 0 };
}

/* ---- writing ---- */

bool file_put(int fd, const void *bytes, size_t size)
{
    const char *data = bytes;

    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        size -= (size_t)put;
    }
    return true;
}

rap_status file_room(int fd, uint64_t bytes, const char *path, rap_err *err)
{
    struct statvfs space;
    double free_bytes;

    if (fstatvfs(fd, &space) != 0)
        return RAP_OK; /* writing will tell */
    free_bytes = (double)space.f_bavail * (double)space.f_frsize;
    if ((double)bytes <= free_bytes)
        return RAP_OK;
    if (bytes < 1000000000)
        return err_set(err, RAP_E_IO, "%s: needs %.1f MB of disk, but %.1f MB are free", path,
                       (double)bytes / 1e6, free_bytes / 1e6);
    return err_set(err, RAP_E_IO, "%s: needs %.1f GB of disk, but %.1f GB are free", path,
                   (double)bytes / 1e9, free_bytes / 1e9);
}

static bool file_write_each(int fd, const file_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!file_put(fd, parts[i].bytes, parts[i].size))
            return false;
    return true;
}

/* A device or pipe (/dev/null, /dev/stdout) cannot be replaced, only written to. */
static rap_status file_write_device(const char *path, const file_part *parts, size_t count,
                                    rap_err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    rap_status status = RAP_OK;

    if (fd < 0)
        return err_file(err, path, "opening");
    if (!file_write_each(fd, parts, count))
        status = err_file(err, path, "writing");
    close(fd);
    return status;
}

rap_status file_write(const char *path, const void *bytes, size_t size, rap_err *err)
{
    return file_write_parts(path, &(file_part){ bytes, size }, 1, err);
}

static rap_status file_replace(const char *path, const file_part *parts, size_t count,
                               temp_publishing how, rap_err *err)
{
    struct stat info;
    temp t = TEMP_INIT;
    rap_status status;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return err_set(err, RAP_E_ARGUMENT, "%s: is a folder, not a file", path);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return file_write_device(path, parts, count, err);
    status = temp_file(&t, path, 0666, err);
    if (status != RAP_OK)
        return status;
    if (file_write_each(t.fd, parts, count))
        return temp_publish(&t, path, how, err);
    status = err_file(err, path, "writing");
    temp_remove(&t);
    return status;
}

rap_status file_write_parts(const char *path, const file_part *parts, size_t count, rap_err *err)
{
    return file_replace(path, parts, count, TEMP_REPLACE, err);
}

rap_status file_write_cache(const char *path, const file_part *parts, size_t count, rap_err *err)
{
    return file_replace(path, parts, count, TEMP_REPLACE_CACHE, err);
}

static uint64_t nanoseconds(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool file_identify(file_state *out, const char *path)
{
    struct stat info;
    *out = (file_state){ 0 };
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    *out = (file_state){ .device = (uint64_t)info.st_dev,
                         .inode = (uint64_t)info.st_ino,
                         .size = (uint64_t)info.st_size,
                         .modified = nanoseconds(info.st_mtim),
                         .changed = nanoseconds(info.st_ctim) };
    return true;
}

/* ---- an output that is an input ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool file_begins(const char *path, const char *text)
{
    char start[16];
    size_t len = strlen(text);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool found = fd >= 0 && len <= sizeof start && file_read_all(fd, start, len) == (ssize_t)len &&
                 memcmp(start, text, len) == 0;

    if (fd >= 0)
        close(fd);
    return found;
}

/* Is the file in the folder, at most so many levels down? Links are followed; unreadable files are not inputs. */
static bool folder_holds(const char *folder, const struct stat *file, int depth)
{
    char *paths[] = { (char *)folder, NULL };
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    bool found = false;

    while (walk && !found && (entry = fts_read(walk)) != NULL) {
        found = entry->fts_info == FTS_F && is_same(entry->fts_statp, file);
        if (entry->fts_info == FTS_D && entry->fts_level > depth)
            fts_set(walk, entry, FTS_SKIP);
    }
    if (walk)
        fts_close(walk);
    return found;
}

/* The output exists and is not empty. */
static bool is_kept(struct stat *info, const char *out)
{
    return out && stat(out, info) == 0 && S_ISREG(info->st_mode);
}

static rap_status spare_folder(const char *out, const struct stat *there, const char *folder,
                               int depth, const char *again, rap_err *err)
{
    if (there->st_size == 0 || (again && file_begins(out, again)) ||
        !folder_holds(folder, there, depth))
        return RAP_OK;
    return err_set(err, RAP_E_ARGUMENT,
                   "%s: is a file of the input %s; write the output to another file", out, folder);
}

rap_status file_spare(const char *out, const char *in, const char *again, rap_err *err)
{
    struct stat there, input;

    if (!is_kept(&there, out) || !in || stat(in, &input) != 0)
        return RAP_OK;
    if (is_same(&there, &input))
        return err_set(err, RAP_E_ARGUMENT, "%s: is the input; write the output to another file",
                       out);
    return S_ISDIR(input.st_mode) ? spare_folder(out, &there, in, INT_MAX - 1, again, err) : RAP_OK;
}

rap_status file_spare_beside(const char *out, const char *in, const char *again, rap_err *err)
{
    char *folder = path_folder(in);
    struct stat there;
    rap_status status = RAP_OK;

    if (!folder)
        return err_memory(err, "comparing files");
    if (is_kept(&there, out))
        status = spare_folder(out, &there, folder, 0, again, err);
    free(folder);
    return status;
}

/* ---- folders ---- */

bool file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static rap_status file_make_folder(const char *path, rap_err *err)
{
    if (file_is_folder(path))
        return RAP_OK;
    if (mkdir(path, 0777) == 0) {
        rap_status status = path_sync(path, err);

        if (status != RAP_OK)
            rmdir(path); /* so that the next one who makes it syncs it */
        return status;
    }
    if (errno == EEXIST && file_is_folder(path))
        return RAP_OK;
    if (errno == EEXIST)
        return err_set(err, RAP_E_EXISTS, "%s: is a file, not a folder", path);
    return err_file(err, path, "creating the folder");
}

rap_status file_make_folders(const char *path, rap_err *err)
{
    char *copy = mem_string(path);
    rap_status status = RAP_OK;

    if (!copy)
        return err_memory(err, "making folders");
    if (!*path)
        status = err_set(err, RAP_E_ARGUMENT, "the name of the output folder is empty");
    for (char *at = copy + 1; *copy && *at && status == RAP_OK; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        status = file_make_folder(copy, err);
        *at = '/';
    }
    if (status == RAP_OK)
        status = file_make_folder(copy, err);
    free(copy);
    return status;
}
