/* measure_repic.c: see measure_repic.h. */
#include "eval/published/measure_repic.h"

#include "eval/metrics.h"

#include <string.h>

double repic_precision(repic_counts c)
{
    return metrics_ratio(c.hits, c.hits + c.misses);
}

double repic_recall(repic_counts c)
{
    return metrics_ratio(c.hits, c.targets);
}

double repic_f1(repic_counts c)
{
    double precision = repic_precision(c), recall = repic_recall(c);

    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0.0;
}

/* Has every caption so many targets? */
static bool all_have(const list *l, size_t targets)
{
    for (size_t i = 0; i < list_count(l); i++)
        if (json_array_size(json_object_get(list_item(l, i), "names")) != targets)
            return false;
    return true;
}

name_rule repic_rule(const list *l)
{
    return all_have(l, 2) ? NAME_WORDS_CASE : NAME_WORDS;
}

json_t *repic_names(const list *l)
{
    json_t *all = json_array();

    for (size_t i = 0; all && i < list_count(l); i++)
        if (json_array_extend(all, json_object_get(list_item(l, i), "names")) != 0) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

static bool is_target(const json_t *targets, const char *raw)
{
    for (size_t i = 0; i < json_array_size(targets); i++)
        if (strcmp(json_string_value(json_array_get(targets, i)), raw) == 0)
            return true;
    return false;
}

/* Does the caption name a concept that is no target? Targets are compared as they are written, as the scripts do:
 * "<Bo>" is another concept than "<bo>", though they are found by the same word. */
static bool names_another(const name_pool *n, const json_t *targets)
{
    for (size_t i = 0; i < n->found_count; i++) {
        size_t group = n->found[i];

        for (size_t e = n->first[group]; e < n->first[group + 1]; e++)
            if (!is_target(targets, n->entry[e].raw))
                return true;
    }
    return false;
}

/* The same where every caption has one target, and for whole names: compared in the rule's form. */
static bool names_another_group(const name_pool *n, const json_t *targets)
{
    for (size_t i = 0; i < n->found_count; i++) {
        bool target = false;

        for (size_t t = 0; !target && t < json_array_size(targets); t++)
            target = name_pool_group(n, json_string_value(json_array_get(targets, t))) ==
                     (long)n->found[i];
        if (!target)
            return true;
    }
    return false;
}

static void count(repic_counts *out, const name_pool *n, const json_t *targets, bool by_group)
{
    bool another = by_group ? names_another_group(n, targets) : names_another(n, targets);

    for (size_t t = 0; t < json_array_size(targets); t++) {
        long group = name_pool_group(n, json_string_value(json_array_get(targets, t)));
        bool hit = group != NAME_NONE && n->is_found[group];

        out->targets++;
        out->hits += hit;
        out->misses += !hit && another;
    }
}

rap_status measure_repic(repic_counts *out, const list *l, const char *const *answer,
                         name_rule rule, rap_err *err)
{
    json_t *all = repic_names(l);
    name_pool n = { .count = 0 };
    bool by_group = rule == NAME_WHOLE || all_have(l, 1);
    rap_status status;

    memset(out, 0, sizeof *out);
    status = all ? name_pool_init(&n, all, rule, err) : err_memory(err, "comparing names");
    for (size_t i = 0; status == RAP_OK && i < list_count(l); i++) {
        status = name_pool_find(&n, answer[i] ? answer[i] : "", err);
        if (status == RAP_OK)
            count(out, &n, json_object_get(list_item(l, i), "names"), by_group);
    }
    name_pool_release(&n);
    json_decref(all);
    return status;
}
