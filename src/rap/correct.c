/* correct.c: rap_correct(): a photo, or a box in it, that does or does not show a concept. */
#include "rap/models.h"
#include "rap/picture.h"
#include "rap/retrieve.h"
#include "rap/view.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* A region nearer to a view than this is that view. Refusing it would refuse the concept's own picture. */
#define OWN_PICTURE 0.01f

/* ---- a box that is given ---- */

static rap_status refuse_box(rap *r, const char *name, const rap_image *source, rap_box box)
{
    seen_view seen = { 0 };
    rap_status status = view_open(&seen, r, source, box);

    if (status == RAP_OK)
        status = store_add_refusal(r->store, name, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}

/* ---- the regions in which it is found ---- */

/* Is the concept matched at this region, alone or as one of two candidates? */
static int is_taken_for(const profile *p, const sighting *seen, int region, int64_t id)
{
    const search_hit *hit = seen->hit + region * RANK_HITS;
    const float *score = seen->score + region * RANK_HITS;
    float best = INFINITY, own = INFINITY;

    for (int i = 0; i < RANK_HITS && hit[i].id >= 0; i++) {
        best = fminf(best, score[i]);
        if (hit[i].id == id)
            own = score[i];
    }
    return isfinite(own) && (p->threshold >= 2 || own <= p->threshold) &&
           own <= best + p->ambiguity;
}

static float distance_to(const sighting *seen, int region, int64_t id)
{
    for (int i = 0; i < RANK_HITS; i++)
        if (seen->hit[region * RANK_HITS + i].id == id)
            return seen->hit[region * RANK_HITS + i].distance;
    return INFINITY;
}

typedef struct refusals { /* [count] */
    store_view *view;
    store_vector *vector;
    size_t count;
} refusals;

/* Stores the very features by which the regions were matched, so that they are not matched again. */
static rap_status gather(refusals *out, rap *r, const picture *shown, const sighting *seen,
                         int64_t id)
{
    out->view = mem_array((size_t)seen->count, sizeof *out->view);
    out->vector = mem_array((size_t)seen->count, sizeof *out->vector);
    if (!out->view || !out->vector)
        return err_memory(&r->err, "correcting a photo");
    for (int i = 0; i < seen->count; i++) {
        rap_box whole = { 0, 0, 0, 0 };

        if (!is_taken_for(r->profile, seen, i, id))
            continue;
        if (distance_to(seen, i, id) < OWN_PICTURE)
            return err_set(&r->err, RAP_E_ARGUMENT,
                           "the photo is one of the concept's own pictures; forget the concept and "
                           "remember it from another picture");
        out->view[out->count] =
            (store_view){ shown->bytes, shown->size, image_full_width(&shown->pixels),
                          image_full_height(&shown->pixels),
                          i == seen->whole ? whole : seen->region[i].box };
        out->vector[out->count++] =
            (store_vector){ r->maker, seen->dim, seen->feature + (size_t)i * (size_t)seen->dim };
    }
    return RAP_OK;
}

static rap_status refuse_regions(rap *r, const char *name, int64_t id, const rap_image *source)
{
    const char *photo = source->path ? source->path : "the photo";
    picture shown = { 0 };
    sighting seen = { 0 };
    refusals all = { 0 };
    rap_status status = picture_open(&shown, source, &r->err);

    if (status == RAP_OK)
        status = retrieve_look(r, &shown.pixels, RAP_POLICY_DEFAULT, &seen);
    if (status == RAP_OK)
        status = gather(&all, r, &shown, &seen, id);
    if (status == RAP_OK && all.count == 0)
        status = err_set(&r->err, RAP_E_NOT_FOUND,
                         "%s: %s is not found in it; give the box of the look-alike (--box)", photo,
                         name);
    if (status == RAP_OK)
        status = store_add_refusals(r->store, name, all.view, all.vector, all.count, &r->err);
    free(all.view);
    free(all.vector);
    sighting_release(&seen);
    picture_close(&shown);
    return status;
}

/* ---- the call ---- */

rap_status rap_correct(rap *r, const char *name, const rap_image *source, rap_box box, int is_it)
{
    rap_record *record = NULL;
    rap_status status;

    if (is_it)
        return rap_add_view(r, name, source, box);
    if (!rap_ready(r) || !name)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "rap_correct() needs a picture");
    if (box.w != 0 || box.h != 0)
        return refuse_box(r, name, source, box);
    status = store_find(r->store, name, &record, &r->err);
    if (status == RAP_OK)
        status = refuse_regions(r, name, record->id, source);
    rap_record_free(record);
    return status;
}
