/* build.c: from a configuration to a data set, in steps that can be interrupted anywhere.
 *
 *     read      every source offers its items; the pool keeps a fair choice (with a reserve for what is dropped)
 *     list      the choices of all kinds in one drawn order: the jobs
 *     make      blocks of jobs on all threads; the lines are written in order; state.json says how far it is
 *     finish    the files get their names
 *
 * Reading is repeated after an interruption, because it is quick and always gives the same; making goes on at the
 * last state. A line is part of the set when the state says so: what was written behind it is cut off. */
#include "dataset/dataset.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/threads.h"
#include "dataset/make.h"
#include "dataset/random.h"
#include "dataset/source.h"
#include "dataset/time_left.h"
#include "formats/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 128 };

/* An interruption costs a second of work, or ten times what saving takes, and one block. */
#define SAVE_EVERY 1.0
#define SAVE_SHARE 10.0

typedef struct job {
    uint64_t order;
    const dataset_item *item;
    dataset_kind kind;
} job;

typedef struct building {
    const dataset_options *options;
    dataset_plan *plan;
    templates *templates;
    dataset_pool pool;
    dataset_index index;
    nearest *nearest;  /* NULL: not asked for */
    int lock;          /* of the folder; −1: not held */
    char list[17];     /* what tells one list of jobs from another */
    char *features;    /* the file of `nearest` */
    job *job;          /* [jobs] */
    size_t jobs, next; /* next: the first that is not made yet */
    char *images, *state_path;
    char key[65];  /* of the configuration */
    FILE *file[2]; /* by side */
    char *part[2], *final[2];
    uint64_t bytes[2], samples[2];
    double began;    /* making; by clock_ms() */
    uint64_t before; /* samples that a former run made */
    dataset_result *result;
    dataset_report reading;
} building;

/* ---- the folder ---- */

/* What the caller wants otherwise than the file. */
static rap_status set_format(building *b, rap_err *err)
{
    const char *format = b->options->format;
    bool lines = format && strcmp(format, "jsonl") == 0;

    if (!format)
        return RAP_OK;
    if (!lines && strcmp(format, "json") != 0)
        return err_set(err, RAP_E_ARGUMENT, "the format '%s': json or jsonl is expected", format);
    b->plan->jsonl = lines;
    return json_object_set_new(b->plan->json, "jsonl", json_boolean(lines)) == 0
               ? RAP_OK
               : err_memory(err, "reading a configuration");
}

/* Everything that the samples depend on but what the sources hold: see list_jobs(). */
static rap_status make_key(building *b, rap_err *err)
{
    json_t *samples = json_copy(b->plan->json); /* views are made of them, and change none */
    char *json = samples && (json_object_del(samples, "novel"), true)
                     ? json_dumps(samples, JSON_SORT_KEYS | JSON_COMPACT)
                     : NULL;
    buf text = BUF_INIT;
    rap_status status = json ? RAP_OK : err_memory(err, "reading a configuration");

    if (status == RAP_OK) {
        buf_puts(&text, json);
        templates_list(&text, b->templates);
        buf_puts(&text, RAP_VERSION);
        if (buf_failed(&text))
            status = err_memory(err, "reading a configuration");
        else
            sha256_hex(b->key, text.data, text.len);
    }
    buf_release(&text);
    json_decref(samples);
    free(json);
    return status;
}

static rap_status name_files(building *b, rap_err *err)
{
    static const char *const stem[2] = { "train", "validation" };
    const char *extension = b->plan->jsonl ? "jsonl" : "json";

    b->images = path_join(b->options->folder, "images");
    b->state_path = path_join(b->options->folder, "state.json");
    b->features = path_join(b->options->folder, "features.part");
    for (int side = 0; side < 2; side++) {
        char name[64];

        snprintf(name, sizeof name, "%s.%s", stem[side], extension);
        b->final[side] = path_join(b->options->folder, name);
        snprintf(name, sizeof name, "%s.%s.part", stem[side], extension);
        b->part[side] = path_join(b->options->folder, name);
        if (!b->final[side] || !b->part[side])
            return err_memory(err, "building a data set");
    }
    return b->images && b->state_path && b->features ? RAP_OK
                                                     : err_memory(err, "building a data set");
}

