/* export.c: reads samples, lays their prompts out, and hands them to the writer of the form. */
#include "dataset/export.h"

#include "base/file.h"
#include "base/mem.h"
#include "dataset/export_inside.h"
#include "generate/prompt.h"

#include <stdlib.h>
#include <string.h>

#define MARK "<image>"

static int count_marks(const char *text)
{
    int count = 0;

    for (; (text = strstr(text, MARK)); text += strlen(MARK))
        count++;
    return count;
}

/* The first turn as the RAP models were tuned on it. */
static rap_status lay_out(export_sample *out, const sample *s, rap_err *err)
{
    const prompt_style bare = { "", "", "", "", NULL, NULL, 0 };
    prompt_concept concept[SAMPLE_CONCEPTS];
    prompt p = { 0 };
    buf text = BUF_INIT;
    rap_status status;

    *out = (export_sample){ .source = s };
    if (s->image)
        out->picture[out->pictures++] = s->image;
    for (int i = 0; i < s->concepts; i++) {
        const sample_concept *c = &s->concept[i];

        concept[i] = (prompt_concept){ c->name, c->info, *c->picture != 0 };
        if (*c->picture)
            out->picture[out->pictures++] = c->picture;
    }
    status =
        prompt_build(&p, &bare, s->image != NULL, concept, s->concepts, s->turn[0].human, 1, err);
    if (status)
        return status;
    prompt_text(&text, &p);
    prompt_release(&p);
    out->first = buf_detach(&text);
    return out->first ? RAP_OK : err_memory(err, "exporting samples");
}

/* Does a text of the sample say "<image>"? Then trainers would count more pictures than there are. */
static bool has_marks(const export_sample *e)
{
    const sample *s = e->source;
    bool has = count_marks(e->first) != e->pictures;

    for (int i = 0; i < s->turns; i++)
        has = has || count_marks(s->turn[i].gpt) || (i && count_marks(s->turn[i].human));
    return has;
}

static rap_status add(const export_form *form, export_writer *w, const sample *s,
                      dataset_export_result *out, uint64_t *count, rap_err *err)
{
    export_sample e = { .first = NULL };
    rap_err why = { RAP_OK, "" };
    rap_status status = s->turns ? lay_out(&e, s, &why) : RAP_OK;

    if (!status && s->turns && has_marks(&e)) {
        out->marked++;
    } else if (!status && s->turns) {
        status = form->add(w, &e, &why);
        *count += !status;
    }
    free(e.first);
    return status ? err_set(err, status, "sample %.100s: %s", s->id, why.text) : RAP_OK;
}

/* One file of samples; a set may have no validation. */
static rap_status export_part(dataset_export_result *out, const dataset_export_options *o,
                              const export_form *form, const char *part, uint64_t *count,
                              rap_err *err)
{
    char *path = sample_data_file(o->data, part);
    sample_file *f = NULL;
    export_writer *w = NULL;
    bool more = true;
    rap_status status;

    if (!path)
        return strcmp(part, "train") != 0
                   ? RAP_OK
                   : err_set(
                         err, RAP_E_NOT_FOUND,
                         "%s: no train.json or train.jsonl there; `rap dataset build` makes one",
                         o->data);
    status = sample_file_open(&f, path, err);
    if (!status)
        status = form->open(&w, o, part, out, err);
    while (!status && more) {
        sample s;

        status = sample_file_next(&s, &more, f, err);
        if (status || !more)
            break;
        status = add(form, w, &s, out, count, err);
        sample_release(&s);
        if (!status && o->on_progress && o->on_progress("samples exported", *count, 0, o->payload))
            status = err_set(err, RAP_E_CANCELLED, "stopped; %s is not complete", o->folder);
    }
    if (w)
        status = form->close(w, status, err);
    sample_file_close(f);
    free(path);
    return status;
}

static rap_status check_folder(const char *folder, rap_err *err)
{
    static const char *const ours[] = { "train.json", "rap.json", "train-000000.tar", "images" };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        char *path = path_join(folder, ours[i]);
        bool there = path && (file_exists(path) || file_is_folder(path));

        free(path);
        if (!path)
            return err_memory(err, "exporting samples");
        if (there)
            return err_set(err, RAP_E_EXISTS,
                           "%s: holds %s already; name another folder, or remove it", folder,
                           ours[i]);
    }
    return file_make_folders(folder, err);
}

rap_status dataset_export(dataset_export_result *out, const dataset_export_options *o, rap_err *err)
{
    static const export_form *const forms[] = { &export_llava, &export_sharegpt,
                                                &export_webdataset };
    const export_form *form = NULL;
    rap_status status;

    *out = (dataset_export_result){ .train = 0 };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(forms[i]->name, o->format) == 0)
            form = forms[i];
    if (!form)
        return err_set(err, RAP_E_ARGUMENT,
                       "unknown format '%.40s': llava, sharegpt or webdataset is expected",
                       o->format);
    if (!file_is_folder(o->data))
        return err_set(err, RAP_E_NOT_FOUND, "%s: not a folder of `rap dataset build`", o->data);
    status = check_folder(o->folder, err);
    if (!status)
        status = export_part(out, o, form, "train", &out->train, err);
    if (!status)
        status = export_part(out, o, form, "validation", &out->validation, err);
    return status;
}
