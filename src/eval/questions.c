/* questions.c: caption, recognition, visual and text question answering. */
#include "base/file.h"
#include "base/path_find.h"
#include "base/text_fold.h"
#include "eval/eval.h"
#include "eval/items.h"
#include "eval/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CAPTION_QUESTION "Give a personalized caption of this image."

typedef struct tally {
    int right[2], asked[2]; /* [0]: negative or all, [1]: positive */
    metrics_counts names;
    metrics_counts names_of[EVAL_MANY]; /* by the number of concepts in the photo */
    int asked_of[EVAL_MANY];
} tally;

static void log_answer(eval_run_state *run, const char *task, const json_t *item,
                       const char *question, const rap_answer *answer)
{
    json_t *found = json_array(), *line;

    if (!run->log) {
        json_decref(found);
        return;
    }
    for (size_t i = 0; i < answer->matches->count; i++)
        json_array_append_new(found, json_string(answer->matches->match[i].name));
    line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:O}", "side", run->side, "task", task, "question",
                     question, "answer", answer->text, "retrieved", found, "item", item);
    json_dumpf(line, run->log, JSON_COMPACT);
    fputc('\n', run->log);
    json_decref(line);
}

/* The item's concepts, and, for the oracle, what its picture shows besides; a new list. */
static json_t *concepts_of(const eval_run_state *run, const json_t *item)
{
    json_t *out = items_concepts(item);
    const json_t *shown = json_object_get(run->shown, eval_text(item, "image"));

    for (size_t i = 0; out && i < json_array_size(shown); i++) {
        json_t *name = json_array_get(shown, i);
        bool there = false;

        for (size_t k = 0; k < json_array_size(out); k++)
            there = there || text_same_name(json_string_value(json_array_get(out, k)),
                                            json_string_value(name));
        if (!there)
            json_array_append(out, name);
    }
    return out;
}

static const char *without_marker(const char *question)
{
    return strncmp(question, "<image>\n", 8) == 0 ? question + 8 : question;
}

/* Asks what answers in place of retrieval. */
static rap_status ask_method(eval_run_state *run, const char *task, const json_t *item,
                             const char *question, char **out_text, rap_err *err)
{
    const eval_method *m = run->options->method;
    const char *image = eval_text(item, "image");
    char *path = *image ? path_find(run->options->folder, image) : NULL, *found = NULL;
    rap_status status = m->ask(out_text, &found, m->payload, path ? path : "", question, err);

    if (status == RAP_OK && run->log) {
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:O}", "side", run->side, "task", task, "question",
                      question, "answer", *out_text, "given", found ? found : "", "item", item);

        json_dumpf(line, run->log, JSON_COMPACT);
        fputc('\n', run->log);
        json_decref(line);
    }
    free(found);
    free(path);
    return status;
}

/* Asks; free(*out_text). */
static rap_status ask(eval_run_state *run, const char *task, const json_t *item,
                      const char *question, char **out_text, rap_err *err)
{
    const char *image = eval_text(item, "image");
    char *path = *image ? path_find(run->options->folder, image) : NULL;
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = NULL;
    bool empty = strcmp(run->side, "baseline") == 0;
    json_t *concepts = empty ? NULL : concepts_of(run, item);
    const char **only = NULL;
    rap_status status =
        ablation_query(&query, &only, &run->options->without, concepts, run->index, err);

    query.image.path = path;
    query.question = without_marker(question);
    query.max_tokens = 96;
    if (status == RAP_OK && (status = rap_ask(&answer, run->r, &query, NULL, NULL)) != RAP_OK) {
        err_set(err, status, "%s", rap_error(run->r));
    } else if (status == RAP_OK) {
        log_answer(run, task, item, query.question, answer);
        *out_text = strdup(answer->text);
        if (!*out_text)
            status = err_memory(err, "keeping an answer");
    }
    rap_answer_free(answer);
    free(only);
    json_decref(concepts);
    free(path);
    return status;
}

