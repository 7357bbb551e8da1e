/* index.c: a union of what hangs together, then a sort. */
#include "dataset/index.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- each item once ---- */

static int by_key(const void *a, const void *b)
{
    const index_entry *x = a, *y = b;

    return strcmp(x->item->key, y->item->key);
}

static rap_status collect(dataset_index *x, const dataset_pool *pool, rap_err *err)
{
    size_t room = 0, kept = 0;

    for (int k = 0; k < KIND_COUNT; k++)
        room += pool->kind[k].count;
    x->entry = mem_array(room ? room : 1, sizeof *x->entry);
    if (!x->entry)
        return err_memory(err, "listing items");
    for (int k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; i < pool->kind[k].count; i++)
            x->entry[x->count++].item = pool->kind[k].choice[i].item;
    qsort(x->entry, x->count, sizeof *x->entry, by_key);
    for (size_t i = 0; i < x->count; i++)
        if (i == 0 || x->entry[i].item != x->entry[i - 1].item)
            x->entry[kept++] = x->entry[i];
    x->count = kept;
    return RAP_OK;
}

/* ---- what hangs together ---- */

typedef struct groups {
    size_t *parent; /* [entries] */
    struct {
        uint64_t hash; /* of an object's or a picture's name; 0: empty */
        size_t entry;
    } * seen; /* [room] */
    size_t room;
} groups;

static size_t root_of(groups *g, size_t i)
{
    while (g->parent[i] != i)
        i = g->parent[i] = g->parent[g->parent[i]];
    return i;
}

/* The smaller root stays: a group is known by its first key. */
static void unite(groups *g, size_t a, size_t b)
{
    a = root_of(g, a);
    b = root_of(g, b);
    if (a < b)
        g->parent[b] = a;
    else
        g->parent[a] = b;
}

static void meet(groups *g, const char *name, size_t entry)
{
    uint64_t hash = hash_fast(name, strlen(name), 1) | 1;
    size_t at = (size_t)hash & (g->room - 1);

    while (g->seen[at].hash != 0 && g->seen[at].hash != hash)
        at = (at + 1) & (g->room - 1);
    if (g->seen[at].hash == 0) {
        g->seen[at].hash = hash;
        g->seen[at].entry = entry;
    } else {
        unite(g, g->seen[at].entry, entry);
    }
}

typedef struct group {
    uint64_t number; /* drawn */
    size_t root, size;
} group;

static int by_number(const void *a, const void *b)
{
    const group *x = a, *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->root > y->root) - (x->root < y->root);
}

static rap_status hold_out(dataset_index *x, groups *g, uint64_t seed, double validation,
                           rap_err *err)
{
    group *list = mem_array(x->count + 1, sizeof *list);
    double target = validation * (double)x->count;
    size_t held = 0, count = 0;

    if (!list)
        return err_memory(err, "splitting a data set");
    for (size_t i = 0; i < x->count; i++) {
        draw d = draw_for(seed, "split", x->entry[i].item->key);

        list[i] = (group){ draw_bits(&d), i, 0 };
    }
    for (size_t i = 0; i < x->count; i++)
        list[root_of(g, i)].size++;
    for (size_t i = 0; i < x->count; i++)
        if (list[i].size > 0)
            list[count++] = list[i];
    qsort(list, count, sizeof *list, by_number);
    for (size_t i = 0; i < count; i++)
        if ((double)held + (double)list[i].size / 2 <= target &&
            (held + list[i].size < x->count || validation >= 1)) {
            held += list[i].size;
            x->entry[list[i].root].side = SIDE_VALIDATION;
        }
    for (size_t i = 0; i < x->count; i++)
        x->entry[i].side = x->entry[root_of(g, i)].side;
    free(list);
    return RAP_OK;
}

