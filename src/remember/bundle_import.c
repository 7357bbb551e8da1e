/* bundle_import.c: reads a bundle (bundle.h), trusting nothing in it. Reading order: open and check, one
 * view with its vectors, one concept, all in one transaction. */
#include "base/file.h"
#include "base/mem.h"
#include "remember/bundle.h"
#include "remember/bundle_names.h"
#include "remember/schema.h"
#include "remember/slack.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static rap_status check_pages(db *d, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    const char *text = NULL;
    bool row = false;
    rap_status status = db_query(&statement, d, err, "PRAGMA quick_check(1)", "");

    if (status == RAP_OK)
        status = db_step(&row, d, statement, err);
    if (row)
        text = (const char *)sqlite3_column_text(statement, 0);
    if (status == RAP_OK && (!text || strcmp(text, "ok") != 0))
        status = err_set(err, RAP_E_FORMAT, "%s: damaged: %s", d->path, text ? text : "unreadable");
    sqlite3_finalize(statement);
    return status;
}

static rap_status check_references(db *d, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status = db_query(&statement, d, err, "PRAGMA foreign_key_check", "");

    if (status == RAP_OK)
        status = db_step(&row, d, statement, err);
    if (status == RAP_OK && row)
        status = err_set(err, RAP_E_FORMAT, "%s: damaged: a row belongs to nothing", d->path);
    sqlite3_finalize(statement);
    return status;
}

rap_status bundle_open(db *out, const char *path, rap_err *err)
{
    bool empty = false;
    int64_t version = 0;
    char *plain = path[0] == '/' ? mem_string(path) : path_join("./", path);
    char *uri = plain ? db_uri(plain, "mode=ro&immutable=1") : NULL;
    rap_status status = schema_inspect(&empty, path, SCHEMA_BUNDLE, err);

    *out = (db){ .handle = NULL };
    if (status == RAP_OK && !uri)
        status = err_memory(err, "opening a bundle");
    if (status == RAP_OK && empty)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: no such bundle", path);
    if (status == RAP_OK)
        status = db_open(out, uri, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, slack_vfs(), err);
    if (status == RAP_OK)
        status = schema_verify(&version, out, SCHEMA_BUNDLE, err);
    if (status == RAP_OK && version < 1)
        status = err_set(err, RAP_E_FORMAT, "%s: is not complete", path);
    if (status == RAP_OK)
        status = check_pages(out, err);
    if (status == RAP_OK)
        status = check_references(out, err);
    if (status != RAP_OK)
        db_close(out);
    free(plain);
    free(uri);
    return status;
}

/* ---- one view ---- */

/* The numbers of a blob; free(). *out is NULL, and one more counts as left out, if they are not a valid vector: of the
 * wrong size, not finite, or zero, which would hide its view from every search. It is computed again when it is
 * needed. */
static rap_status read_numbers(float **out, transfer *t, const void *bytes, size_t size,
                               const store_vector *like, rap_err *err)
{
    store_vector vector = *like;
    float *numbers;

    *out = NULL;
    if (!bytes || like->dim < 1 || like->dim > STORE_MAX_DIM ||
        size != (size_t)like->dim * sizeof *numbers) {
        t->left_out++;
        return RAP_OK;
    }
    numbers = mem_array((size_t)like->dim, sizeof *numbers);
    if (!numbers)
        return err_memory(err, "importing a vector");
    vector_copy(numbers, bytes, (size_t)like->dim);
    vector.data = numbers;
    if (vector_check(&vector, NULL) == RAP_OK && vector_has_direction(numbers, like->dim)) {
        *out = numbers;
        return RAP_OK;
    }
    free(numbers);
    t->left_out++;
    return RAP_OK;
}

/* Columns: fingerprint, dim, vector. */
static rap_status read_vector(transfer *t, sqlite3_stmt *row, int64_t to_view, rap_err *err)
{
    int64_t dim = sqlite3_column_int64(row, 1);
    const void *bytes = sqlite3_column_blob(row, 2);
    size_t size = (size_t)sqlite3_column_bytes(row, 2);
    store_vector vector = { (const char *)sqlite3_column_text(row, 0),
                            dim > STORE_MAX_DIM ? 0 : (int)dim, NULL };
    float *numbers = NULL;
    bool fits = false;
    rap_status status = read_numbers(&numbers, t, bytes, size, &vector, err);

    if (status != RAP_OK || !numbers)
        return status;
    vector.data = numbers;
    status = encoder_has_size(&fits, t->s, vector.encoder, vector.dim, err);
    if (status == RAP_OK && fits)
        status = vector_insert(t->s, to_view, &vector, err);
    else if (status == RAP_OK)
        t->left_out++;
    free(numbers);
    return status;
}

