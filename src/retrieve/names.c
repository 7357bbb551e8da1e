/* names.c: every occurrence of a name is a hit; of overlapping hits the longest is kept. */
#include "retrieve/names.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text_search.h"

#include <stdlib.h>
#include <string.h>

struct names {
    store_name *name;
    size_t count;
};

typedef struct name_hit {
    int64_t id;
    size_t start, len;
} name_hit;

typedef struct name_hits {
    name_hit *hit;
    size_t count, cap;
} name_hits;

rap_status names_load(names **out, store *s, rap_err *err)
{
    names *n = mem_array(1, sizeof *n);
    rap_status status;

    *out = NULL;
    if (!n)
        return err_memory(err, "reading the names");
    status = store_names(s, &n->name, &n->count, err);
    if (status == RAP_OK)
        *out = n;
    else
        names_free(n);
    return status;
}

void names_free(names *n)
{
    if (!n)
        return;
    store_names_free(n->name, n->count);
    free(n);
}

static int add_hit(name_hits *hits, int64_t id, size_t start, size_t len)
{
    if (hits->count == hits->cap) {
        size_t cap = hits->cap ? 2 * hits->cap : 16;
        name_hit *more = realloc(hits->hit, cap * sizeof *more);

        if (!more)
            return 0;
        hits->hit = more;
        hits->cap = cap;
    }
    hits->hit[hits->count++] = (name_hit){ id, start, len };
    return 1;
}

/* All occurrences of one name. Those of one name do not overlap, so the search continues after each. */
static int find_places(name_hits *hits, const text_search *text, const char *name, int64_t id)
{
    size_t len = strlen(name), from = 0;
    long at;

    while ((at = text_search_find(text, name, from)) >= 0) {
        if (!add_hit(hits, id, (size_t)at, len))
            return 0;
        from = (size_t)at + len;
    }
    return 1;
}

static int longest_first(const void *left, const void *right)
{
    const name_hit *a = left, *b = right;

    if (a->len != b->len)
        return a->len > b->len ? -1 : 1;
    return (a->start > b->start) - (a->start < b->start);
}

static int in_order(const void *left, const void *right)
{
    const name_hit *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Drops hits that overlap a longer one. */
static void drop_overlaps(name_hits *hits)
{
    size_t kept = 0;

    if (hits->count)
        qsort(hits->hit, hits->count, sizeof *hits->hit, longest_first);
    for (size_t i = 0; i < hits->count; i++) {
        const name_hit h = hits->hit[i];
        size_t j = 0;

        while (j < kept && (h.start + h.len <= hits->hit[j].start ||
                            hits->hit[j].start + hits->hit[j].len <= h.start))
            j++;
        if (j == kept)
            hits->hit[kept++] = h;
    }
    hits->count = kept;
}

static int find_words(name_hits *hits, const names *n, const char *text)
{
    text_search searched;
    int ok = text_search_init(&searched, text);

    for (size_t i = 0; ok && i < n->count; i++)
        ok = find_places(hits, &searched, n->name[i].folded, n->name[i].concept_id);
    text_search_release(&searched);
    if (ok)
        drop_overlaps(hits);
    return ok;
}

/* The official rule; `start` is the id, so that sorting gives the order in which concepts were stored. */
static int find_tags(name_hits *hits, const names *n, const char *text)
{
    buf tag = BUF_INIT;
    int ok = 1;

    for (size_t i = 0; ok && i < n->count; i++) {
        if (n->name[i].is_alias)
            continue;
        buf_clear(&tag);
        buf_printf(&tag, "<%s>", n->name[i].text);
        ok = !buf_failed(&tag);
        if (ok && strstr(text, buf_text(&tag)))
            ok = add_hit(hits, n->name[i].concept_id, (size_t)n->name[i].concept_id, 1);
    }
    buf_release(&tag);
    return ok;
}

/* Distinct ids in order of the hits. */
static int take_ids(const name_hits *hits, int64_t **out, int *out_count)
{
    *out = mem_array(hits->count, sizeof **out);
    for (size_t i = 0; *out && i < hits->count; i++) {
        int j = 0;

        while (j < *out_count && (*out)[j] != hits->hit[i].id)
            j++;
        if (j == *out_count)
            (*out)[(*out_count)++] = hits->hit[i].id;
    }
    return *out != NULL;
}

rap_status names_find(const names *n, const char *text, rap_policy policy, int64_t **out,
                      int *out_count, rap_err *err)
{
    name_hits hits = { 0 };
    int ok;

    *out = NULL;
    *out_count = 0;
    ok = policy == RAP_POLICY_PAPER ? find_tags(&hits, n, text) : find_words(&hits, n, text);
    if (ok && hits.count)
        qsort(hits.hit, hits.count, sizeof *hits.hit, in_order);
    ok = ok && take_ids(&hits, out, out_count);
    free(hits.hit);
    return ok ? RAP_OK : err_memory(err, "searching for names");
}
