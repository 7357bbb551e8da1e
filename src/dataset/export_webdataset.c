/* export_webdataset.c: tar files of at most so many samples, as the loaders of WebDataset read them: the files of a sample
 * follow each other and have its key before the first dot. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "dataset/export_inside.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PICTURE_BYTES ((size_t)512 << 20)
enum { SHARD = 1000 };

struct export_writer {
    const dataset_export_options *o;
    dataset_export_result *result;
    char *part, *images;
    char *path; /* of the open shard */
    temp file;
    struct archive *tar; /* NULL: none is open */
    uint64_t written;    /* samples, of all shards */
    int shards;
};

static rap_status tar_failed(const export_writer *w, rap_err *err)
{
    const char *why = archive_error_string(w->tar);

    return err_set(err, RAP_E_IO, "%s: writing failed: %s", w->path, why ? why : "unknown reason");
}

/* ---- a shard ---- */

static rap_status open_shard(export_writer *w, rap_err *err)
{
    char name[96];
    rap_status status;

    snprintf(name, sizeof name, "%.60s-%06d.tar", w->part, w->shards++);
    free(w->path);
    w->path = path_join(w->o->folder, name);
    status =
        w->path ? temp_file(&w->file, w->path, 0644, err) : err_memory(err, "exporting samples");
    if (status)
        return status;
    w->tar = archive_write_new();
    if (!w->tar)
        return err_memory(err, "exporting samples");
    if (archive_write_set_format_ustar(w->tar) != ARCHIVE_OK ||
        archive_write_open_fd(w->tar, w->file.fd) != ARCHIVE_OK)
        return tar_failed(w, err);
    return RAP_OK;
}

static rap_status close_shard(export_writer *w, rap_status status, rap_err *err)
{
    if (!w->tar)
        return status;
    if (!status && archive_write_close(w->tar) != ARCHIVE_OK)
        status = tar_failed(w, err);
    archive_write_free(w->tar);
    w->tar = NULL;
    if (!status)
        status = temp_publish(&w->file, w->path, TEMP_REPLACE, err);
    w->result->files += !status;
    temp_remove(&w->file);
    return status;
}

/* A fixed date and owner: the same set gives the same bytes. */
static rap_status put(export_writer *w, const char *name, const void *bytes, size_t size,
                      rap_err *err)
{
    struct archive_entry *e = archive_entry_new();
    rap_status status = RAP_OK;

    if (!e)
        return err_memory(err, "exporting samples");
    archive_entry_set_pathname(e, name);
    archive_entry_set_size(e, (la_int64_t)size);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, 0, 0);
    if (archive_write_header(w->tar, e) != ARCHIVE_OK ||
        archive_write_data(w->tar, bytes, size) != (la_ssize_t)size)
        status = tar_failed(w, err);
    archive_entry_free(e);
    return status;
}

/* ---- a sample ---- */

/* "0000012.jpg", then "0000012.1.jpg" …: a loader's fields "jpg", "1.jpg" … */
static void field_of(char out[32], const export_sample *s, int picture)
{
    const char *extension = path_extension(s->picture[picture]);
    bool photo = s->source->image && picture == 0;

    if (photo)
        snprintf(out, 32, "%.8s", *extension ? extension : "jpg");
    else
        snprintf(out, 32, "%d.%.8s", picture + !s->source->image, *extension ? extension : "jpg");
}

static rap_status put_picture(export_writer *w, const export_sample *s, int i, const char *key,
                              rap_err *err)
{
    char field[32], name[96], *path = path_join(w->images, s->picture[i]), *bytes = NULL;
    size_t size = 0;
    rap_status status = path ? RAP_OK : err_memory(err, "exporting pictures");

    if (!status && !path_stays(s->picture[i]))
        status = err_set(err, RAP_E_FORMAT, "%s: leads out of the set's folder of pictures",
                         s->picture[i]);
    if (!status)
        status = file_read(&bytes, &size, path, PICTURE_BYTES, err);
    field_of(field, s, i);
    snprintf(name, sizeof name, "%s.%s", key, field);
    if (!status)
        status = put(w, name, bytes, size, err);
    w->result->pictures += !status;
    free(bytes);
    free(path);
    return status;
}

static char *sample_text(const export_sample *s)
{
    json_t *turns = json_array(), *pictures = json_array(), *json;
    char *text;

    for (int i = 0; i < s->source->turns; i++) {
        json_array_append_new(turns, json_pack("{s:s, s:s}", "from", "human", "value",
                                               i ? s->source->turn[i].human : s->first));
        json_array_append_new(
            turns, json_pack("{s:s, s:s}", "from", "gpt", "value", s->source->turn[i].gpt));
    }
    for (int i = 0; i < s->pictures; i++) {
        char field[32];

        field_of(field, s, i);
        json_array_append_new(pictures, json_string(field));
    }
    json = json_pack("{s:s, s:s*, s:o, s:o}", "id", s->source->id, "type", s->source->type,
                     "images", pictures, "conversations", turns);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static rap_status webdataset_add(export_writer *w, const export_sample *s, rap_err *err)
{
    uint64_t each = (uint64_t)(w->o->shard > 0 ? w->o->shard : SHARD);
    char key[32], name[48], *text = NULL;
    rap_status status = RAP_OK;

    if (w->written % each == 0) {
        status = close_shard(w, RAP_OK, err);
        if (!status)
            status = open_shard(w, err);
    }
    snprintf(key, sizeof key, "%07llu", (unsigned long long)w->written++);
    snprintf(name, sizeof name, "%s.json", key);
    if (!status && !(text = sample_text(s)))
        status = err_memory(err, "exporting samples");
    if (!status)
        status = put(w, name, text, strlen(text), err);
    free(text);
    for (int i = 0; !status && i < s->pictures; i++)
        status = put_picture(w, s, i, key, err);
    return status;
}

/* ---- a part of the set ---- */

static rap_status webdataset_open(export_writer **out, const dataset_export_options *o,
                                  const char *part, dataset_export_result *result, rap_err *err)
{
    export_writer *w = mem_array(1, sizeof *w);

    *out = w;
    if (!w)
        return err_memory(err, "exporting samples");
    *w = (export_writer){ .o = o, .result = result, .file = TEMP_INIT };
    w->part = mem_string(part);
    w->images = path_join(o->data, "images");
    return w->part && w->images ? RAP_OK : err_memory(err, "exporting samples");
}

static rap_status webdataset_close(export_writer *w, rap_status status, rap_err *err)
{
    status = close_shard(w, status, err);
    temp_remove(&w->file);
    free(w->part);
    free(w->images);
    free(w->path);
    free(w);
    return status;
}

const export_form export_webdataset = { "webdataset", webdataset_open, webdataset_add,
                                        webdataset_close };
