/* score.c: see score.h. */
#include "eval/published/score.h"

#include "base/mem.h"
#include "base/text.h"
#include "eval/published/measure_exact.h"
#include "eval/published/measure_names.h"
#include "eval/published/measure_repic.h"
#include "eval/published/measure_weighted.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What one column of the table is made of. */
typedef struct column {
    const list *l;
    const char *const *answer;
    const json_t *known;
    int at;
} column;

/* Copies what fits, in whole characters; a control character, which a terminal might obey, is '?'. */
static void copy_plain(char *out, size_t size, const char *text)
{
    size_t used = 0;

    for (size_t len; *text; text += len) {
        unsigned code;
        bool plain = (len = text_decode(&code, text)) > 0 && !text_is_control(code);

        len = len ? len : 1;
        if (used + (plain ? len : 1) >= size)
            break;
        if (plain)
            memcpy(out + used, text, len);
        else
            out[used] = '?';
        used += plain ? len : 1;
    }
    out[used] = '\0';
}

void score_note(score_report *out, const char *format, ...)
{
    char text[sizeof out->note[0]];
    va_list args;

    if (out->notes == SCORE_NOTES)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    copy_plain(out->note[out->notes++], sizeof out->note[0], text);
}

static void put(score_report *out, int *row, const char *measure, int at, double value)
{
    score_row *r = &out->row[(*row)++];

    snprintf(r->measure, sizeof r->measure, "%s", measure);
    r->value[at] = value;
    if (out->rows < *row)
        out->rows = *row;
}

/* ---- captions ---- */

static void put_repic(score_report *out, int *row, const char *prefix, int at, repic_counts c)
{
    static const char *const measure[] = { "precision", "recall", "F1" };
    const double value[] = { repic_precision(c), repic_recall(c), repic_f1(c) };
    char name[48];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s %s", prefix, measure[i]);
        put(out, row, name, at, value[i]);
    }
}

static rap_status score_captions(score_report *out, const column *c, rap_err *err)
{
    repic_counts published, whole;
    metrics_counts official;
    int row = 0;
    rap_status status = measure_names(&official, c->l, c->answer, c->known, err);

    if (status == RAP_OK)
        status = measure_repic(&published, c->l, c->answer, repic_rule(c->l), err);
    if (status == RAP_OK)
        status = measure_repic(&whole, c->l, c->answer, NAME_WHOLE, err);
    if (status != RAP_OK)
        return status;
    put(out, &row, "RAP precision", c->at, metrics_precision(official));
    put(out, &row, "RAP recall", c->at, metrics_recall(official));
    put(out, &row, "RAP F1", c->at, metrics_f1(official));
    put_repic(out, &row, "RePIC", c->at, published);
    put_repic(out, &row, "RePIC, whole names:", c->at, whole);
    return RAP_OK;
}

/* ---- questions ---- */

static rap_status score_answers(score_report *out, const column *c, rap_err *err)
{
    int right[2] = { 0 }, letter_right[256] = { 0 }, letter_asked[256] = { 0 }, letters = 0;
    size_t count = list_count(c->l);
    double mean = 0;
    int row = 0;

    for (size_t i = 0; i < count; i++) {
        const json_t *item = list_item(c->l, i);
        const char *expected = list_text(item, "expected"), *answer = c->answer[i];
        int strict = exact_strict(answer ? answer : "", expected, json_object_get(item, "options"));

        right[0] += exact_official(answer ? answer : "", expected);
        right[1] += strict;
        letter_asked[(unsigned char)*expected]++;
        letter_right[(unsigned char)*expected] += strict;
    }
    for (int i = 0; i < 256; i++) {
        letters += letter_asked[i] > 0;
        mean += metrics_ratio(letter_right[i], letter_asked[i]);
    }
    put(out, &row, "official exact match", c->at, metrics_ratio(right[0], (int)count));
    put(out, &row, "strict", c->at, metrics_ratio(right[1], (int)count));
    if (c->l->kind == LIST_CHOICE)
        put(out, &row, "strict, mean over letters", c->at, letters ? mean / letters : 0);
    return RAP_OK;
}

static rap_status score_recognition(score_report *out, const column *c, rap_err *err)
{
    weighted_counts listed = measure_weighted(c->l, c->answer, false);
    weighted_counts once = measure_weighted(c->l, c->answer, true);
    int row = 0;

    put(out, &row, "positive", c->at, weighted_positive(listed));
    put(out, &row, "negative", c->at, weighted_negative(listed));
    put(out, &row, "weighted", c->at, weighted_accuracy(listed));
    if (listed.listed_twice > 0) {
        put(out, &row, "negative, each once", c->at, weighted_negative(once));
        put(out, &row, "weighted, each once", c->at, weighted_accuracy(once));
    }
    return RAP_OK;
}

static rap_status score_column(score_report *out, const column *c, rap_err *err)
{
    if (c->l->kind == LIST_CAPTION)
        return score_captions(out, c, err);
    if (c->l->kind == LIST_RECOGNITION)
        return score_recognition(out, c, err);
    return score_answers(out, c, err);
}

/* ---- the majority answer ---- */

static const char *item_answer(const list *l, const json_t *item, size_t which)
{
    if (l->kind == LIST_CAPTION)
        return json_string_value(json_array_get(json_object_get(item, "names"), which));
    if (which > 0)
        return NULL;
    if (l->kind == LIST_RECOGNITION)
        return json_is_true(json_object_get(item, "yes")) ? "Yes" : "No";
    return list_text(item, "expected");
}

