/* unreadable.c: pictures that gave no vector are marked with the reader that failed, the decoder or the maker of
 * vectors, which skips them from then on. Another version of either tries again. A mark goes with its picture, which
 * never changes. If marks cannot be written the handle remembers them. */
#include "base/mem.h"
#include "remember/inside.h"

#include <stdlib.h>
#include <string.h>

rap_status store_set_decoder(store *s, const char *decoder, rap_err *err)
{
    free(s->decoder);
    s->decoder = mem_string(decoder);
    return s->decoder ? RAP_OK : err_memory(err, "opening a store");
}

/* ---- marking ---- */

static rap_status keep_mark(store *s, bool refusal, int64_t id, rap_err *err)
{
    unread *grown = realloc(s->unread, (s->unread_count + 1) * sizeof *grown);

    if (!grown)
        return err_memory(err, "marking a picture");
    s->unread = grown;
    s->unread[s->unread_count++] = (unread){ refusal, id };
    return RAP_OK;
}

rap_status unreadable_clear(store *s, bool refusal, int64_t id, rap_err *err)
{
    return db_run(&s->d, err,
                  refusal ? "DELETE FROM unreadable WHERE refusal_id = ?"
                          : "DELETE FROM unreadable WHERE view_id = ?",
                  "i", id);
}

/* A picture that another process has forgotten since gets none. */
static rap_status write_mark(store *s, bool refusal, int64_t id, const char *reader)
{
    rap_status status = store_begin_optional(s, NULL);

    if (status != RAP_OK)
        return status;
    status = unreadable_clear(s, refusal, id, NULL);
    if (status == RAP_OK)
        status = db_run(
            &s->d, NULL,
            refusal
                ? "INSERT INTO unreadable (refusal_id, reader) SELECT id, ? FROM refusal WHERE id "
                  "= ?"
                : "INSERT INTO unreadable (view_id, reader) SELECT id, ? FROM view WHERE id = ?",
            "si", reader, id);
    return store_end_cache(s, status, NULL);
}

rap_status store_mark_unreadable(store *s, int64_t id, int is_refusal, const char *reader,
                                 rap_err *err)
{
    if (!s->read_only && write_mark(s, is_refusal != 0, id, reader) == RAP_OK)
        return RAP_OK;
    return keep_mark(s, is_refusal != 0, id, err);
}

/* ---- passing over ---- */

static bool is_kept(const store *s, bool refusal, int64_t id)
{
    for (size_t i = 0; i < s->unread_count; i++)
        if (s->unread[i].refusal == refusal && s->unread[i].id == id)
            return true;
    return false;
}

static rap_status is_marked(bool *out, store *s, bool refusal, int64_t id, const char *maker,
                            rap_err *err)
{
    int64_t one = 0;

    return db_int(&one, out, &s->d, err,
                  refusal ? "SELECT 1 FROM unreadable WHERE refusal_id = ? AND reader IN (?, ?)"
                          : "SELECT 1 FROM unreadable WHERE view_id = ? AND reader IN (?, ?)",
                  "iss", id, maker, s->decoder);
}

rap_status unreadable_pass_over(int64_t *ids, size_t *count, store *s, bool refusal,
                                const char *maker, rap_err *err)
{
    int64_t one = 0;
    size_t kept = 0;
    bool any = false;
    rap_status status = RAP_OK;

    if (*count > 0 && !s->unmarked)
        status = db_int(&one, &any, &s->d, err, "SELECT 1 FROM unreadable LIMIT 1", "");
    for (size_t i = 0; status == RAP_OK && i < *count; i++) {
        bool marked = is_kept(s, refusal, ids[i]);

        if (!marked && any)
            status = is_marked(&marked, s, refusal, ids[i], maker, err);
        if (!marked)
            ids[kept++] = ids[i];
    }
    *count = kept;
    return status;
}

/* ---- whose they are ---- */

/* Finalizes the statement, whose rows are names. */
static rap_status add_names(char ***out, size_t *out_count, store *s, sqlite3_stmt *rows,
                            rap_err *err)
{
    bool row = false;
    rap_status status = RAP_OK;

    while (status == RAP_OK && (status = db_step(&row, &s->d, rows, err)) == RAP_OK && row) {
        const char *name = (const char *)sqlite3_column_text(rows, 0);
        char **grown;
        bool there = false;

        for (size_t i = 0; name && i < *out_count; i++)
            there |= strcmp((*out)[i], name) == 0;
        if (there)
            continue;
        grown = realloc(*out, (*out_count + 1) * sizeof *grown);
        if (grown)
            *out = grown;
        if (!grown || !name || !(grown[*out_count] = mem_string(name)))
            status = err_memory(err, "listing pictures");
        else
            ++*out_count;
    }
    sqlite3_finalize(rows);
    return status;
}

#define NAME_OF(table) \
    "SELECT n.text FROM " table " v JOIN name n ON n.concept_id = v.concept_id AND n.alias = 0 "

rap_status store_unreadable(store *s, char ***out, size_t *out_count, rap_err *err)
{
    sqlite3_stmt *rows = NULL;
    rap_status status = RAP_OK;

    *out = NULL;
    *out_count = 0;
    if (!s->unmarked)
        status = db_query(
            &rows, &s->d, err,
            NAME_OF("view") "WHERE v.id IN (SELECT view_id FROM unreadable) UNION " NAME_OF(
                "refusal") "WHERE v.id IN"
                           " (SELECT refusal_id FROM unreadable)",
            "");
    if (rows)
        status = add_names(out, out_count, s, rows, err);
    for (size_t i = 0; status == RAP_OK && i < s->unread_count; i++) {
        status = db_query(&rows, &s->d, err,
                          s->unread[i].refusal ? NAME_OF("refusal") "WHERE v.id = ?"
                                               : NAME_OF("view") "WHERE v.id = ?",
                          "i", s->unread[i].id);
        if (status == RAP_OK)
            status = add_names(out, out_count, s, rows, err);
    }
    if (status != RAP_OK) {
        store_strings_free(*out, *out_count);
        *out = NULL;
        *out_count = 0;
    }
    return status;
}
