/* refusal.c: pictures a person gave as "not this concept", each with one vector. */
#include "base/file.h"
#include "base/mem.h"
#include "remember/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REFUSAL_COLUMNS \
    "concept_id, hash, width, height, box_x, box_y, box_w, box_h, bytes, maker, vector"

rap_status refusal_insert(store *s, int64_t concept_id, const store_view *view,
                          const store_vector *vector, rap_err *err)
{
    char hash[65];
    void *numbers = NULL;
    size_t size = vector ? (size_t)vector->dim * sizeof(float) : 0;
    rap_status status = view_check(view, err);

    if (status == RAP_OK && vector)
        status = vector_check(vector, err);
    if (status == RAP_OK && vector && !(numbers = vector_bytes(vector->data, (size_t)vector->dim)))
        status = err_memory(err, "storing a vector");
    if (status != RAP_OK)
        return status;
    sha256_hex(hash, view->bytes, view->size);
    status = db_run(&s->d, err,
                    "INSERT INTO refusal (" REFUSAL_COLUMNS ")"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    "isiiffffbsb", concept_id, hash, (int64_t)view->width, (int64_t)view->height,
                    (double)view->box.x, (double)view->box.y, (double)view->box.w,
                    (double)view->box.h, view->bytes, view->size, vector ? vector->encoder : "",
                    numbers ? numbers : "", size);
    free(numbers);
    return status;
}

rap_status store_add_refusals(store *s, const char *name, const store_view *view,
                              const store_vector *vector, size_t count, rap_err *err)
{
    int64_t id = 0;
    rap_status status;

    if (!view || count == 0)
        return err_set(err, RAP_E_ARGUMENT, "a correction needs a picture");
    status = store_begin(s, STORE_DURABLE, err);
    if (status != RAP_OK)
        return status;
    status = name_require(&id, s, name, err);
    for (size_t i = 0; status == RAP_OK && i < count; i++)
        status = refusal_insert(s, id, &view[i], vector ? &vector[i] : NULL, err);
    if (status == RAP_OK)
        status = concept_touch(s, id, "refuse", err);
    return store_end(s, status, err);
}

rap_status store_add_refusal(store *s, const char *name, const store_view *view,
                             const store_vector *vector, rap_err *err)
{
    return store_add_refusals(s, name, view, vector, 1, err);
}

rap_status refusal_remove_all(store *s, int64_t concept_id, rap_err *err)
{
    store_will_delete(s);
    return db_run(&s->d, err, "DELETE FROM refusal WHERE concept_id = ?", "i", concept_id);
}

/* ---- reading ---- */

/* Runs to the end of the statement: vectors of `dim` numbers in column 0. */
static rap_status read_vectors(float **out, size_t *out_count, store *s, sqlite3_stmt *rows,
                               int dim, rap_err *err)
{
    size_t size = (size_t)dim * sizeof(float);
    bool row = false;
    rap_status status = RAP_OK;

    *out = NULL;
    *out_count = 0;
    while (status == RAP_OK && (status = db_step(&row, &s->d, rows, err)) == RAP_OK && row) {
        const void *bytes = sqlite3_column_blob(rows, 0);
        float *grown;

        if (!bytes || (size_t)sqlite3_column_bytes(rows, 0) != size)
            return err_set(err, RAP_E_FORMAT, "%s: damaged: a vector has the wrong size",
                           s->d.path);
        grown = realloc(*out, (*out_count + 1) * size);
        if (!grown)
            return err_memory(err, "reading vectors");
        *out = grown;
        vector_copy(grown + (*out_count)++ * (size_t)dim, bytes, (size_t)dim);
    }
    return status;
}

void store_evidence_release(store_evidence *e)
{
    free(e->view);
    free(e->refusal);
    *e = (store_evidence){ 0 };
}

/* A vector of another size is ignored: no table ties its size to its encoder, and a bundle may contain any. Reading
 * both halves from one snapshot would take a transaction; each alone is consistent. */
