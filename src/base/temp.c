/* temp.c: temporary files and folders. Reading order: the list for signal handlers, names, making, sweeping,
 * publishing. */
#include "base/temp.h"

#include "base/mem.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_MARK ".rap-tmp-"
enum {
    TEMP_LETTERS = 12,
    TEMP_TAIL = sizeof TEMP_MARK - 1 + TEMP_LETTERS,
    TEMP_TRIES = 100,
    TEMP_SLOTS = 32
};

/* ---- what a signal handler removes ---- */

enum { SLOT_FREE, SLOT_CHANGING, SLOT_READY };

/* The thread that moves `state` away from SLOT_READY owns the slot; a signal handler never gives one back. */
static struct {
    atomic_int state;
    pid_t pid; /* a child of fork() must not remove its parent's files */
    bool folder;
    char path[PATH_MAX];
} slots[TEMP_SLOTS];

static int slot_take(const char *path, bool folder)
{
    size_t len = strlen(path);

    for (int i = 0; i < TEMP_SLOTS && len < sizeof slots[i].path; i++) {
        int free_state = SLOT_FREE;

        if (!atomic_compare_exchange_strong(&slots[i].state, &free_state, SLOT_CHANGING))
            continue;
        memcpy(slots[i].path, path, len + 1);
        slots[i].folder = folder;
        slots[i].pid = getpid();
        atomic_store(&slots[i].state, SLOT_READY);
        return i;
    }
    return -1;
}

static void slot_give_back(int i)
{
    int ready = SLOT_READY;

    if (i >= 0)
        atomic_compare_exchange_strong(&slots[i].state, &ready, SLOT_FREE);
}

/* Removes the files of an open folder. Only system calls, because it runs in a signal handler. */
static void remove_files(int fd)
{
    union {
        struct dirent64 align;
        char bytes[4096];
    } some;
    bool removed = true;

    while (removed) { /* some file systems skip entries while others are removed */
        ssize_t got;

        removed = false;
        if (lseek(fd, 0, SEEK_SET) < 0)
            return;
        while ((got = getdents64(fd, &some, sizeof some)) > 0) {
            for (ssize_t at = 0; at < got;) {
                const struct dirent64 *entry = (const void *)(some.bytes + at);

                removed |= unlinkat(fd, entry->d_name, 0) == 0; /* fails for "." and ".." */
                at += entry->d_reclen;
            }
        }
    }
}

static void remove_path(const char *path, bool folder)
{
    int fd;

    if (!folder) {
        unlink(path);
        return;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        remove_files(fd);
        close(fd);
    }
    rmdir(path);
}

void temp_remove_all(void)
{
    int kept = errno;

    for (int i = 0; i < TEMP_SLOTS; i++) {
        int ready = SLOT_READY;

        if (atomic_load(&slots[i].state) == SLOT_READY && slots[i].pid == getpid() &&
            atomic_compare_exchange_strong(&slots[i].state, &ready, SLOT_CHANGING))
            remove_path(slots[i].path, slots[i].folder);
    }
    errno = kept;
}

/* ---- names ---- */

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/* "TARGET.rap-tmp-…"; a name that is too long is shortened. free(). */
static char *temp_name(const char *target)
{
    const char *base = path_base(target);
    size_t base_len = strlen(base), room = NAME_MAX - TEMP_TAIL;
    int kept = (int)(base - target) + (int)(base_len < room ? base_len : room);
    unsigned char random[TEMP_LETTERS];
    char tail[TEMP_LETTERS + 1], *name = NULL;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return NULL;
    for (int i = 0; i < TEMP_LETTERS; i++)
        tail[i] = letters[random[i] % (sizeof letters - 1)];
    tail[TEMP_LETTERS] = '\0';
    return asprintf(&name, "%.*s" TEMP_MARK "%s", kept, target, tail) < 0 ? NULL : name;
}

static bool is_temp_name(const char *name)
{
    size_t len = strlen(name);
    const char *tail = len > TEMP_TAIL ? name + len - TEMP_TAIL : NULL;

    return tail && memcmp(tail, TEMP_MARK, sizeof TEMP_MARK - 1) == 0 &&
           strspn(tail + sizeof TEMP_MARK - 1, letters) == TEMP_LETTERS;
}

/* ---- files of killed processes ---- */

/* Is it ours by name, owner and kind, and unlocked? The name may have been given to another file meanwhile, so it is
 * compared with the open file after locking. */
static void sweep_one(int folder, const char *name)
{
    struct stat there, opened;
    int fd, kind;

    if (fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) != 0 || there.st_uid != geteuid() ||
        !(S_ISREG(there.st_mode) || S_ISDIR(there.st_mode)))
        return;
    kind = S_ISDIR(there.st_mode) ? O_RDONLY | O_DIRECTORY
                                  : O_RDWR; /* NFS locks only writable files */
    fd = openat(folder, name, kind | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &opened) == 0 &&
        fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && opened.st_ino == there.st_ino &&
        opened.st_dev == there.st_dev) {
        if (S_ISDIR(opened.st_mode))
            remove_files(fd);
        unlinkat(folder, name, S_ISDIR(opened.st_mode) ? AT_REMOVEDIR : 0);
    }
    close(fd);
}

typedef struct folder_id {
    uint32_t major, minor;
    uint64_t inode;
    int64_t born,
        born_ns; /* an inode is given to another folder later; 0 where the file system does not say */
} folder_id;

/* The folders that were swept last, because files that are written side by side come in rows, and a few rows at once. */
static struct {
    folder_id id;
    pid_t by; /* a child of fork() has swept nothing yet */
    uint64_t used;
} swept[8];

