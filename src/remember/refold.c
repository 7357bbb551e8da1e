/* refold.c: see refold.h. Rows whose folded form stays are not touched; the others are first renamed to
 * placeholders, because one may take a form that another gives up. */
#include "remember/refold.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text_fold.h"
#include "remember/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most names that may fold to one: the search for a free number must end. */
enum { MOST_ALIKE = 10000 };

/* A row whose folded form changes. */
typedef struct old_name {
    int64_t id, concept_id;
    bool alias;
    char *text;
} old_name;

typedef struct old_names {
    old_name *name; /* [count] */
    size_t count, room;
} old_names;

/* ---- a name that is free ---- */

/* "José" → "José (2)", shortened if that would be too long. */
static char *with_number(const char *text, int number)
{
    char tail[24];
    size_t tail_len = (size_t)snprintf(tail, sizeof tail, " (%d)", number), len = strlen(text);
    buf b = BUF_INIT;

    if (len + tail_len > STORE_MAX_NAME)
        len = STORE_MAX_NAME - tail_len;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    buf_add(&b, text, len);
    buf_puts(&b, tail);
    return buf_detach(&b);
}

/* Sets both; false: out of memory. */
static bool take_name(char **out, char **out_folded, char *text)
{
    free(*out);
    free(*out_folded);
    *out = text;
    *out_folded = text ? text_fold_name(text) : NULL;
    return *out_folded != NULL;
}

rap_status refold_free_name(char **out, char **out_folded, const char *text, refold_taken *taken,
                            void *payload, rap_err *err)
{
    char *plain = text_plain_name(text), *folded = plain ? text_fold_name(plain) : NULL;
    bool is_taken = true;
    rap_status status = RAP_OK;

    *out = *out_folded = NULL;
    if (folded && text_is_blank(folded)) { /* of invisible characters only */
        free(plain);
        plain = mem_string("unnamed");
    }
    free(folded);
    for (int number = 1; status == RAP_OK && is_taken; number++) {
        if (number > MOST_ALIKE)
            status = err_set(err, RAP_E_LIMIT, "more than %d names are '%s' when they are folded",
                             (int)MOST_ALIKE, plain);
        else if (!plain || !take_name(out, out_folded,
                                      number == 1 ? mem_string(plain) : with_number(plain, number)))
            status = err_memory(err, "folding a name");
        else
            status = taken(&is_taken, *out_folded, payload, err);
    }
    free(plain);
    if (status != RAP_OK) {
        free(*out);
        free(*out_folded);
        *out = *out_folded = NULL;
    }
    return status;
}

/* ---- what changes ---- */

static rap_status add_name(old_names *all, sqlite3_stmt *row, rap_err *err)
{
    if (all->count == all->room) {
        size_t room = all->room ? 2 * all->room : 64;
        old_name *more = realloc(all->name, room * sizeof *more);

        if (!more)
            return err_memory(err, "folding names");
        all->name = more;
        all->room = room;
    }
    all->name[all->count] = (old_name){ sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                                        sqlite3_column_int(row, 2) != 0, db_text(row, 3) };
    return all->name[all->count++].text ? RAP_OK : err_memory(err, "folding names");
}

static rap_status add_if_changed(old_names *all, sqlite3_stmt *row, rap_err *err)
{
    const char *text = (const char *)sqlite3_column_text(row, 3);
    char *plain = text ? text_plain_name(text) : NULL,
         *folded = plain ? text_fold_name(plain) : NULL;
    bool same = folded && strcmp(plain, text) == 0 && *folded &&
                strcmp(folded, (const char *)sqlite3_column_text(row, 4)) == 0;
    rap_status status = RAP_OK;

    if (!folded)
        status = err_memory(err, "folding names");
    else if (!same)
        status = add_name(all, row, err);
    free(plain);
    free(folded);
    return status;
}

static rap_status find_changed(old_names *out, db *d, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status =
        db_query(&statement, d, err,
                 "SELECT id, concept_id, alias, text, folded FROM name ORDER BY alias, id", "");

    while (status == RAP_OK && (status = db_step(&row, d, statement, err)) == RAP_OK && row)
        status = add_if_changed(out, statement, err);
    sqlite3_finalize(statement);
    return status;
}

/* ---- one row ---- */

typedef struct target {
    db *d;
    int64_t concept_id; /* its own names do not conflict */
} target;

static rap_status taken_by_another(bool *out, const char *folded, void *payload, rap_err *err)
{
    const target *t = payload;
    int64_t others = 0;
    rap_status status = db_int(&others, NULL, t->d, err,
                               "SELECT count(*) FROM name WHERE folded = ? AND concept_id <> ?",
                               "si", folded, t->concept_id);

    *out = others > 0;
    return status;
}

/* The concept's own names of this folded form: the name stays, an alias is dropped. */
static rap_status settle_own(bool *out_done, db *d, const old_name *name, const char *folded,
                             rap_err *err)
{
    int64_t own = 0;
    rap_status status = RAP_OK;

    *out_done = false;
    if (!name->alias)
        return db_run(d, err, "DELETE FROM name WHERE folded = ? AND concept_id = ? AND alias = 1",
                      "si", folded, name->concept_id);
    status =
        db_int(&own, NULL, d, err, "SELECT count(*) FROM name WHERE folded = ? AND concept_id = ?",
               "si", folded, name->concept_id);
    *out_done = own > 0;
    if (status == RAP_OK && own > 0)
        status = db_run(d, err, "DELETE FROM name WHERE id = ?", "i", name->id);
    return status;
}

static rap_status refold_one(db *d, const old_name *name, rap_err *err)
{
    target t = { d, name->concept_id };
    char *text = NULL, *folded = NULL, *plain = text_plain_name(name->text);
    bool done = false;
    rap_status status = refold_free_name(&text, &folded, name->text, taken_by_another, &t, err);

    if (status == RAP_OK)
        status = settle_own(&done, d, name, folded, err);
    if (status == RAP_OK && !done)
        status = db_run(d, err, "UPDATE name SET text = ?, folded = ? WHERE id = ?", "ssi", text,
                        folded, name->id);
    if (status == RAP_OK && !done && plain && strcmp(plain, text) != 0)
        status = db_run(d, err,
                        "INSERT INTO event (at, what, concept_id) VALUES (" DB_NOW ", 'rename', ?)",
                        "i", name->concept_id);
    free(plain);
    free(text);
    free(folded);
    return status;
}

rap_status refold_names(db *d, rap_err *err)
{
    old_names all = { NULL, 0, 0 };
    rap_status status = find_changed(&all, d, err);

    for (size_t i = 0; status == RAP_OK && i < all.count; i++)
        status = db_run(d, err, "UPDATE name SET folded = char(1) || id WHERE id = ?", "i",
                        all.name[i].id);
    for (size_t i = 0; status == RAP_OK && i < all.count; i++)
        status = refold_one(d, &all.name[i], err);
    for (size_t i = 0; i < all.count; i++)
        free(all.name[i].text);
    free(all.name);
    return status;
}

/* ---- stores that are only read ---- */

static void fold_name(sqlite3_context *context, int count, sqlite3_value **value)
{
    const char *text = (const char *)sqlite3_value_text(value[0]);
    char *folded = text ? text_fold_name(text) : NULL;

    (void)count;
    if (folded)
        sqlite3_result_text(context, folded, -1, free);
    else
        sqlite3_result_error_nomem(context);
}

rap_status refold_function(db *d, rap_err *err)
{
    if (sqlite3_create_function_v2(d->handle, "fold_name", 1,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                   fold_name, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(d, "opening", err);
    return RAP_OK;
}
