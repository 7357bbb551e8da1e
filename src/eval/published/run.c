/* run.c: see published.h. Reading order: list.h, pictures.h, ask.h, score.h, and growth.c for the larger stores. */
#include "eval/published/published.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "eval/name_index.h"
#include "eval/published/ask.h"
#include "eval/published/growth.h"
#include "eval/published/pictures.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

typedef struct run_state {
    const published_options *o;
    list l;
    rap *r;
    json_t *known, *index; /* the names in the store; name_index_new() of them */
    char **memory, **bare;
    pictures_missing missing;
} run_state;

/* ---- the list ---- */

/* Leaves at most `sample` items, spread evenly. */
static rap_status thin_out(list *l, int sample, rap_err *err)
{
    size_t count = list_count(l), wanted = sample > 0 ? (size_t)sample : count;
    json_t *kept;

    if (wanted >= count)
        return RAP_OK;
    if (!(kept = json_array()))
        return err_memory(err, "reading a list");
    for (size_t i = 0; i < wanted; i++)
        json_array_append(kept, json_array_get(l->items, i * count / wanted));
    json_decref(l->items);
    l->items = kept;
    return RAP_OK;
}

/* Other wordings for captions, in turn, as RePIC's program asks them. */
static rap_status word_questions(list *l, const published_options *o, rap_err *err)
{
    size_t wordings = 0;

    while (o->questions && o->questions[wordings])
        wordings++;
    if (wordings == 0)
        return RAP_OK;
    if (l->kind != LIST_CAPTION)
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: has questions of its own; --question words those of captions", o->file);
    for (size_t i = 0; i < list_count(l); i++)
        if (json_object_set_new(json_array_get(l->items, i), "question",
                                json_string(o->questions[i % wordings])) != 0)
            return err_set(err, RAP_E_ARGUMENT, "--question: '%.80s' is not UTF-8",
                           o->questions[i % wordings]);
    return RAP_OK;
}

static rap_status read_list(run_state *s, rap_err *err)
{
    const published_options *o = s->o;
    rap_status status = list_read(&s->l, o->file, o->kind, err);

    if (status == RAP_OK && s->l.answered)
        status = err_set(err, RAP_E_FORMAT,
                         "%s: these are answers, not questions: `rap eval score %s` scores them",
                         o->file, o->file);
    if (status == RAP_OK)
        status = word_questions(&s->l, o, err);
    if (status == RAP_OK)
        status = pictures_find(&s->missing, &s->l, o->file, o->images, err);
    if (status == RAP_OK)
        status = thin_out(&s->l, o->sample, err);
    return status;
}

/* ---- the store ---- */

static rap_status failed(const run_state *s, rap_status status, rap_err *err)
{
    return err_set(err, status, "%s", s->r ? rap_error(s->r) : "out of memory");
}

static rap_status open_store(run_state *s, const char *path, rap_err *err)
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_status status;

    options.profile = s->o->profile;
    options.lora = s->o->lora;
    options.threads = s->o->threads;
    options.store = path;
    options.policy = ablation_policy(&s->o->without);
    status = rap_open(&s->r, &options);
    return status == RAP_OK ? RAP_OK : failed(s, status, err);
}

static int collect_name(const rap_record *record, void *payload)
{
    return json_array_append_new(payload, json_string(record->name));
}

static rap_status fill_store(run_state *s, rap_err *err)
{
    const char *given = s->o->database;
    char *database = file_is_folder(given) ? path_join(given, "database.json") : mem_string(given);
    rap_status status;

    if (!database)
        return err_memory(err, "importing a database");
    status = rap_import(NULL, s->r, database, 0);
    if (status == RAP_OK)
        status = rap_each(s->r, NULL, collect_name, s->known);
    free(database);
    if (status != RAP_OK)
        return failed(s, status, err);
    if (!(s->index = name_index_new(s->known)))
        return err_memory(err, "importing a database");
    return ablation_prepare(&s->o->without, s->r, s->known, err);
}

/* ---- answers ---- */

static json_t *answer_row(const list *l, const json_t *item, const char *answer)
{
    json_t *row = json_object(), *options = json_object_get(item, "options");
    bool recognition = l->kind == LIST_RECOGNITION;

    if (l->kind == LIST_CAPTION) {
        json_decref(row);
        return json_pack("[s, O, o, s]", list_text(item, "picture"), json_object_get(item, "names"),
                         json_any_text(answer), list_text(item, "question"));
    }
    if (list_text(item, "picture"))
        json_object_set(row, recognition ? "image" : "img_path", json_object_get(item, "picture"));
    json_object_set(row, "question", json_object_get(item, "question"));
    if (list_text(item, "concept"))
        json_object_set(row, "concept", json_object_get(item, "concept"));
    if (options)
        json_object_set(row, "option", options);
    if (recognition)
        json_object_set_new(
            row, "type",
            json_string(json_is_true(json_object_get(item, "negative")) ? "negative" : "positive"));
    json_object_set(row, "correct_answer", json_object_get(item, recognition ? "yes" : "expected"));
    json_object_set_new(row, "answer", json_any_text(answer));
    return row;
}