/* Two builds in one folder would write over each other. */
static rap_status lock_folder(building *b, rap_err *err)
{
    b->lock = open(b->options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->lock < 0)
        return err_set(err, RAP_E_IO, "%s: %s", b->options->folder, strerror(errno));
    if (flock(b->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return err_set(err, RAP_E_BUSY, "%s: another process is building it; wait for that one",
                       b->options->folder);
    return RAP_OK; /* a file system without locks is no reason to stop */
}

static rap_status is_empty(bool *out, const char *folder, rap_err *err)
{
    char **name = NULL;
    size_t count = 0;
    rap_status status = source_list(&name, &count, folder, err);

    *out = count == 0;
    source_list_free(name, count);
    return status;
}

/* What a former run left: nothing, something to go on from, or a finished set. */
static rap_status read_state(building *b, bool *out_finished, rap_err *err)
{
    json_t *state = NULL;
    const char *key = "", *list;
    bool empty = true;
    rap_status status = RAP_OK;

    *out_finished = false;
    if (!file_exists(b->state_path)) {
        status = is_empty(&empty, b->options->folder, err);
        if (status == RAP_OK && !empty)
            status = err_set(err, RAP_E_EXISTS,
                             "%s: the folder is not empty and holds no data set of ours; name "
                             "another one",
                             b->options->folder);
        return status;
    }
    status = json_read(&state, b->state_path, 1 << 20, err);
    if (status == RAP_OK)
        status = json_get_string(&key, state, "configuration", b->state_path, err);
    if (status == RAP_OK && strcmp(key, b->key) != 0)
        status = err_set(err, RAP_E_EXISTS,
                         "%s: holds a data set of another configuration; name another folder, or "
                         "remove it",
                         b->options->folder);
    if (status == RAP_OK) {
        const char *const names[] = { "train", "validation" };

        *out_finished = json_is_true(json_object_get(state, "finished"));
        b->next = (size_t)json_integer_value(json_object_get(state, "jobs"));
        list = json_string_value(json_object_get(state, "list"));
        snprintf(b->list, sizeof b->list, "%s", list ? list : "");
        for (int side = 0; side < 2; side++) {
            const json_t *one = json_object_get(state, names[side]);

            b->bytes[side] = (uint64_t)json_integer_value(json_object_get(one, "bytes"));
            b->samples[side] = (uint64_t)json_integer_value(json_object_get(one, "samples"));
        }
        for (int k = 0; k < KIND_COUNT; k++)
            b->result->made[k] = (uint64_t)json_integer_value(
                json_object_get(json_object_get(state, "made"), dataset_kind_name(k)));
        for (int i = 0; i < DROP_REASONS; i++) {
            const json_t *one = json_array_get(json_object_get(state, "dropped"), (size_t)i);
            const char *first = json_string_value(json_array_get(one, 1));

            b->result->report.dropped[i] = (uint64_t)json_integer_value(json_array_get(one, 0));
            snprintf(b->result->report.first[i], sizeof b->result->report.first[i], "%s",
                     first ? first : "");
        }
    }
    json_decref(state);
    return status;
}

static rap_status write_state(const building *b, bool finished, rap_err *err)
{
    json_t *made = json_object(), *dropped = json_array(), *state;
    char *text;
    rap_status status;

    for (int k = 0; k < KIND_COUNT; k++)
        json_object_set_new(made, dataset_kind_name(k),
                            json_integer((json_int_t)b->result->made[k]));
    for (int i = 0; i < DROP_REASONS; i++)
        json_array_append_new(dropped, json_pack("[I, o]", (json_int_t)b->result->report.dropped[i],
                                                 json_any_text(b->result->report.first[i])));
    state = json_pack("{s:s, s:s, s:b, s:I, s:{s:I, s:I}, s:{s:I, s:I}, s:o, s:o}", "configuration",
                      b->key, "list", b->list, "finished", finished, "jobs", (json_int_t)b->next,
                      "train", "bytes", (json_int_t)b->bytes[0], "samples",
                      (json_int_t)b->samples[0], "validation", "bytes", (json_int_t)b->bytes[1],
                      "samples", (json_int_t)b->samples[1], "made", made, "dropped", dropped);
    text = state ? json_text(state) : NULL;
    status = text ? file_write(b->state_path, text, strlen(text), err)
                  : err_memory(err, "building a data set");
    free(text);
    json_decref(state);
    return status;
}

/* ---- pictures of the sources ---- */

/* A data set inside a source would be read as part of it next time, and its links would lead into each other. */
static rap_status check_apart(const char *folder, const plan_source *s, rap_err *err)
{
    const char *const read[] = { s->images, s->annotations };
    char *out = realpath(folder, NULL);
    rap_status status = RAP_OK;

    for (size_t i = 0; out && status == RAP_OK && i < 2; i++) {
        char *in = read[i] && file_is_folder(read[i]) ? realpath(read[i], NULL) : NULL;
        size_t len = in ? strlen(in) : 0;

        if (in && strncmp(out, in, len) == 0 && (out[len] == '/' || out[len] == '\0'))
            status =
                err_set(err, RAP_E_ARGUMENT,
                        "%s: lies in %s, which the source \"%s\" reads; name a folder elsewhere",
                        folder, read[i], s->name);
        free(in);
    }
    free(out);
    return status;
}

/* Before anything is made or read. */
static rap_status check_sources(const building *b, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < b->plan->sources; i++) {
        status = source_check(b->plan, &b->plan->source[i], err);
        if (status == RAP_OK)
            status = check_apart(b->options->folder, &b->plan->source[i], err);
    }
    return status;
}

/* images/NAME leads to the source's own folder, unless pictures are copied or it has none. */
static rap_status link_source(const building *b, const plan_source *s, rap_err *err)
{
    char *place, *real, now[4096];
    ssize_t len;
    rap_status status = RAP_OK;

    if (b->plan->copy || !s->images)
        return RAP_OK;
    place = path_join(b->images, s->name);
    real = realpath(s->images, NULL);
    if (!place || !real)
        status = err_set(err, RAP_E_IO, "%s: %s", s->images, strerror(errno));
    if (status == RAP_OK && symlink(real, place) != 0 &&
        ((len = readlink(place, now, sizeof now - 1)) < 0 || (now[len] = '\0', strcmp(now, real))))
        status = err_set(err, RAP_E_IO, "%s: cannot be made: %s", place, strerror(errno));
    free(real);
    free(place);
    return status;
}

static rap_status make_folders(building *b, rap_err *err)
{
    char *crops = path_join(b->images, "crops");
    rap_status status =
        crops ? file_make_folders(crops, err) : err_memory(err, "building a data set");

    for (int i = 0; status == RAP_OK && i < b->plan->sources; i++)
        status = link_source(b, &b->plan->source[i], err);
    free(crops);
    return status;
}

/* ---- read ---- */

/* A reserve for what turns out to be unusable when its pictures are opened. */
static uint64_t with_reserve(uint64_t wanted)
{
    return wanted ? wanted + wanted / 20 + 32 : 0;
}

static rap_status read_sources(building *b, rap_err *err)
{
    uint64_t wanted[KIND_COUNT];
    rap_status status = RAP_OK;

    for (int k = 0; k < KIND_COUNT; k++)
        wanted[k] = with_reserve(b->plan->wanted[k]);
    dataset_pool_init(&b->pool, b->plan->seed, wanted);
    for (int i = 0; status == RAP_OK && i < b->plan->sources; i++) {
        source_sink sink = { .plan = b->plan,
                             .source = &b->plan->source[i],
                             .images = b->images,
                             .pool = &b->pool,
                             .report = &b->reading,
                             .on_progress = b->options->on_progress,
                             .payload = b->options->payload };

        status = source_read(&sink, err);
    }
    return status == RAP_OK ? dataset_pool_close(&b->pool, &b->reading, err) : status;
}

/* ---- list ---- */

static int by_order(const void *a, const void *b)
{
    const job *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->item->key, y->item->key);
}

