/* describe.c: how often what the models write of a concept from its one picture is right: the kind and the colours of the
 * description, and the category. Truth is what database.json says: the category, and the colour words in the first
 * sentence of the info. The store is empty, so that no category gives the answer away. A refusal counts as a description
 * without words. */
#include "base/file.h"
#include "base/mem.h"
#include "base/path_find.h"
#include "base/temp.h"
#include "base/text_fold.h"
#include "base/text_search.h"
#include "base/threads.h"
#include "eval/eval.h"
#include "eval/metrics.h"
#include "formats/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE_LIMIT (64u << 20)

static const char *const colours[] = { "red",  "orange", "yellow", "green", "blue",  "purple",
                                       "pink", "brown",  "black",  "white", "grey",  "gray",
                                       "cyan", "gold",   "silver", "beige", "violet" };
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct described {
    int concepts, refused, kind, category, main_colour;
    metrics_counts colour;
    double ms;
} described;

/* ---- comparing ---- */

/* Where a colour stands in a text; -1: nowhere. "gray" is "grey". */
static long place(const char *text, int colour)
{
    return text_search_once(text, colours[colour]);
}

static int same(int colour)
{
    return strcmp(colours[colour], "gray") == 0 ? colour - 1 : colour;
}

typedef struct seen_colours {
    bool has[COLOURS];
    int first; /* -1: none */
} seen_colours;

static seen_colours read_colours(const char *text)
{
    seen_colours out = { .first = -1 };
    long at = -1;

    for (int i = 0; i < COLOURS; i++) {
        long here = place(text, i);

        if (here < 0)
            continue;
        out.has[same(i)] = true;
        if (at < 0 || here < at) {
            at = here;
            out.first = same(i);
        }
    }
    return out;
}

static void count_colours(described *d, const char *truth, const char *said)
{
    seen_colours right = read_colours(truth), told = read_colours(said);

    for (int i = 0; i < COLOURS; i++) {
        d->colour.hit += right.has[i] && told.has[i];
        d->colour.extra += !right.has[i] && told.has[i];
        d->colour.missed += right.has[i] && !told.has[i];
    }
    d->main_colour += right.first == told.first;
}

/* Up to the first full stop. free() */
static char *first_sentence(const char *info)
{
    const char *end = strstr(info, ". ");

    return mem_string_n(info, end ? (size_t)(end - info) : strlen(info));
}

/* ---- one concept ---- */

static void log_line(eval_run_state *run, const json_t *concept, const char *info, const char *word)
{
    json_t *line;

    if (!run->log)
        return;
    line = json_pack("{s:s, s:s, s:s, s:O}", "task", "describe", "info", info, "category", word,
                     "item", concept);
    json_dumpf(line, run->log, JSON_COMPACT);
    fputc('\n', run->log);
    json_decref(line);
}

/* What the model writes; "" where it refuses. free() */
static rap_status describe_info(char **out, described *d, rap *r, const char *name,
                                const rap_image *image)
{
    const rap_box whole = { 0, 0, 0, 0 };
    rap_status status = rap_propose_info(out, r, name, NULL, image, whole);

    if (status != RAP_E_MODEL)
        return status;
    d->refused++;
    *out = mem_string("");
    return *out ? RAP_OK : RAP_E_MEMORY;
}

static rap_status describe(described *d, eval_run_state *run, const json_t *concept, rap_err *err)
{
    const rap_box whole = { 0, 0, 0, 0 };
    const char *name = eval_text(concept, "name"), *kind = eval_text(concept, "category");
    char *path = path_find(run->options->folder, eval_text(concept, "image"));
    char *truth = first_sentence(eval_text(concept, "info")), *info = NULL, *word = NULL;
    const rap_image image = { .path = path };
    double start = clock_ms();
    rap_status status = path && truth ? RAP_OK : err_memory(err, "describing concepts");

    if (status == RAP_OK &&
        ((status = describe_info(&info, d, run->r, name, &image)) != RAP_OK ||
         (status = rap_propose_category(&word, run->r, name, &image, whole)) != RAP_OK))
        err_set(err, status, "%s: %s", name, rap_error(run->r));
    if (status == RAP_OK) {
        d->ms += clock_ms() - start;
        d->concepts++;
        d->kind += text_search_once(info, kind) >= 0;
        d->category += text_same_name(word, kind);
        count_colours(d, truth, info);
        log_line(run, concept, info, word);
    }
    rap_free(info);
    rap_free(word);
    free(truth);
    free(path);
    return status;
}

