/* measure_weighted.c: see measure_weighted.h. */
#include "eval/published/measure_weighted.h"

#include "eval/metrics.h"

double weighted_positive(weighted_counts c)
{
    return metrics_ratio(c.right[1], c.asked[1]);
}

double weighted_negative(weighted_counts c)
{
    return metrics_ratio(c.right[0], c.asked[0]);
}

double weighted_accuracy(weighted_counts c)
{
    return (weighted_positive(c) + weighted_negative(c)) / 2;
}

weighted_counts measure_weighted(const list *l, const char *const *answer, bool without_twice)
{
    weighted_counts c = { .listed_twice = 0 };

    for (size_t i = 0; i < list_count(l); i++) {
        const json_t *item = list_item(l, i);
        int yes = json_is_true(json_object_get(item, "yes"));
        int positive = !json_is_true(json_object_get(item, "negative"));

        c.listed_twice += yes && !positive;
        if (yes && !positive && without_twice)
            continue;
        c.asked[positive]++;
        c.right[positive] += metrics_yes_no(answer[i] ? answer[i] : "") == yes;
    }
    return c;
}
