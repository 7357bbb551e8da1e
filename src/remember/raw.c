/* raw.c: see raw.h. Reading order: a file of SQLite's VFS, the header, the journal, making. */
#include "remember/raw.h"

#include "base/file.h"
#include "base/mem.h"
#include "remember/slack.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RAW_WAIT_MS 10000
#define SECTOR 512 /* bytes that a disk writes atomically */

/* ---- a file of SQLite's VFS ---- */

typedef struct raw {
    sqlite3_vfs *vfs;
    char *full; /* the real path, as SQLite finds it */
    sqlite3_filename name;
    sqlite3_file *file; /* with pMethods NULL: closed */
    const char *path;   /* what errors say */
} raw;

static void raw_close(raw *r)
{
    if (r->file && r->file->pMethods)
        r->file->pMethods->xClose(r->file);
    if (r->name)
        sqlite3_free_filename((char *)r->name);
    free(r->file);
    free(r->full);
    *r = (raw){ NULL };
}

static rap_status raw_fail(const raw *r, const char *doing, rap_err *err)
{
    char memory[128];
    int reason = r->vfs->xGetLastError ? r->vfs->xGetLastError(r->vfs, 0, NULL) : 0;

    return err_set(err, RAP_E_IO, "%s: %s failed: %s", r->path, doing,
                   reason ? strerror_r(reason, memory, sizeof memory) : "input/output error");
}

/* Sets r->full, the real path of a file that need not exist. */
static rap_status find_full_path(raw *r, rap_err *err)
{
    char *plain = r->path[0] == '/' ? mem_string(r->path) : path_join("./", r->path);
    int code = SQLITE_OK;

    r->full = mem_array(1, (size_t)r->vfs->mxPathname + 1);
    if (plain && r->full)
        code = r->vfs->xFullPathname(r->vfs, plain, r->vfs->mxPathname, r->full) & 0xff;
    if (!plain || !r->full || code == SQLITE_NOMEM) {
        free(plain);
        return err_memory(err, "finding a store");
    }
    free(plain);
    return code == SQLITE_OK ? RAP_OK : raw_fail(r, "finding the folder of the store", err);
}

static rap_status raw_find(raw *out, const char *path, rap_err *err)
{
    const char *name = slack_vfs();

    *out = (raw){ .path = path };
    out->vfs = name ? sqlite3_vfs_find(name) : NULL;
    return out->vfs ? find_full_path(out, err) : err_memory(err, "finding a store");
}

/* Call raw_close() even on failure. */
static rap_status raw_open(raw *out, const char *path, int flags, rap_err *err)
{
    int given = 0;
    rap_status status = raw_find(out, path, err);

    if (status != RAP_OK)
        return status;
    out->name = sqlite3_create_filename(out->full, "", "", 0, NULL);
    out->file = mem_array(1, (size_t)out->vfs->szOsFile);
    if (!out->name || !out->file)
        return err_memory(err, "opening a store");
    if (out->vfs->xOpen(out->vfs, out->name, out->file, flags | SQLITE_OPEN_MAIN_DB, &given) !=
        SQLITE_OK)
        return raw_fail(out, "opening", err);
    if ((flags & SQLITE_OPEN_READWRITE) && !(given & SQLITE_OPEN_READWRITE))
        return err_set(err, RAP_E_IO, "%s: cannot be written to; open it for reading only", path);
    return RAP_OK;
}

static rap_status read_start(unsigned char out[RAW_HEADER], size_t *out_got, raw *r, rap_err *err)
{
    sqlite3_int64 size = 0;
    int code = r->file->pMethods->xFileSize(r->file, &size);

    *out_got = size < RAW_HEADER ? (size_t)size : RAW_HEADER;
    if (code == SQLITE_OK && *out_got)
        code = r->file->pMethods->xRead(r->file, out, (int)*out_got, 0);
    return code == SQLITE_OK ? RAP_OK : raw_fail(r, "reading", err);
}

/* ---- the header ---- */

rap_status raw_read_header(unsigned char out[RAW_HEADER], size_t *out_got, const char *path,
                           rap_err *err)
{
    struct stat info;
    raw r = { NULL };
    char memory[128];
    rap_status status;

    memset(out, 0, RAW_HEADER);
    *out_got = 0;
    if (stat(path, &info) != 0 && errno == ENOENT)
        return RAP_OK;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return err_set(err, RAP_E_IO, "%s: opening failed: %s", path,
                       strerror_r(errno, memory, sizeof memory));
    if (!S_ISREG(info.st_mode)) /* opening a pipe would block */
        return err_set(err, RAP_E_ARGUMENT, "%s: is not a regular file", path);
    status = raw_open(&r, path, SQLITE_OPEN_READONLY, err);
    if (status == RAP_OK)
        status = read_start(out, out_got, &r, err);
    raw_close(&r);
    return status;
}

bool raw_is_blank(const unsigned char header[RAW_HEADER], size_t got)
{
    for (size_t i = 0; i < got; i++)
        if (header[i])
            return false;
    return got == 0 || got == RAW_HEADER;
}

/* ---- the journal ---- */

/* The full path with this ending; free(). */
static char *with_ending(const raw *r, const char *ending)
{
    size_t len = strlen(r->full), more = strlen(ending);
    char *path = mem_array(1, len + more + 1);

    if (path) {
        memcpy(path, r->full, len);
        memcpy(path + len, ending, more);
    }
    return path;
}

rap_status raw_refuse_journal(const char *path, rap_err *err)
{
    raw r;
    struct stat info;
    rap_status status = raw_find(&r, path, err);
    char *journal = status == RAP_OK ? with_ending(&r, "-journal") : NULL;

    if (status == RAP_OK && !journal)
        status = err_memory(err, "opening a store");
    if (journal && lstat(journal, &info) == 0)
        status =
            err_set(err, RAP_E_FORMAT,
                    "%s: is a rollback journal, which a store never has: move it away, or do not "
                    "use the store if you do not know where it comes from",
                    journal);
    free(journal);
    raw_close(&r);
    return status;
}

