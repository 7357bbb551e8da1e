/* vector.c: the output of models: the vectors of views, for searching, and those of the detector's words,
 * which can be computed again at any time. */
#include "base/mem.h"
#include "remember/snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void vector_copy(void *out, const void *in, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(out, in, count * sizeof(float));
#else
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < 4; b++)
            ((unsigned char *)out)[4 * i + b] = ((const unsigned char *)in)[4 * i + 3 - b];
#endif
}

void *vector_bytes(const float *numbers, size_t count)
{
    void *bytes = mem_array(count, sizeof(float));

    if (bytes)
        vector_copy(bytes, numbers, count);
    return bytes;
}

/* The numbers of a blob column; free(). */
static rap_status from_column(float **out, size_t *out_count, store *s, sqlite3_stmt *row,
                              int column, rap_err *err)
{
    const void *bytes = sqlite3_column_blob(row, column);
    size_t size = (size_t)sqlite3_column_bytes(row, column);

    if (!bytes || size == 0 || size % sizeof(float))
        return err_set(err, RAP_E_FORMAT, "%s: damaged: a vector has %zu bytes", s->d.path, size);
    *out_count = size / sizeof(float);
    *out = mem_array(*out_count, sizeof(float));
    if (!*out)
        return err_memory(err, "reading a vector");
    vector_copy(*out, bytes, *out_count);
    return RAP_OK;
}

/* ---- the vectors of views ---- */

rap_status vector_check(const store_vector *vector, rap_err *err)
{
    if (!vector->encoder || !*vector->encoder || !vector->data || vector->dim < 1 ||
        vector->dim > STORE_MAX_DIM)
        return err_set(err, RAP_E_ARGUMENT, "a vector of %d numbers makes no sense", vector->dim);
    for (int i = 0; i < vector->dim; i++)
        if (!isfinite(vector->data[i]))
            return err_set(err, RAP_E_MODEL, "the encoder gave a vector that is not finite");
    return RAP_OK;
}

static rap_status encoder_find(int64_t *out_id, int64_t *out_dim, store *s, const char *fingerprint,
                               rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status =
        db_borrow(&statement, &s->d, err, "SELECT id, dim FROM encoder WHERE fingerprint = ?", "s",
                  fingerprint);

    *out_id = *out_dim = 0;
    if (status == RAP_OK)
        status = db_step(&row, &s->d, statement, err);
    if (row) {
        *out_id = sqlite3_column_int64(statement, 0);
        *out_dim = sqlite3_column_int64(statement, 1);
    }
    db_give_back(&s->d, statement);
    return status;
}

rap_status encoder_in_use(bool *out, store *s, int64_t id, rap_err *err)
{
    int64_t one = 0;

    *out = false;
    return db_int(
        &one, out, &s->d, err,
        "SELECT 1 FROM key INDEXED BY sqlite_autoindex_key_1 WHERE encoder_id = ? LIMIT 1", "i",
        id);
}

rap_status encoder_has_size(bool *out, store *s, const char *fingerprint, int dim, rap_err *err)
{
    int64_t id = 0, known = 0;
    bool used = false;
    rap_status status = encoder_find(&id, &known, s, fingerprint, err);

    if (status == RAP_OK && id && known != dim)
        status = encoder_in_use(&used, s, id, err);
    *out = s->encoder && strcmp(s->encoder, fingerprint) == 0 ? s->encoder_dim == dim : !used;
    return status;
}

rap_status encoder_correct(store *s, int64_t id, int dim, rap_err *err)
{
    rap_status status = snapshot_drop(s, id, err);

    if (status == RAP_OK)
        status = db_run(&s->d, err, "DELETE FROM key WHERE encoder_id = ?", "i", id);
    if (status == RAP_OK)
        status =
            db_run(&s->d, err, "UPDATE encoder SET dim = ? WHERE id = ?", "ii", (int64_t)dim, id);
    return status;
}

rap_status store_correct_encoder(store *s, const char *fingerprint, int dim, rap_err *err)
{
    int64_t id = 0, known = 0;
    rap_status status = encoder_find(&id, &known, s, fingerprint, err);

    if (status == RAP_OK && (!s->encoder || strcmp(s->encoder, fingerprint) != 0)) {
        free(s->encoder);
        s->encoder = mem_string(fingerprint);
        if (!s->encoder)
            status = err_memory(err, "reading vectors");
    }
    s->encoder_dim = dim;
    if (status != RAP_OK || !id || known == dim || s->read_only)
        return status;
    status = store_begin(s, STORE_DERIVED, err);
    return status == RAP_OK ? store_end(s, encoder_correct(s, id, dim, err), err) : status;
}

static rap_status encoder_require(int64_t *out_id, store *s, const store_vector *vector,
                                  rap_err *err)
{
    int64_t dim = 0;
    rap_status status = encoder_find(out_id, &dim, s, vector->encoder, err);

    if (status == RAP_OK && *out_id && dim != vector->dim)
        status = encoder_correct(s, *out_id, vector->dim, err);
    if (status != RAP_OK || *out_id)
        return status;
    status = db_run(&s->d, err, "INSERT INTO encoder (fingerprint, dim) VALUES (?, ?)", "si",
                    vector->encoder, (int64_t)vector->dim);
    *out_id = sqlite3_last_insert_rowid(s->d.handle);
    return status;
}