/* Every vector of a view, whichever encoder made it. */
static rap_status read_vectors(transfer *t, db *from, int64_t from_view, int64_t to_view,
                               rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status = db_query(&statement, from, err,
                                 "SELECT e.fingerprint, e.dim, k.vector FROM key k"
                                 " JOIN encoder e ON e.id = k.encoder_id WHERE k.view_id = ?",
                                 "i", from_view);

    while (status == RAP_OK && (status = db_step(&row, from, statement, err)) == RAP_OK && row)
        status = read_vector(t, statement, to_view, err);
    sqlite3_finalize(statement);
    return status;
}

static bool is_side(int64_t pixels)
{
    return pixels >= 0 && pixels <= 1000 * 1000 * 1000;
}

/* Columns: id, avatar, hash, width, height, box ×4, bytes. */
static rap_status read_view(transfer *t, db *from, sqlite3_stmt *row, int64_t concept_id,
                            rap_err *err)
{
    const char *hash = (const char *)sqlite3_column_text(row, 2);
    int64_t width = sqlite3_column_int64(row, 3), height = sqlite3_column_int64(row, 4), id = 0;
    const void *bytes = sqlite3_column_blob(row, 9);
    store_view view = {
        bytes,
        (size_t)sqlite3_column_bytes(row, 9),
        (int)width,
        (int)height,
        { (float)sqlite3_column_double(row, 5), (float)sqlite3_column_double(row, 6),
          (float)sqlite3_column_double(row, 7), (float)sqlite3_column_double(row, 8) }
    };
    char now[65];
    rap_status status;

    if (!is_side(width) || !is_side(height))
        return err_set(err, RAP_E_FORMAT, "a picture of %lld by %lld", (long long)width,
                       (long long)height);
    status = view_insert(&id, t->s, concept_id, &view, sqlite3_column_int(row, 1) != 0, err);
    if (status != RAP_OK)
        return status;
    sha256_hex(now, view.bytes, view.size);
    if (!hash || strcmp(hash, now) != 0)
        return err_set(err, RAP_E_FORMAT, "a picture is not the one that was exported");
    return read_vectors(t, from, sqlite3_column_int64(row, 0), id, err);
}

static rap_status read_views(transfer *t, db *from, int64_t from_id, int64_t to_id, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    int avatars = 0;
    bool row = false;
    rap_status status = db_query(&statement, from, err,
                                 "SELECT v.id, v.avatar, v.hash, v.width, v.height,"
                                 " v.box_x, v.box_y, v.box_w, v.box_h, p.bytes"
                                 " FROM view v JOIN picture p ON p.view_id = v.id"
                                 " WHERE v.concept_id = ? ORDER BY v.id",
                                 "i", from_id);

    while (status == RAP_OK && (status = db_step(&row, from, statement, err)) == RAP_OK && row) {
        avatars += sqlite3_column_int(statement, 1) != 0;
        t->report.views += sqlite3_column_int(statement, 1) == 0;
        status = read_view(t, from, statement, to_id, err);
    }
    sqlite3_finalize(statement);
    if (status == RAP_OK && avatars != 1)
        status = err_set(err, RAP_E_FORMAT, "has no picture of its own");
    return status;
}

/* ---- what it is not ---- */

/* Columns: hash, width, height, box ×4, bytes, maker, vector. */
static rap_status read_refusal(transfer *t, sqlite3_stmt *row, int64_t concept_id, rap_err *err)
{
    const char *hash = (const char *)sqlite3_column_text(row, 0);
    const char *maker = (const char *)sqlite3_column_text(row, 8);
    int64_t width = sqlite3_column_int64(row, 1), height = sqlite3_column_int64(row, 2);
    const void *bytes = sqlite3_column_blob(row, 7), *numbers = sqlite3_column_blob(row, 9);
    size_t size = (size_t)sqlite3_column_bytes(row, 9);
    store_vector vector = { maker, size > INT_MAX ? 0 : (int)(size / sizeof(float)), NULL };
    store_view view = {
        bytes,
        (size_t)sqlite3_column_bytes(row, 7),
        (int)width,
        (int)height,
        { (float)sqlite3_column_double(row, 3), (float)sqlite3_column_double(row, 4),
          (float)sqlite3_column_double(row, 5), (float)sqlite3_column_double(row, 6) }
    };
    char now[65];
    float *data = NULL;
    rap_status status;

    if (!is_side(width) || !is_side(height))
        return err_set(err, RAP_E_FORMAT, "a picture of %lld by %lld", (long long)width,
                       (long long)height);
    sha256_hex(now, view.bytes, view.bytes ? view.size : 0);
    if (!hash || strcmp(hash, now) != 0)
        return err_set(err, RAP_E_FORMAT, "a picture is not the one that was exported");
    status = size ? read_numbers(&data, t, numbers, size, &vector, err) : RAP_OK;
    vector.data = data;
    if (status == RAP_OK)
        status = refusal_insert(t->s, concept_id, &view, data ? &vector : NULL, err);
    free(data);
    return status;
}

