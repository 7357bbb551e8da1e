/* picture.c: pictures on their way into the system: read, decoded, checked, embedded. */
#include "rap/inside.h"

#include "base/mem.h"

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

rap_status picture_fit_box(rap_box *box, const image *im, rap_err *err)
{
    int width = image_full_width(im), height = image_full_height(im);
    float right = fminf(box->x + box->w, (float)width);
    float bottom = fminf(box->y + box->h, (float)height);

    if (box->w == 0 && box->h == 0) {
        *box = (rap_box){ 0, 0, 0, 0 };
        return RAP_OK;
    }
    if (!(box->w > 0) || !(box->h > 0) || !isfinite(box->x + box->w) ||
        !isfinite(box->y + box->h) || right - fmaxf(box->x, 0) < 1 || bottom - fmaxf(box->y, 0) < 1)
        return err_set(err, RAP_E_ARGUMENT,
                       "the box %g,%g,%g,%g has nothing in the picture of %d×%d pixels", box->x,
                       box->y, box->w, box->h, width, height);
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
    v->vector = (store_vector){ r->maker, dim, v->feature };
    return embed_boxes(v->feature, r->encoder, &v->picture.pixels, &v->view.box, 1,
                       &r->profile->crop, &r->err);
}

rap_status view_open(seen_view *out, rap *r, const rap_image *source, rap_box box)
{
    rap_status status = picture_open(&out->picture, source, &r->err);

    if (status == RAP_OK)
        status = picture_fit_box(&box, &out->picture.pixels, &r->err);
    if (status == RAP_OK)
        status = models_encoder(r);
    if (status != RAP_OK)
        return status;
    out->view =
        (store_view){ out->picture.bytes, out->picture.size, image_full_width(&out->picture.pixels),
                      image_full_height(&out->picture.pixels), box };
    return embed_view(out, r);
}

void view_close(seen_view *v)
{
    picture_close(&v->picture);
    free(v->feature);
    memset(v, 0, sizeof *v);
}