static bool identify(folder_id *out, int fd)
{
    struct statx info;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &info) != 0)
        return false;
    memset(out, 0, sizeof *out);
    out->major = info.stx_dev_major;
    out->minor = info.stx_dev_minor;
    out->inode = info.stx_ino;
    if (info.stx_mask & STATX_BTIME) {
        out->born = info.stx_btime.tv_sec;
        out->born_ns = info.stx_btime.tv_nsec;
    }
    return true;
}

/* Was this folder swept by this process? It is noted as swept from now on, in the place of what was not met longest. */
static bool note_swept(const folder_id *folder)
{
    static uint64_t used;
    size_t oldest = 0;

    used++;
    for (size_t i = 0; i < sizeof swept / sizeof *swept; i++) {
        if (swept[i].by == getpid() && memcmp(&swept[i].id, folder, sizeof *folder) == 0) {
            swept[i].used = used;
            return true;
        }
        if (swept[i].used < swept[oldest].used)
            oldest = i;
    }
    swept[oldest].id = *folder;
    swept[oldest].by = getpid();
    swept[oldest].used = used;
    return false;
}

/* A process sweeps a folder once, unless it has written to many others since. */
static void sweep(const char *target)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char *folder = path_folder(target);
    DIR *dir = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    folder_id id;

    free(folder);
    if (!dir)
        return;
    pthread_mutex_lock(&lock);
    if (identify(&id, dirfd(dir)) && !note_swept(&id))
        while ((entry = readdir(dir)) != NULL)
            if (is_temp_name(entry->d_name))
                sweep_one(dirfd(dir), entry->d_name);
    pthread_mutex_unlock(&lock);
    closedir(dir);
}

/* ---- making ---- */

static void temp_close(temp *t)
{
    slot_give_back(t->slot);
    if (t->fd >= 0)
        close(t->fd);
    free(t->path);
    *t = (temp)TEMP_INIT;
}

/* Locks a new file. False if another process swept it first, so that it has lost its name. A file system without locks is
 * fine, because nothing is swept there either. */
static bool temp_lock(int fd)
{
    struct stat info;

    while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    return fstat(fd, &info) == 0 && info.st_nlink > 0;
}

/* −1 and errno; EEXIST: try another name, also after another process swept it. */
static int make_one(const char *path, bool folder, unsigned mode)
{
    int fd;

    if (!folder)
        return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (mkdir(path, mode) != 0)
        return -1;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        int reason = errno == ENOENT ? EEXIST : errno;

        rmdir(path);
        errno = reason;
    }
    return fd;
}

static rap_status temp_make(temp *out, const char *target, bool folder, unsigned mode, rap_err *err)
{
    rap_status status;

    *out = (temp)TEMP_INIT;
    sweep(target);
    for (int i = 0; i < TEMP_TRIES; i++) {
        out->path = temp_name(target);
        if (!out->path)
            return err_memory(err, "making a temporary file");
        out->slot = slot_take(out->path, folder);
        out->fd = make_one(out->path, folder, mode);
        if (out->fd >= 0 && temp_lock(out->fd))
            return RAP_OK;
        status = out->fd >= 0 || errno == EEXIST ? RAP_OK : err_file(err, target, "writing");
        temp_close(out);
        if (status != RAP_OK)
            return status;
    }
    errno = EEXIST;
    return err_file(err, target, "writing");
}

rap_status temp_file(temp *out, const char *target, unsigned mode, rap_err *err)
{
    return temp_make(out, target, false, mode, err);
}

rap_status temp_folder(temp *out, const char *target, unsigned mode, rap_err *err)
{
    return temp_make(out, target, true, mode, err);
}

rap_status temp_folder_anywhere(temp *out, const char *name, rap_err *err)
{
    const char *set = getenv("TMPDIR");
    char *target = path_join(set && *set ? set : "/tmp", name);
    rap_status status;

    *out = (temp)TEMP_INIT;
    status =
        target ? temp_folder(out, target, 0700, err) : err_memory(err, "making a temporary folder");
    free(target);
    return status;
}

/* ---- the end ---- */

void temp_remove(temp *t)
{
    struct stat info, now;

    if (!t->path)
        return;
    if (t->fd >= 0 && fstat(t->fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        /* A folder that was renamed into place is no longer temporary, though the descriptor still refers to it. */
        if (stat(t->path, &now) == 0 && now.st_dev == info.st_dev && now.st_ino == info.st_ino) {
            remove_files(
                t->fd); /* open already: a process that may open no more can still clean up */
            rmdir(t->path);
        }
    } else {
        unlink(t->path);
    }
    temp_close(t);
}

/* 0, or −1 and errno. Not every file system can rename without replacing; most of those can link. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) == 0 ? unlink(from) : -1;
}

rap_status temp_publish(temp *t, const char *path, temp_publishing how, rap_err *err)
{
    bool wait = how != TEMP_REPLACE_CACHE;
    rap_status status = RAP_OK;

    if (wait && fsync(t->fd) != 0)
        status = err_file(err, path, "writing");
    else if ((how == TEMP_NEW ? rename_new(t->path, path) : rename(t->path, path)) != 0)
        status = errno == EEXIST ? err_set(err, RAP_E_EXISTS, "%s: is already there", path)
                                 : err_file(err, path, "writing");
    if (status != RAP_OK) {
        temp_remove(t);
        return status;
    }
    if (wait)
        status = path_sync(path, err);
    if (status != RAP_OK && how == TEMP_NEW)
        unlink(path);
    temp_close(t);
    return status;
}