/* What was made before belongs to the same list, or the sources have changed since. */
static rap_status check_list(building *b, rap_err *err)
{
    uint64_t hash = b->jobs;
    char list[17];

    for (size_t i = 0; i < b->jobs; i++)
        hash = hash_fast(b->job[i].item->key, strlen(b->job[i].item->key),
                         hash + (uint64_t)b->job[i].kind);
    snprintf(list, sizeof list, "%016" PRIx64, hash);
    if (b->next > 0 && strcmp(list, b->list) != 0)
        return err_set(err, RAP_E_EXISTS,
                       "%s: was begun when the sources held other items; remove it and build anew",
                       b->options->folder);
    memcpy(b->list, list, sizeof list);
    return RAP_OK;
}

/* The kinds are mixed: a kind's k-th choice comes at the same share of the whole as k of what is wanted, so that the
 * reserves, and nothing else, come last. */
static rap_status list_jobs(building *b, rap_err *err)
{
    size_t count = 0;
    rap_status status;

    for (int k = 0; k < KIND_COUNT; k++)
        count += b->pool.kind[k].count;
    b->job = mem_array(count ? count : 1, sizeof *b->job);
    if (!b->job)
        return err_memory(err, "listing samples");
    for (int k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; i < b->pool.kind[k].count; i++) {
            const dataset_item *item = b->pool.kind[k].choice[i].item;
            draw d = draw_for(b->plan->seed + (uint64_t)k, "order", item->key);
            uint64_t turn =
                (uint64_t)(((double)i + draw_share(&d)) / (double)b->plan->wanted[k] * 1e12);

            b->job[b->jobs++] = (job){ turn, item, k };
        }
    qsort(b->job, b->jobs, sizeof *b->job, by_order);
    status = check_list(b, err);
    return status == RAP_OK
               ? index_open(&b->index, &b->pool, b->plan->seed, b->plan->validation, err)
               : status;
}

