/* shelf.c: what a turn evaluated of its concepts goes into files beside the store, and comes from there. */
#include "rap/shelf.h"

#include "base/mem.h"
#include "rap/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *get(void *payload, const char *name, size_t *out_size)
{
    const shelf *s = payload;

    return store_get_prefix(s->store, name, out_size);
}

static void put(void *payload, const char *name, const uint8_t *bytes, size_t size)
{
    const shelf *s = payload;

    store_put_prefix(s->store, name, s->concept, s->concepts, bytes, size);
}

static void drop(void *payload, const char *name)
{
    const shelf *s = payload;

    store_drop_prefix(s->store, name);
}

static int64_t limit_of(const rap *r)
{
    int mib = r->options.prefix_cache_mib;

    if (mib == 0)
        mib = environment_prefix_cache_mib();
    if (mib == 0)
        mib = r->profile->prefix_cache;
    return mib > 0 ? (int64_t)mib << 20 : 0;
}

/* The concept as it is in the match: one that another process has changed since then has no stamp. */
static bool stamp(store_stamp *out, rap *r, const rap_match *m)
{
    rap_record *record = NULL;
    bool same = store_find_id(r->store, m->id, &record, NULL) == RAP_OK &&
                strcmp(record->name, m->name) == 0 && strcmp(record->info, m->info) == 0 &&
                strlen(record->updated) < sizeof out->updated;

    out->concept_id = m->id;
    if (same)
        snprintf(out->updated, sizeof out->updated, "%s", record->updated);
    store_record_free(record);
    return same;
}

rap_status shelf_init(shelf *out, const prefix_shelf **out_used, rap *r, const rap_matches *m)
{
    int64_t limit = limit_of(r);
    bool same = true;

    *out = (shelf){ .store = r->store, .concepts = m->count };
    *out_used = NULL;
    store_limit_prefixes(r->store, limit);
    if (limit == 0 || m->count == 0)
        return RAP_OK;
    out->concept = mem_array(m->count, sizeof *out->concept);
    if (!out->concept)
        return err_memory(&r->err, "preparing a question");
    for (size_t i = 0; same && i < m->count; i++)
        same = stamp(&out->concept[i], r, &m -> match[i]);
    out->base = (prefix_shelf){
        .payload = out, .limit = (size_t)limit, .get = get, .put = put, .drop = drop
    };
    *out_used = same ? &out->base : NULL;
    return RAP_OK;
}

void shelf_release(shelf *s)
{
    free(s->concept);
    *s = (shelf){ .store = NULL };
}
