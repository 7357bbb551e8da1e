/* source_coco.c: COCO's instances.json. Each annotation is an object that is shown by a crop of its own picture; the
 * picture is the query. With "captions" (captions_*.json) a picture's caption serves where it holds one object of
 * the category, whose word in the caption becomes its name. Annotations may carry "info", "name" and "captions"
 * of their own, as the toy world's do.
 *
 * Memory: the table of images; with captions those too, and 16 bytes an annotation. */
#include "dataset/coco.h"
#include "dataset/rename.h"

#include "base/buf.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- captions of pictures ---- */

typedef struct caption {
    int64_t image;
    size_t text;
} caption;

typedef struct objects { /* of one category in one picture */
    int64_t image;
    const char *category;
} objects;

typedef struct reading {
    source_sink *sink;
    const coco *coco;
    caption *caption; /* [captions], in order of pictures */
    size_t captions, caption_room;
    objects *object; /* [count], in order of pictures */
    size_t count, room;
    buf text;
} reading;

static int by_picture(const void *a, const void *b)
{
    const caption *x = a, *y = b;

    return x->image != y->image ? (x->image < y->image ? -1 : 1)
                                : (x->text > y->text) - (x->text < y->text);
}

static int by_object(const void *a, const void *b)
{
    const objects *x = a, *y = b;

    return x->image != y->image ? (x->image < y->image ? -1 : 1)
                                : (x->category > y->category) - (x->category < y->category);
}

static rap_status keep_caption(reading *r, const json_t *value, rap_err *err)
{
    const char *text = json_string_value(json_object_get(value, "caption"));
    const json_t *image = json_object_get(value, "image_id");
    const coco_image *known;
    caption *more;

    if (!text || !*text || !json_is_integer(image))
        return RAP_OK;
    known = coco_find_image(r->coco, json_integer_value(image));
    if (!known)
        return RAP_OK;
    more = mem_grow(r->caption, r->captions, &r->caption_room, sizeof *more);
    if (!more)
        return err_memory(err, "reading captions");
    r->caption = more;
    more[r->captions++] = (caption){ known->id, r->text.len };
    buf_add(&r->text, text, strlen(text) + 1);
    return buf_failed(&r->text) ? err_memory(err, "reading captions") : RAP_OK;
}

static rap_status read_captions(reading *r, const char *path, rap_err *err)
{
    json_walk *w = NULL;
    const char *key = NULL;
    bool more = true, item = true;
    rap_status status = json_walk_open(&w, path, err);

    if (status == RAP_OK)
        status = json_walk_enter(w, '{', err);
    while (status == RAP_OK && (status = json_walk_key(&key, &more, w, err)) == RAP_OK && more) {
        if (strcmp(key, "annotations") != 0) {
            status = json_walk_skip(w, err);
            continue;
        }
        status = json_walk_enter(w, '[', err);
        while (status == RAP_OK && (status = json_walk_item(&item, w, err)) == RAP_OK && item) {
            json_t *value = NULL;

            status = json_walk_value(&value, w, err);
            if (status == RAP_OK)
                status = keep_caption(r, value, err);
            json_decref(value);
        }
    }
    json_walk_close(w);
    if (status == RAP_OK && r->captions > 1)
        qsort(r->caption, r->captions, sizeof *r->caption, by_picture);
    return status;
}

/* All annotations count here, also those that are too small to be used. */
static rap_status count_object(const coco_annotation *a, void *payload, rap_err *err)
{
    reading *r = payload;
    objects *more = mem_grow(r->object, r->count, &r->room, sizeof *more);

    if (!more)
        return err_memory(err, "counting objects");
    r->object = more;
    more[r->count++] = (objects){ a->image->id, a->category };
    return RAP_OK;
}

static int is_alone(const reading *r, const coco_annotation *a)
{
    objects key = { .image = a->image->id, .category = a->category };
    const objects *found =
        r->count ? bsearch(&key, r->object, r->count, sizeof key, by_object) : NULL;

    return found && (found == r->object || by_object(found - 1, &key) != 0) &&
           (found + 1 == r->object + r->count || by_object(found + 1, &key) != 0);
}

/* The first caption of the picture whose text can name the object. */
static int add_captions(dataset_item *item, const reading *r, const coco_annotation *a)
{
    size_t low = 0, high = r->captions;
    int enough = 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->caption[middle].image < a->image->id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; enough && low < r->captions && r->caption[low].image == a->image->id; low++) {
        buf named = BUF_INIT;

        if (rename_category(&named, r->text.data + r->caption[low].text, a->category))
            enough = dataset_item_caption(item, buf_text(&named));
        enough = enough && !buf_failed(&named);
        buf_release(&named);
    }
    return enough;
}

/* ---- annotations ---- */

/* What an annotation says of its object beyond COCO's fields. */
static int add_own(dataset_item *item, const json_t *annotation)
{
    const char *info = json_string_value(json_object_get(annotation, "info"));
    const char *name = json_string_value(json_object_get(annotation, "name"));
    const json_t *captions = json_object_get(annotation, "captions");
    int enough = (!info || dataset_item_text(&item->info, info)) &&
                 (!name || dataset_item_text(&item->name, name));

    for (size_t i = 0; enough && i < json_array_size(captions); i++) {
        const char *text = json_string_value(json_array_get(captions, i));

        enough = !text || dataset_item_caption(item, text);
    }
    return enough;
}

static rap_status take(const coco_annotation *a, void *payload, rap_err *err)
{
    reading *r = payload;
    const char *source = r->sink->source->name;
    char id[32];
    dataset_item *item;

    snprintf(id, sizeof id, "%" PRId64, a->id);
    item = dataset_item_new(source, id, id);
    if (item && !(coco_place(&item->concept, source, r->coco, a->image, a->box) &&
                  coco_place(&item->query, source, r->coco, a->image, a->box) &&
                  dataset_item_text(&item->category, a->category) && add_own(item, a->json) &&
                  (!is_alone(r, a) || add_captions(item, r, a)))) {
        dataset_item_free(item);
        item = NULL;
    }
    if (item)
        coco_keep_mask(item, a, r->sink);
    return source_offer(r->sink, item, err);
}

rap_status source_coco(source_sink *sink, rap_err *err)
{
    const plan_source *s = sink->source;
    coco *c = NULL;
    reading r = { .sink = sink, .text = BUF_INIT };
    rap_status status = coco_open(&c, s->annotations, sink, err);

    r.coco = c;
    if (status == RAP_OK && s->captions) {
        status = read_captions(&r, s->captions, err);
        if (status == RAP_OK)
            status = coco_all_annotations(c, count_object, &r, sink, err);
        if (status == RAP_OK && r.count > 1)
            qsort(r.object, r.count, sizeof *r.object, by_object);
    }
    if (status == RAP_OK)
        status = coco_annotations(c, take, &r, sink, err);
    free(r.caption);
    free(r.object);
    buf_release(&r.text);
    coco_close(c);
    return status;
}
