/* eval.c: runs the tasks on two temporary stores, one with the set's concepts and one empty. */
#include "eval/eval.h"

#include "base/file.h"
#include "base/temp.h"
#include "eval/calibrate/calibrate.h"
#include "eval/items.h"
#include "eval/name_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MINE "mine" /* a set may have none */
#define OPEN_SET "open-set"
#define DESCRIBE "describe" /* only when it is named */

static const char *const tasks[] = { "caption", "recognition", "vqa",      "text_qa",
                                     MINE,      "retrieval",   "detection" };
enum { TASKS = sizeof tasks / sizeof *tasks };

/* Older names of tasks are accepted. */
static const char *task_name(const char *given)
{
    return strcmp(given, "trust") == 0 ? OPEN_SET : given;
}

int eval_wants(const eval_options *options, const char *task)
{
    const char *const *t = options->tasks;

    while (t && *t && strcmp(task_name(*t), task) != 0)
        t++;
    return !t || *t;
}

static rap_status check_tasks(const eval_options *options, rap_err *err)
{
    for (const char *const *t = options->tasks; t && *t; t++)
        if (strcmp(task_name(*t), OPEN_SET) != 0 && strcmp(*t, DESCRIBE) != 0 && !items_file(*t))
            return err_set(err, RAP_E_ARGUMENT,
                           "unknown task '%s': expected caption, recognition, vqa, text_qa, mine, "
                           "retrieval, detection, open-set or describe",
                           *t);
    return RAP_OK;
}

const char *eval_text(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));

    return text ? text : "";
}

/* Was this task selected, and does the set have it? */
static bool has_task(const eval_options *o, const char *task)
{
    char *path;
    bool there;

    if (!eval_wants(o, task) || o->tasks || strcmp(task, MINE) != 0)
        return eval_wants(o, task);
    path = path_join(o->folder, items_file(task));
    there = !path || file_exists(path);
    free(path);
    return there;
}

/* Loads the task's items, of which those about concepts that the store does not know are left out while it grows, and gives
 * how many are asked. NULL: the task was not selected. */
static rap_status load(json_t **out, size_t *out_count, const eval_run_state *run, const char *task,
                       rap_err *err)
{
    rap_status status = RAP_OK;
    size_t wanted = run->options->sample > 0 ? (size_t)run->options->sample : SIZE_MAX;

    *out = NULL;
    if (has_task(run->options, task))
        status = items_load(out, run->options->folder, task, err);
    for (size_t i = json_array_size(*out);
         (run->options->concepts || strcmp(run->side, "growth") == 0) && i-- > 0;) {
        json_t *concepts = items_concepts(json_array_get(*out, i));

        if (!name_index_has_all(run->index, concepts))
            json_array_remove(*out, i);
        json_decref(concepts);
    }
    *out_count = json_array_size(*out) < wanted ? json_array_size(*out) : wanted;
    return status;
}

static rap_status step(eval_run_state *run, rap_err *err)
{
    const eval_options *o = run->options;

    run->done++;
    if (o->on_progress && o->on_progress("evaluating", run->done, run->total, o->payload))
        return err_set(err, RAP_E_CANCELLED, "evaluation cancelled");
    return RAP_OK;
}

/* Adds the item to the error, unless the run was cancelled or memory ran out. */
static rap_status blame(rap_status status, const eval_options *o, const char *task, size_t item,
                        rap_err *err)
{
    rap_err why = *err;

    if (status == RAP_E_CANCELLED || status == RAP_E_MEMORY)
        return status;
    return err_set(err, status, "%s/%s: item %zu: %s", o->folder, items_file(task), item, why.text);
}

rap_status eval_each(eval_run_state *run, const char *task, eval_item *each, void *payload,
                     rap_err *err)
{
    json_t *items = NULL;
    size_t size, count = 0;
    rap_status status = load(&items, &count, run, task, err);

    size = json_array_size(items);
    for (size_t i = 0; status == RAP_OK && i < count; i++) { /* evenly spaced */
        size_t at = i * size / count;

        status = each(run, json_array_get(items, at), payload, err);
        if (status != RAP_OK)
            status = blame(status, run->options, task, at, err);
        else
            status = step(run, err);
    }
    json_decref(items);
    return status;
}