static rap_status find_nearest(building *b, rap_err *err)
{
    nearest_options options = { .plan = b->plan,
                                .index = &b->index,
                                .images = b->images,
                                .file = b->features,
                                .threads = b->options->threads,
                                .on_progress = b->options->on_progress,
                                .payload = b->options->payload };

    if (strcmp(b->plan->noise.by, "encoder") != 0 || b->plan->noise.share <= 0 ||
        b->plan->noise.hard <= 0)
        return RAP_OK;
    return nearest_open(&b->nearest, &options, err);
}

/* ---- make ---- */

static rap_status open_parts(building *b, rap_err *err)
{
    for (int side = 0; side < 2; side++) {
        struct stat info;

        if (b->next > 0 && (b->next > b->jobs || stat(b->part[side], &info) != 0 ||
                            (uint64_t)info.st_size < b->bytes[side])) {
            b->next = 0; /* lost with the power: from the start, to the same bytes */
            memset(b->bytes, 0, sizeof b->bytes);
            memset(b->samples, 0, sizeof b->samples);
            memset(b->result->made, 0, sizeof b->result->made);
            memset(&b->result->report, 0, sizeof b->result->report);
        }
    }
    for (int side = 0; side < 2; side++) {
        b->file[side] = fopen(b->part[side], b->next > 0 ? "r+b" : "wb");
        if (!b->file[side] || ftruncate(fileno(b->file[side]), (off_t)b->bytes[side]) != 0 ||
            fseeko(b->file[side], (off_t)b->bytes[side], SEEK_SET) != 0)
            return err_set(err, RAP_E_IO, "%s: %s", b->part[side], strerror(errno));
    }
    return RAP_OK;
}

static rap_status put(building *b, int side, const char *text, size_t size, rap_err *err)
{
    if (fwrite(text, 1, size, b->file[side]) != size)
        return err_set(err, RAP_E_IO, "%s: writing failed: %s", b->part[side], strerror(errno));
    b->bytes[side] += size;
    return RAP_OK;
}

