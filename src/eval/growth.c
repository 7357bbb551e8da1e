/* growth.c: the questions of a set, and retrieval, as the store grows: with the first 10, 20, 50 … concepts that the set asks
 * about. Asked are the items whose concepts are all among them. */
#include "eval/ablation.h"
#include "eval/bars.h"
#include "eval/eval.h"
#include "eval/items.h"
#include "eval/name_index.h"

#include <stdio.h>
#include <string.h>

/* The concepts of each item of the tasks that are measured, a list of lists. */
static rap_status asked_about(json_t **out, const eval_run_state *run, rap_err *err)
{
    static const char *const tasks[] = { "caption", "recognition", "vqa", "text_qa", "retrieval" };
    rap_status status = RAP_OK;

    *out = json_array();
    for (size_t t = 0; status == RAP_OK && t < sizeof tasks / sizeof *tasks; t++) {
        json_t *items = NULL;

        if (eval_wants(run->options, tasks[t]))
            status = items_load(&items, run->options->folder, tasks[t], err);
        for (size_t i = 0; i < json_array_size(items); i++)
            json_array_append_new(*out, items_concepts(json_array_get(items, i)));
        json_decref(items);
    }
    return status;
}

static rap_status step(eval_report *out, eval_run_state *run, rap_err *err)
{
    eval_step s = { .concepts = (int)json_array_size(run->names) };
    rap_status status = eval_count_items(run, err);

    if (status == RAP_OK)
        status = eval_retrieval(run, &s.scores, &s.counts, err);
    if (status == RAP_OK)
        status = eval_questions(run, &s.scores, &s.counts, err);
    if (status != RAP_OK)
        return status;
    memmove(out->step + 1, out->step, (size_t)out->steps * sizeof *out->step);
    out->step[0] = s;
    out->steps++;
    return RAP_OK;
}

static rap_status grow(eval_report *out, eval_run_state *run, rap_err *err)
{
    size_t n = 0;
    rap_status status = RAP_OK;

    out->step[0] = (eval_step){ (int)json_array_size(run->names), out->memory, out->counts };
    out->steps = 1;
    while (name_index_steps[n] > 0 && (size_t)name_index_steps[n] < json_array_size(run->names))
        n++;
    while (status == RAP_OK && n-- > 0) {
        status =
            name_index_shrink(run->index, run->names, run->r, (size_t)name_index_steps[n], err);
        if (status == RAP_OK)
            status = step(out, run, err);
    }
    return status;
}

rap_status eval_keep_first(eval_run_state *run, size_t keep, rap_err *err)
{
    json_t *first = NULL, *names = NULL;
    rap_status status = asked_about(&first, run, err);

    if (status == RAP_OK)
        status = name_index_order(&names, run->index, first, run->names, err);
    if (status == RAP_OK && keep < json_array_size(names))
        status = name_index_shrink(run->index, names, run->r, keep, err);
    if (status == RAP_OK) {
        json_decref(run->names);
        run->names = names;
    } else {
        json_decref(names);
    }
    json_decref(first);
    return status;
}

rap_status eval_grow(eval_report *out, eval_run_state *run, rap_err *err)
{
    json_t *all = run->names, *first = NULL, *names = NULL;
    const char *side = run->side;
    rap_status status = asked_about(&first, run, err);

    if (status == RAP_OK)
        status = name_index_order(&names, run->index, first, all, err);
    if (status == RAP_OK) {
        run->names = names;
        run->side = "growth";
        status = grow(out, run, err);
    }
    run->names = all;
    run->side = side;
    json_decref(first);
    json_decref(names);
    return status;
}

/* ---- what came out ---- */

const eval_growth_measure eval_growth_measures[EVAL_GROWTH_MEASURES] = {
    { "caption f1", offsetof(eval_scores, caption_f1), offsetof(eval_counts, captions) },
    { "recognition", offsetof(eval_scores, recognition_weighted),
      offsetof(eval_counts, recognition) },
    { "vqa", offsetof(eval_scores, vqa), offsetof(eval_counts, vqa) },
    { "text_qa", offsetof(eval_scores, text_qa), offsetof(eval_counts, text_qa) },
    { "top1", offsetof(eval_scores, top1), offsetof(eval_counts, retrieval) },
};

double eval_growth_value(int *out_items, const eval_step *s, const eval_growth_measure *m)
{
    memcpy(out_items, (const char *)&s->counts + m->count, sizeof *out_items);
    double value;

    memcpy(&value, (const char *)&s->scores + m->score, sizeof value);
    return value;
}

rap_status eval_draw(const eval_report *report, const char *png, rap_err *err)
{
    bar_group group[EVAL_GROWTH_MEASURES];
    int groups = 0;

    for (int m = 0; m < EVAL_GROWTH_MEASURES; m++) {
        bar_group *g = &group[groups];

        *g = (bar_group){ .bars = 0 };
        snprintf(g->title, sizeof g->title, "%s in %%, and of how many items",
                 eval_growth_measures[m].name);
        for (int i = 0; i < report->steps; i++) {
            bar *b = &g->bar[g->bars];

            b->share = eval_growth_value(&b->items, &report->step[i], &eval_growth_measures[m]);
            snprintf(b->label, sizeof b->label, "%d concepts", report->step[i].concepts);
            g->bars += b->items > 0;
        }
        groups += g->bars > 0;
    }
    if (groups == 0)
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: nothing to draw: captions, questions and retrieval are drawn, and none "
                       "of these tasks was measured",
                       png);
    return bars_draw(group, groups, png, err);
}
