/* remember_folder.c: see remember_folder.h. Each concept is remembered whole or not at all, and its failure leaves the
 * others alone. Reading order: the list of what is there, one concept, all of them, the report. */
#include "cli/remember_folder.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/interrupt.h"
#include "eval/calibrate/calibrate.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT (64u << 10) /* bytes of info.txt */

/* One concept as it lies in the folder. */
typedef struct found {
    char *name, *path; /* path: a folder or a picture */
    bool is_folder;
} found;

typedef struct folder_run {
    cli *c;
    const char *folder;
    const proposal *wanted;
    found *item; /* [count] */
    size_t count;
    json_t *remembered, *skipped, *failed;
    int code; /* of the first failure */
} folder_run;

/* ---- what is there ---- */

static rap_status add(folder_run *run, const char *file, bool is_folder, rap_err *err)
{
    found *item = &run->item[run->count];
    size_t len = strlen(file);

    if (!is_folder && *path_extension(file))
        len -= strlen(path_extension(file)) + 1;
    item->name = mem_string_n(file, len);
    item->path = path_join(run->folder, file);
    item->is_folder = is_folder;
    run->count++;
    return item->name && item->path ? RAP_OK : err_memory(err, "listing a folder");
}

static rap_status list(folder_run *run, rap_err *err)
{
    char **folder = NULL, **picture = NULL;
    int folders = 0, pictures = 0;
    rap_status status = calibrate_list(&folder, &folders, run->folder, 1, err);

    if (status == RAP_OK)
        status = calibrate_list(&picture, &pictures, run->folder, 0, err);
    if (status == RAP_OK && folders + pictures == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: neither a folder nor a picture is in it",
                         run->folder);
    run->item = mem_array((size_t)folders + (size_t)pictures, sizeof *run->item);
    if (status == RAP_OK && !run->item)
        status = err_memory(err, "listing a folder");
    for (int i = 0; status == RAP_OK && i < folders; i++)
        status = add(run, folder[i], true, err);
    for (int i = 0; status == RAP_OK && i < pictures; i++)
        status = add(run, picture[i], false, err);
    calibrate_list_free(folder, folders);
    calibrate_list_free(picture, pictures);
    return status;
}

/* ---- one concept ---- */

typedef struct draft { /* what one concept is made of */
    rap_concept concept;
    proposal proposal;
    char **file, **path; /* [count] of its pictures */
    int count;
    rap_image *view;
    char *info, *category;
} draft;

static void draft_release(draft *d)
{
    for (int i = 0; d->path && i < d->count; i++)
        free(d->path[i]);
    free(d->path);
    calibrate_list_free(d->file, d->count);
    free(d->view);
    free(d->info);
    free(d->category);
    propose_release(&d->proposal);
}

/* The text of a file in the concept's folder, without the space around it and the line ends behind it; NULL: there is
 * none. */
static rap_status read_text(char **out, const char *folder, const char *file, rap_err *err)
{
    char *path = path_join(folder, file), *bytes = NULL;
    const char *from = NULL;
    size_t len = 0;
    rap_status status = path ? RAP_OK : err_memory(err, "reading a text");

    *out = NULL;
    if (status == RAP_OK && file_exists(path))
        status = file_read(&bytes, &len, path, TEXT_LIMIT, err);
    if (bytes && (strlen(bytes) != len || !text_is_utf8(bytes)))
        status = err_set(err, RAP_E_FORMAT, "%s: is not valid UTF-8", path);
    if (status == RAP_OK && bytes) {
        while (len > 0 && strchr("\r\n", bytes[len - 1]))
            bytes[--len] = '\0';
        text_trim(&from, &len, bytes);
        *out = mem_string_n(from, len);
        status = *out ? RAP_OK : err_memory(err, "reading a text");
    }
    free(bytes);
    free(path);
    return status;
}

static rap_status read_pictures(draft *d, const found *f, rap_err *err)
{
    rap_status status = calibrate_list(&d->file, &d->count, f->path, 0, err);

    if (status == RAP_OK && d->count == 0)
        status = err_set(err, RAP_E_NOT_FOUND, "%s: no picture is in it", f->path);
    if (status != RAP_OK)
        return status;
    d->path = mem_array((size_t)d->count, sizeof *d->path);
    d->view = mem_array((size_t)d->count, sizeof *d->view);
    for (int i = 0; d->path && d->view && i < d->count; i++) {
        d->path[i] = path_join(f->path, d->file[i]);
        if (!d->path[i])
            return err_memory(err, "listing pictures");
        d->view[i].path = d->path[i];
    }
    if (!d->path || !d->view)
        return err_memory(err, "listing pictures");
    d->concept.image = d->view[0];
    d->concept.views = d->view + 1;
    d->concept.view_count = d->count - 1;
    return RAP_OK;
}

static rap_status read_folder(draft *d, const found *f, rap_err *err)
{
    rap_status status = read_pictures(d, f, err);

    if (status == RAP_OK)
        status = read_text(&d->info, f->path, "info.txt", err);
    if (status == RAP_OK)
        status = read_text(&d->category, f->path, "category.txt", err);
    return status;
}