static rap_status put_sample(building *b, const job *j, const buf *line, rap_err *err)
{
    int side = (int)index_side(&b->index, j->item);
    const char *before = b->plan->jsonl ? "" : b->samples[side] ? ",\n" : "[\n";
    rap_status status = put(b, side, before, strlen(before), err);

    if (status == RAP_OK)
        status = put(b, side, line->data, line->len, err);
    if (status == RAP_OK && b->plan->jsonl)
        status = put(b, side, "\n", 1, err);
    b->samples[side]++;
    b->result->made[j->kind]++;
    return status;
}

static rap_status flush_parts(building *b, rap_err *err)
{
    for (int side = 0; side < 2; side++)
        if (fflush(b->file[side]) != 0)
            return err_set(err, RAP_E_IO, "%s: writing failed: %s", b->part[side], strerror(errno));
    return RAP_OK;
}

/* Jobs of kinds that have enough are stepped over; which those are is known before each block, so that the block
 * is the same after an interruption. */
static rap_status make_block(building *b, const maker *m, int threads, rap_err *err)
{
    size_t from = b->next, count = b->jobs - from < BLOCK ? b->jobs - from : BLOCK;
    buf line[BLOCK] = { BUF_INIT };
    dataset_report *report = mem_array(BLOCK, sizeof *report);
    rap_err failed = { 0 };
    rap_status status = report ? RAP_OK : err_memory(err, "making samples");

#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (report)
    for (size_t i = 0; i < count; i++) {
        const job *j = &b->job[from + i];
        rap_err why = { 0 };

        if (!report || b->result->made[j->kind] >= b->plan->wanted[j->kind])
            continue;
        if (make_sample(&line[i], &report[i], m, j->item, j->kind, &why) != RAP_OK) {
#pragma omp critical(dataset_make_block)
            failed = why;
        }
    }
    if (failed.status != RAP_OK)
        status = err_set(err, failed.status, "%s", failed.text);
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        const job *j = &b->job[from + i];

        report_add(&b->result->report, &report[i]);
        if (line[i].len > 0 && b->result->made[j->kind] < b->plan->wanted[j->kind])
            status = put_sample(b, j, &line[i], err);
    }
    b->next = from + count;
    for (size_t i = 0; i < BLOCK; i++)
        buf_release(&line[i]);
    free(report);
    return status;
}

static bool is_complete(const building *b)
{
    for (int k = 0; k < KIND_COUNT; k++)
        if (b->result->made[k] < b->plan->wanted[k])
            return false;
    return true;
}

