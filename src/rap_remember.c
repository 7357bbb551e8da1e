/* rap_remember.c: pictures on their way into the store: read, checked, embedded. Then the calls that
 * bring pictures in: update, add a view, import. */
#include "rap_inside.h"

#include "base/mem.h"
#include "remember/transfer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- pictures ---- */

int image_given(const rap_image *source)
{
    return source && (source->path || source->bytes);
}

rap_status picture_open(picture *out, const rap_image *source, rap_err *err)
{
    const char *name = source->path ? source->path : "the picture";
    rap_status status = image_read_bytes(&out->bytes, &out->size, source, err);

    if (status == RAP_OK)
        status = image_decode(&out->pixels, out->bytes, out->size, name, err);
    if (status == RAP_OK)
        status = embed_check_size(&out->pixels, name, err);
    if (status != RAP_OK)
        picture_close(out);
    return status;
}

void picture_close(picture *p)
{
    image_release(&p->pixels);
    free(p->bytes);
    p->bytes = NULL;
    p->size = 0;
}

/* The box cut to the picture; RAP_E_ARGUMENT when nothing of it lies inside. */
static rap_status fit_box(rap_box *box, const image *im, rap_err *err)
{
    float right = fminf(box->x + box->w, (float)im->width);
    float bottom = fminf(box->y + box->h, (float)im->height);

    if (box->w == 0 && box->h == 0) {
        *box = (rap_box){ 0, 0, 0, 0 };
        return RAP_OK;
    }
    if (!(box->w > 0) || !(box->h > 0) || !isfinite(box->x + box->w) ||
        !isfinite(box->y + box->h) || right - fmaxf(box->x, 0) < 1 || bottom - fmaxf(box->y, 0) < 1)
        return err_set(err, RAP_E_ARGUMENT,
                       "the box %g,%g,%g,%g has nothing in the picture of %d×%d pixels", box->x,
                       box->y, box->w, box->h, im->width, im->height);
    box->x = fmaxf(box->x, 0);
    box->y = fmaxf(box->y, 0);
    box->w = right - box->x;
    box->h = bottom - box->y;
    return RAP_OK;
}

/* ---- a view: a picture with its vector, ready for the store ---- */

static rap_status embed_view(seen_view *v, rap *r)
{
    int dim = encoder_dim(r->encoder);

    v->feature = mem_array((size_t)dim, sizeof *v->feature);
    if (!v->feature)
        return err_memory(&r->err, "embedding a picture");
    v->vector = (store_vector){ encoder_fingerprint(r->encoder), dim, v->feature };
    return embed_boxes(v->feature, r->encoder, &v->picture.pixels, &v->view.box, 1,
                       &r->profile->crop, &r->err);
}

rap_status view_open(seen_view *out, rap *r, const rap_image *source, rap_box box)
{
    rap_status status = picture_open(&out->picture, source, &r->err);

    if (status == RAP_OK)
        status = fit_box(&box, &out->picture.pixels, &r->err);
    if (status == RAP_OK)
        status = models_encoder(r);
    if (status != RAP_OK)
        return status;
    out->view = (store_view){ out->picture.bytes, out->picture.size, out->picture.pixels.width,
                              out->picture.pixels.height, box };
    return embed_view(out, r);
}

void view_close(seen_view *v)
{
    picture_close(&v->picture);
    free(v->feature);
    memset(v, 0, sizeof *v);
}

rap_status rap_update(rap *r, const char *name, const rap_concept *change)
{
    seen_view seen = { 0 };
    store_concept texts;
    int given;
    rap_status status = RAP_OK;

    if (!rap_ready(r) || !name || !change)
        return RAP_E_ARGUMENT;
    texts = (store_concept){ change->name, change->category, change->info, change->aliases };
    given = image_given(&change->image);
    if (given)
        status = view_open(&seen, r, &change->image, change->box);
    if (status == RAP_OK)
        status = store_update(r->store, name, &texts, given ? &seen.view : NULL,
                              given ? &seen.vector : NULL, &r->err);
    view_close(&seen);
    return status;
}

rap_status rap_add_view(rap *r, const char *name, const rap_image *source, rap_box box)
{
    seen_view seen = { 0 };
    rap_status status;

    if (!rap_ready(r) || !name)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "a view needs a picture");
    status = view_open(&seen, r, source, box);
    if (status == RAP_OK)
        status = store_add_view(r->store, name, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}

/* ---- import ---- */

typedef struct import_run {
    rap *r;
    seen_view seen; /* of the last picture: lent to the importer until the next */
} import_run;

static rap_status embed_import(store_view *view, store_vector *out_vector, const char *name,
                               void *payload, rap_err *err)
{
    import_run *run = payload;
    rap_image source = { NULL, view->bytes, view->size };
    rap_status status;

    view_close(&run->seen);
    status = view_open(&run->seen, run->r, &source, view->box);
    if (status != RAP_OK)
        return err_set(err, status, "%s: %s", name, run->r->err.text);
    view->width = run->seen.view.width;
    view->height = run->seen.view.height;
    view->box = run->seen.view.box;
    *out_vector = run->seen.vector;
    return RAP_OK;
}

rap_status rap_import(rap *r, const char *path, int replace, rap_import_report *out)
{
    rap_import_report report = { 0 };
    import_run run = { .r = r };
    rap_err err = { 0 };
    rap_status status;

    if (!rap_ready(r) || !path)
        return RAP_E_ARGUMENT;
    status = transfer_import(r->store, path, replace, embed_import, &run, r->options.on_progress,
                             r->options.payload, &report, &err);
    view_close(&run.seen);
    r->err = err;
    if (out)
        *out = report;
    return status;
}

rap_status rap_export(rap *r, const char *path)
{
    const char *dot;

    if (!rap_ready(r) || !path)
        return RAP_E_ARGUMENT;
    dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".json") == 0)
        return transfer_export_official(r->store, path, &r->err);
    return transfer_export_bundle(r->store, path, &r->err);
}