static rap_status divide(dataset_index *x, uint64_t seed, double validation, rap_err *err)
{
    groups g = { .room = 64 };
    rap_status status;

    while (g.room < x->count * 8)
        g.room *= 2;
    g.parent = mem_array(x->count ? x->count : 1, sizeof *g.parent);
    g.seen = mem_array(g.room, sizeof *g.seen);
    if (!g.parent || !g.seen) {
        free(g.parent);
        free(g.seen);
        return err_memory(err, "splitting a data set");
    }
    for (size_t i = 0; i < x->count; i++)
        g.parent[i] = i;
    for (size_t i = 0; i < x->count; i++) {
        const dataset_item *item = x->entry[i].item;

        meet(&g, item->identity, i);
        if (item->concept.picture)
            meet(&g, item->concept.picture, i);
        if (item->query.picture)
            meet(&g, item->query.picture, i);
        if (item->scene)
            meet(&g, item->scene, i);
    }
    status = hold_out(x, &g, seed, validation, err);
    free(g.parent);
    free(g.seen);
    return status;
}

/* ---- order ---- */

static int by_place(const void *a, const void *b)
{
    const index_entry *x = a, *y = b;
    int order;

    if (x->side != y->side)
        return x->side < y->side ? -1 : 1;
    order = strcmp(x->item->category, y->item->category);
    return order != 0 ? order : strcmp(x->item->key, y->item->key);
}

rap_status index_open(dataset_index *out, const dataset_pool *pool, uint64_t seed,
                      double validation, rap_err *err)
{
    rap_status status;

    memset(out, 0, sizeof *out);
    status = collect(out, pool, err);
    if (status == RAP_OK)
        status = divide(out, seed, validation, err);
    if (status != RAP_OK) {
        index_release(out);
        return status;
    }
    qsort(out->entry, out->count, sizeof *out->entry, by_place);
    for (size_t i = 0, category = 0; i < out->count; i++) {
        if (i > 0 && (out->entry[i].side != out->entry[i - 1].side ||
                      strcmp(out->entry[i].item->category, out->entry[i - 1].item->category) != 0))
            category++;
        out->entry[i].category = (int)category;
        out->side_first[out->entry[i].side + 1] = i + 1;
    }
    if (out->side_first[2] == 0) /* nothing is held out */
        out->side_first[2] = out->side_first[1];
    return RAP_OK;
}

void index_release(dataset_index *x)
{
    free(x->entry);
    memset(x, 0, sizeof *x);
}

/* ---- lookup ---- */

const index_entry *index_find(const dataset_index *x, const dataset_item *item)
{
    for (int side = 0; side < 2; side++) {
        index_entry key = { .item = item, .side = side };
        const index_entry *found = bsearch(&key, x->entry, x->count, sizeof key, by_place);

        if (found && found->item == item)
            return found;
    }
    return NULL;
}

split_side index_side(const dataset_index *x, const dataset_item *item)
{
    const index_entry *entry = index_find(x, item);

    return entry ? entry->side : SIDE_TRAIN;
}

static int same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

int index_apart(const dataset_item *item, const dataset_item *other)
{
    int apart = other->concept.picture && strcmp(item->identity, other->identity) != 0 &&
                !same_text(item->query.picture, other->query.picture) &&
                !same_text(item->query.picture, other->concept.picture) &&
                !same_text(item->scene, other->scene);

    for (int i = 0; apart && i < item->companions; i++)
        apart = strcmp(item->company[i], other->identity) != 0;
    return apart;
}

const dataset_item *index_other(const dataset_index *x, const dataset_item *item, int same_category,
                                draw *d)
{
    enum { TRIES = 64 };
    const index_entry *self = index_find(x, item);
    size_t from, to;

    if (!self)
        return NULL;
    from = x->side_first[self->side];
    to = x->side_first[self->side + 1];
    if (same_category == 1) {
        size_t at = (size_t)(self - x->entry);

        for (from = at; from > 0 && x->entry[from - 1].category == self->category;)
            from--;
        for (to = at; to < x->count && x->entry[to].category == self->category;)
            to++;
    }
    for (int i = 0; i < TRIES && to > from; i++) {
        const index_entry *other = &x->entry[from + draw_below(d, to - from)];

        if (index_apart(item, other->item) &&
            (same_category != 0 || other->category != self->category))
            return other->item;
    }
    return NULL;
}
