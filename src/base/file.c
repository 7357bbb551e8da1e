/* file.c: whole files read, written, mapped. Paths are in path.c, SHA-256 in hash.c. */
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEMPORARIES = 100,    /* names that are tried */
    PIPE_PATIENCE = 300,  /* seconds that a pipe may send nothing */
    PIPE_FIRST = 1 << 16, /* room that a pipe begins with */
};

/* Turns errno into a status and the one line. */
static rap_status file_fail(rap_err *err, const char *path, const char *doing)
{
    int reason = errno;
    char memory[128];
    const char *text = strerror_r(reason, memory, sizeof memory);

    if (reason == ENOENT || reason == ENOTDIR)
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such file or folder", path);
    if (reason == ENOMEM)
        return err_memory(err, doing);
    return err_set(err, RAP_E_IO, "%s: %s failed: %s", path, doing, text);
}

/* ---- reading ---- */

static const char *file_other(mode_t mode)
{
    return S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a pipe" : "a device";
}

/* Opens a regular file or, where `out_pipe` is given, a pipe. O_NONBLOCK: opening a pipe must not wait for a
 * writer. */
static rap_status file_open(int *out, size_t *out_size, bool *out_pipe, const char *path,
                            rap_err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    rap_status status;

    if (fd < 0)
        return file_fail(err, path, "opening");
    if (fstat(fd, &info) != 0)
        status = file_fail(err, path, "reading");
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

/* All that a pipe sends, at most `limit` bytes. */
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
        return got < 0 ? file_fail(err, path, "reading")
                       : err_set(err, RAP_E_LIMIT, "%s: sends more than the limit of %zu bytes",
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
        return file_fail(err, path, "reading");
    }
    data[got] = '\0';
    *out = data;
    *out_size = (size_t)got;
    return RAP_OK;
}

/* `pipes`: these as well. */
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
            err_set(err, RAP_E_LIMIT, "%s: has %zu bytes, the limit is %zu", path, size, limit);
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
            status = file_fail(err, path, "mapping");
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

static bool file_write_all(int fd, const char *data, size_t size)
{
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

static bool file_write_each(int fd, const file_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!file_write_all(fd, parts[i].bytes, parts[i].size))
            return false;
    return true;
}

/* A folder keeps a new name across a power cut only when it is synced itself. */
static void file_sync_folder(const char *path)
{
    char *folder = path_folder(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* A device or pipe (/dev/null, /dev/stdout) cannot be replaced, only written to. */
static rap_status file_write_device(const char *path, const file_part *parts, size_t count,
                                    rap_err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    rap_status status = RAP_OK;

    if (fd < 0)
        return file_fail(err, path, "opening");
    if (!file_write_each(fd, parts, count))
        status = file_fail(err, path, "writing");
    close(fd);
    return status;
}

/* Makes a file beside `path` under a name that no other thread or process uses; free() the name. A killed
 * process may have left one of the same number, which in a container comes back at each start: the next
 * name is tried. *fd is -1, with errno set, when none could be made. */
static char *file_temporary(int *fd, const char *path)
{
    static atomic_uint counter;
    char *temporary = NULL;

    *fd = -1;
    for (int attempt = 0; attempt < TEMPORARIES; attempt++) {
        free(temporary);
        if (asprintf(&temporary, "%s.%ld-%u.tmp", path, (long)getpid(),
                     atomic_fetch_add(&counter, 1u)) < 0)
            return NULL;
        *fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0 || errno != EEXIST)
            break;
    }
    return temporary;
}

rap_status file_write(const char *path, const void *bytes, size_t size, rap_err *err)
{
    return file_write_parts(path, &(file_part){ bytes, size }, 1, err);
}

static rap_status file_replace(const char *path, const file_part *parts, size_t count, bool wait,
                               rap_err *err)
{
    struct stat info;
    char *temporary;
    rap_status status = RAP_OK;
    bool good;
    int fd;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return err_set(err, RAP_E_ARGUMENT, "%s: is a folder, not a file", path);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return file_write_device(path, parts, count, err);
    temporary = file_temporary(&fd, path);
    if (!temporary)
        return err_memory(err, "writing a file");
    if (fd < 0) {
        status = file_fail(err, errno == ENOENT ? path : temporary, "writing");
        free(temporary);
        return status;
    }
    good = file_write_each(fd, parts, count) && (!wait || fsync(fd) == 0);
    if (!good)
        status = file_fail(err, path, "writing");
    if (close(fd) != 0 && good) {
        good = false;
        status = file_fail(err, path, "writing");
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        status = file_fail(err, path, "writing");
    }
    if (!good)
        unlink(temporary);
    else if (wait)
        file_sync_folder(path);
    free(temporary);
    return status;
}

rap_status file_write_parts(const char *path, const file_part *parts, size_t count, rap_err *err)
{
    return file_replace(path, parts, count, true, err);
}

rap_status file_write_cache(const char *path, const file_part *parts, size_t count, rap_err *err)
{
    return file_replace(path, parts, count, false, err);
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
    if (*path == '\0' || file_is_folder(path))
        return RAP_OK;
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && file_is_folder(path)))
        return RAP_OK;
    if (errno == EEXIST)
        return err_set(err, RAP_E_EXISTS, "%s: is a file, not a folder", path);
    return file_fail(err, path, "making the folder");
}

rap_status file_make_folders(const char *path, rap_err *err)
{
    char *copy = mem_string(path);
    rap_status status = RAP_OK;

    if (!copy)
        return err_memory(err, "making folders");
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
