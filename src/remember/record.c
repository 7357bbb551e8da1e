/* record.c: lists and searches concepts, names and categories. Reads no
 * picture. */
#include "base/mem.h"
#include "base/text.h"
#include "base/text_fold.h"
#include "remember/inside.h"
#include "remember/schema.h"

#include <stdlib.h>
#include <string.h>

/* ---- one record ---- */

static const char record_sql[] =
    "SELECT c.id, n.text, c.category, c.info, c.created, c.updated,"
    " (SELECT count(*) FROM view v WHERE v.concept_id = c.id), %s"
    " FROM name n CROSS JOIN concept c ON c.id = n.concept_id AND n.alias = 0 ";

void store_record_free(rap_record *record)
{
    if (!record)
        return;
    free((char *)record->name);
    free((char *)record->category);
    free((char *)record->info);
    free((char *)record->created);
    free((char *)record->updated);
    for (const char *const *alias = record->aliases; alias && *alias; alias++)
        free((char *)*alias);
    free((void *)record->aliases);
    free(record);
}

/* One statement serves all records: preparing one for each would cost more than all the rest. */
rap_status record_query(record_rows *out, db *d, const char *rest, rap_err *err)
{
    char sql[512];
    bool automatic = false;
    rap_status status = schema_has_automatic(&automatic, d, err);
    size_t used;

    *out = (record_rows){ d, NULL, NULL };
    sqlite3_snprintf(sizeof sql, sql, record_sql, automatic ? "c.automatic" : "0");
    used = strlen(sql);
    sqlite3_snprintf((int)(sizeof sql - used), sql + used, "%s", rest);
    if (status == RAP_OK)
        status = db_query(&out->rows, d, err, sql, "");
    if (status == RAP_OK)
        status = db_query(
            &out->aliases, d, err,
            "SELECT text FROM name WHERE concept_id = ? AND alias = 1 ORDER BY folded", "");
    return status;
}

void record_finish(record_rows *r)
{
    sqlite3_finalize(r->rows);
    sqlite3_finalize(r->aliases);
    *r = (record_rows){ NULL, NULL, NULL };
}

static rap_status read_aliases(const char *const **out, record_rows *r, int64_t id, rap_err *err)
{
    char **aliases = mem_array(1, sizeof *aliases), **grown;
    size_t count = 0;
    bool row = false;
    rap_status status = aliases ? RAP_OK : err_memory(err, "reading aliases");

    sqlite3_bind_int64(r->aliases, 1, id);
    while (status == RAP_OK && (status = db_step(&row, r->d, r->aliases, err)) == RAP_OK && row) {
        grown = realloc(aliases, (count + 2) * sizeof *aliases);
        if (grown) {
            aliases = grown;
            aliases[count] = db_text(r->aliases, 0);
            aliases[count + 1] = NULL;
        }
        if (!grown || !aliases[count++])
            status = err_memory(err, "reading aliases");
    }
    sqlite3_reset(r->aliases);
    *out = (const char *const *)aliases;
    return status;
}

static rap_status read_record(rap_record **out, record_rows *r, rap_err *err)
{
    rap_record *record = mem_array(1, sizeof *record);
    sqlite3_stmt *row = r->rows;
    rap_status status;

    *out = NULL;
    if (!record)
        return err_memory(err, "reading a concept");
    record->id = sqlite3_column_int64(row, 0);
    record->name = db_text(row, 1);
    record->category = db_text(row, 2);
    record->info = db_text(row, 3);
    record->created = db_text(row, 4);
    record->updated = db_text(row, 5);
    record->views = sqlite3_column_int(row, 6);
    record->automatic = sqlite3_column_int(row, 7);
    if (!record->name || !record->category || !record->info || !record->created || !record->updated)
        status = err_memory(err, "reading a concept");
    else
        status = read_aliases(&record->aliases, r, record->id, err);
    if (status != RAP_OK) {
        store_record_free(record);
        return status;
    }
    *out = record;
    return RAP_OK;
}

rap_status record_next(rap_record **out, record_rows *r, rap_err *err)
{
    bool row = false;
    rap_status status = db_step(&row, r->d, r->rows, err);

    *out = NULL;
    return status == RAP_OK && row ? read_record(out, r, err) : status;
}

/* ---- finding ---- */

rap_status store_count(store *s, int64_t *out, rap_err *err)
{
    *out = 0;
    return db_int(out, NULL, &s->d, err, DB_COUNT("concept"), "");
}

