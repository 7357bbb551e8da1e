/* open.c: opens a store: creates it, migrates it to this version, or only reads it, wherever it is. The tables are
 * in schema.c, access to their rows in concept.c, name.c, view.c, vector.c and record.c. */
#include "base/file.h"
#include "base/mem.h"
#include "remember/raw.h"
#include "remember/refold.h"
#include "remember/schema.h"
#include "remember/slack.h"
#include "remember/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_SNAPSHOT_MIN 8192
/* Page numbers stay below 2^25, which slack.c relies on: 256 GiB. */
#define STORE_PAGES "33554431"

/* ---- the file ---- */

/* SQLite treats "file:…" and ":memory:" specially; a path must not be. */
static char *plain_path(const char *path)
{
    return path[0] == '/' ? mem_string(path) : path_join("./", path);
}

static rap_status open_file(store *s, const char *path, const char *options, int flags,
                            const char *vfs, rap_err *err)
{
    char *plain = plain_path(path), *uri = plain ? db_uri(plain, options) : NULL;
    rap_status status;

    if (!uri)
        status = err_memory(err, "opening a store");
    else
        status = db_open(&s->d, uri, path, flags | SQLITE_OPEN_URI, vfs, err);
    if (status == RAP_OK) {
        sqlite3_busy_timeout(s->d.handle, STORE_WAIT_MS);
        /* Until it is known to be ours, closing must not change it. */
        sqlite3_db_config(s->d.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    }
    free(plain);
    free(uri);
    return status;
}

static rap_status settle(store *s, rap_err *err)
{
    return db_exec(&s->d,
                   "PRAGMA foreign_keys = ON;"
                   "PRAGMA secure_delete = ON;"
                   "PRAGMA synchronous = FULL;"
                   "PRAGMA temp_store = MEMORY;"
                   "PRAGMA max_page_count = " STORE_PAGES,
                   err);
}

/* ---- writing ---- */

/* A whole new store, in its folder. */
static rap_status make_store(const char *path, rap_err *err)
{
    char *folder = path_folder(path);
    unsigned char *bytes = NULL;
    size_t size = 0;
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "making a store");

    if (status == RAP_OK)
        status = schema_new_store(&bytes, &size, err);
    if (status == RAP_OK)
        status = raw_make(path, bytes, size, err);
    sqlite3_free(bytes);
    free(folder);
    return status;
}

/* Migrates an older store to this version, unless another process has just done it. */
static rap_status migrate(store *s, int64_t *version, rap_err *err)
{
    rap_status status = db_begin(&s->d, err);

    if (status == RAP_OK)
        status = db_end(&s->d, schema_migrate(&s->d, SCHEMA_STORE, err), err);
    return status == RAP_OK ? schema_verify(version, &s->d, SCHEMA_STORE, err) : status;
}

/* Opens and verifies, a copy that SQLite made without a log (VACUUM INTO) after it was given one. */
static rap_status open_verified(store *s, int64_t *version, const char *path, rap_err *err)
{
    rap_status status = open_file(s, path, "mode=rw", SQLITE_OPEN_READWRITE, slack_vfs(), err);
    bool changed = false;

    if (status == RAP_OK && sqlite3_db_readonly(s->d.handle, "main") == 1)
        return err_set(err, RAP_E_IO, "%s: cannot be written to; open it for reading only", path);
    if (status == RAP_OK)
        status = schema_verify(version, &s->d, SCHEMA_STORE, err);
    if (status == RAP_OK)
        status = raw_make_wal(&changed, path, err);
    if (status != RAP_OK || !changed)
        return status;
    db_close(&s->d);
    status = open_file(s, path, "mode=rw", SQLITE_OPEN_READWRITE, slack_vfs(), err);
    return status == RAP_OK ? schema_verify(version, &s->d, SCHEMA_STORE, err) : status;
}

