/* embed.c: cut, then encode in batches that stay within a bound of memory. */
#include "retrieve/embed.h"

#include "base/mem.h"

#include <stdlib.h>

rap_status embed_check_size(const image *photo, const char *name, rap_err *err)
{
    if (photo->width >= EMBED_MIN_SIDE && photo->height >= EMBED_MIN_SIDE)
        return RAP_OK;
    return err_set(err, RAP_E_LIMIT, "%s: a picture of %d×%d pixels is smaller than %d×%d", name,
                   photo->width, photo->height, EMBED_MIN_SIDE, EMBED_MIN_SIDE);
}

rap_status embed_cut(image *out, const image *photo, rap_box box, const embed_crop *crop,
                     rap_err *err)
{
    if (box.w <= 0 || box.h <= 0)
        return image_copy(out, photo, err);
    if (crop->square)
        box = image_square_box(photo, box, crop->margin);
    else if (crop->margin > 0)
        box = (rap_box){ box.x - box.w * crop->margin, box.y - box.h * crop->margin,
                         box.w * (1 + 2 * crop->margin), box.h * (1 + 2 * crop->margin) };
    return image_crop(out, photo, box, err);
}

/* Where the boxes lie: all in one photo, or each in its own. */
typedef struct places {
    const image *one, *const *each; /* each: NULL when there is one */
    const rap_box *box;
    int count;
} places;

/* Cuts boxes from the given one on until the batch is full; returns how many through *out_count. */
static rap_status cut_batch(image *out, int *out_count, const places *p, int from,
                            const embed_crop *crop, rap_err *err)
{
    size_t pixels = 0;

    for (*out_count = 0; from + *out_count < p->count && *out_count < EMBED_BATCH; ++*out_count) {
        image *cut = &out[*out_count];
        int i = from + *out_count;
        rap_status status;

        if (pixels > EMBED_PIXELS)
            break;
        status = embed_cut(cut, p->each ? p->each[i] : p->one, p->box[i], crop, err);
        if (status != RAP_OK)
            return status;
        pixels += (size_t)cut->width * (size_t)cut->height;
    }
    return RAP_OK;
}

static rap_status embed_places(float *out, encoder *e, const places *p, const embed_crop *crop,
                               rap_err *err)
{
    rap_status status = RAP_OK;

    for (int done = 0, batch; status == RAP_OK && done < p->count; done += batch) {
        image cut[EMBED_BATCH] = { 0 };

        status = cut_batch(cut, &batch, p, done, crop, err);
        if (status == RAP_OK)
            status =
                encoder_images(e, cut, batch, out + (size_t)done * (size_t)encoder_dim(e), err);
        for (int i = 0; i < EMBED_BATCH; i++)
            image_release(&cut[i]);
    }
    return status;
}

rap_status embed_boxes(float *out, encoder *e, const image *photo, const rap_box *box, int count,
                       const embed_crop *crop, rap_err *err)
{
    const places p = { photo, NULL, box, count };

    /* The whole photo alone is what remembering mostly asks for: no copy of it then. */
    if (count == 1 && box->w <= 0)
        return encoder_images(e, photo, 1, out, err);
    return embed_places(out, e, &p, crop, err);
}

rap_status embed_photos(float *out, encoder *e, const image *const *photo, const rap_box *box,
                        int count, const embed_crop *crop, rap_err *err)
{
    const places p = { NULL, photo, box, count };

    return embed_places(out, e, &p, crop, err);
}