/* ---- all ---- */

static rap_status each(described *d, eval_run_state *run, const json_t *concepts, rap_err *err)
{
    const eval_options *o = run->options;
    size_t size = json_object_size(concepts), i = 0, asked = 0;
    size_t wanted = o->sample > 0 && (size_t)o->sample < size ? (size_t)o->sample : size;
    const char *key;
    json_t *concept;
    rap_status status = RAP_OK;

    json_object_foreach((json_t *)concepts, key, concept)
    {
        bool chosen = i * wanted / size != (i + 1) * wanted / size; /* spread evenly */

        i++;
        if (!chosen)
            continue;
        status = describe(d, run, concept, err);
        if (status == RAP_OK && o->on_progress &&
            o->on_progress("describing", ++asked, wanted, o->payload))
            status = err_set(err, RAP_E_CANCELLED, "evaluation cancelled");
        if (status != RAP_OK)
            break;
    }
    return status;
}

static rap_status open_empty(eval_run_state *run, const char *folder, rap_err *err)
{
    rap_options o = RAP_OPTIONS_INIT;
    char *path = path_join(folder, "empty.db");
    rap_status status;

    if (!path)
        return err_memory(err, "describing concepts");
    o.engine = run->engine;
    o.store = path;
    status = rap_open(&run->r, &o);
    if (status != RAP_OK)
        err_set(err, status, "%s", run->r ? rap_error(run->r) : "out of memory");
    free(path);
    return status;
}

static rap_status run_on(described *d, eval_run_state *run, const char *folder, rap_err *err)
{
    char *path = path_join(run->options->folder, "database.json");
    json_t *root = NULL, *concepts;
    rap_status status =
        path ? json_read(&root, path, DATABASE_LIMIT, err) : err_memory(err, "describing concepts");

    concepts = json_object_get(root, "concept_dict");
    if (status == RAP_OK && json_object_size(concepts) == 0)
        status = err_set(err, RAP_E_FORMAT, "%s: \"concept_dict\" holds no concept", path);
    if (status == RAP_OK)
        status = open_empty(run, folder, err);
    if (status == RAP_OK)
        status = each(d, run, concepts, err);
    if (status == RAP_OK && d->refused == d->concepts) /* or the model does not work */
        status = err_set(err, RAP_E_MODEL, "no concept was described: %s", rap_error(run->r));
    rap_close(run->r);
    run->r = NULL;
    json_decref(root);
    free(path);
    return status;
}

rap_status eval_describe(eval_report *out, eval_run_state *run, rap_err *err)
{
    temp folder = TEMP_INIT;
    described d = { .concepts = 0 };
    rap_status status = temp_folder_anywhere(&folder, "rap-eval", err);

    if (status == RAP_OK)
        status = run_on(&d, run, folder.path, err);
    temp_remove(&folder);
    out->described = (eval_described){ .concepts = d.concepts,
                                       .kind = metrics_ratio(d.kind, d.concepts),
                                       .category = metrics_ratio(d.category, d.concepts),
                                       .main_colour = metrics_ratio(d.main_colour, d.concepts),
                                       .colour_precision = metrics_precision(d.colour),
                                       .colour_recall = metrics_recall(d.colour),
                                       .milliseconds = d.concepts ? d.ms / d.concepts : 0 };
    return status;
}
