/* view.c: the pictures of a concept: original bytes, box, and which one is the avatar. */
#include "base/file.h"
#include "base/mem.h"
#include "remember/snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool box_is_sound(rap_box box)
{
    return isfinite(box.x) && isfinite(box.y) && isfinite(box.w) && isfinite(box.h) && box.w >= 0 &&
           box.h >= 0;
}

rap_status view_check(const store_view *view, rap_err *err)
{
    if (!view->bytes || view->size == 0)
        return err_set(err, RAP_E_ARGUMENT, "the picture is empty");
    if (view->size > STORE_MAX_PICTURE)
        return err_set(err, RAP_E_LIMIT, "the picture has %zu bytes, the limit is %u", view->size,
                       STORE_MAX_PICTURE);
    if (view->width < 0 || view->height < 0 || !box_is_sound(view->box))
        return err_set(err, RAP_E_ARGUMENT, "the box in the picture makes no sense");
    return RAP_OK;
}

rap_status view_insert(int64_t *out_id, store *s, int64_t concept_id, const store_view *view,
                       bool avatar, rap_err *err)
{
    char hash[65];
    rap_status status = view_check(view, err);

    if (status != RAP_OK)
        return status;
    sha256_hex(hash, view->bytes, view->size);
    if (avatar)
        status =
            db_run(&s->d, err, "UPDATE view SET avatar = 0 WHERE concept_id = ? AND avatar = 1",
                   "i", concept_id);
    if (status == RAP_OK)
        status = db_run(&s->d, err,
                        "INSERT INTO view (concept_id, avatar, hash, size, width, height,"
                        " box_x, box_y, box_w, box_h) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "iisiiiffff", concept_id, (int64_t)avatar, hash, (int64_t)view->size,
                        (int64_t)view->width, (int64_t)view->height, (double)view->box.x,
                        (double)view->box.y, (double)view->box.w, (double)view->box.h);
    *out_id = sqlite3_last_insert_rowid(s->d.handle);
    if (status == RAP_OK)
        status = db_run(&s->d, err, "INSERT INTO picture (view_id, bytes) VALUES (?, ?)", "ib",
                        *out_id, view->bytes, view->size);
    return status;
}

rap_status view_remove_all(store *s, int64_t concept_id, rap_err *err)
{
    rap_status status = snapshot_will_scrub_concept(s, concept_id, err);

    store_will_delete(s);
    return status == RAP_OK
               ? db_run(&s->d, err, "DELETE FROM view WHERE concept_id = ?", "i", concept_id)
               : status;
}

/* ---- reading ---- */

/* Columns 0 to 7: id, hash, box ×4, bytes, concept. */
static rap_status picture_read(store_picture *out, store *s, sqlite3_stmt *row, rap_err *err)
{
    const void *bytes = sqlite3_column_blob(row, 6);
    const char *hash = (const char *)sqlite3_column_text(row, 1);
    int size = sqlite3_column_bytes(row, 6);

    if (!bytes || size <= 0 || !hash || strlen(hash) != 64)
        return err_set(err, RAP_E_FORMAT, "%s: damaged: a picture is missing", s->d.path);
    out->view_id = sqlite3_column_int64(row, 0);
    out->concept_id = sqlite3_column_int64(row, 7);
    memcpy(out->hash, hash, sizeof out->hash);
    out->box =
        (rap_box){ (float)sqlite3_column_double(row, 2), (float)sqlite3_column_double(row, 3),
                   (float)sqlite3_column_double(row, 4), (float)sqlite3_column_double(row, 5) };
    out->size = (size_t)size;
    out->bytes = mem_copy(bytes, out->size);
    return out->bytes ? RAP_OK : err_memory(err, "reading a picture");
}

#define PICTURE_SQL                                                                  \
    "SELECT v.id, v.hash, v.box_x, v.box_y, v.box_w, v.box_h, p.bytes, v.concept_id" \
    " FROM view v JOIN picture p ON p.view_id = v.id "

