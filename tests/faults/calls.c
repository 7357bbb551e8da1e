/* calls.c: see calls.h. Reading order: what is known of names, failing, the calls. */
#include "faults/calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES = 256 };

static struct {
    char folder[PATH_MAX];
    size_t folder_len; /* 0: nothing is watched */
    struct {
        char path[512];
        bool durable;
    } name[NAMES];
    int names;
    bool skip;
    calls_kind kind;
    long left; /* until one fails; 0: none does */
    int reason;
    bool lasting, failed;
} plan;

/* ---- names ---- */

static bool is_watched(const char *path)
{
    return plan.folder_len && strncmp(path, plan.folder, plan.folder_len) == 0 &&
           (path[plan.folder_len] == '/' || path[plan.folder_len] == '\0');
}

/* Of an open file; "": it has none. */
static const char *path_of(int fd)
{
    static _Thread_local char path[PATH_MAX];
    char link[32];
    ssize_t size;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return path;
}

static void forget_name(const char *path)
{
    for (int i = 0; i < plan.names; i++)
        if (strcmp(plan.name[i].path, path) == 0)
            plan.name[i--] = plan.name[--plan.names];
}

static void note_name(const char *path)
{
    if (!is_watched(path))
        return;
    forget_name(path);
    if (plan.names == NAMES) /* too few to tell: then nothing is durable */
        plan.names--;
    snprintf(plan.name[plan.names].path, sizeof plan.name[0].path, "%s", path);
    plan.name[plan.names++].durable = false;
}

/* The contents of a folder go with it. */
static void note_move(const char *from, const char *to)
{
    size_t len = strlen(from);

    for (int i = 0; i < plan.names; i++) {
        char moved[sizeof plan.name[0].path];

        if (strncmp(plan.name[i].path, from, len) != 0 || plan.name[i].path[len] != '/')
            continue;
        snprintf(moved, sizeof moved, "%s%s", to, plan.name[i].path + len);
        memcpy(plan.name[i].path, moved, sizeof moved);
    }
    forget_name(from);
    note_name(to);
}

static void note_sync(const char *folder)
{
    size_t len = strlen(folder);

    for (int i = 0; i < plan.names && !plan.skip; i++) {
        const char *path = plan.name[i].path, *last = strrchr(path, '/');

        if (last && (size_t)(last - path) == len && strncmp(path, folder, len) == 0)
            plan.name[i].durable = true;
    }
}

void calls_watch(const char *folder)
{
    memset(&plan, 0, sizeof plan);
    snprintf(plan.folder, sizeof plan.folder, "%s", folder ? folder : "");
    plan.folder_len = strlen(plan.folder);
}

void calls_skip_folder_syncs(bool skip)
{
    plan.skip = skip;
}

bool calls_is_durable(const char *path)
{
    char part[PATH_MAX];

    snprintf(part, sizeof part, "%s", path);
    while (is_watched(part) && strlen(part) > plan.folder_len) {
        for (int i = 0; i < plan.names; i++)
            if (strcmp(plan.name[i].path, part) == 0 && !plan.name[i].durable)
                return false;
        *strrchr(part, '/') = '\0';
    }
    return true;
}

/* ---- failing ---- */

void calls_fail(calls_kind kind, long n, int reason, bool lasting)
{
    plan.kind = kind;
    plan.left = n;
    plan.reason = reason;
    plan.lasting = lasting;
    plan.failed = false;
}

bool calls_failed(void)
{
    return plan.failed;
}

static bool fails(calls_kind kind, const char *path)
{
    if (plan.left == 0 || kind != plan.kind || !is_watched(path))
        return false;
    if (plan.left > 1) {
        plan.left--;
        return false;
    }
    if (!plan.lasting)
        plan.left = 0;
    plan.failed = true;
    errno = plan.reason;
    return true;
}

/* ---- the calls ---- */

#define OURS __attribute__((visibility("default")))
#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

int open64(const char *path, int flags, ...) OURS;
int open(const char *path, int flags, ...) OURS;

static int open_any(const char *path, int flags, mode_t mode)
{
    struct stat info;
    bool made = (flags & O_CREAT) && stat(path, &info) != 0;
    int fd;

    if (fails(CALLS_OPEN, path))
        return -1;
    fd = REAL(int, open, const char *, int, ...)(path, flags, mode);
    if (fd >= 0 && made)
        note_name(path);
    return fd;
}

static mode_t mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = mode_of(flags, list);
    va_end(list);
    return open_any(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = mode_of(flags, list);
    va_end(list);
    return open_any(path, flags, mode);
}

OURS ssize_t write(int fd, const void *bytes, size_t size)
{
    if (plan.left && fails(CALLS_WRITE, path_of(fd)))
        return -1;
    return REAL(ssize_t, write, int, const void *, size_t)(fd, bytes, size);
}

OURS ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    if (plan.left && fails(CALLS_WRITE, path_of(fd)))
        return -1;
    return REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, bytes, size, at);
}

static int sync_fails(int fd)
{
    struct stat info;
    bool folder = plan.folder_len && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);

    if (fails(CALLS_SYNC, path_of(fd)) || (folder && fails(CALLS_SYNC_FOLDER, path_of(fd))))
        return -1;
    if (folder)
        note_sync(path_of(fd));
    return 0;
}

OURS int fsync(int fd)
{
    return sync_fails(fd) ? -1 : REAL(int, fsync, int)(fd);
}

OURS int fdatasync(int fd)
{
    return sync_fails(fd) ? -1 : REAL(int, fdatasync, int)(fd);
}

OURS int ftruncate64(int fd, off64_t size)
{
    if (plan.left && fails(CALLS_TRUNCATE, path_of(fd)))
        return -1;
    return REAL(int, ftruncate64, int, off64_t)(fd, size);
}

OURS int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

OURS int rename(const char *from, const char *to)
{
    int failed;

    if (fails(CALLS_RENAME, to))
        return -1;
    failed = REAL(int, rename, const char *, const char *)(from, to);
    if (!failed)
        note_move(from, to);
    return failed;
}

OURS int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    int failed;

    if (fails(CALLS_RENAME, to))
        return -1;
    failed = REAL(int, renameat2, int, const char *, int, const char *,
                  unsigned)(from_folder, from, to_folder, to, flags);
    if (!failed)
        note_move(from, to);
    return failed;
}

OURS int link(const char *from, const char *to)
{
    int failed;

    if (fails(CALLS_RENAME, to))
        return -1;
    failed = REAL(int, link, const char *, const char *)(from, to);
    if (!failed)
        note_name(to);
    return failed;
}

OURS int mkdir(const char *path, mode_t mode)
{
    int failed;

    if (fails(CALLS_MKDIR, path))
        return -1;
    failed = REAL(int, mkdir, const char *, mode_t)(path, mode);
    if (!failed)
        note_name(path);
    return failed;
}

OURS int unlink(const char *path)
{
    int failed = REAL(int, unlink, const char *)(path);

    if (!failed)
        forget_name(path);
    return failed;
}
