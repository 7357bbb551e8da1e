/* tokens.c: the image tokens that a language model's projector made of a view: encoded once, not at every
 * question. They can be computed again at any time, so their size is bounded: the least recently used
 * are evicted. Use is recorded by the hour, so that asking rarely writes. */
#include "base/mem.h"
#include "remember/inside.h"

#include <stdlib.h>

#define HOUR_NOW "CAST(strftime('%s', 'now') AS INTEGER) / 3600"

void store_limit_tokens(store *s, int64_t bytes)
{
    s->token_limit = bytes < 0 ? 0 : bytes;
}

/* Best effort: if it fails, the tokens just look older. */
static void note_use(store *s, int64_t view_id, const char *model)
{
    int64_t old = 0;
    bool found = false;
    rap_status status;

    if (s->read_only)
        return;
    status = db_int(&old, &found, &s->d, NULL,
                    "SELECT 1 FROM cache WHERE view_id = ? AND model = ? AND used < " HOUR_NOW,
                    "is", view_id, model);
    if (status != RAP_OK || !found || store_begin_optional(s, NULL) != RAP_OK)
        return;
    status =
        db_run(&s->d, NULL, "UPDATE cache SET used = " HOUR_NOW " WHERE view_id = ? AND model = ?",
               "is", view_id, model);
    store_end_cache(s, status, NULL);
}

rap_status store_count_tokens(store *s, store_kept *out, rap_err *err)
{
    rap_status status = db_int(&out->items, NULL, &s->d, err, "SELECT count(*) FROM cache", "");

    return status == RAP_OK ? db_int(&out->bytes, NULL, &s->d, err,
                                     "SELECT coalesce(sum(size), 0) FROM cache", "")
                            : status;
}

rap_status store_clear_tokens(store *s, rap_err *err)
{
    rap_status status = store_begin(s, STORE_DERIVED, err);

    if (status != RAP_OK)
        return status;
    store_will_delete(s);
    return store_end_cache(s, db_run(&s->d, err, "DELETE FROM cache", ""), err);
}

rap_status store_get_tokens(store *s, int64_t view_id, const char *model, float **out,
                            size_t *out_floats, int *out_found, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    rap_status status;

    *out = NULL;
    *out_floats = 0;
    *out_found = 0;
    status =
        db_query(&statement, &s->d, err, "SELECT tokens FROM cache WHERE view_id = ? AND model = ?",
                 "is", view_id, model);
    if (status == RAP_OK)
        status = vector_read_row(out, out_floats, out_found, s, statement, err);
    if (*out_found)
        note_use(s, view_id, model);
    return status;
}

/* Deletes the least recently used until `size` more bytes fit. */
static rap_status make_room(store *s, int64_t size, rap_err *err)
{
    int64_t total = 0, oldest = 0;
    bool found = true;
    rap_status status;

    do {
        status = db_int(&total, NULL, &s->d, err, "SELECT coalesce(sum(size), 0) FROM cache", "");
        if (status != RAP_OK || total <= s->token_limit - size)
            return status;
        status = db_int(&oldest, &found, &s->d, err,
                        "SELECT id FROM cache ORDER BY used, id LIMIT 1", "");
        if (status == RAP_OK && found)
            status = db_run(&s->d, err, "DELETE FROM cache WHERE id = ?", "i", oldest);
    } while (status == RAP_OK && found);
    return status;
}

static rap_status put(store *s, int64_t view_id, const char *model, const void *bytes, int64_t size,
                      rap_err *err)
{
    int64_t one = 0;
    bool found = false;
    rap_status status =
        db_int(&one, &found, &s->d, err, "SELECT 1 FROM view WHERE id = ?", "i", view_id);

    if (status == RAP_OK && !found) /* another process has forgotten it since */
        return err_set(err, RAP_E_NOT_FOUND, "%s: there is no view %lld", s->d.path,
                       (long long)view_id);
    if (status == RAP_OK)
        status = db_run(&s->d, err, "DELETE FROM cache WHERE view_id = ? AND model = ?", "is",
                        view_id, model);
    if (status == RAP_OK && size <= s->token_limit)
        status = make_room(s, size, err);
    if (status == RAP_OK && size <= s->token_limit)
        status = db_run(&s->d, err,
                        "INSERT INTO cache (view_id, model, used, size, tokens)"
                        " VALUES (?, ?, " HOUR_NOW ", ?, ?)",
                        "isib", view_id, model, size, bytes, (size_t)size);
    return status;
}

rap_status store_put_tokens(store *s, int64_t view_id, const char *model, const float *tokens,
                            size_t floats, rap_err *err)
{
    void *bytes;
    rap_status status;

    if (floats == 0 || floats > STORE_MAX_PICTURE)
        return err_set(err, RAP_E_LIMIT, "%zu numbers of image tokens are not kept", floats);
    status = store_begin_optional(s, err);
    if (status != RAP_OK)
        return status;
    bytes = vector_bytes(tokens, floats);
    if (bytes)
        status = put(s, view_id, model, bytes, (int64_t)(floats * sizeof(float)), err);
    else
        status = err_memory(err, "storing image tokens");
    free(bytes);
    return store_end_cache(s, status, err);
}
