/* features.c: runs the models on a set once: the concepts go into a temporary store, then the regions of the photos are
 * found; all are embedded in several crops. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "engine/engine.h"
#include "eval/calibrate/calibrate_inside.h"
#include "remember/store.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_INNER 0.08f /* the step between crops if the profile has none */

typedef struct extraction {
    calibrate_features *out;
    calibrate_set *set;
    const calibrate_models *models;
    rap_engine *engine;
    encoder *encoder; /* the engine's */
    embed_crop crop;  /* with the number of crops to take */
    store *store;     /* with the set's concepts */
    retriever *retriever;
    int done;
} extraction;

rap_status calibrate_engine(rap_engine **out, const calibrate_models *models, rap_err *err)
{
    rap_engine_options o = RAP_ENGINE_OPTIONS_INIT;

    *out = models->engine ? engine_share(models->engine) : NULL;
    if (*out)
        return RAP_OK;
    o.profile = models->profile;
    o.lora = models->lora;
    o.threads = models->threads;
    return engine_open(out, &o, err);
}

static rap_status step(extraction *l, rap_err *err)
{
    const calibrate_models *m = l->models;
    uint64_t total = (uint64_t)(l->set->concepts + l->set->photos);

    l->done++;
    if (m->on_progress &&
        m->on_progress("embedding pictures", (uint64_t)l->done, total, m->payload))
        return err_set(err, RAP_E_CANCELLED, "embedding the pictures was cancelled");
    return RAP_OK;
}

/* ---- the concepts' store ---- */

static rap_status remember_each(rap *r, const calibrate_set *set)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < set->concepts; i++) {
        rap_concept c = RAP_CONCEPT_INIT;

        c.name = set->concept[i].name;
        c.image.path = set->concept[i].picture;
        status = rap_remember(NULL, r, &c);
    }
    return status;
}

rap_status calibrate_fill_store(rap_engine *engine, const calibrate_set *set, const char *path,
                                rap_err *err)
{
    rap_options o = RAP_OPTIONS_INIT;
    rap *r = NULL;
    rap_status status;

    o.engine = engine;
    o.store = path;
    status = rap_open(&r, &o);
    if (status == RAP_OK)
        status = set->database ? rap_import(NULL, r, set->database, 0) : remember_each(r, set);
    if (status != RAP_OK)
        err_set(err, status, "%s", rap_error(r));
    rap_close(r);
    return status;
}

/* Uncalibrated, because a center or scatter in the profile may be another encoder's. */
static rap_status open_retriever(extraction *l, const char *path, rap_err *err)
{
    engine_retriever_options o = { .read_only = 1,
                                   .threads = engine_threads(l->engine),
                                   .uncalibrated = 1 };
    rap_status status = store_open(&l->store, path, 1, err);

    o.store = l->store;
    return status == RAP_OK ? engine_retriever(&l->retriever, l->engine, &o, err) : status;
}

/* ---- concepts ---- */

static rap_status fill_concept(extraction *l, int i, rap_err *err)
{
    const char *name = l->set->concept[i].name;
    size_t floats = (size_t)l->out->crops * (size_t)l->out->dim;
    rap_record *record = NULL;
    store_picture shown = { 0 };
    image im = { 0 };
    rap_status status = store_find(l->store, name, &record, err);

    if (status == RAP_OK)
        status = store_avatar(l->store, record->id, &shown, err);
    if (status == RAP_OK)
        status = image_decode(&im, shown.bytes, shown.size, name, err);
    if (status == RAP_OK)
        status = embed_each_crop(l->out->concept + (size_t)i * floats, l->encoder, &im, &shown.box,
                                 1, &l->crop, err);
    image_release(&im);
    store_picture_release(&shown);
    store_record_free(record);
    return status == RAP_OK ? step(l, err) : status;
}

static rap_status fill_concepts(extraction *l, rap_err *err)
{
    size_t each = (size_t)l->out->crops * (size_t)l->out->dim, floats;
    rap_status status = RAP_OK;

    if (!mem_mul(&floats, (size_t)l->set->concepts, each) ||
        !(l->out->concept = mem_array(floats, sizeof *l->out->concept)))
        return err_memory(err, "embedding pictures");
    l->out->concepts = l->set->concepts;
    for (int i = 0; status == RAP_OK && i < l->set->concepts; i++)
        status = fill_concept(l, i, err);
    return status;
}

/* ---- photos ---- */

/* Room for `count` more regions. */
static rap_status make_room(calibrate_features *s, int count, rap_err *err)
{
    size_t n = (size_t)s->regions + (size_t)count;
    size_t each = (size_t)s->crops * (size_t)s->dim * sizeof *s->region, bytes;
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
    return whole ? RAP_OK : err_memory(err, "embedding pictures");
}

