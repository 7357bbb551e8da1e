/* concept.c: adds, changes and forgets concepts. Each public function is one transaction around the
 * functions that other files share (inside.h). */
#include "base/mem.h"
#include "base/text_fold.h"
#include "remember/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* ---- inside a transaction ---- */

static rap_status write_event(store *s, int64_t id, const char *what, rap_err *err)
{
    return db_run(&s->d, err, "INSERT INTO event (at, what, concept_id) VALUES (" DB_NOW ", ?, ?)",
                  "si", what, id);
}

rap_status concept_touch(store *s, int64_t id, const char *what, rap_err *err)
{
    rap_status status =
        db_run(&s->d, err, "UPDATE concept SET updated = " DB_NOW " WHERE id = ?", "i", id);

    return status == RAP_OK ? write_event(s, id, what, err) : status;
}

rap_status concept_insert(int64_t *out_id, store *s, const store_concept *c, rap_err *err)
{
    const char *const *alias;
    char *category = NULL;
    rap_status status = category_check(&category, c->category ? c->category : "", err);

    if (status == RAP_OK)
        status = info_check(c->info ? c->info : "", err);
    if (status == RAP_OK)
        status = db_run(&s->d, err,
                        "INSERT INTO concept (category, info, automatic, created, updated)"
                        " VALUES (?, ?, ?, " DB_NOW ", " DB_NOW ")",
                        "ssi", category, c->info ? c->info : "",
                        (int64_t)(c->automatic & RAP_AUTOMATIC_BOTH));
    free(category);
    if (status != RAP_OK)
        return status;
    *out_id = sqlite3_last_insert_rowid(s->d.handle);
    status = name_insert(s, *out_id, c->name, false, err);
    for (alias = c->aliases; status == RAP_OK && alias && *alias; alias++)
        status = name_insert(s, *out_id, *alias, true, err);
    return status;
}

/* Words of the detector that served only a category which no concept has any more. */
static rap_status forget_words(store *s, const char *category, rap_err *err)
{
    int64_t users = 0;
    char *folded = text_fold(category);
    rap_status status;

    if (!folded)
        return err_memory(err, "forgetting a category");
    status =
        db_int(&users, NULL, &s->d, err,
               "SELECT count(*) FROM concept WHERE category = ? COLLATE NOCASE", "s", category);
    if (status == RAP_OK && users == 0 && *folded)
        status = db_run(&s->d, err,
                        "DELETE FROM vocabulary WHERE instr(text, ?) > 0 OR instr(text, ?) > 0",
                        "ss", category, folded);
    free(folded);
    return status;
}

static rap_status read_category(char **out, store *s, int64_t id, rap_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    rap_status status =
        db_query(&statement, &s->d, err, "SELECT category FROM concept WHERE id = ?", "i", id);

    *out = NULL;
    if (status == RAP_OK)
        status = db_step(&row, &s->d, statement, err);
    if (status == RAP_OK && !(*out = row ? db_text(statement, 0) : mem_string("")))
        status = err_memory(err, "reading a category");
    sqlite3_finalize(statement);
    return status;
}

static rap_status set_category(store *s, int64_t id, const char *text, rap_err *err)
{
    char *category = NULL, *old = NULL;
    rap_status status = category_check(&category, text, err);

    if (status == RAP_OK)
        status = read_category(&old, s, id, err);
    if (status == RAP_OK)
        status =
            db_run(&s->d, err, "UPDATE concept SET category = ? WHERE id = ?", "si", category, id);
    if (status == RAP_OK)
        status = forget_words(s, old, err);
    free(old);
    free(category);
    return status;
}

/* A text that is given anew is a model's or no longer. */
static rap_status set_automatic(store *s, int64_t id, const store_concept *change, rap_err *err)
{
    int given =
        (change->info ? RAP_AUTOMATIC_INFO : 0) | (change->category ? RAP_AUTOMATIC_CATEGORY : 0);

    if (!given)
        return RAP_OK;
    return db_run(&s->d, err, "UPDATE concept SET automatic = (automatic & ?1) | ?2 WHERE id = ?3",
                  "iii", (int64_t)(RAP_AUTOMATIC_BOTH & ~given),
                  (int64_t)(change->automatic & given), id);
}

rap_status concept_set(store *s, int64_t id, const store_concept *change, rap_err *err)
{
    rap_status status = RAP_OK;

    store_will_delete(s);
    if (change->name)
        status = name_rename(s, id, change->name, err);
    if (status == RAP_OK && change->category)
        status = set_category(s, id, change->category, err);
    if (status == RAP_OK && change->info)
        status = info_check(change->info, err);
    if (status == RAP_OK && change->info)
        status =
            db_run(&s->d, err, "UPDATE concept SET info = ? WHERE id = ?", "si", change->info, id);
    if (status == RAP_OK)
        status = set_automatic(s, id, change, err);
    if (status == RAP_OK && change->aliases)
        status = name_set_aliases(s, id, change->aliases, err);
    return status;
}

static rap_status insert_picture(store *s, int64_t id, const store_view *view,
                                 const store_vector *vector, bool avatar, rap_err *err)
{
    int64_t view_id = 0;
    rap_status status = view_insert(&view_id, s, id, view, avatar, err);

    return status == RAP_OK && vector ? vector_insert(s, view_id, vector, err) : status;
}

/* ---- whole changes ---- */

