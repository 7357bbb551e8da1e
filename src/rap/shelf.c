/* shelf.c: what a turn evaluated of its concepts goes into files beside the store, and comes from there. */
#include "rap/shelf.h"

#include "base/mem.h"
#include "rap/environment.h"

#include <stdlib.h>

static uint8_t *get(void *payload, const char *name, size_t *out_size)
{
    const shelf *s = payload;

    return store_get_prefix(s->store, name, out_size);
}

static void put(void *payload, const char *name, const uint8_t *bytes, size_t size)
{
    const shelf *s = payload;

    store_put_prefix(s->store, name, s->concept_id, s->concepts, bytes, size);
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

rap_status shelf_init(shelf *out, const prefix_shelf **out_used, rap *r, const rap_matches *m)
{
    int64_t limit = limit_of(r);

    *out = (shelf){ .store = r->store, .concepts = m->count };
    *out_used = NULL;
    store_limit_prefixes(r->store, limit);
    if (limit == 0 || m->count == 0)
        return RAP_OK;
    out->concept_id = mem_array(m->count, sizeof *out->concept_id);
    if (!out->concept_id)
        return err_memory(&r->err, "preparing a question");
    for (size_t i = 0; i < m->count; i++)
        out->concept_id[i] = m->match[i].id;
    out->base = (prefix_shelf){ .payload = out,
                                .limit = (size_t)limit,
                                .get = get,
                                .put = put,
                                .drop = drop };
    *out_used = &out->base;
    return RAP_OK;
}

void shelf_release(shelf *s)
{
    free(s->concept_id);
    *s = (shelf){ .store = NULL };
}