rap_status store_find_id(store *s, int64_t id, rap_record **out, rap_err *err)
{
    record_rows r;
    rap_status status = record_query(&r, &s->d, "WHERE n.concept_id = ?", err);

    *out = NULL;
    if (status == RAP_OK) {
        sqlite3_bind_int64(r.rows, 1, id);
        status = record_next(out, &r, err);
    }
    if (status == RAP_OK && !*out)
        status =
            err_set(err, RAP_E_NOT_FOUND, "%s: there is no concept %lld", s->d.path, (long long)id);
    record_finish(&r);
    return status;
}

rap_status store_find(store *s, const char *name, rap_record **out, rap_err *err)
{
    int64_t id = 0;
    rap_status status;

    *out = NULL;
    status = name_require(&id, s, name, err);
    return status == RAP_OK ? store_find_id(s, id, out, err) : status;
}

/* ---- listing ---- */

static bool text_matches(const char *text, const char *folded_search)
{
    char *folded = text_fold(text);
    bool found = folded && strstr(folded, folded_search);

    free(folded);
    return found;
}

/* The text is also searched as a name: "<bo>" finds bo. */
static bool record_matches(const rap_record *record, const char *folded_search,
                           const char *folded_name)
{
    if (!folded_search || text_matches(record->name, folded_name) ||
        text_matches(record->category, folded_search) || text_matches(record->info, folded_search))
        return true;
    for (const char *const *alias = record->aliases; *alias; alias++)
        if (text_matches(*alias, folded_name))
            return true;
    return false;
}

/* The folded text to search for; NULL: everything. */
typedef struct listing {
    char *after, *search, *name; /* name: the search as a name */
} listing;

static const char *order_sql(const store *s, bool after)
{
    if (s->folds_anew)
        return after ? "WHERE fold_name(n.text) > ? ORDER BY fold_name(n.text)"
                     : "ORDER BY fold_name(n.text)";
    return after ? "WHERE n.folded > ? ORDER BY n.folded" : "ORDER BY n.folded";
}

static rap_status walk(store *s, const listing *l, rap_on_record *on_record, void *payload,
                       rap_err *err)
{
    record_rows r;
    rap_record *record = NULL;
    rap_status status = record_query(&r, &s->d, order_sql(s, l->after != NULL), err);

    if (status == RAP_OK && l->after)
        sqlite3_bind_text(r.rows, 1, l->after, -1, SQLITE_STATIC);
    while (status == RAP_OK && (status = record_next(&record, &r, err)) == RAP_OK && record) {
        if (record_matches(record, l->search, l->name) && on_record(record, payload) != 0)
            status = err_set(err, RAP_E_CANCELLED, "stopped by the caller");
        store_record_free(record);
    }
    record_finish(&r);
    return status;
}

rap_status store_each_after(store *s, const char *after, const char *search,
                            rap_on_record *on_record, void *payload, rap_err *err)
{
    listing l = { NULL, NULL, NULL };
    rap_status status;

    if (after && !text_is_utf8(after))
        return err_set(err, RAP_E_ARGUMENT, "the name to begin after is not valid UTF-8");
    if (search && !text_is_utf8(search))
        return err_set(err, RAP_E_ARGUMENT, "the text to search for is not valid UTF-8");
    l.after = after ? text_fold_name(after) : NULL;
    l.search = search ? text_fold(search) : NULL;
    l.name = search ? text_fold_name(search) : NULL;
    if ((after && !l.after) || (search && (!l.search || !l.name)))
        status = err_memory(err, "searching");
    else
        status = walk(s, &l, on_record, payload, err);
    change_noticed(s);
    free(l.after);
    free(l.search);
    free(l.name);
    return status;
}

rap_status store_each(store *s, const char *search, rap_on_record *on_record, void *payload,
                      rap_err *err)
{
    return store_each_after(s, NULL, search, on_record, payload, err);
}

/* ---- names and categories ---- */

/* An array that fits `count` rows of a table, and one more. */
static rap_status make_room(void **out, size_t *out_room, store *s, const char *count_sql,
                            size_t size, rap_err *err)
{
    int64_t count = 0;
    rap_status status = db_int(&count, NULL, &s->d, err, count_sql, "");

    *out_room = (size_t)count;
    if (status == RAP_OK && !(*out = mem_array((size_t)count + 1, size)))
        status = err_memory(err, "reading names");
    return status;
}