static rap_status tell(const building *b, rap_err *err)
{
    uint64_t made = b->samples[0] + b->samples[1], wanted = 0;
    char what[64];

    for (int k = 0; k < KIND_COUNT; k++)
        wanted +=
            b->plan->wanted[k] < b->pool.kind[k].count ? b->plan->wanted[k] : b->pool.kind[k].count;
    time_left(what, "making samples", clock_ms() - b->began, made - b->before, wanted - b->before);
    if (b->options->on_progress && b->options->on_progress(what, made < wanted ? made : wanted,
                                                           wanted, b->options->payload) != 0)
        return err_set(err, RAP_E_CANCELLED, "cancelled; the same command goes on from here");
    return RAP_OK;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The state is written once everything it refers to is on disk: the lines, and the crops, whose writes were not awaited. */
static rap_status save(building *b, rap_err *err)
{
    rap_status status = flush_parts(b, err);

    if (status == RAP_OK && syncfs(fileno(b->file[0])) != 0)
        status =
            err_set(err, RAP_E_IO, "%s: writing failed: %s", b->options->folder, strerror(errno));
    return status == RAP_OK ? write_state(b, false, err) : status;
}

static rap_status make_samples(building *b, rap_err *err)
{
    int threads = b->options->threads > 0 ? b->options->threads : threads_available();
    maker m = { b->plan, b->templates, &b->index, b->nearest, b->images };
    double saved = now(), cost = 0; /* of saving */
    rap_status status = open_parts(b, err);

    b->began = clock_ms();
    b->before = b->samples[0] + b->samples[1];
    while (status == RAP_OK && b->next < b->jobs && !is_complete(b)) {
        status = make_block(b, &m, threads, err);
        if (status == RAP_OK)
            status = tell(b, err);
        if (status == RAP_E_CANCELLED) {
            rap_status last = save(b, NULL);

            status =
                last == RAP_OK ? status : err_set(err, last, "%s: writing failed", b->state_path);
        } else if (status == RAP_OK && now() - saved > fmax(SAVE_EVERY, SAVE_SHARE * cost)) {
            cost = now();
            status = save(b, err);
            saved = now();
            cost = saved - cost;
        }
    }
    return status == RAP_OK ? save(b, err) : status;
}

/* ---- finish ---- */

static rap_status write_report(const building *b, rap_err *err)
{
    char *path = path_join(b->options->folder, "report.json"), *text = NULL;
    json_t *kinds = json_object(), *dropped = json_object(), *document;
    rap_status status;

    for (int k = 0; k < KIND_COUNT; k++)
        json_object_set_new(kinds, dataset_kind_name(k),
                            json_pack("{s:I, s:I, s:I}", "made", (json_int_t)b->result->made[k],
                                      "wanted", (json_int_t)b->result->wanted[k], "offered",
                                      (json_int_t)b->result->offered[k]));
    for (int i = 0; i < DROP_REASONS; i++)
        if (b->result->report.dropped[i] > 0)
            json_object_set_new(dropped, drop_reason_text(i),
                                json_pack("{s:I, s:o}", "count",
                                          (json_int_t)b->result->report.dropped[i], "first",
                                          json_any_text(b->result->report.first[i])));
    document = json_pack("{s:I, s:I, s:I, s:o, s:o}", "train", (json_int_t)b->samples[0],
                         "validation", (json_int_t)b->samples[1], "read",
                         (json_int_t)b->result->report.read, "kinds", kinds, "dropped", dropped);
    text = document ? json_text(document) : NULL;
    status = path && text ? file_write(path, text, strlen(text), err)
                          : err_memory(err, "writing a report");
    json_decref(document);
    free(text);
    free(path);
    return status;
}

static rap_status finish(building *b, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int side = 0; status == RAP_OK && side < 2; side++)
        if (!b->plan->jsonl)
            status = put(b, side, b->samples[side] ? "\n]\n" : "[]\n", 3, err);
    if (status == RAP_OK)
        status = flush_parts(b, err);
    for (int side = 0; status == RAP_OK && side < 2; side++) {
        if (fsync(fileno(b->file[side])) != 0 || rename(b->part[side], b->final[side]) != 0)
            status = err_set(err, RAP_E_IO, "%s: %s", b->final[side], strerror(errno));
    }
    if (status == RAP_OK)
        status = write_report(b, err);
    if (status == RAP_OK)
        status = write_state(b, true, err);
    if (status == RAP_OK)
        unlink(b->features);
    return status;
}

/* ---- new views ---- */

/* Their counts go into the report, beside what the building wrote there. */
static rap_status report_novel(const building *b, rap_err *err)
{
    const novel_result *n = &b->result->novel;
    char *path = path_join(b->options->folder, "report.json"), *text = NULL;
    json_t *report = NULL, *part;
    rap_status status =
        path ? json_read(&report, path, 1 << 20, err) : err_memory(err, "writing a report");

    if (status == RAP_OK) {
        part = json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:I}", "views", (json_int_t)n->views,
                         "kept", (json_int_t)n->kept, "dropped", (json_int_t)n->dropped,
                         "threshold", b->result->novel_threshold, "least_cosine", n->least,
                         "mean_cosine", n->mean, "samples", (json_int_t)n->added);
        if (part && (*n->why || n->failed))
            json_object_set_new(part, "missing",
                                json_any_text(*n->why ? n->why : n->first_failure));
        json_object_set_new(report, "novel", part);
        text = json_text(report);
        status =
            text ? file_write(path, text, strlen(text), err) : err_memory(err, "writing a report");
    }
    json_decref(report);
    free(text);
    free(path);
    return status;
}

