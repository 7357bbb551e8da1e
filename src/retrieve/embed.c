/* embed.c: cut, then encode in batches that stay within a bound of memory. */
#include "retrieve/embed.h"

#include "base/mem.h"

#include <stdlib.h>

#define BATCH_PICTURES 16
#define BATCH_PIXELS (48u << 20) /* crops held at once: many large ones in a 100-megapixel photo */

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

/* Cuts boxes from the first on until the batch is full; returns how many through *out_count. */
static rap_status cut_batch(image *out, int *out_count, const image *photo, const rap_box *box,
                            int count, const embed_crop *crop, rap_err *err)
{
    size_t pixels = 0;

    for (*out_count = 0; *out_count < count && *out_count < BATCH_PICTURES; ++*out_count) {
        image *cut = &out[*out_count];
        rap_status status;

        if (pixels > BATCH_PIXELS)
            break;
        status = embed_cut(cut, photo, box[*out_count], crop, err);
        if (status != RAP_OK)
            return status;
        pixels += (size_t)cut->width * (size_t)cut->height;
    }
    return RAP_OK;
}

rap_status embed_boxes(float *out, encoder *e, const image *photo, const rap_box *box, int count,
                       const embed_crop *crop, rap_err *err)
{
    rap_status status = RAP_OK;

    /* The whole photo alone is what remembering mostly asks for: no copy of it then. */
    if (count == 1 && box->w <= 0)
        return encoder_images(e, photo, 1, out, err);
    for (int done = 0, batch; status == RAP_OK && done < count; done += batch) {
        image cut[BATCH_PICTURES] = { 0 };

        status = cut_batch(cut, &batch, photo, box + done, count - done, crop, err);
        if (status == RAP_OK)
            status =
                encoder_images(e, cut, batch, out + (size_t)done * (size_t)encoder_dim(e), err);
        for (int i = 0; i < BATCH_PICTURES; i++)
            image_release(&cut[i]);
    }
    return status;
}