static rap_status read_names(store_name **out, size_t *out_count, store *s, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    size_t room = 0;
    bool row = false;
    void *names = NULL;
    rap_status status = make_room(&names, &room, s, DB_COUNT("name"), sizeof **out, err);

    *out = names;
    if (status == RAP_OK)
        status = db_query(
            &statement, &s->d, err,
            s->folds_anew ? "SELECT concept_id, text, alias, fold_name(text) FROM name ORDER BY id"
                          : "SELECT concept_id, text, alias, folded FROM name ORDER BY id",
            "");
    while (status == RAP_OK && *out_count < room &&
           (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row) {
        store_name *name = &(*out)[*out_count];

        name->concept_id = sqlite3_column_int64(statement, 0);
        name->text = db_text(statement, 1);
        name->is_alias = sqlite3_column_int(statement, 2);
        name->folded = db_text(statement, 3);
        ++*out_count;
        if (!name->text || !name->folded)
            status = err_memory(err, "reading names");
    }
    sqlite3_finalize(statement);
    return status;
}

rap_status store_names(store *s, store_name **out, size_t *out_count, rap_err *err)
{
    rap_status status;

    *out = NULL;
    *out_count = 0;
    status = db_begin_reading(&s->d, err);
    if (status == RAP_OK)
        status = db_end(&s->d, read_names(out, out_count, s, err), err);
    change_noticed(s);
    if (status != RAP_OK) {
        store_names_free(*out, *out_count);
        *out = NULL;
        *out_count = 0;
    }
    return status;
}

void store_names_free(store_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i].text);
        free(names[i].folded);
    }
    free(names);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "dog" and "Dog" are one category: sorts and drops duplicates. */
static void unite(char **strings, size_t *count)
{
    size_t kept = 0;

    qsort(strings, *count, sizeof *strings, compare_strings);
    for (size_t i = 0; i < *count; i++) {
        if (kept && strcmp(strings[kept - 1], strings[i]) == 0)
            free(strings[i]);
        else
            strings[kept++] = strings[i];
    }
    *count = kept;
}

/* From one distinct category to the next through the index: as many steps as categories, not concepts. */
static const char categories_sql[] =
    "WITH RECURSIVE step(category) AS ("
    " SELECT min(category COLLATE NOCASE) FROM concept UNION ALL"
    " SELECT (SELECT min(c.category COLLATE NOCASE) FROM concept c"
    "  WHERE c.category COLLATE NOCASE > step.category) FROM step WHERE step.category IS NOT NULL)"
    " SELECT category FROM step WHERE category <> ''";

static rap_status add_category(char ***out, size_t *out_count, const char *text, rap_err *err)
{
    bool full = (*out_count & (*out_count + 1)) == 0; /* room for 2^n − 1, and one more */
    char **grown = full ? realloc(*out, (2 * *out_count + 2) * sizeof *grown) : *out;

    if (!grown)
        return err_memory(err, "reading categories");
    *out = grown;
    grown[*out_count] = text ? text_fold(text) : NULL;
    if (!grown[*out_count])
        return err_memory(err, "reading categories");
    ++*out_count;
    return RAP_OK;
}

/* Scans all concepts: only used if there are too many categories. */
static const char common_categories_sql[] =
    "SELECT category FROM concept WHERE category <> '' GROUP BY category COLLATE NOCASE"
    " ORDER BY count(*) DESC, category COLLATE NOCASE LIMIT ?1";

static rap_status read_categories(char ***out, size_t *out_count, store *s, const char *sql,
                                  int64_t most, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status =
        db_int(&s->words_event, NULL, &s->d, err, "SELECT coalesce(max(id), 0) FROM event", "");

    if (status == RAP_OK)
        status = sql == categories_sql ? db_query(&statement, &s->d, err, sql, "")
                                       : db_query(&statement, &s->d, err, sql, "i", most);
    *out = mem_array(1, sizeof **out);
    if (status == RAP_OK && !*out)
        status = err_memory(err, "reading categories");
    while (status == RAP_OK && (status = db_step(&row, &s->d, statement, err)) == RAP_OK && row)
        status = add_category(out, out_count, (const char *)sqlite3_column_text(statement, 0), err);
    sqlite3_finalize(statement);
    if (status == RAP_OK)
        unite(*out, out_count);
    return status;
}

static rap_status read_up_to(char ***out, size_t *out_count, store *s, size_t most, rap_err *err)
{
    rap_status status = read_categories(out, out_count, s, categories_sql, 0, err);
    if (status != RAP_OK || *out_count <= most)
        return status;
    store_strings_free(*out, *out_count);
    *out_count = 0;
    return read_categories(out, out_count, s, common_categories_sql, (int64_t)most, err);
}

rap_status store_categories(store *s, size_t most, char ***out, size_t *out_count, rap_err *err)
{
    rap_status status;

    *out = NULL;
    *out_count = 0;
    status = db_begin_reading(&s->d, err);
    if (status == RAP_OK)
        status = db_end(&s->d, read_up_to(out, out_count, s, most, err), err);
    if (status != RAP_OK) {
        store_strings_free(*out, *out_count);
        *out = NULL;
        *out_count = 0;
    }
    return status;
}

void store_strings_free(char **strings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
    free(strings);
}
