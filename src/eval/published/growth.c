/* growth.c: see growth.h, and the steps in published.h. */
#include "eval/published/growth.h"

#include "base/mem.h"
#include "eval/name_index.h"
#include "eval/published/ask.h"

#include <stdlib.h>
#include <string.h>

static const char *const main_measure[LIST_KINDS] = { "RAP F1", "weighted", "strict", "strict" };

static double value_of(const score_report *s, const char *measure)
{
    for (int i = 0; i < s->rows; i++)
        if (strcmp(s->row[i].measure, measure) == 0)
            return s->row[i].value[SCORE_GIVEN];
    return 0;
}

/* The concepts of each question. */
static json_t *asked_about(const list *l)
{
    json_t *out = json_array();

    for (size_t i = 0; i < list_count(l); i++)
        json_array_append_new(out, ask_concepts(list_item(l, i)));
    return out;
}

/* The items whose concepts are all known. */
static rap_status select_items(list *out, const list *l, const json_t *index, rap_err *err)
{
    *out = *l;
    if (!(out->items = json_array()))
        return err_memory(err, "growing the store");
    for (size_t i = 0; i < list_count(l); i++)
        if (ask_knows_all(index, list_item(l, i)))
            json_array_append(out->items, json_array_get(l->items, i));
    return RAP_OK;
}

static rap_status measure(growth_step *out, ask_pass *pass, const list *l, const json_t *names,
                          const char *name, rap_err *err)
{
    size_t count = list_count(l);
    char **answer = mem_array(count + 1, sizeof *answer);
    score_report score;
    rap_status status = answer ? RAP_OK : err_memory(err, "growing the store");

    pass->done = 0;
    pass->total = count;
    if (status == RAP_OK)
        status = ask_all(answer, pass, l, err);
    if (status == RAP_OK)
        status = score_list(&score, l, (const char *const *)answer, NULL, names, err);
    if (status == RAP_OK)
        *out = (growth_step){ .concepts = (int)json_array_size(names),
                              .items = (int)count,
                              .value = value_of(&score, name) };
    for (size_t i = 0; answer && i < count; i++)
        free(answer[i]);
    free(answer);
    return status;
}

static rap_status step(published_report *out, ask_pass *pass, const list *l, json_t *names,
                       json_t *index, size_t size, rap_err *err)
{
    list some = { .items = NULL };
    rap_status status = name_index_shrink(index, names, pass->r, size, err);

    if (status == RAP_OK)
        status = select_items(&some, l, index, err);
    if (status == RAP_OK && list_count(&some) > 0) {
        memmove(out->step + 1, out->step, (size_t)out->steps * sizeof *out->step);
        status = measure(&out->step[0], pass, &some, names, out->growth_measure, err);
        out->steps++;
    }
    list_release(&some);
    return status;
}

rap_status growth_run(published_report *out, const published_options *o, rap *r, const list *l,
                      const json_t *known, rap_err *err)
{
    ask_pass pass = { .r = r,
                      .file = o->file,
                      .without = &o->without,
                      .on_progress = o->on_progress,
                      .payload = o->payload };
    json_t *names = NULL, *index = name_index_new(known), *first = asked_about(l);
    size_t step_number = 0;
    rap_status status = index && first ? name_index_order(&names, index, first, known, err)
                                       : err_memory(err, "growing the store");

    pass.known = index;
    snprintf(out->growth_measure, sizeof out->growth_measure, "%s", main_measure[l->kind]);
    out->steps = 1;
    out->step[0] = (growth_step){ .concepts = (int)json_array_size(known),
                                  .items = out->score.items,
                                  .value = value_of(&out->score, out->growth_measure) };
    while (name_index_steps[step_number] > 0 &&
           (size_t)name_index_steps[step_number] < json_array_size(names))
        step_number++;
    while (status == RAP_OK && step_number-- > 0)
        status = step(out, &pass, l, names, index, (size_t)name_index_steps[step_number], err);
    json_decref(first);
    json_decref(index);
    json_decref(names);
    return status;
}