/* Bundles have them since version 3. */
static rap_status read_refusals(transfer *t, db *from, int64_t from_id, int64_t to_id, rap_err *err)
{
    sqlite3_stmt *rows = NULL;
    int64_t version = 0;
    bool row = false;
    rap_status status = db_int(&version, NULL, from, err, "PRAGMA user_version", "");

    if (status != RAP_OK || version < 3)
        return status;
    status = db_query(&rows, from, err,
                      "SELECT hash, width, height, box_x, box_y, box_w, box_h, bytes, maker, vector"
                      " FROM refusal WHERE concept_id = ? ORDER BY id",
                      "i", from_id);
    while (status == RAP_OK && (status = db_step(&row, from, rows, err)) == RAP_OK && row)
        status = read_refusal(t, rows, to_id, err);
    sqlite3_finalize(rows);
    return status;
}

/* ---- one concept ---- */

/* 2026-05-04T12:30:00.250Z */
static bool is_time(const char *text)
{
    static const char shape[] = "0000-00-00T00:00:00.000Z";

    if (strlen(text) != sizeof shape - 1)
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    return true;
}

static rap_status set_times(transfer *t, int64_t id, const rap_record *record, rap_err *err)
{
    if (!is_time(record->created) || !is_time(record->updated))
        return err_set(err, RAP_E_FORMAT, "its times are no times");
    return db_run(store_db(t->s), err, "UPDATE concept SET created = ?, updated = ? WHERE id = ?",
                  "ssi", record->created, record->updated, id);
}

static rap_status write_record(transfer *t, db *from, bundle_names *names, const rap_record *record,
                               rap_err *err)
{
    store_concept concept = { record->name, record->category, record->info, record->aliases,
                              record->automatic };
    int64_t id = 0;
    rap_status status = bundle_names_settle(names, &concept, err);

    if (status == RAP_OK)
        status = transfer_place(&id, t, &concept, err);
    if (status == RAP_OK)
        status = read_views(t, from, record->id, id, err);
    if (status == RAP_OK)
        status = read_refusals(t, from, record->id, id, err);
    if (status == RAP_OK)
        status = concept_touch(t->s, id, "import", err);
    if (status == RAP_OK)
        status = set_times(t, id, record, err);
    return transfer_blame(t, record->name, status, err);
}

/* ---- all ---- */

static rap_status write_records(transfer *t, db *from, rap_err *err)
{
    record_rows r;
    rap_record *record = NULL;
    bundle_names names;
    int64_t total = 0, done = 0;
    rap_status status = record_query(&r, from, "ORDER BY c.id", err);

    bundle_names_init(&names);
    if (status == RAP_OK)
        status = bundle_names_start(&names, from, err);
    if (status == RAP_OK)
        status = db_int(&total, NULL, from, err, "SELECT count(*) FROM concept", "");
    while (status == RAP_OK && (status = record_next(&record, &r, err)) == RAP_OK && record) {
        status = write_record(t, from, &names, record, err);
        store_record_free(record);
        if (status == RAP_OK)
            status = transfer_progress(t, (uint64_t)++done, (uint64_t)total, err);
    }
    record_finish(&r);
    bundle_names_release(&names);
    if (status == RAP_OK && done != total)
        status = err_set(err, RAP_E_FORMAT, "%s: damaged: a concept has no name", t->path);
    return status;
}

rap_status bundle_import(transfer *t, rap_err *err)
{
    db from = { .handle = NULL };
    rap_status status = bundle_open(&from, t->path, err);

    if (status != RAP_OK)
        return status;
    status = store_begin(t->s, STORE_DURABLE, err);
    if (status == RAP_OK)
        status = store_end(t->s, write_records(t, &from, err), err);
    if (status == RAP_OK && t->left_out)
        store_say(
            t->s,
            "%s: %zu vectors in it cannot be what their encoder makes and were left out; they "
            "are made anew from the pictures when they are needed",
            t->path, t->left_out);
    db_close(&from);
    return status;
}