static rap_status make_views(const building *b, rap_err *err)
{
    const plan_novel *n = &b->plan->novel;
    novel_options options = { .folder = b->options->folder,
                              .endpoint = n->endpoint,
                              .prompt = n->prompt,
                              .negative = n->negative,
                              .strength = n->strength,
                              .seed = b->plan->seed,
                              .steps = n->steps,
                              .views = n->views,
                              .side = n->side,
                              .threshold = n->threshold,
                              .profile = b->plan->profile,
                              .threads = b->options->threads,
                              .attempts = b->options->attempts,
                              .on_progress = b->options->on_progress,
                              .payload = b->options->payload };
    rap_status status;

    if (!n->wanted)
        return RAP_OK;
    b->result->has_novel = true;
    b->result->novel_threshold = n->threshold != 0 ? n->threshold : NOVEL_THRESHOLD;
    status = novel(&b->result->novel, &options, err);
    return status == RAP_OK ? report_novel(b, err) : status;
}

/* ---- all of it ---- */

/* The folder is made before it is compared with the sources, and removed again when it lies in one. */
static rap_status make_folder(building *b, rap_err *err)
{
    bool there = file_exists(b->options->folder);
    rap_status status = file_make_folders(b->options->folder, err);

    if (status != RAP_OK)
        return status;
    status = check_sources(b, err);
    if (status == RAP_OK)
        status = lock_folder(b, err);
    if (status != RAP_OK && !there)
        rmdir(b->options->folder);
    return status;
}

static rap_status build(building *b, rap_err *err)
{
    bool finished = false;
    rap_status status = plan_read(&b->plan, b->options->config, err);

    if (status == RAP_OK)
        status = set_format(b, err);
    if (status == RAP_OK)
        status = templates_open(&b->templates, b->plan->templates, err);
    if (status == RAP_OK)
        status = make_key(b, err);
    if (status == RAP_OK)
        status = name_files(b, err);
    if (status == RAP_OK)
        status = make_folder(b, err);
    if (status == RAP_OK)
        status = read_state(b, &finished, err);
    if (status == RAP_OK)
        status = write_state(b, finished, err); /* the folder is ours from here on */
    if (status == RAP_OK)
        memcpy(b->result->wanted, b->plan->wanted, sizeof b->plan->wanted);
    if (status != RAP_OK)
        return status;
    if (finished)
        return make_views(b, err);
    status = make_folders(b, err);
    if (status == RAP_OK)
        status = read_sources(b, err);
    if (status == RAP_OK)
        status = list_jobs(b, err);
    if (status == RAP_OK)
        status = find_nearest(b, err);
    for (int k = 0; k < KIND_COUNT; k++)
        b->result->offered[k] = b->pool.kind[k].offered;
    if (status == RAP_OK)
        status = make_samples(b, err);
    report_add(&b->result->report, &b->reading);
    if (status == RAP_OK)
        status = finish(b, err);
    return status == RAP_OK ? make_views(b, err) : status;
}

rap_status dataset_build(dataset_result *out, const dataset_options *options, rap_err *err)
{
    building b = { .options = options, .result = out, .lock = -1 };
    rap_status status;

    memset(out, 0, sizeof *out);
    status = build(&b, err);
    out->train = b.samples[0];
    out->validation = b.samples[1];
    for (int side = 0; side < 2; side++) {
        if (b.file[side])
            fclose(b.file[side]);
        free(b.part[side]);
        free(b.final[side]);
    }
    if (b.lock >= 0)
        close(b.lock);
    nearest_close(b.nearest);
    free(b.features);
    free(b.images);
    free(b.state_path);
    free(b.job);
    index_release(&b.index);
    dataset_pool_release(&b.pool);
    templates_free(b.templates);
    plan_free(b.plan);
    return status;
}
