/* picture.c: see picture.h. */
#include "rap/picture.h"

#include "retrieve/embed.h"

#include <math.h>
#include <stdlib.h>

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
                       "the box %g,%g,%g,%g is outside the picture of %d×%d pixels", box->x, box->y,
                       box->w, box->h, width, height);
    box->x = fmaxf(box->x, 0);
    box->y = fmaxf(box->y, 0);
    box->w = right - box->x;
    box->h = bottom - box->y;
    return RAP_OK;
}
