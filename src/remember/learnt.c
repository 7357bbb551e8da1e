/* learnt.c: see learnt.h. */
#include "remember/learnt.h"

#include "base/mem.h"
#include "remember/inside.h"

#include <stdlib.h>

#define MOST_NUMBERS ((size_t)64 << 20)

rap_status store_put_learnt(store *s, const char *name, const char *method, const char *model,
                            const float *numbers, size_t count, rap_err *err)
{
    int64_t id = 0;
    void *bytes;
    rap_status status;

    if (count == 0 || count > MOST_NUMBERS)
        return err_set(err, RAP_E_LIMIT, "%zu numbers learnt of a concept are not kept", count);
    if (!(bytes = vector_bytes(numbers, count)))
        return err_memory(err, "storing what was learnt");
    status = store_begin(s, STORE_DURABLE, err);
    if (status != RAP_OK) {
        free(bytes);
        return status;
    }
    store_will_delete(s);
    status = name_require(&id, s, name, err);
    if (status == RAP_OK)
        status = db_run(&s->d, err,
                        "DELETE FROM learnt WHERE concept_id = ? AND method = ? AND model = ?",
                        "iss", id, method, model);
    if (status == RAP_OK)
        status = db_run(&s->d, err,
                        "INSERT INTO learnt (concept_id, method, model, made, numbers)"
                        " VALUES (?, ?, ?, " DB_NOW ", ?)",
                        "issb", id, method, model, bytes, count * sizeof(float));
    free(bytes);
    return store_end(s, status, err);
}

void store_learnt_free(store_learnt *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        free(list[i].name);
        free(list[i].numbers);
    }
    free(list);
}

static rap_status read_row(store_learnt *out, store *s, sqlite3_stmt *row, rap_err *err)
{
    size_t bytes = (size_t)sqlite3_column_bytes(row, 1);
    const void *blob = sqlite3_column_blob(row, 1);

    *out = (store_learnt){ .name = mem_string((const char *)sqlite3_column_text(row, 0)),
                           .count = bytes / sizeof(float) };
    if (!blob || bytes % sizeof(float) != 0 || out->count > MOST_NUMBERS)
        return err_set(err, RAP_E_FORMAT, "%s: damaged: what was learnt of a concept is cut off",
                       s->d.path);
    out->numbers = mem_array(out->count, sizeof *out->numbers);
    if (!out->name || !out->numbers)
        return err_memory(err, "reading what was learnt");
    vector_copy(out->numbers, blob, out->count);
    return RAP_OK;
}

rap_status store_get_learnt(store *s, const char *method, const char *model, store_learnt **out,
                            size_t *out_count, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    size_t room = 0;
    bool row = true;
    rap_status status;

    *out = NULL;
    *out_count = 0;
    if (s->unlearnt) /* a store of an older version that is only read */
        return RAP_OK;
    status = db_query(&statement, &s->d, err,
                      "SELECT n.text, l.numbers FROM learnt l"
                      " JOIN name n ON n.concept_id = l.concept_id AND n.alias = 0"
                      " WHERE l.method = ? AND l.model = ? ORDER BY n.folded",
                      "ss", method, model);
    while (status == RAP_OK && (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row) {
        store_learnt *grown = mem_grow(*out, *out_count, &room, sizeof *grown);

        if (!grown) {
            status = err_memory(err, "reading what was learnt");
            break;
        }
        *out = grown;
        status = read_row(&grown[(*out_count)++], s, statement, err);
    }
    sqlite3_finalize(statement);
    if (status != RAP_OK) {
        store_learnt_free(*out, *out_count);
        *out = NULL;
        *out_count = 0;
    }
    return status;
}

rap_status store_each_view(store *s, int64_t concept_id, store_on_view *on_view, void *payload,
                           rap_err *err)
{
    store_picture picture;
    int64_t after = 0;
    bool found = true;
    rap_status status = store_avatar(s, concept_id, &picture, err);

    while (status == RAP_OK && found) {
        status = on_view(picture.view_id, &picture, payload, err);
        store_picture_release(&picture);
        if (status == RAP_OK)
            status = picture_next(&picture, &found, s, concept_id, after, err);
        after = picture.view_id;
    }
    return status;
}
