/* source_tao.c: TAO, and any file in COCO's layout whose annotations carry "track_id": two frames of one track are
 * concept and query. Of each track the earliest and the latest usable frame are taken, as far apart as the track
 * allows, and at least "gap" frames; images without "frame_index" are ordered by their ids.
 *
 * Who else is annotated in the later frame is never asked for there with the answer no; neither are objects of the
 * same video, where images carry "video_id".
 *
 * Annotations may carry "info" and "captions" of their own, as the toy world's do.
 *
 * Memory: the table of images, one entry a track, and 16 bytes an annotation. */
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

typedef struct presence { /* of a track in an image */
    const coco_image *image;
    int64_t track;
} presence;

typedef struct reading {
    source_sink *sink;
    const coco *coco;
    track *table; /* [room], open addressing */
    size_t count, room;
    presence *present; /* [presences], by image, then track */
    size_t presences, presence_room;
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

/* ---- who else is in a frame ---- */

static rap_status note_presence(const coco_annotation *a, void *payload, rap_err *err)
{
    reading *r = payload;

    if (a->track < 0)
        return RAP_OK;
    if (r->presences == r->presence_room) {
        size_t room = r->presence_room ? r->presence_room * 2 : 1024;
        presence *grown = realloc(r->present, room * sizeof *grown);

        if (!grown)
            return err_memory(err, "reading tracks");
        r->present = grown;
        r->presence_room = room;
    }
    r->present[r->presences++] = (presence){ a->image, a->track };
    return RAP_OK;
}

static int by_presence(const void *a, const void *b)
{
    const presence *x = a, *y = b;

    if (x->image != y->image)
        return x->image < y->image ? -1 : 1;
    return (x->track > y->track) - (x->track < y->track);
}

static int add_company(dataset_item *item, const reading *r, const track *t)
{
    const presence key = { t->last.image, -1 };
    size_t low = 0, high = r->presences;
    int enough = 1;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_presence(&r->present[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; enough && low < r->presences && r->present[low].image == key.image; low++) {
        char id[32];

        snprintf(id, sizeof id, "track%" PRId64, r->present[low].track);
        if (r->present[low].track != t->id)
            enough = dataset_item_companion(item, r->sink->source->name, id);
    }
    return enough;
}

static int add_scene(dataset_item *item, const reading *r, const track *t)
{
    char scene[32];

    if (t->last.image->video < 0)
        return 1;
    snprintf(scene, sizeof scene, "video%" PRId64, t->last.image->video);
    return dataset_item_scene(item, r->sink->source->name, scene);
}

/* ---- items ---- */

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
    if (item && !(coco_place(&item->concept, source, r->coco, t->first.image, t->first.box) &&
                  coco_place(&item->query, source, r->coco, t->last.image, t->last.box) &&
                  add_company(item, r, t) && add_scene(item, r, t) &&
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
    rap_status status = coco_open(&c, s->annotations, sink, err);

    r.coco = c;
    if (status == RAP_OK)
        status = coco_annotations(c, add, &r, sink, err);
    if (status == RAP_OK)
        status = coco_all_annotations(c, note_presence, &r, sink, err);
    if (status == RAP_OK && r.presences > 1)
        qsort(r.present, r.presences, sizeof *r.present, by_presence);
    for (size_t i = 0; i < r.room; i++) {
        if (status == RAP_OK && r.table[i].id >= 0)
            status = offer(&r, &r.table[i], err);
        if (r.table[i].id >= 0) {
            free(r.table[i].info);
            json_decref(r.table[i].captions);
        }
    }
    free(r.present);
    free(r.table);
    coco_close(c);
    return status;
}