/* The answer of what is measured; free(*out_text). */
static rap_status answer_to(eval_run_state *run, const char *task, const json_t *item,
                            const char *question, char **out_text, rap_err *err)
{
    *out_text = NULL;
    return run->options->method && strcmp(run->side, "baseline") != 0
               ? ask_method(run, task, item, without_marker(question), out_text, err)
               : ask(run, task, item, question, out_text, err);
}

static rap_status caption(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    tally *t = payload;
    const char *question = eval_text(item, "question");
    const json_t *names = json_object_get(item, "names");
    size_t many = json_array_size(names) < EVAL_MANY ? json_array_size(names) : EVAL_MANY - 1;
    char *text = NULL;
    rap_status status =
        answer_to(run, "caption", item, *question ? question : CAPTION_QUESTION, &text, err);

    if (status == RAP_OK) {
        metrics_add_names(&t->names, text, run->names, names);
        metrics_add_names(&t->names_of[many], text, run->names, names);
    }
    t->asked[0]++;
    t->asked_of[many]++;
    free(text);
    return status;
}

/* The official files have true, older ones "yes". */
static int expects_yes(const json_t *item)
{
    const json_t *answer = json_object_get(item, "correct_answer");

    if (json_is_boolean(answer))
        return json_is_true(answer);
    return metrics_yes_no(json_is_string(answer) ? json_string_value(answer) : "") == 1;
}

static rap_status recognition(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    tally *t = payload;
    int yes = expects_yes(item);
    char *text = NULL;
    rap_status status =
        answer_to(run, "recognition", item, eval_text(item, "question"), &text, err);

    t->asked[yes]++;
    if (status == RAP_OK)
        t->right[yes] += metrics_yes_no(text) == yes;
    free(text);
    return status;
}

static rap_status open_question(eval_run_state *run, const char *task, json_t *item, tally *t,
                                rap_err *err)
{
    char *text = NULL;
    rap_status status = answer_to(run, task, item, eval_text(item, "question"), &text, err);

    t->asked[0]++;
    if (status == RAP_OK)
        t->right[0] +=
            metrics_answer(text, eval_text(item, "answer"), json_object_get(item, "options"));
    free(text);
    return status;
}

static rap_status vqa(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    return open_question(run, "vqa", item, payload, err);
}

static rap_status mine(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    return open_question(run, "mine", item, payload, err);
}

static rap_status text_qa(eval_run_state *run, json_t *item, void *payload, rap_err *err)
{
    return open_question(run, "text_qa", item, payload, err);
}

rap_status eval_questions(eval_run_state *run, eval_scores *s, eval_counts *counts, rap_err *err)
{
    tally c = { 0 }, r = { 0 }, v = { 0 }, x = { 0 }, m = { 0 };
    rap_status status = eval_each(run, "caption", caption, &c, err);

    if (status == RAP_OK)
        status = eval_each(run, "recognition", recognition, &r, err);
    if (status == RAP_OK)
        status = eval_each(run, "vqa", vqa, &v, err);
    if (status == RAP_OK)
        status = eval_each(run, "text_qa", text_qa, &x, err);
    if (status == RAP_OK)
        status = eval_each(run, "mine", mine, &m, err);
    s->caption_precision = metrics_precision(c.names);
    s->caption_recall = metrics_recall(c.names);
    s->caption_f1 = metrics_f1(c.names);
    for (int i = 0; i < EVAL_MANY; i++) {
        s->caption_f1_of[i] = c.asked_of[i] ? metrics_f1(c.names_of[i]) : (double)NAN;
        counts->captions_of[i] = c.asked_of[i];
    }
    s->recognition_positive = metrics_ratio(r.right[1], r.asked[1]);
    s->recognition_negative = metrics_ratio(r.right[0], r.asked[0]);
    s->recognition_weighted = (s->recognition_positive + s->recognition_negative) / 2;
    s->vqa = metrics_ratio(v.right[0], v.asked[0]);
    s->text_qa = metrics_ratio(x.right[0], x.asked[0]);
    s->mine = metrics_ratio(m.right[0], m.asked[0]);
    counts->mine = m.asked[0];
    counts->captions = c.asked[0];
    counts->recognition = r.asked[0] + r.asked[1];
    counts->vqa = v.asked[0];
    counts->text_qa = x.asked[0];
    return status;
}
