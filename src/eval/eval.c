/* eval.c: two temporary stores, one full and one empty, and the same questions to both. */
#include "eval/eval.h"

#include "base/file.h"
#include "base/temp.h"

#include <stdlib.h>
#include <string.h>

static const struct eval_task {
    const char *name, *file;
} tasks[] = {
    { "caption", "captions.json" },
    { "recognition", "recognition.json" },
    { "vqa", "vqa.json" },
    { "text_qa", "text_qa.json" },
    { "retrieval", "retrieval.json" },
    { "detection", "detection.json" },
};
enum { TASKS = sizeof tasks / sizeof *tasks };

int eval_wants(const eval_options *options, const char *task)
{
    const char *const *t = options->tasks;

    while (t && *t && strcmp(*t, task) != 0)
        t++;
    return !t || *t;
}

/* The file of a task that is asked for, or NULL. */
static const char *wanted_file(const eval_options *options, const char *task)
{
    if (!eval_wants(options, task))
        return NULL;
    for (size_t i = 0; i < TASKS; i++)
        if (strcmp(tasks[i].name, task) == 0)
            return tasks[i].file;
    return NULL;
}

static rap_status check_tasks(const eval_options *options, rap_err *err)
{
    for (const char *const *t = options->tasks; t && *t; t++)
        if (strcmp(*t, "trust") != 0 && !wanted_file(options, *t))
            return err_set(err, RAP_E_ARGUMENT,
                           "'%s' is no task: caption, recognition, vqa, text_qa, retrieval, "
                           "detection or trust",
                           *t);
    return RAP_OK;
}

const char *eval_text(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));

    return text ? text : "";
}

int eval_item_count(const eval_options *options, json_t *items)
{
    int count = (int)json_array_size(items);

    return options->sample > 0 && options->sample < count ? options->sample : count;
}

/* The array in <folder>/<file>; the caller owns it. */
static rap_status load_items(json_t **out, const eval_options *options, const char *file,
                             rap_err *err)
{
    char *path = path_join(options->folder, file);
    json_error_t error;
    rap_status status = RAP_OK;

    *out = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!path)
        status = err_memory(err, "reading an evaluation set");
    else if (!*out)
        status =
            err_set(err, file_exists(path) ? RAP_E_FORMAT : RAP_E_NOT_FOUND, "%s: %s", path,
                    file_exists(path) ? error.text : "no such file; is this an evaluation set?");
    else if (!json_is_array(*out))
        status = err_set(err, RAP_E_FORMAT, "%s: not a JSON array of items", path);
    if (status != RAP_OK) {
        json_decref(*out);
        *out = NULL;
    }
    free(path);
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

/* Lists of names and options hold text, where they are there. */
static bool has_text_lists(const json_t *item)
{
    static const char *const field[] = { "names", "options" };

    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        const json_t *list = json_object_get(item, field[i]);

        if (list && !json_is_null(list) && !json_is_array(list))
            return false;
        for (size_t j = 0; j < json_array_size(list); j++)
            if (!json_is_string(json_array_get(list, j)))
                return false;
    }
    return true;
}

static rap_status check_item(const eval_run_state *run, const char *file, size_t number,
                             const json_t *item, rap_err *err)
{
    if (!json_is_object(item))
        return err_set(err, RAP_E_FORMAT, "%s/%s: item %zu is no object", run->options->folder,
                       file, number);
    if (!has_text_lists(item))
        return err_set(err, RAP_E_FORMAT,
                       "%s/%s: item %zu: 'names' or 'options' is no list of texts",
                       run->options->folder, file, number);
    return RAP_OK;
}

rap_status eval_each(eval_run_state *run, const char *task, eval_item *each, void *payload,
                     rap_err *err)
{
    const char *file = wanted_file(run->options, task);
    json_t *items = NULL;
    rap_status status = file ? load_items(&items, run->options, file, err) : RAP_OK;
    size_t size, count;

    if (!items)
        return status;
    size = json_array_size(items);
    count = (size_t)eval_item_count(run->options, items);
    for (size_t i = 0; status == RAP_OK && i < count; i++) { /* i * size / count: spread evenly */
        json_t *item = json_array_get(items, i * size / count);

        status = check_item(run, file, i * size / count, item, err);
        if (status == RAP_OK)
            status = each(run, item, payload, err);
        if (status == RAP_OK)
            status = step(run, err);
    }
    json_decref(items);
    return status;
}

