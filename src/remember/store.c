/* store.c: the store's file: opened, made new, read only; and what surrounds every change. The tables
 * are in schema.c, what stands in them in concept.c, name.c, view.c, vector.c and record.c. */
#include "remember/store.h"

#include "base/file.h"
#include "base/mem.h"
#include "remember/schema.h"
#include "remember/slack.h"
#include "remember/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STORE_WAIT_MS 10000
#define STORE_SCRUB_WAIT_MS 2000
#define STORE_SNAPSHOT_MIN 8192
/* Page numbers stay below 2^25, which slack.c relies on: 256 GiB. */
#define STORE_PAGES "33554431"

/* ---- opening ---- */

/* Creates the file and its folder, for its owner only: it holds private pictures. */
static rap_status make_file(const char *path, rap_err *err)
{
    char *folder = path_folder(path);
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "making a store");
    char memory[128];
    int fd;

    free(folder);
    if (status != RAP_OK)
        return status;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return err_set(err, RAP_E_IO, "%s: making the store failed: %s", path,
                       strerror_r(errno, memory, sizeof memory));
    if (fd >= 0)
        close(fd);
    return RAP_OK;
}

/* SQLite gives "file:…" and ":memory:" a meaning; a path never has one. */
static char *plain_path(const char *path)
{
    return path[0] == '/' ? mem_string(path) : path_join("./", path);
}

