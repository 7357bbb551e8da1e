/* annotate.c: three walks over the samples: count the requests, send those without an answer, write the result. */
#include "dataset/annotate.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "dataset/annotate_ask.h"
#include "dataset/annotate_folder.h"
#include "dataset/time_left.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 768, MEASURED = 200, LONGEST_SIDE = 4096 };

typedef struct run {
    const annotate_options *options;
    annotate_task task;
    annotate_log *log;
    annotate_asker *asker;
    annotate_local *local; /* NULL: an endpoint is asked */
    annotate_result *out;
    annotate_folder folder;
    char *log_path;
    uint64_t to_ask, sent, measuring;
    double start;
} run;

/* ---- the folder ---- */

static rap_status open_folder(run *r, rap_err *err)
{
    const annotate_options *o = r->options;
    char name[64];
    rap_status status;

    snprintf(name, sizeof name, "annotated-%s", annotate_kind_name(r->task.kind));
    status = annotate_folder_open(&r->folder, o->folder, name, err);
    if (status != RAP_OK)
        return status;
    snprintf(r->out->out, sizeof r->out->out, "%s", r->folder.result);
    r->log_path = path_join(o->folder, "annotations.jsonl");
    return r->log_path ? annotate_log_open(&r->log, r->log_path, !o->dry_run, err)
                       : err_memory(err, "annotating");
}

/* ---- walking ---- */

typedef rap_status on_unit(run *r, const annotate_unit *unit, const sample *s, rap_err *err);

static rap_status walk_sample(run *r, const sample *s, on_unit *what, rap_err *err)
{
    annotate_unit unit[SAMPLE_CONCEPTS];
    int count = 0;
    rap_status status = annotate_units(unit, &count, &r->task, s, err);

    for (int i = 0; i < count; i++) {
        if (status == RAP_OK)
            status = what(r, &unit[i], s, err);
        annotate_unit_release(&unit[i]);
    }
    return status;
}

static rap_status tell(run *r, const char *what, uint64_t done, uint64_t total, rap_err *err)
{
    const annotate_options *o = r->options;

    if (o->on_progress && o->on_progress(what, done, total, o->payload) != 0)
        return err_set(err, RAP_E_CANCELLED,
                       "cancelled; the answers so far are kept, and the same command goes on");
    return RAP_OK;
}

typedef struct walking {
    run *r;
    on_unit *what;
} walking;

static rap_status visit(const sample *s, int side, void *payload, rap_err *err)
{
    const walking *w = payload;

    (void)side;
    return walk_sample(w->r, s, w->what, err);
}

static rap_status walk(run *r, on_unit *what, rap_err *err)
{
    return annotate_walk(&r->folder, visit, &(walking){ r, what }, err);
}

/* ---- counting ---- */

static rap_status count_unit(run *r, const annotate_unit *u, const sample *s, rap_err *err)
{
    bool known = annotate_log_has(r->log, u->key);

    if (annotate_log_claim(r->log, u->key, 1)) {
        r->out->requests++;
        r->out->known += known;
        r->to_ask += !known;
    }
    return RAP_OK;
}

static bool is_new(const run *r, const annotate_unit *u)
{
    return annotate_log_claim(r->log, u->key, 2) && !annotate_log_has(r->log, u->key);
}

/* A part of the requests is measured, the rest is taken to be alike. */
static rap_status measure_unit(run *r, const annotate_unit *u, const sample *s, rap_err *err)
{
    uint64_t every = r->to_ask / MEASURED + 1, bytes = 0, tokens = 0;
    rap_err why = { 0 };

    if (!is_new(r, u))
        return RAP_OK;
    r->out->pictures += (uint64_t)u->pictures;
    r->out->prompt_tokens += u->prompt.len / 4 + 8;
    if (r->measuring++ % every != 0)
        return RAP_OK;
    if (annotate_measure(&bytes, &tokens, &r->task, u, r->folder.images, &why) != RAP_OK) {
        if (r->out->failed++ == 0)
            snprintf(r->out->first_failure, sizeof r->out->first_failure, "%s", why.text);
        return why.status == RAP_E_MEMORY ? err_set(err, why.status, "%s", why.text) : RAP_OK;
    }
    r->out->measured++;
    r->out->picture_bytes += bytes;
    r->sent += tokens;
    return tell(r, "measuring pictures", r->measuring, r->to_ask, err);
}

static rap_status dry_run(run *r, rap_err *err)
{
    annotate_result *out = r->out;
    int limit = r->options->max_tokens > 0 ? r->options->max_tokens : 1024;
    rap_status status = walk(r, measure_unit, err);

    if (out->measured > 0) {
        double scale = (double)r->to_ask / (double)out->measured;

        out->picture_bytes = (uint64_t)((double)out->picture_bytes * scale);
        out->prompt_tokens += (uint64_t)((double)r->sent * scale);
    }
    out->answer_tokens = r->to_ask * (uint64_t)limit;
    return status;
}

/* ---- asking ---- */

static rap_status tell_asking(run *r, rap_err *err)
{
    annotate_asked now;
    uint64_t done;
    char what[64];

    annotate_asker_count(&now, r->asker);
    done = now.asked + now.failed;
    time_left(what, "asking", clock_ms() - r->start, done, r->to_ask);
    return tell(r, what, done, r->to_ask, err);
}

static rap_status send_unit(run *r, const annotate_unit *u, const sample *s, rap_err *err)
{
    bool taken = false;
    rap_status status = RAP_OK;

    if (!is_new(r, u))
        return RAP_OK;
    while (status == RAP_OK && !taken) {
        status = annotate_asker_add(&taken, r->asker, u, s->id, err);
        if (status == RAP_OK)
            status = tell_asking(r, err);
    }
    return status;
}

