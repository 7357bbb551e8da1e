/* bundle_export.c: writes a bundle (bundle.h): a new file beside the target, row by row from one view of
 * the store, and given its name when it is complete. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "remember/bundle.h"
#include "remember/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Parents before children. */
static const struct {
    const char *read, *write;
} tables[] = {
    { "SELECT id, category, info, created, updated FROM concept ORDER BY id",
      "INSERT INTO concept (id, category, info, created, updated) VALUES (?, ?, ?, ?, ?)" },
    { "SELECT id, concept_id, alias, text, folded FROM name ORDER BY id",
      "INSERT INTO name (id, concept_id, alias, text, folded) VALUES (?, ?, ?, ?, ?)" },
    { "SELECT id, concept_id, avatar, hash, size, width, height, box_x, box_y, box_w, box_h"
      " FROM view ORDER BY id",
      "INSERT INTO view (id, concept_id, avatar, hash, size, width, height, box_x, box_y, box_w, "
      "box_h)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" },
    { "SELECT view_id, bytes FROM picture ORDER BY view_id",
      "INSERT INTO picture (view_id, bytes) VALUES (?, ?)" },
    { "SELECT id, fingerprint, dim FROM encoder ORDER BY id",
      "INSERT INTO encoder (id, fingerprint, dim) VALUES (?, ?, ?)" },
    { "SELECT id, encoder_id, view_id, vector FROM key ORDER BY id",
      "INSERT INTO key (id, encoder_id, view_id, vector) VALUES (?, ?, ?, ?)" },
    { "SELECT id, concept_id, hash, width, height, box_x, box_y, box_w, box_h, bytes, maker, vector"
      " FROM refusal ORDER BY id",
      "INSERT INTO refusal (id, concept_id, hash, width, height, box_x, box_y, box_w, box_h, bytes,"
      " maker, vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" },
};

static rap_status copy_row(db *to, sqlite3_stmt *row, sqlite3_stmt *insert, rap_err *err)
{
    bool more = false;
    rap_status status;

    for (int i = 0; i < sqlite3_column_count(row); i++)
        if (sqlite3_bind_value(insert, i + 1, sqlite3_column_value(row, i)) != SQLITE_OK)
            return db_fail(to, "writing", err);
    status = db_step(&more, to, insert, err);
    sqlite3_reset(insert);
    return status;
}

static rap_status copy_table(db *to, db *from, const char *read, const char *write, rap_err *err)
{
    sqlite3_stmt *select = NULL, *insert = NULL;
    bool row = false;
    rap_status status = db_query(&select, from, err, read, "");

    if (status == RAP_OK)
        status = db_query(&insert, to, err, write, "");
    while (status == RAP_OK && (status = db_step(&row, from, select, err)) == RAP_OK && row)
        status = copy_row(to, select, insert, err);
    sqlite3_finalize(select);
    sqlite3_finalize(insert);
    return status;
}

static rap_status copy_all(db *to, store *s, rap_err *err)
{
    rap_status status = db_begin_reading(store_db(s), err);

    if (status != RAP_OK)
        return status;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == RAP_OK; i++)
        status = copy_table(to, store_db(s), tables[i].read, tables[i].write, err);
    return db_end(store_db(s), status, err);
}

/* Fills the file `temporary`; errors name the final `path`. */
static rap_status fill(const char *temporary, const char *path, store *s, rap_err *err)
{
    db to = { .handle = NULL };
    char page_size[64], *uri = db_uri(temporary, "mode=rw");
    rap_status status;

    if (!uri)
        return err_memory(err, "exporting");
    status = db_open(&to, uri, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL, err);
    if (status == RAP_OK) /* an empty file of our own */
        db_trust(&to);
    sqlite3_snprintf(sizeof page_size, page_size, "PRAGMA page_size = %d", SCHEMA_PAGE_SIZE);
    if (status == RAP_OK)
        status = db_exec(&to, page_size, err);
    if (status == RAP_OK) /* half a file is removed, not repaired: its journal need not survive */
        status = db_exec(&to, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL", err);
    if (status == RAP_OK)
        status = db_begin(&to, err);
    if (status == RAP_OK) {
        status = schema_migrate(&to, SCHEMA_BUNDLE, err);
        if (status == RAP_OK)
            status = copy_all(&to, s, err);
        status = db_end(&to, status, err);
    }
    db_close(&to);
    free(uri);
    return status;
}

/* A new empty file beside `path`, for its owner only; free() and unlink(). */
static rap_status make_temporary(char **out, const char *path, rap_err *err)
{
    buf name = BUF_INIT;
    char memory[128], *folder = path_folder(path);
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "exporting");
    int fd;

    free(folder);
    *out = NULL;
    if (status != RAP_OK)
        return status;
    if (path[0] != '/')
        buf_puts(&name, "./"); /* keeps a path from having a meaning for SQLite */
    buf_printf(&name, "%s.XXXXXX", path);
    if (buf_failed(&name)) {
        buf_release(&name);
        return err_memory(err, "exporting");
    }
    *out = buf_detach(&name);
    fd = mkstemp(*out);
    if (fd < 0) {
        status = err_set(err, RAP_E_IO, "%s: cannot be made: %s", path,
                         strerror_r(errno, memory, sizeof memory));
        free(*out);
        *out = NULL;
        return status;
    }
    close(fd);
    return RAP_OK;
}

/* Gives the finished file its name, durably, unless somebody took the name meanwhile. */
static rap_status publish(const char *temporary, const char *path, rap_err *err)
{
    char memory[128], *folder = path_folder(path);
    int fd;

    if (!folder)
        return err_memory(err, "exporting");
    if (file_exists(path)) {
        free(folder);
        return err_set(err, RAP_E_EXISTS, "%s: is already there", path);
    }
    if (rename(temporary, path) != 0) {
        free(folder);
        return err_set(err, RAP_E_IO, "%s: cannot be made: %s", path,
                       strerror_r(errno, memory, sizeof memory));
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return RAP_OK;
}

rap_status transfer_export_bundle(store *s, const char *path, rap_err *err)
{
    char *temporary = NULL;
    rap_status status;

    if (!path || !*path)
        return err_set(err, RAP_E_ARGUMENT, "the path of the export is empty");
    if (file_exists(path))
        return err_set(err, RAP_E_EXISTS, "%s: is already there", path);
    status = make_temporary(&temporary, path, err);
    if (status != RAP_OK)
        return status;
    status = fill(temporary, path, s, err);
    if (status == RAP_OK)
        status = publish(temporary, path, err);
    if (status != RAP_OK)
        unlink(temporary);
    free(temporary);
    change_noticed(s);
    return status;
}