rap_status eval_count_items(eval_run_state *run, rap_err *err)
{
    rap_status status = RAP_OK;

    run->done = run->total = 0;
    for (size_t i = 0; status == RAP_OK && i < TASKS; i++) {
        json_t *items = NULL;
        size_t count = 0;

        status = load(&items, &count, run, tasks[i], err);
        run->total += count;
        json_decref(items);
    }
    return status;
}

static int collect_name(const rap_record *record, void *payload)
{
    return json_array_append_new(payload, json_string(record->name));
}

static rap_status open_store(rap **out, const eval_run_state *run, const char *path,
                             rap_policy policy, rap_err *err)
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_status status;

    options.engine = run->engine;
    options.store = path;
    options.policy = policy;
    options.verify = run->options->verify;
    status = rap_open(out, &options);
    return status == RAP_OK ? RAP_OK
                            : err_set(err, status, "%s", *out ? rap_error(*out) : "out of memory");
}

/* What each picture of the set shows, by its captions. */
static rap_status read_shown(eval_run_state *run, rap_err *err)
{
    json_t *items = NULL;
    char *path = path_join(run->options->folder, items_file("caption"));
    rap_status status =
        path && (run->shown = json_object()) ? RAP_OK : err_memory(err, "starting the evaluation");

    if (status == RAP_OK && file_exists(path)) /* a set may have none */
        status = items_load(&items, run->options->folder, "caption", err);
    free(path);
    for (size_t i = 0; status == RAP_OK && i < json_array_size(items); i++)
        json_object_set(run->shown, eval_text(json_array_get(items, i), "image"),
                        json_object_get(json_array_get(items, i), "names"));
    json_decref(items);
    return status;
}

static rap_status prepare_names(eval_run_state *run, rap_err *err)
{
    const ablation *without = &run->options->without;

    if (!(run->index = name_index_new(run->names)))
        return err_memory(err, "starting the evaluation");
    if (without->oracle) {
        rap_status status = read_shown(run, err);

        if (status != RAP_OK)
            return status;
    }
    return ablation_prepare(without, run->r, run->names, err);
}

static bool has_questions(const eval_counts *n)
{
    return n->captions + n->recognition + n->vqa + n->text_qa + n->mine + n->retrieval > 0;
}

/* Runs every task on the store at `path`, which is filled first when `database` is given. */
static rap_status run_side(eval_report *out, eval_run_state *run, eval_scores *scores,
                           const char *path, const char *database, rap_err *err)
{
    eval_counts *counts = &out->counts;
    rap_status status =
        open_store(&run->r, run, path, ablation_policy(&run->options->without), err);

    if (status == RAP_OK && database) {
        status = rap_import(NULL, run->r, database, 0);
        if (status == RAP_OK)
            status = rap_each(run->r, NULL, collect_name, run->names);
        if (status != RAP_OK)
            err_set(err, status, "%s", rap_error(run->r));
        else
            status = prepare_names(run, err);
        if (status == RAP_OK && run->options->concepts)
            status = eval_keep_first(run, (size_t)run->options->concepts, err);
        if (status == RAP_OK && run->options->concepts)
            status = eval_count_items(run, err);
        if (status == RAP_OK && run->options->method)
            status =
                run->options->method->begin(run->options->method->payload, path, run->names, err);
    }
    if (status == RAP_OK)
        status = open_store(&run->paper, run, path, RAP_POLICY_PAPER, err);
    if (status == RAP_OK)
        status = eval_vision(run, scores, counts, err);
    if (status == RAP_OK)
        status = eval_questions(run, scores, counts, err);
    if (status == RAP_OK && database && run->options->growth && has_questions(counts))
        status = eval_grow(out, run, err);
    rap_close(run->paper);
    rap_close(run->r);
    run->r = run->paper = NULL;
    return status;
}

