/* bundle_export.c: writes a bundle (bundle.h): a temporary file next to the target, row by row from one
 * snapshot of the store, renamed when it is complete. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "remember/bundle.h"
#include "remember/schema.h"

#include <stdlib.h>

enum { ROWS_A_STEP = 16 }; /* between two looks at whether to go on */

typedef struct leaving {
    store *s;
    const char *path;
    rap_on_progress *on_progress; /* NULL: silent */
    void *payload;
    uint64_t rows, pictures;
    int64_t views;
} leaving;

/* Parents before children. */
static const struct {
    const char *read, *write;
} tables[] = {
    { "SELECT id, category, info, created, updated, automatic FROM concept ORDER BY id",
      "INSERT INTO concept (id, category, info, created, updated, automatic)"
      " VALUES (?, ?, ?, ?, ?, ?)" },
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
static const char older_concepts[] = /* of a store of before SCHEMA_AUTOMATIC */
    "SELECT id, category, info, created, updated, 0 FROM concept ORDER BY id";
enum { CONCEPTS = 0, PICTURES = 3 }; /* PICTURES takes the time */

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

static rap_status count_row(leaving *l, bool picture, rap_err *err)
{
    l->pictures += picture;
    if (l->on_progress && l->rows++ % ROWS_A_STEP == 0 &&
        l->on_progress("exporting pictures", l->pictures, (uint64_t)l->views, l->payload))
        return err_set(err, RAP_E_CANCELLED, "%s: export cancelled", l->path);
    return RAP_OK;
}

static rap_status copy_table(db *to, leaving *l, size_t table, rap_err *err)
{
    db *from = store_db(l->s);
    sqlite3_stmt *select = NULL, *insert = NULL;
    bool row = false, automatic = true;
    rap_status status = table == CONCEPTS ? schema_has_automatic(&automatic, from, err) : RAP_OK;

    if (status == RAP_OK)
        status = db_query(&select, from, err, automatic ? tables[table].read : older_concepts, "");
    if (status == RAP_OK)
        status = db_query(&insert, to, err, tables[table].write, "");
    while (status == RAP_OK && (status = db_step(&row, from, select, err)) == RAP_OK && row) {
        status = copy_row(to, select, insert, err);
        if (status == RAP_OK)
            status = count_row(l, table == PICTURES, err);
    }
    sqlite3_finalize(select);
    sqlite3_finalize(insert);
    return status;
}

static rap_status copy_all(db *to, leaving *l, rap_err *err)
{
    db *from = store_db(l->s);
    rap_status status = db_begin_reading(from, err);

    if (status != RAP_OK)
        return status;
    status = db_int(&l->views, NULL, from, err, DB_COUNT("view"), "");
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == RAP_OK; i++)
        status = copy_table(to, l, i, err);
    if (status == RAP_OK && l->on_progress)
        l->on_progress("exporting pictures", (uint64_t)l->views, (uint64_t)l->views, l->payload);
    return db_end(from, status, err);
}

/* Opens the temporary file without SQLite's locks: no other process uses it, and they could collide with the lock we hold
 * (on NFS both are the same kind). "./" keeps SQLite from reading a path as a URI or a special name. */
static rap_status open_bundle(db *to, const char *temporary, const char *path, rap_err *err)
{
    char *plain = temporary[0] == '/' ? mem_string(temporary) : path_join("./", temporary);
    char *uri = plain ? db_uri(plain, "mode=rw&nolock=1") : NULL;
    rap_status status =
        uri ? db_open(to, uri, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL, err)
            : err_memory(err, "exporting");

    if (status == RAP_OK) /* an empty file of our own */
        db_trust(to);
    free(plain);
    free(uri);
    return status;
}

/* Fills the file `temporary`; errors name the final path. */
static rap_status fill(const char *temporary, leaving *l, rap_err *err)
{
    db to = { .handle = NULL };
    char page_size[64];
    rap_status status = open_bundle(&to, temporary, l->path, err);

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
            status = copy_all(&to, l, err);
        status = db_end(&to, status, err);
    }
    db_close(&to);
    return status;
}

static rap_status make_folder_of(const char *path, rap_err *err)
{
    char *folder = path_folder(path);
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "exporting");

    free(folder);
    return status;
}

rap_status transfer_export_bundle(store *s, const char *path, rap_on_progress *on_progress,
                                  void *payload, rap_err *err)
{
    leaving l = { .s = s, .path = path, .on_progress = on_progress, .payload = payload };
    temp t = TEMP_INIT;
    rap_status status;

    if (!path || !*path)
        return err_set(err, RAP_E_ARGUMENT, "the path of the export is empty");
    if (file_exists(path))
        return err_set(err, RAP_E_EXISTS, "%s: is already there", path);
    status = make_folder_of(path, err);
    if (status == RAP_OK) /* for its owner only: it holds private pictures */
        status = temp_file(&t, path, 0600, err);
    if (status == RAP_OK)
        status = fill(t.path, &l, err);
    if (status == RAP_OK)
        status = temp_publish(&t, path, TEMP_NEW, err);
    else
        temp_remove(&t);
    change_noticed(s);
    return status;
}
