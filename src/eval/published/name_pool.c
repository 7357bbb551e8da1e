/* name_pool.c: see name_pool.h. Names are looked up by the words of a caption; only whole names, which may have several
 * words, are searched for one by one. */
#include "eval/published/name_pool.h"

#include "base/mem.h"
#include "base/text_fold.h"
#include "base/text_search.h"
#include "eval/published/words.h"

#include <stdlib.h>
#include <string.h>

typedef struct name_key {
    const char *form; /* borrowed from an entry */
    size_t group;
} name_key;

/* "<Bo>" is Bo; a bracket on one side alone stays. */
static char *without_brackets(const char *text)
{
    size_t len = strlen(text);

    return len >= 2 && text[0] == '<' && text[len - 1] == '>' ? mem_string_n(text + 1, len - 2)
                                                              : mem_string(text);
}

static bool fill(name_entry *e, const char *raw, name_rule rule)
{
    e->raw = raw;
    if (rule == NAME_WHOLE) {
        e->bare = text_fold_name(raw);
        return e->bare;
    }
    e->full = rule == NAME_WORDS ? words_lower(raw) : mem_string(raw);
    e->bare = e->full ? without_brackets(e->full) : NULL;
    return e->bare;
}

static int by_bare(const void *a, const void *b)
{
    const name_entry *x = a, *y = b;
    int order = strcmp(x->bare, y->bare);

    return order ? order : strcmp(x->raw, y->raw);
}

static int by_form(const void *a, const void *b)
{
    return strcmp(((const name_key *)a)->form, ((const name_key *)b)->form);
}

/* Leaves each name once, and gives those that are one for the rule one number. */
static void group(name_pool *n)
{
    size_t kept = 0;

    qsort(n->entry, n->count, sizeof *n->entry, by_bare);
    for (size_t i = 0; i < n->count; i++) {
        name_entry *e = &n->entry[i], *last = kept ? &n->entry[kept - 1] : NULL;

        if (last && strcmp(last->raw, e->raw) == 0) {
            free(e->bare);
            free(e->full);
            continue;
        }
        if (!last || strcmp(last->bare, e->bare) != 0)
            n->first[n->groups++] = kept;
        e->group = n->groups - 1;
        n->entry[kept++] = *e;
    }
    n->count = kept;
    n->first[n->groups] = kept;
}

static void index_forms(name_pool *n)
{
    for (size_t i = 0; i < n->count; i++) {
        const name_entry *e = &n->entry[i];

        n->key[n->keys++] = (name_key){ e->bare, e->group };
        if (e->full)
            n->key[n->keys++] = (name_key){ e->full, e->group };
    }
    qsort(n->key, n->keys, sizeof *n->key, by_form);
}

rap_status name_pool_init(name_pool *out, const json_t *all, name_rule rule, rap_err *err)
{
    size_t count = json_array_size(all);
    bool good;

    memset(out, 0, sizeof *out);
    out->rule = rule;
    out->entry = mem_array(count + 1, sizeof *out->entry);
    out->first = mem_array(count + 2, sizeof *out->first);
    out->key = mem_array(2 * count + 1, sizeof *out->key);
    out->found = mem_array(count + 1, sizeof *out->found);
    out->is_found = mem_array(count + 1, 1);
    good = out->entry && out->first && out->key && out->found && out->is_found;
    for (size_t i = 0; good && i < count; i++) {
        const char *raw = json_string_value(json_array_get(all, i));

        if (raw)
            good = fill(&out->entry[out->count++], raw, rule);
    }
    if (!good) {
        name_pool_release(out);
        return err_memory(err, "comparing names");
    }
    group(out);
    index_forms(out);
    return RAP_OK;
}

void name_pool_release(name_pool *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->entry[i].bare);
        free(n->entry[i].full);
    }
    free(n->entry);
    free(n->first);
    free(n->key);
    free(n->found);
    free(n->is_found);
    memset(n, 0, sizeof *n);
}

/* ---- searching ---- */

static long lookup(const name_pool *n, const char *form)
{
    const name_key wanted = { form, 0 };
    const name_key *key = bsearch(&wanted, n->key, n->keys, sizeof wanted, by_form);

    return key ? (long)key->group : NAME_NONE;
}

static void mark(name_pool *n, size_t group)
{
    if (!n->is_found[group])
        n->found[n->found_count++] = group;
    n->is_found[group] = 1;
}

static int find_words(name_pool *n, const char *caption)
{
    words w;
    int failed = words_split(&w, caption);

    for (size_t i = 0; !failed && i < w.count; i++) {
        char *form = n->rule == NAME_WORDS ? words_lower(w.word[i]) : w.word[i];
        long group = form ? lookup(n, form) : NAME_NONE;

        failed = !form;
        if (group != NAME_NONE)
            mark(n, (size_t)group);
        if (form != w.word[i])
            free(form);
    }
    words_release(&w);
    return failed;
}

static int find_whole(name_pool *n, const char *caption)
{
    text_search search;
    bool good = text_search_init(&search, caption);

    for (size_t g = 0; good && g < n->groups; g++) {
        const char *name = n->entry[n->first[g]].bare;

        if (*name && text_search_find(&search, name, 0) >= 0)
            mark(n, g);
    }
    text_search_release(&search);
    return !good;
}

rap_status name_pool_find(name_pool *n, const char *caption, rap_err *err)
{
    int failed;

    for (size_t i = 0; i < n->found_count; i++)
        n->is_found[n->found[i]] = 0;
    n->found_count = 0;
    failed = n->rule == NAME_WHOLE ? find_whole(n, caption) : find_words(n, caption);
    return failed ? err_memory(err, "comparing names") : RAP_OK;
}

long name_pool_group(const name_pool *n, const char *name)
{
    name_entry e = { NULL, NULL, NULL, 0 };
    long group = fill(&e, name, n->rule) ? lookup(n, e.bare) : NAME_NONE;

    free(e.bare);
    free(e.full);
    return group;
}