static rap_status write_answers(const run_state *s, rap_err *err)
{
    json_t *rows = json_array();
    char *text = NULL;
    rap_status status = RAP_OK;

    for (size_t i = 0; rows && i < list_count(&s->l); i++)
        json_array_append_new(rows, answer_row(&s->l, list_item(&s->l, i), s->memory[i]));
    text = rows && json_array_size(rows) == list_count(&s->l) ? json_text(rows) : NULL;
    status = text ? file_write(s->o->answers, text, strlen(text), err)
                  : err_memory(err, "writing answers");
    free(text);
    json_decref(rows);
    return status;
}

/* ---- all of it ---- */

/* Items about concepts that are not in the store: nothing can be retrieved for them. */
static int count_unknown(const run_state *s)
{
    int unknown = 0;

    for (size_t i = 0; i < list_count(&s->l); i++)
        unknown += !ask_knows_all(s->index, list_item(&s->l, i));
    return unknown;
}

static void add_notes(score_report *out, const run_state *s)
{
    int unknown = count_unknown(s);

    if (s->missing.count > 0)
        score_note(out,
                   "%d questions are left out: their picture is not there (the first: %.120s).",
                   s->missing.count, s->missing.first);
    if (unknown > 0)
        score_note(out, "%d questions are about concepts that are not in the database.", unknown);
}

static rap_status ask_both(run_state *s, rap_err *err)
{
    const published_options *o = s->o;
    size_t count = list_count(&s->l);
    ask_pass pass = { .r = s->r,
                      .file = o->file,
                      .known = s->index,
                      .without = &o->without,
                      .on_progress = o->on_progress,
                      .payload = o->payload,
                      .total = 2 * (uint64_t)count };
    rap_status status;

    s->memory = mem_array(count + 1, sizeof *s->memory);
    s->bare = mem_array(count + 1, sizeof *s->bare);
    status = s->memory && s->bare ? RAP_OK : err_memory(err, "asking questions");
    if (status == RAP_OK)
        status = ask_all(s->memory, &pass, &s->l, err);
    pass.no_memory = 1;
    if (status == RAP_OK)
        status = ask_all(s->bare, &pass, &s->l, err);
    return status;
}

static rap_status run_in(published_report *out, run_state *s, const char *folder, rap_err *err)
{
    const published_options *o = s->o;
    char *store = path_join(folder, "store.db");
    rap_status status = store ? open_store(s, store, err) : err_memory(err, "starting");

    if (status == RAP_OK)
        status = fill_store(s, err);
    if (status == RAP_OK)
        status = ask_both(s, err);
    if (status == RAP_OK)
        status = score_list(&out->score, &s->l, (const char *const *)s->memory,
                            (const char *const *)s->bare, s->known, err);
    if (status == RAP_OK)
        add_notes(&out->score, s);
    if (status == RAP_OK && o->answers)
        status = write_answers(s, err);
    if (status == RAP_OK && o->growth)
        status = growth_run(out, o, s->r, &s->l, s->known, err);
    rap_close(s->r);
    free(store);
    return status;
}

/* What is written must not be what is read; answers of an earlier run, a list of lists or objects, may go. */
static rap_status check_outputs(const published_options *o, rap_err *err)
{
    const char *const read[] = { o->file, o->database, o->images };
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < sizeof read / sizeof *read; i++) {
        status = file_spare(o->answers, read[i], "[\n  ", err);
        if (status == RAP_OK)
            status = file_spare(o->draw, read[i], NULL, err);
    }
    return status;
}

static rap_status check_options(const published_options *o, rap_err *err)
{
    if (!o->database)
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: a list needs its concepts: --database DIR, the folder of the official "
                       "database.json",
                       o->file);
    if (!file_exists(o->database))
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such database", o->database);
    return check_outputs(o, err);
}

rap_status published_run(published_report *out, const published_options *options, rap_err *err)
{
    run_state s = { .o = options };
    temp folder = TEMP_INIT;
    rap_status status = check_options(options, err);
    size_t count;

    memset(out, 0, sizeof *out);
    if (status == RAP_OK && !(s.known = json_array()))
        status = err_memory(err, "starting the evaluation");
    if (status == RAP_OK)
        status = read_list(&s, err);
    if (status == RAP_OK)
        status = temp_folder_anywhere(&folder, "rap-eval", err);
    if (status == RAP_OK)
        status = run_in(out, &s, folder.path, err);
    temp_remove(&folder);
    count = list_count(&s.l);
    for (size_t i = 0; i < count; i++) {
        free(s.memory ? s.memory[i] : NULL);
        free(s.bare ? s.bare[i] : NULL);
    }
    free(s.memory);
    free(s.bare);
    json_decref(s.known);
    json_decref(s.index);
    list_release(&s.l);
    return status;
}