/* ---- making ---- */

/* Locks the file against all others until it is closed. */
static rap_status raw_lock(raw *r, rap_err *err)
{
    const struct timespec pause = { 0, 5 * 1000 * 1000 };
    const sqlite3_io_methods *m = r->file->pMethods;
    int code = SQLITE_BUSY;

    for (int waited = 0; code == SQLITE_BUSY && waited < RAW_WAIT_MS; waited += 5) {
        if (waited)
            nanosleep(&pause, NULL);
        code = m->xLock(r->file, SQLITE_LOCK_SHARED);
        if (code == SQLITE_OK)
            code = m->xLock(r->file, SQLITE_LOCK_EXCLUSIVE);
        if (code != SQLITE_OK)
            m->xUnlock(r->file, SQLITE_LOCK_NONE);
    }
    if (code == SQLITE_BUSY)
        return err_set(err, RAP_E_BUSY, "%s: another process is using it", r->path);
    return code == SQLITE_OK ? RAP_OK : raw_fail(r, "locking", err);
}

/* A log next to an empty file is left from a deleted store; SQLite would play it back. */
static rap_status remove_log(const raw *r, rap_err *err)
{
    char *log = with_ending(r, "-wal"), *index = with_ending(r, "-shm");
    rap_status status = RAP_OK;

    if (!log || !index)
        status = err_memory(err, "making a store");
    else if ((unlink(log) != 0 && errno != ENOENT) || (unlink(index) != 0 && errno != ENOENT))
        status = err_set(err, RAP_E_IO,
                         "%s: making the store failed: the log of an older one cannot be removed",
                         r->path);
    free(log);
    free(index);
    return status;
}

/* The first sector is written last. A VFS writes no more than 128 KiB at once. */
static rap_status write_all(raw *r, const unsigned char *bytes, size_t size, rap_err *err)
{
    const sqlite3_io_methods *m = r->file->pMethods;
    int code = SQLITE_OK;

    for (size_t at = SECTOR, part; code == SQLITE_OK && at < size; at += part) {
        part = at + 16 * SECTOR < size ? 16 * SECTOR : size - at;
        code = m->xWrite(r->file, bytes + at, (int)part, (sqlite3_int64)at);
    }

    if (code == SQLITE_OK)
        code = m->xSync(r->file, SQLITE_SYNC_NORMAL);
    if (code == SQLITE_OK && path_sync(r->full, err) != RAP_OK)
        return RAP_E_IO;
    if (code == SQLITE_OK)
        code = m->xWrite(r->file, bytes, SECTOR, 0);
    if (code == SQLITE_OK)
        code = m->xSync(r->file, SQLITE_SYNC_NORMAL);
    if (code == SQLITE_FULL)
        return err_set(err, RAP_E_IO, "%s: making the store failed: the disk is full", r->path);
    return code == SQLITE_OK ? RAP_OK : raw_fail(r, "making the store", err);
}

static rap_status fill(raw *r, const unsigned char *bytes, size_t size, rap_err *err)
{
    unsigned char header[RAW_HEADER] = { 0 };
    size_t got = 0;
    rap_status status = raw_lock(r, err);

    if (status == RAP_OK)
        status = read_start(header, &got, r, err);
    if (status == RAP_OK && raw_is_blank(header, got)) {
        status = remove_log(r, err);
        if (status == RAP_OK) {
            status = write_all(r, bytes, size, err);
            if (status !=
                RAP_OK) /* a full disk gets its space back; an empty file is no store yet */
                r->file->pMethods->xTruncate(r->file, 0);
        }
    }
    return status;
}

/* Without a descriptor, where that is allowed; for its owner only, because it will hold private pictures. */
static bool make_blank(const char *path)
{
    int fd;

    if (mknod(path, S_IFREG | 0600, 0) == 0 || errno == EEXIST)
        return true;
    if (errno != EPERM && errno != ENOSYS)
        return false;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == EEXIST;
}

rap_status raw_make(const char *path, const unsigned char *bytes, size_t size, rap_err *err)
{
    raw r = { NULL };
    char memory[128];
    rap_status status;

    if (!make_blank(path))
        return err_set(err, RAP_E_IO, "%s: making the store failed: %s", path,
                       strerror_r(errno, memory, sizeof memory));
    status = raw_open(&r, path, SQLITE_OPEN_READWRITE, err);
    if (status == RAP_OK)
        status = fill(&r, bytes, size, err);
    raw_close(&r);
    return status;
}

rap_status raw_make_wal(bool *out_changed, const char *path, rap_err *err)
{
    unsigned char header[RAW_HEADER] = { 0 };
    const unsigned char versions[2] = { 2, 2 };
    size_t got = 0;
    raw r = { NULL };
    rap_status status = raw_read_header(header, &got, path, err);

    *out_changed = false;
    if (status != RAP_OK || got < RAW_HEADER || (header[18] == 2 && header[19] == 2))
        return status;
    status = raw_open(&r, path, SQLITE_OPEN_READWRITE, err);
    if (status == RAP_OK)
        status = raw_lock(&r, err);
    if (status == RAP_OK &&
        (r.file->pMethods->xWrite(r.file, versions, sizeof versions, 18) != SQLITE_OK ||
         r.file->pMethods->xSync(r.file, SQLITE_SYNC_NORMAL) != SQLITE_OK))
        status = raw_fail(&r, "changing", err);
    *out_changed = status == RAP_OK;
    raw_close(&r);
    return status;
}