rap_status store_load_evidence(store *s, int64_t concept_id, const char *maker, int dim,
                               store_evidence *out, rap_err *err)
{
    sqlite3_stmt *rows = NULL;
    rap_status status = db_query(&rows, &s->d, err,
                                 "SELECT k.vector FROM view v JOIN key k ON k.view_id = v.id"
                                 " JOIN encoder e ON e.id = k.encoder_id"
                                 " WHERE v.concept_id = ? AND e.fingerprint = ?"
                                 " AND length(k.vector) = ? ORDER BY v.avatar DESC, v.id",
                                 "isi", concept_id, maker, (int64_t)dim * (int64_t)sizeof(float));

    *out = (store_evidence){ 0 };
    if (status == RAP_OK)
        status = read_vectors(&out->view, &out->views, s, rows, dim, err);
    sqlite3_finalize(rows);
    rows = NULL;
    if (status == RAP_OK)
        status = db_query(&rows, &s->d, err,
                          "SELECT vector FROM refusal WHERE concept_id = ? AND maker = ?"
                          " AND length(vector) = ? ORDER BY id",
                          "isi", concept_id, maker, (int64_t)dim * (int64_t)sizeof(float));
    if (status == RAP_OK)
        status = read_vectors(&out->refusal, &out->refusals, s, rows, dim, err);
    sqlite3_finalize(rows);
    if (status != RAP_OK)
        store_evidence_release(out);
    return status;
}

/* ---- refusals by another encoder ---- */

/* Those that `maker` has not seen; both halves read only the index. */
#define STALE(what)                                                                       \
    "SELECT " what " FROM refusal INDEXED BY refusal_by_maker WHERE maker < ? UNION ALL " \
    "SELECT " what " FROM refusal INDEXED BY refusal_by_maker WHERE maker > ?"

rap_status store_count_stale_refusals(store *s, const char *maker, int64_t *out, rap_err *err)
{
    *out = 0;
    return db_int(out, NULL, &s->d, err, "SELECT sum(n) FROM (" STALE("count(*) AS n") ")", "ss",
                  maker, maker);
}

static rap_status stale_ids(int64_t **out, size_t *out_count, store *s, const char *maker,
                            rap_err *err)
{
    sqlite3_stmt *rows = NULL;
    int64_t count = 0;
    bool row = false;
    rap_status status = store_count_stale_refusals(s, maker, &count, err);

    if (status == RAP_OK && !(*out = mem_array((size_t)count + 1, sizeof **out)))
        status = err_memory(err, "listing corrections");
    if (status == RAP_OK)
        status = db_query(&rows, &s->d, err, STALE("id") " ORDER BY id", "ss", maker, maker);
    while (status == RAP_OK && *out_count < (size_t)count &&
           (status = db_step(&row, &s->d, rows, err)) == RAP_OK && row)
        (*out)[(*out_count)++] = sqlite3_column_int64(rows, 0);
    sqlite3_finalize(rows);
    return status;
}

rap_status store_each_stale_refusal(store *s, const char *maker, store_on_view *on_refusal,
                                    void *payload, rap_err *err)
{
    int64_t *ids = NULL;
    size_t count = 0;
    rap_status status = stale_ids(&ids, &count, s, maker, err);

    if (status == RAP_OK)
        status = unreadable_pass_over(ids, &count, s, true, maker, err);
    for (size_t i = 0; i < count && status == RAP_OK; i++) {
        store_picture picture;
        bool found = false;

        status = picture_query(&picture, &found, s,
                               "SELECT id, hash, box_x, box_y, box_w, box_h, bytes, concept_id"
                               " FROM refusal WHERE id = ?",
                               ids[i], err);
        if (status == RAP_OK && found) /* otherwise another process has just deleted it */
            status = on_refusal(ids[i], &picture, payload, err);
        store_picture_release(&picture);
    }
    free(ids);
    return status;
}

rap_status store_put_refusal_vector(store *s, int64_t refusal_id, const store_vector *vector,
                                    rap_err *err)
{
    void *numbers = NULL;
    rap_status status = vector_check(vector, err);

    if (status == RAP_OK && !(numbers = vector_bytes(vector->data, (size_t)vector->dim)))
        status = err_memory(err, "storing a vector");
    if (status == RAP_OK)
        status = store_begin(s, STORE_DERIVED, err);
    if (status != RAP_OK)
        goto cleanup;
    status = db_run(&s->d, err, "UPDATE refusal SET maker = ?, vector = ? WHERE id = ?", "sbi",
                    vector->encoder, numbers, (size_t)vector->dim * sizeof(float), refusal_id);
    if (status == RAP_OK)
        status = unreadable_clear(s, true, refusal_id, err);
    status = store_end(s, status, err);
cleanup:
    free(numbers);
    return status;
}
