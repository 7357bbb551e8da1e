/* source_tao.c: TAO, and any file in COCO's layout whose annotations carry "track_id": two frames of one track are
 * concept and query. Of each track the earliest and the latest usable frame are taken, as far apart as the track
 * allows, and at least "gap" frames; images without "frame_index" are ordered by their ids.
 *
 * Annotations may carry "info" and "captions" of their own, as the toy world's do.
 *
 * Memory: the table of images, and one entry a track. */
#include "dataset/coco.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sighting_of_track {
    const coco_image *image;
    int64_t at;
    rap_box box;
} sighting_of_track;

typedef struct track {
    int64_t id; /* −1: an empty place of the table */
    const char *category;
    sighting_of_track first, last;
    char *info;       /* NULL, or what an annotation says */
    json_t *captions; /* NULL, or those of the last frame */
} track;

typedef struct reading {
    source_sink *sink;
    const coco *coco;
    track *table; /* [room], open addressing */
    size_t count, room;
} reading;

static size_t slot_of(const track *table, size_t room, int64_t id)
{
    size_t at = (size_t)((uint64_t)id * 0x9E3779B97F4A7C15u >> 20) & (room - 1);

    while (table[at].id >= 0 && table[at].id != id)
        at = (at + 1) & (room - 1);
    return at;
}

static rap_status grow(reading *r, rap_err *err)
{
    size_t room = r->room ? r->room * 2 : 1024;
    track *table = mem_array(room, sizeof *table);

    if (!table)
        return err_memory(err, "reading tracks");
    for (size_t i = 0; i < room; i++)
        table[i].id = -1;
    for (size_t i = 0; i < r->room; i++)
        if (r->table[i].id >= 0)
            table[slot_of(table, room, r->table[i].id)] = r->table[i];
    free(r->table);
    r->table = table;
    r->room = room;
    return RAP_OK;
}

static rap_status add(const coco_annotation *a, void *payload, rap_err *err)
{
    reading *r = payload;
    sighting_of_track seen = { a->image, a->image->frame >= 0 ? a->image->frame : a->image->id,
                               a->box };
    const char *info = json_string_value(json_object_get(a->json, "info"));
    json_t *captions = json_object_get(a->json, "captions");
    rap_status status = r->count * 2 >= r->room ? grow(r, err) : RAP_OK;
    track *t;

    if (status != RAP_OK)
        return status;
    if (a->track < 0) {
        report_drop(r->sink->report, DROP_REFERENCE, "annotation %" PRId64 ": no \"track_id\"",
                    a->id);
        return RAP_OK;
    }
    t = &r->table[slot_of(r->table, r->room, a->track)];
    if (t->id < 0) {
        *t = (track){
            a->track, a->category, seen, seen, info ? mem_string(info) : NULL, json_incref(captions)
        };
        r->count++;
    } else if (seen.at < t->first.at) {
        t->first = seen;
    } else if (seen.at > t->last.at) {
        t->last = seen;
        json_decref(t->captions);
        t->captions = json_incref(captions);
    }
    return RAP_OK;
}

static int add_captions(dataset_item *item, const json_t *captions)
{
    int enough = 1;

    for (size_t i = 0; enough && i < json_array_size(captions); i++) {
        const char *text = json_string_value(json_array_get(captions, i));

        enough = !text || dataset_item_caption(item, text);
    }
    return enough;
}

static rap_status offer(reading *r, const track *t, rap_err *err)
{
    const char *source = r->sink->source->name;
    char id[32];
    dataset_item *item;

    snprintf(id, sizeof id, "track%" PRId64, t->id);
    if (t->first.image == t->last.image || t->last.at - t->first.at < r->sink->source->gap) {
        report_drop(r->sink->report, DROP_NO_PAIR, "track %" PRId64, t->id);
        return RAP_OK;
    }
    item = dataset_item_new(source, id, id);
    if (item && !(dataset_item_place(&item->concept, source,
                                     coco_image_name(r->coco, t->first.image), t->first.box) &&
                  dataset_item_place(&item->query, source, coco_image_name(r->coco, t->last.image),
                                     t->last.box) &&
                  dataset_item_text(&item->category, t->category) &&
                  (!t->info || dataset_item_text(&item->info, t->info)) &&
                  add_captions(item, t->captions))) {
        dataset_item_free(item);
        item = NULL;
    }
    return source_offer(r->sink, item, err);
}

rap_status source_tao(source_sink *sink, rap_err *err)
{
    const plan_source *s = sink->source;
    coco *c = NULL;
    reading r = { .sink = sink };
    rap_status status = source_needs(sink, s->annotations, "annotations", err);

    if (status == RAP_OK)
        status = source_needs(sink, s->images, "images", err);
    if (status == RAP_OK)
        status = coco_open(&c, s->annotations, sink, err);
    r.coco = c;
    if (status == RAP_OK)
        status = coco_annotations(c, add, &r, sink, err);
    for (size_t i = 0; i < r.room; i++) {
        if (status == RAP_OK && r.table[i].id >= 0)
            status = offer(&r, &r.table[i], err);
        if (r.table[i].id >= 0) {
            free(r.table[i].info);
            json_decref(r.table[i].captions);
        }
    }
    free(r.table);
    coco_close(c);
    return status;
}
