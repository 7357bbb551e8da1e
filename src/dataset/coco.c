/* coco.c: one walk for the tables, one for the annotations. */
#include "dataset/coco.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct named {
    uint64_t hash; /* of its name */
    size_t image;
} named;

typedef struct category {
    int64_t id;
    size_t name;
} category;

struct coco {
    char *path;
    coco_image *image; /* [images], in order of their ids */
    size_t images, image_room;
    category *category;
    size_t categories, category_room;
    buf text; /* names, each NUL-ended */
};

enum { TELL = 4096 }; /* values between two reports of progress */

#define FARTHEST 1e9 /* pixels; no box is there */

/* ---- the tables ---- */

static int64_t integer_at(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static size_t keep_text(coco *c, const char *text)
{
    size_t at = c->text.len;

    buf_add(&c->text, text, strlen(text) + 1);
    return at;
}

static rap_status add_image(coco *c, json_t *value, json_walk *w, rap_err *err)
{
    const char *name = json_string_value(json_object_get(value, "file_name"));
    int64_t id = integer_at(value, "id", -1), width = integer_at(value, "width", 0);
    int64_t height = integer_at(value, "height", 0);
    coco_image *grown;

    if (id < 0 || !name || width < 1 || height < 1 || width > INT_MAX || height > INT_MAX)
        return json_walk_wrong(w, err,
                               "an image without \"id\", \"file_name\", \"width\" and "
                               "\"height\"");
    grown = mem_grow(c->image, c->images, &c->image_room, sizeof *grown);
    if (!grown)
        return err_memory(err, "reading images");
    c->image = grown;
    grown[c->images++] = (coco_image){ id,
                                       integer_at(value, "frame_index", -1),
                                       integer_at(value, "video_id", -1),
                                       keep_text(c, name),
                                       (int)width,
                                       (int)height,
                                       0 };
    return RAP_OK;
}

static rap_status add_category(coco *c, json_t *value, json_walk *w, rap_err *err)
{
    const char *name = json_string_value(json_object_get(value, "name"));
    int64_t id = integer_at(value, "id", -1);
    category *grown;

    if (id < 0 || !name)
        return json_walk_wrong(w, err, "a category without \"id\" and \"name\"");
    grown = mem_grow(c->category, c->categories, &c->category_room, sizeof *grown);
    if (!grown)
        return err_memory(err, "reading categories");
    c->category = grown;
    grown[c->categories++] = (category){ id, keep_text(c, name) };
    return RAP_OK;
}

typedef rap_status add_value(coco *c, json_t *value, json_walk *w, rap_err *err);

static rap_status read_table(coco *c, json_walk *w, add_value *add, source_sink *sink, rap_err *err)
{
    bool more = true;
    rap_status status = json_walk_enter(w, '[', err);

    for (uint64_t i = 0; status == RAP_OK; i++) {
        json_t *value = NULL;

        status = json_walk_item(&more, w, err);
        if (status != RAP_OK || !more)
            break;
        status = json_walk_value(&value, w, err);
        if (status == RAP_OK)
            status = add(c, value, w, err);
        json_decref(value);
        if (status == RAP_OK && i % TELL == 0)
            status = source_progress(sink, json_walk_share(w) / 2, err);
    }
    return status;
}

static int by_image(const void *a, const void *b)
{
    const coco_image *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* By their ids, of two with one id the one that comes first in the file. */
static int by_id_and_place(const void *a, const void *b)
{
    const coco_image *x = a, *y = b;
    int order = by_image(a, b);

    return order != 0 ? order : (x->name > y->name) - (x->name < y->name);
}

/* ---- images that are listed twice ---- */

static int by_hash(const void *a, const void *b)
{
    const named *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

/* Drops what has the id of an earlier one, and leads ids of one file to the first of them. */
static rap_status unite_images(coco *c, source_sink *sink, rap_err *err)
{
    size_t kept = 0;
    named *list = mem_array(c->images, sizeof *list);

    if (!list)
        return err_memory(err, "reading images");
    for (size_t i = 0; i < c->images; i++)
        if (i > 0 && c->image[i].id == c->image[kept - 1].id)
            report_drop(sink->report, DROP_TWICE, "image %" PRId64, c->image[i].id);
        else
            c->image[kept++] = c->image[i];
    c->images = kept;
    for (size_t i = 0; i < kept; i++) {
        const char *name = coco_image_name(c, &c->image[i]);

        list[i] = (named){ hash_fast(name, strlen(name), 0), i };
    }
    qsort(list, kept, sizeof *list, by_hash);
    for (size_t i = 1; i < kept; i++)
        if (list[i].hash == list[i - 1].hash)
            c->image[list[i].image].same = c->image[list[i - 1].image].same
                                               ? c->image[list[i - 1].image].same
                                               : list[i - 1].image + 1;
    free(list);
    return RAP_OK;
}

static rap_status read_tables(coco *c, source_sink *sink, rap_err *err)
{
    json_walk *w = NULL;
    const char *key = NULL;
    bool more = true;
    rap_status status = json_walk_open(&w, c->path, err);

    if (status == RAP_OK)
        status = json_walk_enter(w, '{', err);
    while (status == RAP_OK && (status = json_walk_key(&key, &more, w, err)) == RAP_OK && more) {
        if (strcmp(key, "images") == 0)
            status = read_table(c, w, add_image, sink, err);
        else if (strcmp(key, "categories") == 0)
            status = read_table(c, w, add_category, sink, err);
        else
            status = json_walk_skip(w, err);
    }
    if (status == RAP_OK)
        status = json_walk_end(w, err);
    json_walk_close(w);
    if (status == RAP_OK && buf_failed(&c->text))
        status = err_memory(err, "reading images");
    if (status == RAP_OK && c->images == 0)
        status =
            err_set(err, RAP_E_FORMAT, "%s: no \"images\": not a file in COCO's layout", c->path);
    if (status != RAP_OK)
        return status;
    qsort(c->image, c->images, sizeof *c->image, by_id_and_place);
    return unite_images(c, sink, err);
}

rap_status coco_open(coco **out, const char *path, source_sink *sink, rap_err *err)
{
    coco *c = mem_array(1, sizeof *c);
    rap_status status = c && (c->path = mem_string(path)) ? read_tables(c, sink, err)
                                                          : err_memory(err, "reading images");

    *out = status == RAP_OK ? c : NULL;
    if (status != RAP_OK)
        coco_close(c);
    return status;
}

void coco_close(coco *c)
{
    if (!c)
        return;
    free(c->path);
    free(c->image);
    free(c->category);
    buf_release(&c->text);
    free(c);
}

const coco_image *coco_find_image(const coco *c, int64_t id)
{
    coco_image key = { .id = id };

    const coco_image *found =
        c->images ? bsearch(&key, c->image, c->images, sizeof key, by_image) : NULL;

    return found && found->same ? &c->image[found->same - 1] : found;
}

const char *coco_image_name(const coco *c, const coco_image *image)
{
    return c->text.data + image->name;
}

int coco_place(dataset_place *out, const char *source, const coco *c, const coco_image *image,
               rap_box box)
{
    out->width = image->width;
    out->height = image->height;
    return dataset_item_place(out, source, coco_image_name(c, image), box);
}

const char *coco_category(const coco *c, int64_t id)
{
    for (size_t i = 0; i < c->categories; i++)
        if (c->category[i].id == id)
            return c->text.data + c->category[i].name;
    return NULL;
}

/* ---- the annotations ---- */

static int read_box(rap_box *out, const json_t *list)
{
    float number[4];

    if (json_array_size(list) != 4)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        const json_t *value = json_array_get(list, i);

        if (!json_is_number(value) || !(fabs(json_number_value(value)) < FARTHEST))
            return 0;
        number[i] = (float)json_number_value(value);
    }
    *out = (rap_box){ number[0], number[1], number[2], number[3] };
    return 1;
}

/* 0: left out and counted. */
static int understand(coco_annotation *out, const coco *c, const json_t *value, source_sink *sink)
{
    char what[128];

    *out = (coco_annotation){ .id = integer_at(value, "id", -1),
                              .track = integer_at(value, "track_id", -1),
                              .json = value };
    snprintf(what, sizeof what, "annotation %" PRId64, out->id);
    out->image = coco_find_image(c, integer_at(value, "image_id", -1));
    out->category = coco_category(c, integer_at(value, "category_id", -1));
    if (out->id < 0 || !out->image || !out->category) {
        report_drop(sink->report, DROP_REFERENCE, "%s", what);
        return 0;
    }
    if (integer_at(value, "iscrowd", 0) != 0) {
        report_drop(sink->report, DROP_CROWD, "%s", what);
        return 0;
    }
    if (!read_box(&out->box, json_object_get(value, "bbox"))) {
        report_drop(sink->report, DROP_OUTSIDE, "%s: \"bbox\" is not four numbers of pixels", what);
        return 0;
    }
    return source_path(coco_image_name(c, out->image), sink) &&
           source_box(&out->box, out->image->width, out->image->height, sink, what);
}

/* Image and category are enough here. */
static int glance(coco_annotation *out, const coco *c, const json_t *value, source_sink *sink)
{
    *out = (coco_annotation){ .id = integer_at(value, "id", -1),
                              .track = integer_at(value, "track_id", -1),
                              .json = value };
    out->image = coco_find_image(c, integer_at(value, "image_id", -1));
    out->category = coco_category(c, integer_at(value, "category_id", -1));
    return out->image && out->category;
}

typedef int understood(coco_annotation *out, const coco *c, const json_t *value, source_sink *sink);

static rap_status walk_annotations(const coco *c, json_walk *w, understood *understand_one,
                                   coco_each *each, void *payload, source_sink *sink, rap_err *err)
{
    bool more = true;
    rap_status status = json_walk_enter(w, '[', err);

    for (uint64_t i = 0; status == RAP_OK; i++) {
        json_t *value = NULL;
        coco_annotation a;

        status = json_walk_item(&more, w, err);
        if (status != RAP_OK || !more)
            break;
        status = json_walk_value(&value, w, err);
        if (status == RAP_OK) {
            sink->report->read += understand_one == understand;
            if (understand_one(&a, c, value, sink))
                status = each(&a, payload, err);
        }
        json_decref(value);
        if (status == RAP_OK && i % TELL == 0)
            status = source_progress(sink, 0.5 + json_walk_share(w) / 2, err);
    }
    return status;
}

static rap_status walk_file(const coco *c, understood *understand_one, coco_each *each,
                            void *payload, source_sink *sink, rap_err *err)
{
    json_walk *w = NULL;
    const char *key = NULL;
    bool more = true, found = false;
    rap_status status = json_walk_open(&w, c->path, err);

    if (status == RAP_OK)
        status = json_walk_enter(w, '{', err);
    while (status == RAP_OK && (status = json_walk_key(&key, &more, w, err)) == RAP_OK && more) {
        if (strcmp(key, "annotations") == 0) {
            found = true;
            status = walk_annotations(c, w, understand_one, each, payload, sink, err);
        } else {
            status = json_walk_skip(w, err);
        }
    }
    json_walk_close(w);
    if (status == RAP_OK && !found)
        status = err_set(err, RAP_E_FORMAT, "%s: no \"annotations\": not a file in COCO's layout",
                         c->path);
    return status;
}

rap_status coco_annotations(const coco *c, coco_each *each, void *payload, source_sink *sink,
                            rap_err *err)
{
    return walk_file(c, understand, each, payload, sink, err);
}

rap_status coco_all_annotations(const coco *c, coco_each *each, void *payload, source_sink *sink,
                                rap_err *err)
{
    return walk_file(c, glance, each, payload, sink, err);
}

void coco_keep_mask(dataset_item *item, const coco_annotation *a, const source_sink *sink)
{
    if (sink->plan->augment.background > 0)
        item->mask =
            mask_parse(json_object_get(a->json, "segmentation"), a->image->width, a->image->height);
}
