/* measure_names.c: see measure_names.h. */
#include "eval/published/measure_names.h"

#include "base/mem.h"
#include "eval/published/name_pool.h"

#include <stdlib.h>
#include <string.h>

/* Marks the targets of an item; how many different ones there are. */
static int mark_targets(unsigned char *target, const name_pool *n, const json_t *wanted, int value)
{
    int count = 0;

    for (size_t i = 0; i < json_array_size(wanted); i++) {
        long group = name_pool_group(n, json_string_value(json_array_get(wanted, i)));

        if (group == NAME_NONE || target[group] == value)
            continue;
        target[group] = (unsigned char)value;
        count++;
    }
    return count;
}

static void count(metrics_counts *out, const name_pool *n, unsigned char *target,
                  const json_t *wanted)
{
    int targets = mark_targets(target, n, wanted, 1), hits = 0;

    for (size_t i = 0; i < n->found_count; i++)
        hits += target[n->found[i]];
    out->hit += hits;
    out->extra += (int)n->found_count - hits;
    out->missed += targets - hits;
    mark_targets(target, n, wanted, 0);
}

rap_status measure_names(metrics_counts *out, const list *l, const char *const *answer,
                         const json_t *known, rap_err *err)
{
    name_pool n = { .count = 0 };
    unsigned char *target = NULL;
    rap_status status = name_pool_init(&n, known, NAME_WHOLE, err);

    memset(out, 0, sizeof *out);
    if (status == RAP_OK && !(target = mem_array(n.groups + 1, 1)))
        status = err_memory(err, "comparing names");
    for (size_t i = 0; status == RAP_OK && i < list_count(l); i++) {
        status = name_pool_find(&n, answer[i] ? answer[i] : "", err);
        if (status == RAP_OK)
            count(out, &n, target, json_object_get(list_item(l, i), "names"));
    }
    name_pool_release(&n);
    free(target);
    return status;
}
