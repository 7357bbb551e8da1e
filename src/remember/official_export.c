/* official_export.c: writes everything as the paper's database.json (official_items.h), with the pictures in a
 * folder "images" next to it; until all is written they are in a temporary folder. What that format has no place for
 * goes into fields of ours that other readers ignore ("aliases", "box", "boxes") or is left out (corrections,
 * vectors): a bundle keeps it all. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "formats/json.h"
#include "remember/transfer_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct leaving {
    store *s;
    char *folder;   /* of the JSON */
    json_t *dict;   /* concept_dict */
    json_t *paths;  /* path_to_concept */
    json_t *staged; /* names of the pictures in `temporary`, in images/ at the end */
    size_t moved;   /* of them: to be removed on failure */
    temp temporary;
    bool made_images;
    rap_on_progress *on_progress; /* NULL: silent */
    void *payload;
    uint64_t done;
    int64_t total;
    rap_err reason; /* why a concept could not be written */
} leaving;

/* ---- one picture ---- */

/* "images/bo-7.png": letters of the name that are safe everywhere, the id that makes it unique; of a further view its
 * own id as well. */
static char *picture_name(const rap_record *record, const store_picture *picture, bool avatar)
{
    bool gap = true; /* in front: nothing, or one sign for all that was left out */
    buf name = BUF_INIT;

    buf_puts(&name, "images/");
    for (const char *c = record->name; *c && name.len < 47 && !buf_failed(&name); c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        bool safe =
            (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-';
        if (safe)
            buf_putc(&name, lower);
        else if (!gap)
            buf_putc(&name, '_');
        gap = !safe;
    }
    if (name.len == 7)
        buf_puts(&name, "concept");
    buf_printf(&name, "-%lld", (long long)record->id);
    if (!avatar)
        buf_printf(&name, "-%lld", (long long)picture->view_id);
    buf_printf(&name, ".%s", picture_extension(picture->bytes, picture->size));
    if (buf_failed(&name)) {
        buf_release(&name);
        return NULL;
    }
    return buf_detach(&name);
}

/* A file that is already there stays: it is fine when it holds the same bytes, else an error. */
static rap_status check_there(bool *out_there, const char *path, const void *bytes, size_t size,
                              rap_err *err)
{
    char *there = NULL;
    size_t there_size = 0;
    struct stat info;
    bool same;
    rap_status status;

    *out_there = lstat(path, &info) == 0;
    if (!*out_there)
        return RAP_OK;
    status = file_read(&there, &there_size, path, STORE_MAX_PICTURE, NULL);
    same = status == RAP_OK && there_size == size && memcmp(there, bytes, size) == 0;
    free(there);
    return same ? RAP_OK : err_set(err, RAP_E_EXISTS, "%s: is already there", path);
}

/* file: "images/NAME". */
static rap_status stage(leaving *l, const char *file, const void *bytes, size_t size, rap_err *err)
{
    char *final = path_join(l->folder, file), *path = path_join(l->temporary.path, path_base(file));
    bool there = false;
    rap_status status =
        final && path ? check_there(&there, final, bytes, size, err) : err_memory(err, "exporting");

    if (status == RAP_OK && !there) {
        status = file_write(path, bytes, size, err);
        if (status == RAP_OK && chmod(path, 0600) != 0)
            status = err_file(err, path, "writing");
        if (status == RAP_OK && json_array_append_new(l->staged, json_string(path_base(file))) != 0)
            status = err_memory(err, "exporting");
    }
    free(final);
    free(path);
    return status;
}

/* ---- one concept ---- */

static json_t *make_box(rap_box box)
{
    return json_pack("[f, f, f, f]", (double)box.x, (double)box.y, (double)box.w, (double)box.h);
}

/* NULL: out of memory. */
static json_t *make_entry(const rap_record *record, const store_picture *picture, const char *file)
{
    json_t *entry = json_pack("{s:s, s:s, s:s, s:s}", "name", record->name, "image", file, "info",
                              record->info, "category", record->category);
    json_t *aliases = json_array();
    bool whole = entry && aliases;

    for (const char *const *alias = record->aliases; whole && *alias; alias++)
        whole = json_array_append_new(aliases, json_string(*alias)) == 0;
    if (whole && json_array_size(aliases) > 0)
        whole = json_object_set(entry, "aliases", aliases) == 0;
    if (whole && picture->box.w > 0)
        whole = json_object_set_new(entry, "box", make_box(picture->box)) == 0;
    json_decref(aliases);
    if (whole)
        return entry;
    json_decref(entry);
    return NULL;
}

static rap_status count_one(leaving *l, rap_err *err)
{
    l->done++;
    if (l->on_progress &&
        l->on_progress("exporting concepts", l->done, (uint64_t)l->total, l->payload))
        return err_set(err, RAP_E_CANCELLED, "%s: export cancelled", l->folder);
    return RAP_OK;
}

/* A picture of the concept `key`; *out_file is the name that it got, free(). */
static rap_status export_picture(leaving *l, char **out_file, const rap_record *record,
                                 const store_picture *picture, bool avatar, json_t *key,
                                 rap_err *err)
{
    rap_status status;

    *out_file = picture_name(record, picture, avatar);
    if (!*out_file)
        return err_memory(err, "exporting");
    status = stage(l, *out_file, picture->bytes, picture->size, err);
    if (status == RAP_OK && json_object_set(l->paths, *out_file, key) != 0)
        status = err_memory(err, "exporting");
    return status;
}

static rap_status export_views(leaving *l, const rap_record *record, json_t *key, json_t *boxes,
                               rap_err *err)
{
    int64_t after = 0;
    bool found = true;
    rap_status status = RAP_OK;

    while (status == RAP_OK && found) {
        store_picture picture;
        char *file = NULL;

        status = picture_next(&picture, &found, l->s, record->id, after, err);
        after = picture.view_id;
        if (status == RAP_OK && found)
            status = export_picture(l, &file, record, &picture, false, key, err);
        if (status == RAP_OK && found && picture.box.w > 0 &&
            json_object_set_new(boxes, file, make_box(picture.box)) != 0)
            status = err_memory(err, "exporting");
        free(file);
        store_picture_release(&picture);
    }
    return status;
}

static rap_status export_concept(leaving *l, const rap_record *record, const store_picture *avatar,
                                 json_t *key, json_t *boxes, rap_err *err)
{
    char *file = NULL;
    json_t *entry = NULL;
    rap_status status = export_picture(l, &file, record, avatar, true, key, err);

    if (status == RAP_OK && !(entry = make_entry(record, avatar, file)))
        status = err_memory(err, "exporting");
    if (status == RAP_OK)
        status = export_views(l, record, key, boxes, err);
    if (status == RAP_OK && json_object_size(boxes) > 0 &&
        json_object_set(entry, "boxes", boxes) != 0)
        status = err_memory(err, "exporting");
    if (status == RAP_OK && json_object_set(l->dict, json_string_value(key), entry) != 0)
        status = err_memory(err, "exporting");
    json_decref(entry);
    free(file);
    return status;
}

static rap_status export_one(leaving *l, const rap_record *record, rap_err *err)
{
    store_picture avatar;
    json_t *key = NULL, *boxes = NULL;
    rap_status status = store_avatar(l->s, record->id, &avatar, err);

    if (status != RAP_OK)
        return status;
    key = json_sprintf("<%s>", record->name);
    boxes = json_object();
    status = key && boxes ? export_concept(l, record, &avatar, key, boxes, err)
                          : err_memory(err, "exporting");
    if (status == RAP_OK)
        status = count_one(l, err);
    json_decref(key);
    json_decref(boxes);
    store_picture_release(&avatar);
    return status;
}

static int on_record(const rap_record *record, void *payload)
{
    leaving *l = payload;

    return export_one(l, record, &l->reason) != RAP_OK;
}

/* ---- everything ---- */

static rap_status export_all(leaving *l, rap_err *err)
{
    rap_status status = db_begin_reading(store_db(l->s), err);

    if (status != RAP_OK)
        return status;
    status = store_count(l->s, &l->total, err);
    if (status == RAP_OK)
        status = store_each(l->s, NULL, on_record, l, err);
    if (status == RAP_E_CANCELLED) /* by on_record, which knows why */
        status = err_set(err, l->reason.status, "%s", l->reason.text);
    return db_end(store_db(l->s), status, err);
}

static rap_status write_private(temp *t, const char *path, const char *text, rap_err *err)
{
    size_t size = strlen(text);

    while (size > 0) {
        ssize_t put = write(t->fd, text, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_file(err, path, "writing");
        text += put;
        size -= (size_t)put;
    }
    return temp_publish(t, path, TEMP_NEW, err);
}

/* The file that makes the export one: it comes last. For its owner only, as a bundle. */
static rap_status write_json(leaving *l, const char *json_path, rap_err *err)
{
    json_t *root = json_pack("{s:O, s:O}", "concept_dict", l->dict, "path_to_concept", l->paths);
    char *text = root ? json_text(root) : NULL;
    temp t = TEMP_INIT;
    rap_status status = text ? temp_file(&t, json_path, 0600, err) : err_memory(err, "exporting");

    if (status == RAP_OK)
        status = write_private(&t, json_path, text, err);
    temp_remove(&t);
    free(text);
    json_decref(root);
    return status;
}

static rap_status move_one(const leaving *l, const char *images, const char *name, rap_err *err)
{
    char *from = path_join(l->temporary.path, name), *to = path_join(images, name);
    rap_status status = RAP_OK;

    if (!from || !to)
        status = err_memory(err, "exporting");
    else if (rename(from, to) != 0)
        status = err_file(err, to, "writing");
    free(from);
    free(to);
    return status;
}

static rap_status move_pictures(leaving *l, const char *images, rap_err *err)
{
    size_t count = json_array_size(l->staged);
    rap_status status = RAP_OK;

    l->made_images = mkdir(images, 0700) == 0;
    if (!l->made_images && errno != EEXIST)
        return err_file(err, images, "making the folder");
    for (; status == RAP_OK && l->moved < count; l->moved += status == RAP_OK)
        status = move_one(l, images, json_string_value(json_array_get(l->staged, l->moved)), err);
    if (status == RAP_OK && l->moved > 0) {
        char *last = path_join(images, json_string_value(json_array_get(l->staged, l->moved - 1)));

        status = last ? path_sync(last, err) : err_memory(err, "exporting");
        if (status == RAP_OK)
            status = path_sync(images, err);
        free(last);
    }
    return status;
}

static void take_back(const leaving *l, const char *images)
{
    for (size_t i = 0; i < l->moved; i++) {
        char *path = path_join(images, json_string_value(json_array_get(l->staged, i)));

        if (path)
            unlink(path);
        free(path);
    }
    if (l->made_images)
        rmdir(images);
}

static rap_status export_to(leaving *l, const char *json_path, rap_err *err)
{
    char *images = path_join(l->folder, "images");
    rap_status status = images ? file_make_folders(l->folder, err) : err_memory(err, "exporting");

    if (status == RAP_OK)
        status = temp_folder(&l->temporary, json_path, 0700, err);
    if (status == RAP_OK)
        status = export_all(l, err);
    if (status == RAP_OK) {
        status = move_pictures(l, images, err);
        if (status == RAP_OK)
            status = write_json(l, json_path, err);
        if (status != RAP_OK)
            take_back(l, images);
    }
    temp_remove(&l->temporary);
    free(images);
    return status;
}

rap_status transfer_export_official(store *s, const char *json_path, rap_on_progress *on_progress,
                                    void *payload, rap_err *err)
{
    leaving l = { .s = s,
                  .folder = path_folder(json_path),
                  .dict = json_object(),
                  .paths = json_object(),
                  .staged = json_array(),
                  .temporary = TEMP_INIT,
                  .on_progress = on_progress,
                  .payload = payload };
    rap_status status;

    if (!l.folder || !l.dict || !l.paths || !l.staged)
        status = err_memory(err, "exporting");
    else if (file_exists(json_path))
        status = err_set(err, RAP_E_EXISTS, "%s: is already there", json_path);
    else
        status = export_to(&l, json_path, err);
    free(l.folder);
    json_decref(l.dict);
    json_decref(l.paths);
    json_decref(l.staged);
    change_noticed(s);
    return status;
}
