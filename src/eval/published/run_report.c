/* run_report.c: the score of a list, and how it changes as the store grows: table, JSON and picture. */
#include "eval/published/published.h"

#include "eval/bars.h"

void published_print(FILE *out, const published_report *r)
{
    score_print(out, &r->score);
    if (r->steps == 0)
        return;
    fprintf(out, "\n%8s %9s  %s (%%)\n", "concepts", "questions", r->growth_measure);
    for (int i = 0; i < r->steps; i++)
        fprintf(out, "%8d %9d  %.1f\n", r->step[i].concepts, r->step[i].items,
                100 * r->step[i].value);
}

json_t *published_json(const published_report *r)
{
    json_t *out = score_json(&r->score), *steps;

    if (!out || r->steps == 0)
        return out;
    steps = json_array();
    for (int i = 0; i < r->steps; i++)
        json_array_append_new(steps,
                              json_pack("{s:i, s:i, s:f}", "concepts", r->step[i].concepts, "items",
                                        r->step[i].items, "value", r->step[i].value));
    json_object_set_new(out, "growth",
                        json_pack("{s:s, s:o}", "measure", r->growth_measure, "steps", steps));
    return out;
}

rap_status published_draw(const published_report *r, const char *png, rap_err *err)
{
    bar_group group = { .bars = r->steps };

    snprintf(group.title, sizeof group.title, "%s in %%, and of how many questions",
             r->growth_measure);
    for (int i = 0; i < r->steps; i++) {
        group.bar[i] = (bar){ .share = r->step[i].value, .items = r->step[i].items };
        snprintf(group.bar[i].label, sizeof group.bar[i].label, "%d concepts", r->step[i].concepts);
    }
    return bars_draw(&group, 1, png, err);
}