rap_status picture_query(store_picture *out, bool *out_found, store *s, const char *sql, int64_t id,
                         rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    rap_status status = db_query(&statement, &s->d, err, sql, "i", id);

    *out = (store_picture){ .view_id = 0 };
    *out_found = false;
    if (status == RAP_OK)
        status = db_step(out_found, &s->d, statement, err);
    if (*out_found)
        status = picture_read(out, s, statement, err);
    sqlite3_finalize(statement);
    return status;
}

rap_status picture_next(store_picture *out, bool *out_found, store *s, int64_t concept_id,
                        int64_t after, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    rap_status status = db_query(
        &statement, &s->d, err,
        PICTURE_SQL "WHERE v.concept_id = ? AND v.avatar = 0 AND v.id > ? ORDER BY v.id LIMIT 1",
        "ii", concept_id, after);

    *out = (store_picture){ .view_id = 0 };
    *out_found = false;
    if (status == RAP_OK)
        status = db_step(out_found, &s->d, statement, err);
    if (*out_found)
        status = picture_read(out, s, statement, err);
    sqlite3_finalize(statement);
    return status;
}

rap_status store_avatar(store *s, int64_t concept_id, store_picture *out, rap_err *err)
{
    bool found = false;
    rap_status status = picture_query(
        out, &found, s, PICTURE_SQL "WHERE v.concept_id = ? AND v.avatar = 1", concept_id, err);

    if (status == RAP_OK && !found)
        return err_set(err, RAP_E_NOT_FOUND, "%s: concept %lld has no picture", s->d.path,
                       (long long)concept_id);
    return status;
}

void store_picture_release(store_picture *picture)
{
    free(picture->bytes);
    picture->bytes = NULL;
    picture->size = 0;
}

/* ---- views that wait for a vector ---- */

static rap_status unembedded_ids(int64_t **out, size_t *out_count, store *s, const char *encoder,
                                 rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    int64_t count = 0, embedded = 0;
    size_t used = 0;
    bool row = false;
    rap_status status = db_int(&count, NULL, &s->d, err, DB_COUNT("view"), "");

    if (status == RAP_OK)
        status = db_int(&embedded, NULL, &s->d, err,
                        "SELECT count(*) FROM key WHERE encoder_id ="
                        " (SELECT id FROM encoder WHERE fingerprint = ?)",
                        "s", encoder);
    /* Each vector has its own view: equal counts mean that none is missing, and counting is quick. */
    if (status != RAP_OK || embedded == count)
        return status;
    *out = mem_array((size_t)count + 1, sizeof **out);
    if (!*out)
        return err_memory(err, "listing views");
    status = db_query(&statement, &s->d, err,
                      "SELECT v.id FROM view v WHERE NOT EXISTS"
                      " (SELECT 1 FROM key k JOIN encoder e ON e.id = k.encoder_id"
                      "  WHERE k.view_id = v.id AND e.fingerprint = ?) ORDER BY v.id LIMIT ?",
                      "si", encoder, count);
    while (status == RAP_OK && (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row)
        (*out)[used++] = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    *out_count = used;
    return status;
}

rap_status store_each_unembedded(store *s, const char *encoder, store_on_view *on_view,
                                 void *payload, int64_t *out_total, rap_err *err)
{
    int64_t *ids = NULL;
    size_t count = 0;
    rap_status status = unembedded_ids(&ids, &count, s, encoder, err);

    if (status == RAP_OK)
        status = unreadable_pass_over(ids, &count, s, false, encoder, err);
    if (out_total)
        *out_total = (int64_t)count;
    for (size_t i = 0; i < count && status == RAP_OK; i++) {
        store_picture picture;
        bool found = false;

        status = picture_query(&picture, &found, s, PICTURE_SQL "WHERE v.id = ?", ids[i], err);
        if (status == RAP_OK && found) /* otherwise another process has just deleted it */
            status = on_view(ids[i], &picture, payload, err);
        store_picture_release(&picture);
    }
    free(ids);
    return status;
}