static rap_status settle(store *s, rap_err *err)
{
    sqlite3_busy_timeout(s->d.handle, STORE_WAIT_MS);
    /* Until it is known to be ours, closing must not change it. */
    sqlite3_db_config(s->d.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    return db_exec(&s->d,
                   "PRAGMA foreign_keys = ON;"
                   "PRAGMA secure_delete = ON;"
                   "PRAGMA synchronous = FULL;"
                   "PRAGMA temp_store = MEMORY;"
                   "PRAGMA max_page_count = " STORE_PAGES,
                   err);
}

/* WAL and the tables. Two programs may do this at the same moment; switching to WAL then fails without
 * waiting, so the waiting is ours. */
static rap_status make_wal(store *s, rap_err *err)
{
    const struct timespec pause = { 0, 20 * 1000 * 1000 };
    rap_status status = RAP_E_BUSY;

    for (int waited = 0; status == RAP_E_BUSY && waited < STORE_WAIT_MS; waited += 20) {
        if (waited)
            nanosleep(&pause, NULL);
        status = db_exec(&s->d, "PRAGMA journal_mode = WAL", err);
    }
    if (status == RAP_OK) /* the line of an attempt that failed */
        err_clear(err);
    return status;
}

static rap_status make_tables(store *s, rap_err *err)
{
    char page_size[64];
    rap_status status;

    sqlite3_snprintf(sizeof page_size, page_size, "PRAGMA page_size = %d", SCHEMA_PAGE_SIZE);
    status = db_exec(&s->d, page_size, err);
    if (status == RAP_OK)
        status = make_wal(s, err);
    if (status == RAP_OK)
        status = db_begin(&s->d, err);
    if (status == RAP_OK)
        status = db_end(&s->d, schema_migrate(&s->d, SCHEMA_STORE, err), err);
    return status;
}

static rap_status finish_writable(store *s, bool is_new, rap_err *err)
{
    int64_t version = 0, tables = 0;
    rap_status status;

    if (sqlite3_db_readonly(s->d.handle, "main") == 1)
        return err_set(err, RAP_E_IO, "%s: cannot be written to; open it for reading only",
                       s->d.path);
    if (is_new)
        return make_tables(s, err);
    /* A file without a table is one whose making was cut short. */
    status = db_int(&tables, NULL, &s->d, err, "SELECT count(*) FROM sqlite_schema", "");
    if (status == RAP_OK)
        status = db_int(&version, NULL, &s->d, err, "PRAGMA user_version", "");
    if (status == RAP_OK && (tables == 0 || (version > 0 && version < SCHEMA_VERSION)))
        status = make_tables(s, err);
    return status;
}

static rap_status open_file(store *s, const char *path, const char *options, int flags,
                            rap_err *err)
{
    char *plain = plain_path(path), *uri = plain ? db_uri(plain, options) : NULL;
    rap_status status;

    if (!uri)
        status = err_memory(err, "opening a store");
    else
        status = db_open(&s->d, uri, path, flags | SQLITE_OPEN_URI, slack_vfs(), err);
    if (status == RAP_OK)
        status = settle(s, err);
    free(plain);
    free(uri);
    return status;
}

static bool has_log(const store *s)
{
    struct stat info;

    return stat(sqlite3_filename_wal(sqlite3_db_filename(s->d.handle, "main")), &info) == 0 &&
           info.st_size > 0;
}

/* A reader of a WAL file needs to write a lock file beside it. Where the folder cannot be written to,
 * and no log waits, nobody else can be changing the file either: then it is read as it is. */
static rap_status open_reading(store *s, const char *path, rap_err *err)
{
    rap_status status = open_file(s, path, "mode=ro", SQLITE_OPEN_READONLY, err);

    if (status == RAP_OK)
        status = schema_verify(&s->d, SCHEMA_STORE, err);
    if (status != RAP_E_IO || !s->d.handle || has_log(s))
        return status;
    db_close(&s->d);
    err_clear(err);
    status = open_file(s, path, "mode=ro&immutable=1", SQLITE_OPEN_READONLY, err);
    return status == RAP_OK ? schema_verify(&s->d, SCHEMA_STORE, err) : status;
}

static rap_status open_writing(store *s, const char *path, bool is_new, rap_err *err)
{
    rap_status status = is_new ? make_file(path, err) : RAP_OK;

    if (status == RAP_OK)
        status = open_file(s, path, "mode=rw", SQLITE_OPEN_READWRITE, err);
    if (status == RAP_OK)
        status = finish_writable(s, is_new, err);
    if (status == RAP_OK)
        status = schema_verify(&s->d, SCHEMA_STORE, err);
    if (status == RAP_OK)
        sqlite3_db_config(s->d.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
    return status;
}

rap_status store_open_empty(store **out, const char *path, rap_err *err)
{
    store *s = mem_array(1, sizeof *s);
    rap_status status = RAP_OK;

    *out = NULL;
    if (!s)
        return err_memory(err, "opening a store");
    status = open_file(s, path, "mode=memory&cache=private", SQLITE_OPEN_READWRITE, err);
    if (status == RAP_OK)
        status = make_tables(s, err);
    if (status != RAP_OK) {
        store_close(s);
        return status;
    }
    s->read_only = true;
    s->snapshot_min = STORE_SNAPSHOT_MIN;
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
    status = schema_inspect(&is_new, path, SCHEMA_STORE, err);
    if (status != RAP_OK)
        return status;
    if (is_new && read_only)
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such store", path);
    s = mem_array(1, sizeof *s);
    if (!s)
        return err_memory(err, "opening a store");
    s->read_only = read_only != 0;
    s->token_limit = STORE_TOKEN_LIMIT;
    s->snapshot_min = STORE_SNAPSHOT_MIN;
    status = read_only ? open_reading(s, path, err) : open_writing(s, path, is_new, err);
    if (status != RAP_OK) {
        store_close(s);
        return status;
    }
    if (!read_only)
        snapshot_remove_leftovers(s);
    *out = s;
    return RAP_OK;
}

const char *store_path(const store *s)
{
    return s->d.path;
}

db *store_db(store *s)
{
    return &s->d;
}

/* ---- changing ---- */

rap_status store_begin(store *s, store_durability durability, rap_err *err)
{
    rap_status status;

    if (s->read_only)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: opened for reading only", s->d.path);
    status = db_exec(&s->d,
                     durability == STORE_DURABLE ? "PRAGMA synchronous = FULL"
                                                 : "PRAGMA synchronous = NORMAL",
                     err);
    return status == RAP_OK ? db_begin(&s->d, err) : status;
}

void store_will_delete(store *s)
{
    s->scrub = true;
}

/* Brings the log into the file and empties it. A reader in another process can prevent it; then the
 * next change, or closing, tries again. */
static void scrub(store *s)
{
    sqlite3_busy_timeout(s->d.handle, STORE_SCRUB_WAIT_MS);
    if (sqlite3_wal_checkpoint_v2(s->d.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
        SQLITE_OK)
        s->scrub = false;
    sqlite3_busy_timeout(s->d.handle, STORE_WAIT_MS);
}

rap_status store_end(store *s, rap_status status, rap_err *err)
{
    if (status == RAP_OK)
        status = snapshot_scrub(s, err);
    s->gone_count = 0;
    status = db_end(&s->d, status, err);
    if (status == RAP_OK)
        s->changes++;
    /* After a failure as well: on a full disk the log's room is what the next change needs. */
    if ((status == RAP_OK && s->scrub) || status == RAP_E_IO)
        scrub(s);
    return status;
}

rap_status store_end_cache(store *s, rap_status status, rap_err *err)
{
    status = store_end(s, status, err);
    if (status == RAP_OK)
        s->changes--;
    return status;
}

void store_close(store *s)
{
    if (!s)
        return;
    if (s->scrub)
        scrub(s);
    db_close(&s->d);
    free(s->gone);
    free(s);
}

int64_t store_generation(store *s)
{
    int64_t others = 0;

    if (db_int(&others, NULL, &s->d, NULL, "PRAGMA data_version", "") != RAP_OK)
        return -1;
    return (int64_t)((uint64_t)others << 32) + s->changes;
}

rap_status store_count(store *s, int64_t *out, rap_err *err)
{
    *out = 0;
    return db_int(out, NULL, &s->d, err, "SELECT count(*) FROM concept", "");
}