/* A snapshot assumes that a view's vector never changes: if one does, its row is removed. */
static rap_status make_room(store *s, int64_t encoder, int64_t view_id, rap_err *err)
{
    int64_t one = 0;
    bool found = false;
    rap_status status =
        db_int(&one, &found, &s->d, err, "SELECT 1 FROM key WHERE view_id = ? AND encoder_id = ?",
               "ii", view_id, encoder);

    return status == RAP_OK && found ? snapshot_will_scrub(s, encoder, view_id, true, err) : status;
}

bool vector_has_direction(const float *data, int dim)
{
    double square = 0;

    for (int i = 0; i < dim; i++)
        square += (double)data[i] * data[i];
    return square > 0 && isfinite(square);
}

rap_status vector_insert(store *s, int64_t view_id, const store_vector *vector, rap_err *err)
{
    int64_t encoder = 0;
    void *bytes = NULL;
    rap_status status = vector_check(vector, err);

    if (status == RAP_OK)
        status = encoder_require(&encoder, s, vector, err);
    if (status == RAP_OK)
        status = make_room(s, encoder, view_id, err);
    if (status == RAP_OK && !(bytes = vector_bytes(vector->data, (size_t)vector->dim)))
        status = err_memory(err, "storing a vector");
    if (status == RAP_OK)
        status = db_run(&s->d, err,
                        "INSERT INTO key (encoder_id, view_id, vector) VALUES (?, ?, ?)"
                        " ON CONFLICT (view_id, encoder_id) DO UPDATE SET vector = excluded.vector",
                        "iib", encoder, view_id, bytes, (size_t)vector->dim * sizeof(float));
    free(bytes);
    return status;
}

/* A view that another process has forgotten since is RAP_E_NOT_FOUND. */
static rap_status view_require(store *s, int64_t view_id, rap_err *err)
{
    int64_t one = 0;
    bool found = false;
    rap_status status =
        db_int(&one, &found, &s->d, err, "SELECT 1 FROM view WHERE id = ?", "i", view_id);

    if (status == RAP_OK && !found)
        return err_set(err, RAP_E_NOT_FOUND, "%s: there is no view %lld", s->d.path,
                       (long long)view_id);
    return status;
}

rap_status store_put_vector(store *s, int64_t view_id, const store_vector *vector, rap_err *err)
{
    rap_status status = store_begin(s, STORE_DERIVED, err);

    if (status != RAP_OK)
        return status;
    status = view_require(s, view_id, err);
    if (status == RAP_OK)
        status = vector_insert(s, view_id, vector, err);
    if (status == RAP_OK)
        status = unreadable_clear(s, false, view_id, err);
    return store_end(s, status, err);
}

/* ---- what can be computed again ---- */

rap_status vector_read_row(float **out, size_t *out_count, int *out_found, store *s,
                           sqlite3_stmt *statement, rap_err *err)
{
    bool row = false;
    rap_status status = db_step(&row, &s->d, statement, err);

    if (row)
        status = from_column(out, out_count, s, statement, 0, err);
    *out_found = row && status == RAP_OK;
    sqlite3_finalize(statement);
    return status;
}

rap_status store_get_text_vector(store *s, const char *text, const char *encoder, float **out,
                                 int *out_dim, int *out_found, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    size_t count = 0;
    rap_status status;

    *out = NULL;
    *out_dim = *out_found = 0;
    status = db_query(&statement, &s->d, err,
                      "SELECT vector FROM vocabulary WHERE text = ? AND encoder = ?", "ss", text,
                      encoder);
    if (status == RAP_OK)
        status = vector_read_row(out, &count, out_found, s, statement, err);
    *out_dim = (int)count;
    return status;
}

/* Whether a category may be gone since the categories were read: then a word made from them may be the one that
 * was forgotten, and is not stored. */
static rap_status words_are_outdated(bool *out, store *s, rap_err *err)
{
    int64_t one = 0;

    *out = false;
    return s->words_event < 0 ? RAP_OK
                              : db_int(&one, out, &s->d, err,
                                       "SELECT 1 FROM event WHERE id > ?"
                                       " AND what IN ('edit', 'forget', 'import') LIMIT 1",
                                       "i", s->words_event);
}

rap_status store_put_text_vector(store *s, const char *text, const store_vector *vector,
                                 rap_err *err)
{
    void *bytes;
    bool outdated = false;
    rap_status status = vector_check(vector, err);

    if (status == RAP_OK)
        status = store_begin_optional(s, err);
    if (status != RAP_OK)
        return status;
    status = words_are_outdated(&outdated, s, err);
    if (status != RAP_OK || outdated)
        return store_end_cache(s, status, err);
    bytes = vector_bytes(vector->data, (size_t)vector->dim);
    if (!bytes)
        status = err_memory(err, "storing a word");
    else
        status = db_run(&s->d, err,
                        "INSERT INTO vocabulary (text, encoder, vector) VALUES (?, ?, ?)"
                        " ON CONFLICT (text, encoder) DO UPDATE SET vector = excluded.vector",
                        "ssb", text, vector->encoder, bytes, (size_t)vector->dim * sizeof(float));
    free(bytes);
    return store_end_cache(s, status, err);
}