static rap_status open_writing(store *s, const char *path, bool is_new, rap_err *err)
{
    int64_t version = 0;
    rap_status status = is_new ? make_store(path, err) : RAP_OK;

    if (status == RAP_OK)
        status = open_verified(s, &version, path, err);
    if (status == RAP_OK)
        status = settle(s, err);
    if (status == RAP_OK && version < SCHEMA_VERSION)
        status = migrate(s, &version, err);
    if (status == RAP_OK)
        sqlite3_db_config(s->d.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
    return status;
}

/* ---- reading ---- */

/* A store of an older version is read through a migrated copy in memory. */
static rap_status read_copy(store *s, int64_t *version, rap_err *err)
{
    db copy = { .handle = NULL };
    sqlite3_backup *backup = NULL;
    bool copied;
    rap_status status =
        db_open(&copy, ":memory:", s->d.path,
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL, err);

    if (status == RAP_OK) {
        backup = sqlite3_backup_init(copy.handle, "main", s->d.handle, "main");
        copied = backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
        if ((backup && sqlite3_backup_finish(backup) != SQLITE_OK) || !copied)
            status = db_fail(&copy, "reading", err);
    }
    if (status == RAP_OK)
        status = schema_verify(version, &copy, SCHEMA_STORE, err);
    if (status == RAP_OK)
        status = schema_migrate(&copy, SCHEMA_STORE, err);
    if (status == RAP_OK && *version >= 2) /* the vectors ready for searching belong to the file */
        status = db_exec(&copy, "DELETE FROM snapshot", err);
    if (status != RAP_OK) {
        db_close(&copy);
        return status;
    }
    db_close(&s->d);
    s->d = copy;
    return RAP_OK;
}

static rap_status verify_reading(store *s, rap_err *err)
{
    int64_t version = 0;
    rap_status status = schema_verify(&version, &s->d, SCHEMA_STORE, err);

    if (status == RAP_OK && version == 0)
        status = err_set(err, RAP_E_FORMAT, "%s: is not complete", s->d.path);
    if (status == RAP_OK && version < SCHEMA_READABLE)
        status = read_copy(s, &version, err);
    else
        s->folds_anew = version < SCHEMA_FOLDED; /* names stay so in a file that is only read */
    s->unmarked = version < SCHEMA_UNREADABLE && version >= SCHEMA_READABLE;
    s->unlearnt = version < SCHEMA_LEARNT && version >= SCHEMA_READABLE;
    if (status == RAP_OK && s->folds_anew)
        status = refold_function(&s->d, err);
    return status == RAP_OK ? settle(s, err) : status;
}

/* The log of changes that are not in the file yet: none, one that can be read, or one that cannot. */
typedef enum log_state { LOG_NONE, LOG_READABLE, LOG_HIDDEN } log_state;

static log_state look_at_log(const store *s)
{
    const char *log = sqlite3_filename_wal(sqlite3_db_filename(s->d.handle, "main"));
    struct stat info;

    if (stat(log, &info) != 0 || info.st_size == 0)
        return LOG_NONE;
    return access(log, R_OK) == 0 ? LOG_READABLE : LOG_HIDDEN;
}

/* A reader of a file with a log shares locks with writers through a second file, which it must create or write. Where
 * it cannot, the file and its log are read without locks, with the log's index in memory (SQLite's exclusive mode,
 * under a VFS that locks nothing). If another user writes to the store in the meantime, the next read reports it
 * (db_watch()). */
static rap_status open_without_locks(store *s, const char *path, log_state log, rap_err *err)
{
    rap_status status;

    db_close(&s->d);
    err_clear(err);
    if (log == LOG_NONE) {
        status = open_file(s, path, "mode=ro&immutable=1", SQLITE_OPEN_READONLY, slack_vfs(), err);
    } else {
        status = open_file(s, path, "mode=ro", SQLITE_OPEN_READONLY, "unix-none", err);
        if (status == RAP_OK)
            status = db_exec(&s->d, "PRAGMA locking_mode = EXCLUSIVE", err);
    }
    if (status == RAP_OK)
        status = db_watch(&s->d, err);
    return status == RAP_OK ? verify_reading(s, err) : status;
}

static rap_status open_reading(store *s, const char *path, rap_err *err)
{
    log_state log = LOG_NONE;
    rap_status status = open_file(s, path, "mode=ro", SQLITE_OPEN_READONLY, slack_vfs(), err);

    if (status == RAP_OK)
        status = verify_reading(s, err);
    if (status != RAP_E_IO || !s->d.handle)
        return status;
    log = look_at_log(s);
    if (log == LOG_HIDDEN)
        return err_set(
            err, RAP_E_IO,
            "%s-wal: cannot be read, and holds changes that are not in the store's file yet", path);
    return open_without_locks(s, path, log, err);
}

/* ---- opening ---- */

static store *make_handle(bool read_only)
{
    store *s = mem_array(1, sizeof *s);

    if (!s)
        return NULL;
    s->read_only = read_only;
    s->token_limit = STORE_TOKEN_LIMIT;
    s->snapshot_min = STORE_SNAPSHOT_MIN;
    s->words_event = -1;
    return s;
}

rap_status store_open_empty(store **out, const char *path, rap_err *err)
{
    store *s = make_handle(true);
    rap_status status = RAP_OK;

    *out = NULL;
    if (!s)
        return err_memory(err, "opening a store");
    status = db_open(&s->d, ":memory:", path,
                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL, err);
    if (status == RAP_OK) {
        db_trust(&s->d);
        status = schema_migrate(&s->d, SCHEMA_STORE, err);
    }
    if (status == RAP_OK)
        status = settle(s, err);
    if (status != RAP_OK) {
        store_close(s);
        return status;
    }
    *out = s;
    return RAP_OK;
}

rap_status store_open(store **out, const char *path, int read_only, rap_err *err)
{
    bool is_new = false;
    store *s = NULL;
    rap_status status;

    *out = NULL;
    if (!path || !*path)
        return err_set(err, RAP_E_ARGUMENT, "the path of the store is empty");
    if (file_is_folder(path))
        return err_set(err, RAP_E_ARGUMENT, "%s: is a folder, not a concept store", path);
    status = raw_refuse_journal(path, err);
    if (status == RAP_OK)
        status = schema_inspect(&is_new, path, SCHEMA_STORE, err);
    if (status != RAP_OK)
        return status;
    if (is_new && read_only)
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such store", path);
    s = make_handle(read_only != 0);
    if (!s)
        return err_memory(err, "opening a store");
    status = read_only ? open_reading(s, path, err) : open_writing(s, path, is_new, err);
    if (status != RAP_OK) {
        store_close(s);
        return status;
    }
    if (!s->read_only) {
        snapshot_remove_leftovers(s);
        change_opened(s);
    }
    *out = s;
    return RAP_OK;
}

const char *store_path(const store *s)
{
    return s->d.path;
}

int store_is_read_only(const store *s)
{
    return s->read_only;
}

db *store_db(store *s)
{
    return &s->d;
}