static rap_status ask_all(run *r, rap_err *err)
{
    annotate_asked count;
    bool idle = false;
    rap_status status = annotate_asker_open(&r->asker, r->options, &r->task, r->folder.images,
                                            r->log, r->local, err);

    if (status != RAP_OK)
        return status;
    r->start = clock_ms();
    status = walk(r, send_unit, err);
    while (status == RAP_OK && !idle) {
        status = annotate_asker_wait(&idle, r->asker, err);
        if (status == RAP_OK)
            status = tell_asking(r, err);
    }
    annotate_asker_count(&count, r->asker);
    annotate_asker_close(r->asker);
    r->asker = NULL;
    r->out->asked = count.asked;
    r->out->failed = count.failed;
    r->out->prompt_tokens = count.prompt_tokens;
    r->out->answer_tokens = count.answer_tokens;
    r->out->pictures = count.pictures;
    r->out->picture_bytes = count.picture_bytes;
    snprintf(r->out->first_failure, sizeof r->out->first_failure, "%s", count.first_failure);
    return status;
}

/* ---- writing ---- */

/* Which of the replies are bad, and why. */
static rap_status judge_unit(run *r, const annotate_unit *u, const sample *s, rap_err *err)
{
    json_t *entry = NULL;
    annotate_fault fault;
    rap_status status = RAP_OK;

    if (annotate_log_claim(r->log, u->key, 3))
        status = annotate_log_get(&entry, r->log, u->key, err);
    if (!entry)
        return status;
    fault = annotate_judge(&r->task, u, entry);
    if (fault != FAULT_NONE && !*r->out->first_fault) {
        const char *reply = json_string_value(json_object_get(entry, "reply"));

        snprintf(r->out->first_fault, sizeof r->out->first_fault, "%s: %s: \"%.200s\"", s->id,
                 annotate_fault_text(fault), reply ? reply : "");
    }
    r->out->fault[fault] += fault != FAULT_NONE;
    json_decref(entry);
    return status;
}

static void count_fate(annotate_result *out, annotate_fate fate)
{
    uint64_t *const count[] = { [FATE_SAME] = &out->same,
                                [FATE_CHANGED] = &out->changed,
                                [FATE_DROPPED] = &out->dropped,
                                [FATE_DENIED] = &out->denied };

    ++*count[fate];
}

static rap_status rewrite(buf *lines, const sample *s, int side, void *payload, rap_err *err)
{
    run *r = payload;
    annotate_fate fate;
    rap_status status = annotate_apply(lines, &fate, &r->task, s, r->log, err);

    (void)side;
    if (status != RAP_OK)
        return status;
    count_fate(r->out, fate);
    if (lines->len > 0)
        buf_putc(lines, '\n');
    return RAP_OK;
}

static rap_status write_result(run *r, rap_err *err)
{
    rap_status status = walk(r, judge_unit, err);

    return status == RAP_OK ? annotate_rewrite(&r->folder, rewrite, r, err) : status;
}

/* ---- all of it ---- */

static rap_status check_options(annotate_kind *kind, const annotate_options *o, rap_err *err)
{
    if (!o->task || !annotate_kind_find(kind, o->task))
        return err_set(err, RAP_E_ARGUMENT, "'%s' is no task: describe, caption, qa or verify",
                       o->task ? o->task : "");
    if (o->profile && (o->endpoint || o->model))
        return err_set(err, RAP_E_ARGUMENT,
                       "--profile asks that profile's own model: leave out --endpoint and --model");
    if (!o->profile && (!o->model || !*o->model))
        return err_set(err, RAP_E_ARGUMENT, "which model? --model names it as the endpoint does");
    if (!o->profile && !o->endpoint && !o->dry_run && !o->replay)
        return err_set(err, RAP_E_ARGUMENT,
                       "no endpoint is given: --endpoint URL names one, --profile a model of your "
                       "own; --dry-run and --replay need none");
    if (o->side < 0 || o->side > LONGEST_SIDE)
        return err_set(err, RAP_E_ARGUMENT, "pictures of %d pixels: 1 to %d is possible", o->side,
                       LONGEST_SIDE);
    return RAP_OK;
}

static rap_status annotate_run(run *r, annotate_kind kind, rap_err *err)
{
    const annotate_options *o = r->options;
    rap_status status =
        o->profile ? annotate_local_open(&r->local, o->profile, o->threads, err) : RAP_OK;

    if (status == RAP_OK)
        status =
            annotate_task_init(&r->task, kind, r->local ? annotate_local_name(r->local) : o->model,
                               o->side > 0 ? o->side : SIDE, o->prompts, err);

    if (status == RAP_OK)
        status = open_folder(r, err);
    if (status == RAP_OK)
        status = walk(r, count_unit, err);
    if (status != RAP_OK)
        return status;
    if (o->dry_run)
        return dry_run(r, err);
    if (!o->replay && r->to_ask > 0)
        status = ask_all(r, err);
    return status == RAP_OK ? write_result(r, err) : status;
}

rap_status annotate(annotate_result *out, const annotate_options *options, rap_err *err)
{
    run r = { .options = options, .out = out };
    annotate_kind kind = ANNOTATE_DESCRIBE;
    rap_status status;

    memset(out, 0, sizeof *out);
    status = check_options(&kind, options, err);
    if (status == RAP_OK)
        status = annotate_run(&r, kind, err);
    annotate_local_close(r.local);
    annotate_log_close(r.log);
    annotate_task_release(&r.task);
    free(r.log_path);
    annotate_folder_release(&r.folder);
    return status;
}
