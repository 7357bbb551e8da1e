/* growth.c: see growth.h, and the steps in published.h. */
#include "eval/published/growth.h"

#include "base/mem.h"
#include "eval/published/ask.h"

#include <stdlib.h>
#include <string.h>

static const int sizes[] = { 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 };

static const char *const main_measure[LIST_KINDS] = { "RAP F1", "weighted", "strict", "strict" };

static double value_of(const score_report *s, const char *measure)
{
    for (int i = 0; i < s->rows; i++)
        if (strcmp(s->row[i].measure, measure) == 0)
            return s->row[i].value[SCORE_GIVEN];
    return 0;
}

/* All names of the store once: those that the list asks about first, in its order. */
static rap_status order(json_t **out, const list *l, const json_t *known, const json_t *index,
                        rap_err *err)
{
    json_t *names = json_array(), *taken = json_object();
    rap_status status = names && taken ? RAP_OK : err_memory(err, "growing the store");
    size_t items = list_count(l), all = json_array_size(known);

    for (size_t i = 0; status == RAP_OK && i < items + all; i++) {
        json_t *concepts = i < items ? ask_concepts(list_item(l, i))
                                     : json_pack("[O]", json_array_get(known, i - items));

        for (size_t k = 0; k < json_array_size(concepts); k++) {
            const char *name = ask_known(index, json_string_value(json_array_get(concepts, k)));

            if (!name || json_object_get(taken, name))
                continue;
            json_object_set_new(taken, name, json_true());
            json_array_append_new(names, json_string(name));
        }
        json_decref(concepts);
    }
    json_decref(taken);
    if (status == RAP_OK)
        *out = names;
    else
        json_decref(names);
    return status;
}

/* Forgets all behind the first `keep`, in the store, in the list of names and in its index. */
static rap_status shrink(rap *r, json_t *names, json_t *index, size_t keep, rap_err *err)
{
    size_t count = json_array_size(names);
    const char **gone = mem_array(count + 1, sizeof *gone);
    rap_status status = gone ? RAP_OK : err_memory(err, "growing the store");

    for (size_t i = keep; gone && i < count; i++)
        gone[i - keep] = json_string_value(json_array_get(names, i));
    if (status == RAP_OK && (status = rap_forget_all(r, gone)) != RAP_OK)
        err_set(err, status, "%s", rap_error(r));
    for (size_t i = count; status == RAP_OK && i-- > keep;) {
        ask_forget(index, gone[i - keep]);
        json_array_remove(names, i);
    }
    free(gone);
    return status;
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
    rap_status status = shrink(pass->r, names, index, size, err);

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
                      .oracle = o->oracle,
                      .on_progress = o->on_progress,
                      .payload = o->payload };
    json_t *names = NULL, *index = ask_index(known);
    rap_status status =
        index ? order(&names, l, known, index, err) : err_memory(err, "growing the store");

    pass.known = index;
    snprintf(out->growth_measure, sizeof out->growth_measure, "%s", main_measure[l->kind]);
    out->steps = 1;
    out->step[0] = (growth_step){ .concepts = (int)json_array_size(known),
                                  .items = out->score.items,
                                  .value = value_of(&out->score, out->growth_measure) };
    for (size_t i = sizeof sizes / sizeof *sizes; status == RAP_OK && i-- > 0;)
        if ((size_t)sizes[i] < json_array_size(names))
            status = step(out, &pass, l, names, index, (size_t)sizes[i], err);
    json_decref(index);
    json_decref(names);
    return status;
}