static rap_status count_items(eval_run_state *run, rap_err *err)
{
    for (size_t i = 0; i < TASKS; i++) {
        const char *file = wanted_file(run->options, tasks[i].name);
        json_t *items = NULL;
        rap_status status = file ? load_items(&items, run->options, file, err) : RAP_OK;

        if (status != RAP_OK)
            return status;
        run->total += 2 * (uint64_t)eval_item_count(run->options, items);
        json_decref(items);
    }
    return RAP_OK;
}

static int collect_name(const rap_record *record, void *payload)
{
    return json_array_append_new(payload, json_string(record->name));
}

static rap_status open_store(rap **out, const eval_options *o, const char *path, rap_policy policy,
                             rap_err *err)
{
    rap_options options = RAP_OPTIONS_INIT;
    rap_status status;

    options.profile = o->profile;
    options.store = path;
    options.threads = o->threads;
    options.policy = policy;
    status = rap_open(out, &options);
    return status == RAP_OK ? RAP_OK
                            : err_set(err, status, "%s", *out ? rap_error(*out) : "out of memory");
}

/* Runs every task on the store at `path`, which is filled first when `database` is given. */
static rap_status run_side(eval_run_state *run, eval_scores *scores, eval_counts *counts,
                           const char *path, const char *database, rap_err *err)
{
    rap_status status = open_store(&run->r, run->options, path, RAP_POLICY_DEFAULT, err);

    if (status == RAP_OK && database) {
        status = rap_import(NULL, run->r, database, 0);
        if (status == RAP_OK)
            status = rap_each(run->r, NULL, collect_name, run->names);
        if (status != RAP_OK)
            err_set(err, status, "%s", rap_error(run->r));
    }
    if (status == RAP_OK)
        status = open_store(&run->paper, run->options, path, RAP_POLICY_PAPER, err);
    if (status == RAP_OK)
        status = eval_vision(run, scores, counts, err);
    if (status == RAP_OK)
        status = eval_questions(run, scores, counts, err);
    rap_close(run->paper);
    rap_close(run->r);
    run->r = run->paper = NULL;
    return status;
}

static rap_status run_both(eval_run_state *run, eval_report *out, const char *folder, rap_err *err)
{
    char *database = path_join(run->options->folder, "database.json");
    char *full = path_join(folder, "full.db"), *empty = path_join(folder, "empty.db");
    rap_status status = database && full && empty ? count_items(run, err)
                                                  : err_memory(err, "starting the evaluation");

    run->side = "memory";
    if (status == RAP_OK)
        status = run_side(run, &out->memory, &out->counts, full, database, err);
    run->side = "baseline";
    if (status == RAP_OK)
        status = run_side(run, &out->baseline, &out->counts, empty, NULL, err);
    free(database);
    free(full);
    free(empty);
    return status;
}

/* The trust task alone has no use for the two stores. */
static int wants_stores(const eval_options *options)
{
    for (size_t i = 0; i < TASKS; i++)
        if (eval_wants(options, tasks[i].name))
            return 1;
    return 0;
}

/* What is written must not be what is read. */
static rap_status check_outputs(const eval_options *o, rap_err *err)
{
    const char *const out[] = { o->log, o->save_distractors };
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < sizeof out / sizeof *out; i++) {
        status = file_spare(out[i], o->folder, NULL, err);
        if (status == RAP_OK)
            status = file_spare(out[i], o->distractors, NULL, err);
    }
    return status;
}

rap_status eval_run(eval_report *out, const eval_options *options, rap_err *err)
{
    eval_run_state run = { .options = options, .names = json_array() };
    temp folder = TEMP_INIT; /* of the two stores */
    rap_status status = run.names ? check_tasks(options, err) : err_memory(err, "an evaluation");

    memset(out, 0, sizeof *out);
    if (status == RAP_OK)
        status = check_outputs(options, err);
    if (status == RAP_OK)
        status = temp_folder_anywhere(&folder, "rap-eval", err);
    if (status == RAP_OK && options->log && !(run.log = fopen(options->log, "w")))
        status = err_file(err, options->log, "writing");
    if (status == RAP_OK && wants_stores(options))
        status = run_both(&run, out, folder.path, err);
    if (status == RAP_OK && eval_wants(options, "trust"))
        status = eval_trust(out, options, err);
    if (run.log && fclose(run.log) != 0 && status == RAP_OK)
        status = err_file(err, options->log, "writing");
    temp_remove(&folder);
    json_decref(run.names);
    return status;
}
