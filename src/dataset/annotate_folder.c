/* annotate_folder.c: finding the files, walking them, writing new ones. */
#include "dataset/annotate_folder.h"

#include "base/file.h"
#include "base/temp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

rap_status annotate_folder_open(annotate_folder *out, const char *folder, const char *name,
                                rap_err *err)
{
    static const char *const stem[ANNOTATE_SIDES] = { "train", "validation" };

    *out = (annotate_folder){ .images = path_join(folder, "images"),
                              .result = path_join(folder, name) };
    if (!out->images || !out->result)
        return err_memory(err, "reading a data set");
    for (int side = 0; side < ANNOTATE_SIDES; side++)
        out->data[side] = sample_data_file(folder, stem[side]);
    if (!out->data[0] && !out->data[1])
        return err_set(err, RAP_E_NOT_FOUND,
                       "%s: no train.json or validation.json there; `rap dataset build` makes them",
                       folder);
    return RAP_OK;
}

void annotate_folder_release(annotate_folder *f)
{
    free(f->images);
    free(f->result);
    for (int side = 0; side < ANNOTATE_SIDES; side++)
        free(f->data[side]);
}

/* ---- walking ---- */

static rap_status walk_file(const char *path, int side, annotate_visitor *visitor, void *payload,
                            rap_err *err)
{
    sample_file *f = NULL;
    bool more = true;
    rap_status status = sample_file_open(&f, path, err);

    while (status == RAP_OK) {
        sample s;

        status = sample_file_next(&s, &more, f, err);
        if (status != RAP_OK || !more)
            break;
        status = visitor(&s, side, payload, err);
        sample_release(&s);
    }
    sample_file_close(f);
    return status;
}

rap_status annotate_walk(const annotate_folder *f, annotate_visitor *visitor, void *payload,
                         rap_err *err)
{
    rap_status status = RAP_OK;

    for (int side = 0; status == RAP_OK && side < ANNOTATE_SIDES; side++)
        if (f->data[side])
            status = walk_file(f->data[side], side, visitor, payload, err);
    return status;
}

/* ---- writing ---- */

typedef struct writing {
    annotate_rewriter *rewriter;
    void *payload;
    FILE *to;
    bool lines, first; /* lines: one sample a line, else a JSON array */
    buf text;
} writing;

static rap_status write_sample(const sample *s, int side, void *payload, rap_err *err)
{
    writing *w = payload;
    const char *at;
    rap_status status;

    buf_clear(&w->text);
    status = w->rewriter(&w->text, s, side, w->payload, err);
    for (at = buf_text(&w->text); status == RAP_OK && *at;) {
        size_t len = strcspn(at, "\n");

        fputs(w->lines ? "" : w->first ? "[\n" : ",\n", w->to);
        fwrite(at, 1, len, w->to);
        fputs(w->lines ? "\n" : "", w->to);
        w->first = false;
        at += len + (at[len] == '\n');
    }
    return buf_failed(&w->text) ? err_memory(err, "writing samples") : status;
}

static rap_status write_samples(writing *w, const char *path, const char *from, int side,
                                rap_err *err)
{
    rap_status status;

    w->lines = strcmp(path_extension(from), "jsonl") == 0;
    w->first = true;
    status = walk_file(from, side, write_sample, w, err);
    if (!w->lines)
        fputs(w->first ? "[]\n" : "\n]\n", w->to);
    if (status == RAP_OK && (fflush(w->to) != 0 || ferror(w->to)))
        status = err_file(err, path, "writing");
    return status;
}

static rap_status write_file(const annotate_folder *f, writing *w, int side, rap_err *err)
{
    char *path = path_join(f->result, path_base(f->data[side]));
    temp t = TEMP_INIT;
    rap_status status = path ? temp_file(&t, path, 0666, err) : err_memory(err, "writing samples");
    int fd = status == RAP_OK ? dup(t.fd) : -1;

    w->to = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (status == RAP_OK && !w->to) {
        status = err_file(err, path, "writing");
        if (fd >= 0)
            close(fd);
    }
    if (status == RAP_OK)
        status = write_samples(w, path, f->data[side], side, err);
    if (w->to && fclose(w->to) != 0 && status == RAP_OK)
        status = err_file(err, path, "writing");
    if (status == RAP_OK)
        status = temp_publish(&t, path, TEMP_REPLACE, err);
    temp_remove(&t);
    free(path);
    return status;
}

static rap_status link_images(const annotate_folder *f, rap_err *err)
{
    char *link = path_join(f->result, "images");
    rap_status status = link ? RAP_OK : err_memory(err, "writing samples");

    if (link && symlink("../images", link) != 0 && errno != EEXIST)
        status = err_file(err, link, "making");
    free(link);
    return status;
}

rap_status annotate_rewrite(const annotate_folder *f, annotate_rewriter *rewriter, void *payload,
                            rap_err *err)
{
    writing w = { .rewriter = rewriter, .payload = payload, .text = BUF_INIT };
    rap_status status = file_make_folders(f->result, err);

    if (status == RAP_OK)
        status = link_images(f, err);
    for (int side = 0; status == RAP_OK && side < ANNOTATE_SIDES; side++)
        if (f->data[side])
            status = write_file(f, &w, side, err);
    buf_release(&w.text);
    return status;
}