static rap_status add_regions(extraction *l, const image *photo, const sighting *seen, rap_err *err)
{
    calibrate_features *s = l->out;
    size_t each = (size_t)s->crops * (size_t)s->dim;
    rap_status status = make_room(s, seen->count, err);

    for (int i = 0; status == RAP_OK && i < seen->count; i++) {
        rap_box everywhere = { 0, 0, 0, 0 };

        s->whole[s->regions + i] = i == seen->whole;
        s->box[s->regions + i] = i == seen->whole ? everywhere : seen->region[i].box;
    }
    if (status == RAP_OK)
        status = embed_each_crop(s->region + (size_t)s->regions * each, l->encoder, photo,
                                 s->box + s->regions, seen->count, &l->crop, err);
    if (status == RAP_OK)
        s->regions += seen->count;
    return status;
}

static rap_status fill_photo(extraction *l, int i, rap_err *err)
{
    const char *path = l->set->photo[i].picture;
    image photo = { 0 };
    sighting seen = { 0 };
    rap_status status = image_load(&photo, path, err);

    if (status == RAP_OK)
        status = embed_check_size(&photo, path, err);
    if (status == RAP_OK)
        status = retriever_regions(l->retriever, &photo, RAP_POLICY_DEFAULT, &seen, err);
    if (status == RAP_OK)
        status = add_regions(l, &photo, &seen, err);
    l->out->first[i + 1] = l->out->regions;
    sighting_release(&seen);
    image_release(&photo);
    return status == RAP_OK ? step(l, err) : status;
}

static rap_status fill_photos(extraction *l, rap_err *err)
{
    rap_status status = RAP_OK;

    l->out->photos = l->set->photos;
    l->out->first = mem_array((size_t)l->set->photos + 1, sizeof *l->out->first);
    if (!l->out->first)
        return err_memory(err, "embedding pictures");
    for (int i = 0; status == RAP_OK && i < l->set->photos; i++)
        status = fill_photo(l, i, err);
    return status;
}

/* ---- the whole set ---- */

/* Gets the encoder and the crop settings. */
static rap_status open_encoder(extraction *l, rap_err *err)
{
    calibrate_features *s = l->out;
    const char *maker = NULL;
    const profile *p = NULL;
    rap_status status = engine_profile(&p, l->engine, err);

    if (status == RAP_OK)
        status = engine_encoder(&l->encoder, &maker, l->engine, err);
    if (status != RAP_OK)
        return status;
    s->dim = encoder_dim(l->encoder);
    s->inner = p->crop.inner > 0 ? p->crop.inner : DEFAULT_INNER;
    s->crops = l->models->crops ? l->models->crops : embed_crops(&p->crop);
    memcpy(s->maker, maker, strlen(maker) + 1);
    l->crop = p->crop;
    l->crop.inner = s->crops > 1 ? s->inner : 0;
    l->crop.crops = s->crops - 1;
    return l->models->judge ? calibrate_fit_fits(l->models->judge, s, err) : RAP_OK;
}

static rap_status extract_with(extraction *l, const char *path, rap_err *err)
{
    rap_status status = open_encoder(l, err);

    if (status == RAP_OK)
        status = calibrate_fill_store(l->engine, l->set, path, err);
    if (status == RAP_OK)
        status = open_retriever(l, path, err);
    if (status == RAP_OK)
        status = fill_concepts(l, err);
    return status == RAP_OK ? fill_photos(l, err) : status;
}

rap_status calibrate_look(calibrate_features *out, calibrate_set *set,
                          const calibrate_models *models, rap_err *err)
{
    extraction l = { .out = out, .set = set, .models = models };
    temp folder = TEMP_INIT;
    char *path = NULL;
    rap_status status = temp_folder_anywhere(&folder, "rap-calibrate", err);

    memset(out, 0, sizeof *out);
    if (status == RAP_OK)
        status = calibrate_engine(&l.engine, models, err);
    if (status == RAP_OK && !(path = path_join(folder.path, "store.db")))
        status = err_memory(err, "embedding pictures");
    if (status == RAP_OK)
        status = extract_with(&l, path, err);
    retriever_free(l.retriever);
    store_close(l.store);
    engine_close(l.engine);
    temp_remove(&folder);
    free(path);
    return status;
}

void calibrate_features_release(calibrate_features *s)
{
    free(s->concept);
    free(s->region);
    free(s->box);
    free(s->whole);
    free(s->first);
    memset(s, 0, sizeof *s);
}
