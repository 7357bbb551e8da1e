/* given.c: comparing with the store, then the records. */
#include "rap/given.h"

#include "base/hash.h"
#include "base/mem.h"
#include "rap/name_list.h"
#include "rap/retrieve.h"

#include <stdlib.h>
#include <string.h>

void given_release(given *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->item[i].name);
    free(g->item);
    *g = (given){ .item = NULL };
}

static given_concept *find(const given *g, int64_t id)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->item[i].id == id)
            return &g->item[i];
    return NULL;
}

const given_concept *given_find(const given *g, int64_t id)
{
    return find(g, id);
}

/* ---- comparing with the store ---- */

static uint64_t sum_of(const char *name, const char *info)
{
    return hash_fast(info, strlen(info), hash_fast(name, strlen(name), 1));
}

/* Is another picture the concept's now? */
static rap_status compare_picture(given_concept *c, store *s, rap_err *err)
{
    store_picture avatar = { 0 };
    rap_status status = store_avatar(s, c->id, &avatar, err);

    c->edited |= status == RAP_OK && avatar.view_id != c->view_id;
    store_picture_release(&avatar);
    return status;
}

static rap_status compare(given_concept *c, store *s, rap_err *err)
{
    rap_record *record = NULL;
    rap_status status = store_find_id(s, c->id, &record, err);

    if (status == RAP_OK) {
        c->edited = c->told != sum_of(record->name, record->info ? record->info : "");
        if (!c->edited && c->view_id)
            status = compare_picture(c, s, err);
    }
    store_record_free(record);
    if (status == RAP_E_NOT_FOUND) {
        err_clear(err);
        c->forgotten = true;
        c->edited = false;
        status = RAP_OK;
    }
    return status;
}

rap_status given_review(given *g, rap *r)
{
    int64_t now = store_generation(r->store);
    rap_status status = RAP_OK;

    if (g->count == 0 || now == g->generation)
        return RAP_OK;
    for (size_t i = 0; status == RAP_OK && i < g->count; i++)
        status = compare(&g->item[i], r->store, &r->err);
    if (status == RAP_OK)
        g->generation = now; /* read before, so that a change in between is noticed next time */
    return status;
}

/* ---- the records ---- */

static void drop_forgotten(given *g)
{
    size_t kept = 0;

    for (size_t i = 0; i < g->count; i++) {
        if (g->item[i].forgotten)
            free(g->item[i].name);
        else
            g->item[kept++] = g->item[i];
    }
    g->count = kept;
}

rap_status given_note(given *g, const rap_matches *m, const int64_t *view_id, rap_err *err)
{
    given_concept *more = realloc(g->item, (g->count + m->count + 1) * sizeof *more);

    if (!more)
        return err_memory(err, "continuing a conversation");
    g->item = more;
    for (size_t i = 0; i < m->count; i++) {
        const rap_match *match = &m->match[i];
        char *name = mem_string(match->name);
        given_concept *c = find(g, match->id);

        if (!name)
            return err_memory(err, "continuing a conversation");
        if (!c)
            c = &g->item[g->count++];
        else
            free(c->name);
        *c = (given_concept){ .id = match->id,
                              .name = name,
                              .told = sum_of(match->name, match->info),
                              .view_id = view_id[i] };
    }
    drop_forgotten(g);
    return RAP_OK;
}

static const char **list(const given *g, bool edited)
{
    const char **name = mem_array(g->count, sizeof *name), **out = NULL;
    size_t count = 0;

    for (size_t i = 0; name && i < g->count; i++)
        if (edited ? g->item[i].edited : g->item[i].forgotten)
            name[count++] = g->item[i].name;
    if (name)
        out = name_list_new(name, count);
    free(name);
    return out;
}

const char **given_edited(const given *g)
{
    return list(g, true);
}

const char **given_forgotten(const given *g)
{
    return list(g, false);
}

rap_status given_named(const char ***out, const given *g, rap *r, const char *text)
{
    const char **name;
    int64_t *id = NULL;
    int count = 0;
    size_t used = 0;
    rap_status status = RAP_OK;

    *out = NULL;
    if (g->count > 0)
        status = retrieve_named(r, text, RAP_POLICY_DEFAULT, &id, &count);
    if (status != RAP_OK)
        return status;
    name = mem_array((size_t)count, sizeof *name);
    for (int i = 0; name && i < count; i++) {
        const given_concept *c = find(g, id[i]);

        if (c)
            name[used++] = c->name;
    }
    if (name)
        *out = name_list_new(name, used);
    free(name);
    free(id);
    return *out ? RAP_OK : err_memory(&r->err, "keeping an answer");
}