/* *out is borrowed from the list; "" for a list without any right answer. */
static rap_status find_majority(const char **out, int *times, const list *l, rap_err *err)
{
    json_t *count = json_object();
    const char *answer;

    *out = "";
    *times = 0;
    if (!count)
        return err_memory(err, "scoring answers");
    for (size_t i = 0; i < list_count(l); i++)
        for (size_t k = 0; (answer = item_answer(l, list_item(l, i), k)); k++)
            json_object_set_new(
                count, answer,
                json_integer(json_integer_value(json_object_get(count, answer)) + 1));
    for (size_t i = 0; i < list_count(l); i++)
        for (size_t k = 0; (answer = item_answer(l, list_item(l, i), k)); k++) {
            int same = (int)json_integer_value(json_object_get(count, answer));

            if (same > *times) {
                *times = same;
                *out = answer;
            }
        }
    json_decref(count);
    return RAP_OK;
}

/* ---- notes ---- */

/* Can the rule of the published scripts find this name in any caption? */
static bool can_be_found(name_pool *n, size_t group, rap_err *err)
{
    const name_entry *e = &n->entry[n->first[group]];

    if (name_pool_find(n, e->bare, err) != RAP_OK || n->is_found[group])
        return true;
    return name_pool_find(n, e->full, err) != RAP_OK || n->is_found[group];
}

static void note_captions(score_report *out, const list *l, rap_err *err)
{
    json_t *all = repic_names(l);
    name_pool n = { .count = 0 };
    int never = 0;

    if (all && name_pool_init(&n, all, repic_rule(l), err) == RAP_OK)
        for (size_t g = 0; g < n.groups; g++)
            never += !can_be_found(&n, g, err);
    if (never > 0)
        score_note(out,
                   "RePIC looks for names among single words: %d of the %zu names can never be "
                   "found by it (several words, or punctuation at an end).",
                   never, n.groups);
    name_pool_release(&n);
    json_decref(all);
}

static void note_traps(score_report *out, const list *l, int majority, rap_err *err)
{
    int items = (int)list_count(l);

    if (l->kind == LIST_CAPTION) {
        note_captions(out, l, err);
    } else if (l->kind == LIST_RECOGNITION) {
        const char **none = mem_array((size_t)items + 1, sizeof *none);
        weighted_counts c =
            none ? measure_weighted(l, none, false) : (weighted_counts){ { 0 }, { 0 }, 0 };

        if (c.listed_twice > 0)
            score_note(out,
                       "%d of the %d negatives are positives listed a second time, whose right "
                       "answer is yes.",
                       c.listed_twice, c.asked[0]);
        free(none);
    } else if (l->kind == LIST_CHOICE) {
        score_note(out,
                   "%d of the %d right answers are %s; the official match removes articles, so "
                   "that an empty answer or \"The\" counts as A.",
                   majority, items, out->majority);
    }
}

/* ---- all of it ---- */

static rap_status score_columns(score_report *out, column *c, const char *const *answer[],
                                rap_err *err)
{
    rap_status status = RAP_OK;

    for (c->at = 0; status == RAP_OK && c->at < SCORE_COLUMNS; c->at++) {
        c->answer = answer[c->at];
        status = score_column(out, c, err);
    }
    return status;
}

rap_status score_list(score_report *out, const list *l, const char *const *given,
                      const char *const *no_memory, const json_t *known, rap_err *err)
{
    size_t count = list_count(l);
    const char **empty = mem_array(count + 1, sizeof *empty);
    const char **majority = mem_array(count + 1, sizeof *majority);
    json_t *own = l->kind == LIST_CAPTION ? repic_names(l) : json_array();
    const char *const *answer[] = { given, no_memory ? no_memory : empty, majority };
    column c = { .l = l, .known = known ? known : own };
    const char *most = "";
    int times = 0;
    rap_status status = empty && majority && own ? RAP_OK : err_memory(err, "scoring answers");

    memset(out, 0, sizeof *out);
    out->kind = l->kind;
    out->items = (int)count;
    if (status == RAP_OK)
        status = find_majority(&most, &times, l, err);
    for (size_t i = 0; status == RAP_OK && i < count; i++)
        majority[i] = most;
    copy_plain(out->majority, sizeof out->majority, most);
    if (status == RAP_OK)
        status = score_columns(out, &c, answer, err);
    if (status == RAP_OK)
        note_traps(out, l, times, err);
    if (status == RAP_OK && !no_memory)
        score_note(out, "no memory: no answers of that kind were given; an empty answer to "
                        "everything stands for them (--no-memory FILE gives them).");
    json_decref(own);
    free(empty);
    free(majority);
    return status;
}

static rap_status read_answers(list *out, const char *path, const char *kind, rap_err *err)
{
    rap_status status = list_read(out, path, kind, err);

    if (status == RAP_OK && !out->answered)
        status = err_set(err, RAP_E_FORMAT,
                         "%s: these are questions without answers: `rap eval %s --database DIR` "
                         "asks them",
                         path, path);
    return status;
}

rap_status score_files(score_report *out, const char *answers, const char *no_memory,
                       const char *kind, rap_err *err)
{
    list l = { .items = NULL }, bare = { .items = NULL };
    const char **given = NULL, **without = NULL;
    rap_status status = read_answers(&l, answers, kind, err);

    if (status == RAP_OK && no_memory)
        status = read_answers(&bare, no_memory, list_kind_name(l.kind), err);
    if (status == RAP_OK && no_memory && list_count(&bare) != list_count(&l))
        status = err_set(err, RAP_E_FORMAT, "%s: %zu answers, but %s has %zu", no_memory,
                         list_count(&bare), answers, list_count(&l));
    if (status == RAP_OK) {
        given = list_answers(&l);
        without = list_answers(&bare);
        status = given && without
                     ? score_list(out, &l, given, no_memory ? without : NULL, NULL, err)
                     : err_memory(err, "scoring answers");
    }
    free(given);
    free(without);
    list_release(&l);
    list_release(&bare);
    return status;
}