/* A text of its own needs no proposal. */
static void settle_texts(draft *d, const proposal *wanted)
{
    d->proposal = *wanted;
    d->proposal.info = d->proposal.word = NULL;
    if (d->category)
        d->proposal.category = d->category;
    if (d->info)
        d->proposal.describe = false;
    d->concept.info = d->info;
}

static rap_status store_draft(draft *d, cli *c, int64_t *out_id)
{
    rap_concept *concept = &d->concept;
    rap_status status =
        propose(&d->proposal, c, concept->name, NULL, &concept->image, concept->box);

    if (status != RAP_OK)
        return status;
    concept->category = propose_category(&d->proposal);
    if (d->proposal.info)
    concept->info = d->proposal.info;
    concept->automatic = propose_automatic(&d->proposal);
    return rap_remember(out_id, c->r, concept);
}

/* Why the draft could not be made or stored. */
static const char *reason(const draft *d, const cli *c, rap_status status, const rap_err *err)
{
    if (*err->text)
        return err->text;
    if (d->proposal.declined)
        return "not kept, nothing was stored";
    return *rap_error(c->r) ? rap_error(c->r) : rap_status_text(status);
}

static rap_status note(json_t *list, json_t *line)
{
    return json_array_append_new(list, line) == 0 ? RAP_OK : RAP_E_MEMORY;
}

static rap_status remember_one(folder_run *run, const found *f)
{
    draft d = { .concept = RAP_CONCEPT_INIT };
    rap_err err = { RAP_OK, "" };
    int64_t id = 0;
    rap_status status = RAP_OK;

    d.concept.name = f->name;
    d.concept.image.path = f->path;
    if (f->is_folder)
        status = read_folder(&d, f, &err);
    settle_texts(&d, run->wanted);
    if (status == RAP_OK)
        status = store_draft(&d, run->c, &id);
    if (status == RAP_OK) {
        status = note(run->remembered, wire_remembered_views(id, f->name, d.concept.view_count + 1,
                                                             d.proposal.info, d.proposal.word));
    } else {
        if (!run->code)
            run->code = d.proposal.declined ? PROPOSE_DECLINED : rap_status_exit_code(status);
        status = note(run->failed, wire_not_remembered(f->name, reason(&d, run->c, status, &err)));
    }
    draft_release(&d);
    return status;
}

/* ---- all of them ---- */

static bool is_remembered(const folder_run *run, const char *name)
{
    rap_record *taken = NULL;
    rap_status status = rap_find(&taken, run->c->r, name);

    rap_record_free(taken);
    return status == RAP_OK;
}

static rap_status remember_each(folder_run *run)
{
    bool asks = (run->wanted->describe || run->wanted->category) && !run->wanted->yes;
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < run->count; i++) {
        const found *f = &run->item[i];

        if (is_remembered(run, f->name))
            status = note(run->skipped, wire_text(f->name));
        else
            status = remember_one(run, f);
        if (status == RAP_OK &&
            (asks ? interrupt_caught()
                  : cli_progress("remembering concepts", i + 1, run->count, run->c)))
            status = RAP_E_CANCELLED;
    }
    return status;
}

static const char *text_of(const json_t *item, const char *key)
{
    return json_string_value(key ? json_object_get(item, key) : item);
}

static int print(const folder_run *run)
{
    size_t i;
    json_t *item;

    json_array_foreach(run->failed, i, item)
        cli_say("%s: %s", text_of(item, "name"), text_of(item, "error"));
    if (run->c->json)
        return cli_print_json(wire_remembered_all(run->remembered, run->skipped, run->failed));
    if (run->c->quiet)
        return cli_flush();
    json_array_foreach(run->remembered, i, item)
        cli_line("remembered %s (%d picture%s)", text_of(item, "name"),
                 (int)json_integer_value(json_object_get(item, "views")),
                 json_integer_value(json_object_get(item, "views")) == 1 ? "" : "s");
    json_array_foreach(run->skipped, i, item)
        cli_line("skipped %s: it is already remembered", text_of(item, NULL));
    return cli_flush();
}

static int report(const folder_run *run, rap_status status)
{
    int code = print(run);

    if (code != 0)
        return code;
    if (status == RAP_OK)
        return run->code;
    cli_say("%s: stopped after %zu of %zu concepts", run->folder,
            json_array_size(run->remembered) + json_array_size(run->skipped) +
                json_array_size(run->failed),
            run->count);
    return rap_status_exit_code(status);
}

static void release(folder_run *run)
{
    for (size_t i = 0; run->item && i < run->count; i++) {
        free(run->item[i].name);
        free(run->item[i].path);
    }
    free(run->item);
    json_decref(run->remembered);
    json_decref(run->skipped);
    json_decref(run->failed);
}

int remember_folder(cli *c, const char *folder, const proposal *wanted)
{
    folder_run run = { .c = c,
                       .folder = folder,
                       .wanted = wanted,
                       .remembered = json_array(),
                       .skipped = json_array(),
                       .failed = json_array() };
    rap_err err = { RAP_OK, "" };
    rap_status status = list(&run, &err);
    int code;

    if (status != RAP_OK) {
        cli_say("%s", err.text);
        code = rap_status_exit_code(status);
    } else {
        status = remember_each(&run);
        code = report(&run, status);
    }
    release(&run);
    return code;
}
