/* export_json.c: LLaVA-NeXT's list and LLaMA-Factory's: one file of JSON, with the pictures in images/ beside it. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "dataset/export_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PICTURE_BYTES ((size_t)512 << 20)

struct export_writer {
    const dataset_export_options *o;
    dataset_export_result *result;
    bool messages; /* LLaMA-Factory's form */
    char *path, *images;
    temp file;
    FILE *out;
    uint64_t written;
};

/* ---- pictures ---- */

/* A hard link to the picture, or a copy on another file system. Once: a picture may be shown by several samples. */
static rap_status put_picture(export_writer *w, const char *name, rap_err *err)
{
    char *from = path_join(w->o->data, "images"), *to = path_join(w->images, name), *bytes = NULL;
    char *source = from ? path_join(from, name) : NULL, *folder = to ? path_folder(to) : NULL;
    size_t size = 0;
    rap_status status = source && folder ? RAP_OK : err_memory(err, "exporting pictures");

    if (!status && !path_stays(name))
        status = err_set(err, RAP_E_FORMAT, "%s: leads out of the set's folder of pictures", name);
    if (!status && !file_exists(to)) {
        status = file_make_folders(folder, err);
        if (!status && linkat(AT_FDCWD, source, AT_FDCWD, to, AT_SYMLINK_FOLLOW) != 0) {
            status = file_read(&bytes, &size, source, PICTURE_BYTES, err);
            if (!status)
                status = file_write_cache(to, &(file_part){ bytes, size }, 1, err);
        }
        w->result->pictures += !status;
    }
    free(bytes);
    free(folder);
    free(source);
    free(to);
    free(from);
    return status;
}

/* ---- samples ---- */

static json_t *pictures_json(const export_sample *s, bool folder)
{
    json_t *list = json_array();

    for (int i = 0; list && i < s->pictures; i++)
        json_array_append_new(list, folder ? json_sprintf("images/%s", s->picture[i])
                                           : json_string(s->picture[i]));
    return list;
}

static json_t *turns_json(const export_sample *s, const char *const key[2],
                          const char *const who[2])
{
    json_t *list = json_array();

    for (int i = 0; list && i < s->source->turns; i++) {
        const char *human = i ? s->source->turn[i].human : s->first;

        json_array_append_new(list, json_pack("{s:s, s:s}", key[0], who[0], key[1], human));
        json_array_append_new(
            list, json_pack("{s:s, s:s}", key[0], who[1], key[1], s->source->turn[i].gpt));
    }
    return list;
}

static json_t *sample_json(const export_sample *s, bool messages)
{
    static const char *const role[2] = { "role", "content" }, *const user[2] = { "user",
                                                                                 "assistant" };
    static const char *const from[2] = { "from", "value" }, *const human[2] = { "human", "gpt" };
    json_t *out;

    if (messages)
        return json_pack("{s:o, s:o}", "messages", turns_json(s, role, user), "images",
                         pictures_json(s, true));
    out = json_pack("{s:s, s:o}", "id", s->source->id, "conversations", turns_json(s, from, human));
    if (s->pictures == 1)
        json_object_set_new(out, "image", json_string(s->picture[0]));
    else if (s->pictures > 1)
        json_object_set_new(out, "image", pictures_json(s, false));
    return out;
}

static rap_status write_failed(const export_writer *w, rap_err *err)
{
    return err_file(err, w->path, "writing");
}

static rap_status json_add(export_writer *w, const export_sample *s, rap_err *err)
{
    json_t *json = NULL;
    char *text = NULL;
    rap_status status = RAP_OK;

    for (int i = 0; !status && i < s->pictures; i++)
        status = put_picture(w, s->picture[i], err);
    if (status)
        return status;
    json = sample_json(s, w->messages);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return err_memory(err, "exporting samples");
    if (fprintf(w->out, "%s%s", w->written ? ",\n" : "[\n", text) < 0)
        status = write_failed(w, err);
    free(text);
    w->written++;
    return status;
}

/* ---- the file ---- */

static rap_status open_file(export_writer **out, const dataset_export_options *o, const char *name,
                            bool messages, dataset_export_result *result, rap_err *err)
{
    export_writer *w = mem_array(1, sizeof *w);
    rap_status status;

    *out = w;
    if (!w)
        return err_memory(err, "exporting samples");
    *w = (export_writer){ .o = o, .result = result, .messages = messages, .file = TEMP_INIT };
    w->path = path_join(o->folder, name);
    w->images = path_join(o->folder, "images");
    if (!w->path || !w->images)
        return err_memory(err, "exporting samples");
    status = temp_file(&w->file, w->path, 0644, err);
    if (!status && !(w->out = fdopen(dup(w->file.fd), "w")))
        status = write_failed(w, err);
    return status;
}

static rap_status llava_open(export_writer **out, const dataset_export_options *o, const char *part,
                             dataset_export_result *result, rap_err *err)
{
    char name[64];

    snprintf(name, sizeof name, "%s.json", part);
    return open_file(out, o, name, false, result, err);
}

static const char *sharegpt_name(const char *part)
{
    return strcmp(part, "train") == 0 ? "rap.json" : "rap_validation.json";
}

static rap_status sharegpt_open(export_writer **out, const dataset_export_options *o,
                                const char *part, dataset_export_result *result, rap_err *err)
{
    return open_file(out, o, sharegpt_name(part), true, result, err);
}

/* dataset_info.json names every file that is there: rap, and rap_validation. */
static rap_status write_info(const export_writer *w, rap_err *err)
{
    const char *name = path_base(w->path);
    char *path = path_join(w->o->folder, "dataset_info.json"), *text = NULL;
    json_t *info = json_object();

    if (strcmp(name, "rap.json") != 0)
        json_object_set_new(info, "rap", json_null());
    json_object_set_new(info, strcmp(name, "rap.json") == 0 ? "rap" : "rap_validation",
                        json_null());
    for (void *at = json_object_iter(info); at; at = json_object_iter_next(info, at))
        json_object_iter_set_new(
            info, at,
            json_pack("{s:o, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}}", "file_name",
                      json_sprintf("%s.json", json_object_iter_key(at)), "formatting", "sharegpt",
                      "columns", "messages", "messages", "images", "images", "tags", "role_tag",
                      "role", "content_tag", "content", "user_tag", "user", "assistant_tag",
                      "assistant"));
    text = json_dumps(info, JSON_INDENT(2));
    json_decref(info);
    rap_status status = path && text ? file_write(path, text, strlen(text), err)
                                     : err_memory(err, "exporting samples");
    free(text);
    free(path);
    return status;
}

static rap_status json_close(export_writer *w, rap_status status, rap_err *err)
{
    if (!status && fprintf(w->out, "%s\n]\n", w->written ? "" : "[") < 0)
        status = write_failed(w, err);
    if (w->out && fclose(w->out) != 0 && !status)
        status = write_failed(w, err);
    if (!status)
        status = temp_publish(&w->file, w->path, TEMP_REPLACE, err);
    if (!status && w->messages)
        status = write_info(w, err);
    w->result->files += !status;
    temp_remove(&w->file);
    free(w->path);
    free(w->images);
    free(w);
    return status;
}

const export_form export_llava = { "llava", llava_open, json_add, json_close };
const export_form export_sharegpt = { "sharegpt", sharegpt_open, json_add, json_close };
