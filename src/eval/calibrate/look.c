/* look.c: the models look at a set once: things into a store of their own, then regions and features of the
 * photos, each place in several cuts. */
#include "base/mem.h"
#include "base/path.h"
#include "base/vector.h"
#include "eval/calibrate/inside.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_INNER 0.08f /* the step between cuts where the profile has none */

typedef struct looking {
    rap *r;
    trust_seen *out;
    trust_set *set;
    const trust_models *models;
    detect *detect; /* NULL: the whole photo is the one region */
    int done;
} looking;

rap_status trust_handed_up(rap *r, rap_status status, rap_err *err)
{
    const char *line = r ? rap_error(r) : "";

    return status == RAP_OK ? RAP_OK
                            : err_set(err, status, "%s", *line ? line : rap_status_text(status));
}

static rap_status step(looking *l, rap_err *err)
{
    const trust_models *m = l->models;
    uint64_t total = (uint64_t)(l->set->things + l->set->photos);

    l->done++;
    if (m->on_progress &&
        m->on_progress("looking at pictures", (uint64_t)l->done, total, m->payload))
        return err_set(err, RAP_E_CANCELLED, "looking at the pictures was cancelled");
    return RAP_OK;
}

/* ---- features ---- */

/* Every cut of every box: out [count, cuts, dim]. */
static rap_status embed_cuts(looking *l, float *out, const image *photo, const rap_box *box,
                             int count, rap_err *err)
{
    size_t dim = (size_t)l->out->dim, cuts = (size_t)l->out->cuts;
    embed_crop crop = l->r->profile->crop;
    rap_box *cut_box = mem_array((size_t)count, sizeof *cut_box);
    float *cut = mem_array((size_t)count * dim, sizeof *cut);
    rap_status status = cut_box && cut ? RAP_OK : err_memory(err, "embedding a picture");

    crop.inner = 0;
    for (size_t c = 0; status == RAP_OK && c < cuts; c++) {
        for (int i = 0; i < count; i++)
            cut_box[i] = c ? embed_inner_box(box[i], photo, l->out->inner * (float)c) : box[i];
        status = embed_boxes(cut, l->r->encoder, photo, cut_box, count, &crop, err);
        for (size_t i = 0; status == RAP_OK && i < (size_t)count; i++) {
            vector_normalise(cut + i * dim, cut + i * dim, (int)dim);
            memcpy(out + (i * cuts + c) * dim, cut + i * dim, dim * sizeof *out);
        }
    }
    free(cut_box);
    free(cut);
    return status;
}

/* ---- things ---- */

static rap_status remember_all(looking *l, rap_err *err)
{
    rap_status status = RAP_OK;

    if (l->set->database)
        return trust_handed_up(l->r, rap_import(NULL, l->r, l->set->database, 0), err);
    for (int i = 0; status == RAP_OK && i < l->set->things; i++) {
        rap_concept c = RAP_CONCEPT_INIT;

        c.name = l->set->thing[i].name;
        c.image.path = l->set->thing[i].picture;
        status = trust_handed_up(l->r, rap_remember(NULL, l->r, &c), err);
    }
    return status;
}

static rap_status look_at_thing(looking *l, int i, rap_err *err)
{
    trust_thing *t = &l->set->thing[i];
    size_t floats = (size_t)l->out->cuts * (size_t)l->out->dim;
    rap_record *record = NULL;
    store_picture shown = { 0 };
    image im = { 0 };
    rap_status status = trust_handed_up(l->r, rap_find(&record, l->r, t->name), err);

    if (status == RAP_OK) {
        t->id = record->id;
        status = store_avatar(l->r->store, t->id, &shown, err);
    }
    if (status == RAP_OK)
        status = image_decode(&im, shown.bytes, shown.size, t->name, err);
    if (status == RAP_OK)
        status = embed_cuts(l, l->out->thing + (size_t)i * floats, &im, &shown.box, 1, err);
    image_release(&im);
    store_picture_release(&shown);
    rap_record_free(record);
    return status == RAP_OK ? step(l, err) : status;
}

static rap_status look_at_things(looking *l, rap_err *err)
{
    size_t each = (size_t)l->out->cuts * (size_t)l->out->dim, floats;
    rap_status status = RAP_OK;

    if (!mem_mul(&floats, (size_t)l->set->things, each) ||
        !(l->out->thing = mem_array(floats, sizeof *l->out->thing)))
        return err_memory(err, "looking at pictures");
    l->out->things = l->set->things;
    for (int i = 0; status == RAP_OK && i < l->set->things; i++)
        status = look_at_thing(l, i, err);
    return status;
}

/* ---- photos ---- */

static rap_status open_detector(looking *l, rap_err *err)
{
    const profile *p = l->r->profile;
    const detect_settings settings = { .confidence = p->detector_confidence,
                                       .iou = p->detector_iou,
                                       .max_regions = p->max_regions,
                                       .extra = p->extra_vocabulary };
    rap_status status;

    if (!l->r->detector)
        return RAP_OK;
    status = detect_new(&l->detect, l->r->detector, l->r->texts ? l->r->texts : l->r->encoder,
                        &settings, err);
    return status == RAP_OK ? detect_refresh(l->detect, l->r->store, err) : status;
}