static rap_status run_both(eval_run_state *run, eval_report *out, const char *folder, rap_err *err)
{
    char *database = path_join(run->options->folder, "database.json");
    char *full = path_join(folder, "full.db"), *empty = path_join(folder, "empty.db");
    rap_status status =
        database && full && empty ? RAP_OK : err_memory(err, "starting the evaluation");

    run->side = "memory";
    if (status == RAP_OK && !run->options->concepts)
        status = eval_count_items(run, err);
    if (status == RAP_OK)
        status = run_side(out, run, &out->memory, full, database, err);
    run->side = "baseline";
    if (status == RAP_OK)
        status = eval_count_items(run, err);
    if (status == RAP_OK)
        status = run_side(out, run, &out->baseline, empty, NULL, err);
    free(database);
    free(full);
    free(empty);
    return status;
}

/* The open-set task does not use the two stores. */
static int wants_stores(const eval_options *options)
{
    for (size_t i = 0; i < TASKS; i++)
        if (eval_wants(options, tasks[i]))
            return 1;
    return 0;
}

static rap_status open_engine(rap_engine **out, const eval_options *o, rap_err *err)
{
    rap_engine_options options = RAP_ENGINE_OPTIONS_INIT;
    rap_status status;

    options.profile = o->profile;
    options.lora = o->lora;
    options.threads = o->threads;
    status = rap_engine_open(out, &options);
    return status == RAP_OK ? RAP_OK : err_set(err, status, "%s", rap_engine_error(*out));
}

static rap_status run_stores(eval_run_state *run, eval_report *out, rap_err *err)
{
    temp folder = TEMP_INIT;
    rap_status status = temp_folder_anywhere(&folder, "rap-eval", err);

    if (status == RAP_OK)
        status = run_both(run, out, folder.path, err);
    temp_remove(&folder);
    return status;
}

static rap_status run_all(eval_run_state *run, eval_report *out, rap_err *err)
{
    const eval_options *o = run->options;
    rap_status status = open_engine(&run->engine, o, err);

    if (status == RAP_OK && o->log && !(run->log = fopen(o->log, "w")))
        status = err_file(err, o->log, "writing");
    if (status == RAP_OK && wants_stores(o))
        status = run_stores(run, out, err);
    if (status == RAP_OK && eval_wants(o, OPEN_SET))
        status = eval_open_set(out, run, err);
    if (status == RAP_OK && o->tasks && eval_wants(o, DESCRIBE))
        status = eval_describe(out, run, err);
    if (run->log && fclose(run->log) != 0 && status == RAP_OK)
        status = err_file(err, o->log, "writing");
    rap_engine_close(run->engine);
    return status;
}

/* Also by two names, when the file is there. */
static bool is_one_file(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || file_spare(a, b, NULL, NULL) != RAP_OK;
}

/* What is written must not be what is read: the set, the distractors, the profile; nor written twice. */
static rap_status check_outputs(const eval_options *o, rap_err *err)
{
    const char *const out[] = { o->log, o->save_distractors, o->draw };
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < sizeof out / sizeof *out; i++) {
        status = file_spare(out[i], o->folder, NULL, err);
        if (status == RAP_OK)
            status = file_spare(out[i], o->distractors, NULL, err);
        if (status == RAP_OK)
            status = calibrate_spare(out[i], o->profile, err);
    }
    if (status == RAP_OK && o->log && o->save_distractors &&
        is_one_file(o->log, o->save_distractors))
        status = err_set(err, RAP_E_ARGUMENT,
                         "%s: the log and the distractors would be one file; give two", o->log);
    return status;
}

rap_status eval_run(eval_report *out, const eval_options *options, rap_err *err)
{
    eval_run_state run = { .options = options };
    rap_status status = check_tasks(options, err);

    memset(out, 0, sizeof *out);
    if (status == RAP_OK)
        status = check_outputs(options, err);
    if (status != RAP_OK)
        return status;
    run.names = json_array();
    status = run.names ? run_all(&run, out, err) : err_memory(err, "starting the evaluation");
    json_decref(run.names);
    json_decref(run.index);
    json_decref(run.shown);
    return status;
}