rap_status store_add_views(store *s, int64_t *out_id, const store_concept *c,
                           const store_view *view, const store_vector *vector, size_t count,
                           rap_err *err)
{
    int64_t id = 0;
    rap_status status;

    if (out_id)
        *out_id = 0;
    if (!view || count == 0)
        return err_set(err, RAP_E_ARGUMENT, "a concept needs a picture");
    if (count > STORE_MAX_VIEWS)
        return err_set(err, RAP_E_LIMIT,
                       "a concept is remembered with at most %d pictures, got %zu", STORE_MAX_VIEWS,
                       count);
    status = store_begin(s, STORE_DURABLE, err);
    if (status != RAP_OK)
        return status;
    status = concept_insert(&id, s, c, err);
    for (size_t i = 0; status == RAP_OK && i < count; i++)
        status = insert_picture(s, id, &view[i], vector ? &vector[i] : NULL, i == 0, err);
    if (status == RAP_OK)
        status = write_event(s, id, "add", err);
    status = store_end(s, status, err);
    if (status == RAP_OK && out_id)
        *out_id = id;
    return status;
}

rap_status store_add(store *s, int64_t *out_id, const store_concept *c, const store_view *view,
                     const store_vector *vector, rap_err *err)
{
    return store_add_views(s, out_id, c, view, vector, 1, err);
}

static rap_status change_texts(store *s, int64_t id, const store_change *change, rap_err *err)
{
    const store_concept texts = { change->name, change->category, change->info, change->aliases,
                                  change->automatic };
    const char *const *alias;
    rap_status status = RAP_OK;

    for (alias = change->remove_alias; status == RAP_OK && alias && *alias; alias++)
        status = name_remove_alias(s, id, *alias, err);
    if (status == RAP_OK)
        status = concept_set(s, id, &texts, err);
    for (alias = change->add_alias; status == RAP_OK && alias && *alias; alias++)
        status = name_insert(s, id, *alias, true, err);
    return status;
}

rap_status store_update(store *s, const char *name, const store_change *change, rap_err *err)
{
    int64_t id = 0;
    rap_status status = store_begin(s, STORE_DURABLE, err);

    if (status != RAP_OK)
        return status;
    status = name_require(&id, s, name, err);
    if (status == RAP_OK)
        status = change_texts(s, id, change, err);
    if (status == RAP_OK && change->avatar)
        status = insert_picture(s, id, change->avatar, change->avatar_vector, true, err);
    if (status == RAP_OK && change->view)
        status = insert_picture(s, id, change->view, change->view_vector, false, err);
    if (status == RAP_OK)
        status = concept_touch(s, id, "edit", err);
    return store_end(s, status, err);
}

rap_status store_add_view(store *s, const char *name, const store_view *view,
                          const store_vector *vector, rap_err *err)
{
    int64_t id = 0;
    rap_status status;

    if (!view)
        return err_set(err, RAP_E_ARGUMENT, "a view needs a picture");
    status = store_begin(s, STORE_DURABLE, err);
    if (status != RAP_OK)
        return status;
    status = name_require(&id, s, name, err);
    if (status == RAP_OK)
        status = insert_picture(s, id, view, vector, false, err);
    if (status == RAP_OK)
        status = concept_touch(s, id, "view", err);
    return store_end(s, status, err);
}

static rap_status change_alias(store *s, const char *name, const char *alias, bool add,
                               rap_err *err)
{
    int64_t id = 0;
    rap_status status = store_begin(s, STORE_DURABLE, err);

    if (status != RAP_OK)
        return status;
    status = name_require(&id, s, name, err);
    if (status == RAP_OK)
        status = add ? name_insert(s, id, alias, true, err)
                     : name_remove_alias(s, id, alias ? alias : "", err);
    if (status == RAP_OK)
        status = concept_touch(s, id, add ? "alias" : "unalias", err);
    return store_end(s, status, err);
}

rap_status store_add_alias(store *s, const char *name, const char *alias, rap_err *err)
{
    return change_alias(s, name, alias, true, err);
}

rap_status store_remove_alias(store *s, const char *name, const char *alias, rap_err *err)
{
    return change_alias(s, name, alias, false, err);
}

static rap_status forget_one(store *s, int64_t id, rap_err *err)
{
    char *category = NULL;
    rap_status status = read_category(&category, s, id, err);

    if (status == RAP_OK)
        status = snapshot_will_scrub_concept(s, id, err);
    if (status == RAP_OK) { /* deletes its names, views, pictures, keys and caches too */
        store_will_delete(s);
        status = db_run(&s->d, err, "DELETE FROM concept WHERE id = ?", "i", id);
    }
    if (status == RAP_OK)
        status = forget_words(s, category, err);
    if (status == RAP_OK)
        status = write_event(s, id, "forget", err);
    free(category);
    return status;
}

/* Finds all names before it deletes a concept: two of them may name the same one. */
static rap_status forget_named(store *s, int64_t *ids, const char *const *names, rap_err *err)
{
    size_t count = 0;
    rap_status status = RAP_OK;

    for (const char *const *name = names; status == RAP_OK && *name; name++) {
        size_t i = 0;

        status = name_require(&ids[count], s, *name, err);
        while (i < count && ids[i] != ids[count])
            i++;
        count += i == count;
    }
    for (size_t i = 0; status == RAP_OK && i < count; i++)
        status = forget_one(s, ids[i], err);
    return status;
}

rap_status store_forget_all(store *s, const char *const *names, rap_err *err)
{
    size_t count = 0;
    int64_t *ids;
    rap_status status;

    while (names[count])
        count++;
    ids = mem_array(count + 1, sizeof *ids);
    if (!ids)
        return err_memory(err, "forgetting");
    status = store_begin(s, STORE_DURABLE, err);
    if (status == RAP_OK)
        status = store_end(s, forget_named(s, ids, names, err), err);
    free(ids);
    return status;
}

rap_status store_forget(store *s, const char *name, rap_err *err)
{
    const char *const names[] = { name, NULL };

    return store_forget_all(s, names, err);
}