/* Room for `count` more regions. */
static rap_status make_room(trust_seen *s, int count, rap_err *err)
{
    size_t n = (size_t)s->regions + (size_t)count;
    size_t each = (size_t)s->cuts * (size_t)s->dim * sizeof *s->region, bytes;
    float *region = mem_mul(&bytes, n, each) ? realloc(s->region, bytes) : NULL;
    rap_box *box;
    int *whole;

    if (region)
        s->region = region;
    box = region ? realloc(s->box, n * sizeof *box) : NULL;
    if (box)
        s->box = box;
    whole = box ? realloc(s->whole, n * sizeof *whole) : NULL;
    if (whole)
        s->whole = whole;
    return whole ? RAP_OK : err_memory(err, "looking at pictures");
}

static rap_status add_regions(looking *l, const image *photo, const rap_box *box, int count,
                              int whole, rap_err *err)
{
    trust_seen *s = l->out;
    rap_status status = make_room(s, count, err);

    if (status == RAP_OK)
        status = embed_cuts(l, s->region + (size_t)s->regions * (size_t)s->cuts * (size_t)s->dim,
                            photo, box, count, err);
    for (int i = 0; status == RAP_OK && i < count; i++, s->regions++) {
        s->box[s->regions] = box[i];
        s->whole[s->regions] = whole;
    }
    return status;
}

static rap_status look_at_photo(looking *l, int i, rap_err *err)
{
    const rap_box everywhere = { 0, 0, 0, 0 };
    const char *path = l->set->photo[i].picture;
    image photo = { 0 };
    rap_region *region = NULL;
    rap_box *box = NULL;
    int count = 0;
    rap_status status = image_load(&photo, path, err);

    if (status == RAP_OK)
        status = embed_check_size(&photo, path, err);
    if (status == RAP_OK && l->detect)
        status = detect_regions(l->detect, &photo, 0, &region, &count, err);
    if (status == RAP_OK && count > 0) {
        box = mem_array((size_t)count, sizeof *box);
        for (int k = 0; box && k < count; k++)
            box[k] = region[k].box;
        status = box ? add_regions(l, &photo, box, count, 0, err)
                     : err_memory(err, "looking at pictures");
    } else if (status == RAP_OK) {
        status = add_regions(l, &photo, &everywhere, 1, 1, err);
    }
    l->out->first[i + 1] = l->out->regions;
    free(box);
    detect_regions_free(region, count);
    image_release(&photo);
    return status == RAP_OK ? step(l, err) : status;
}

static rap_status look_at_photos(looking *l, rap_err *err)
{
    rap_status status = open_detector(l, err);

    l->out->photos = l->set->photos;
    l->out->first = mem_array((size_t)l->set->photos + 1, sizeof *l->out->first);
    if (!l->out->first)
        return err_memory(err, "looking at pictures");
    for (int i = 0; status == RAP_OK && i < l->set->photos; i++)
        status = look_at_photo(l, i, err);
    return status;
}

/* ---- all of it ---- */

static rap_status look_with(looking *l, rap_err *err)
{
    trust_seen *s = l->out;
    const embed_crop *crop;
    rap_status status;

    if (l->r->profile) { /* features are looked at as they are */
        free(l->r->profile->center);
        free(l->r->profile->spread);
        l->r->profile->center = l->r->profile->spread = NULL;
        l->r->profile->spreads = 0;
    }
    status = trust_handed_up(l->r, models_retriever(l->r), err);
    if (status != RAP_OK)
        return status;
    crop = &l->r->profile->crop;
    s->dim = encoder_dim(l->r->encoder);
    if (l->models->judge && (status = trust_fit_fits(l->models->judge, s, err)) != RAP_OK)
        return status;
    s->inner = crop->inner > 0 ? crop->inner : LOOK_INNER;
    s->cuts = l->models->cuts;
    if (s->cuts == 0)
        s->cuts = crop->inner > 0 ? 1 + (crop->cuts > 1 ? crop->cuts : 1) : 1;
    memcpy(s->maker, l->r->maker, sizeof s->maker);
    status = remember_all(l, err);
    if (status == RAP_OK)
        status = look_at_things(l, err);
    return status == RAP_OK ? look_at_photos(l, err) : status;
}

/* ---- a handle with a store that is nobody's ---- */

rap_status trust_handle_open(trust_handle *out, const trust_models *models, rap_err *err)
{
    rap_options o = RAP_OPTIONS_INIT;
    char *file;
    rap_status status;

    *out = (trust_handle){ NULL, TEMP_INIT };
    status = temp_folder_anywhere(&out->folder, "rap-trust", err);
    if (status != RAP_OK)
        return status;
    file = path_join(out->folder.path, "store.db");
    o.profile = models->profile;
    o.store = file;
    o.threads = models->threads;
    status = file ? rap_open(&out->r, &o) : RAP_E_MEMORY;
    free(file);
    return trust_handed_up(out->r, status, err);
}

void trust_handle_close(trust_handle *h)
{
    rap_close(h->r);
    temp_remove(&h->folder);
}

rap_status trust_look(trust_seen *out, trust_set *set, const trust_models *models, rap_err *err)
{
    looking l = { .out = out, .set = set, .models = models };
    trust_handle h;
    rap_status status = trust_handle_open(&h, models, err);

    memset(out, 0, sizeof *out);
    l.r = h.r;
    if (status == RAP_OK)
        status = look_with(&l, err);
    detect_free(l.detect);
    trust_handle_close(&h);
    return status;
}

void trust_seen_release(trust_seen *s)
{
    free(s->thing);
    free(s->region);
    free(s->box);
    free(s->whole);
    free(s->first);
    memset(s, 0, sizeof *s);
}
