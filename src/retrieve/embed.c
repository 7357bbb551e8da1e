/* embed.c: crops boxes and encodes them in batches of bounded memory. */
#include "retrieve/embed.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rap_status embed_check_size(const image *photo, const char *name, rap_err *err)
{
    if (photo->width >= EMBED_MIN_SIDE && photo->height >= EMBED_MIN_SIDE)
        return RAP_OK;
    return err_set(err, RAP_E_LIMIT, "%s: the picture has %d×%d pixels, the smallest is %d×%d",
                   name, photo->width, photo->height, EMBED_MIN_SIDE, EMBED_MIN_SIDE);
}

rap_status embed_crop_box(image *out, const image *photo, rap_box box, const embed_crop *crop,
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

/* The photo of each box: one photo for all, or one each. */
typedef struct places {
    const image *one, *const *each; /* NULL: one photo for all */
    const rap_box *box;
    int count;
} places;

/* Crops boxes from the given one on until the batch is full; *out_count is their number. */
static rap_status crop_batch(image *out, int *out_count, const places *p, int from,
                             const embed_crop *crop, rap_err *err)
{
    size_t pixels = 0;

    for (*out_count = 0; from + *out_count < p->count && *out_count < EMBED_BATCH; ++*out_count) {
        image *cropped = &out[*out_count];
        int i = from + *out_count;
        rap_status status;

        if (pixels > EMBED_PIXELS)
            break;
        status = embed_crop_box(cropped, p->each ? p->each[i] : p->one, p->box[i], crop, err);
        if (status != RAP_OK)
            return status;
        pixels += (size_t)cropped->width * (size_t)cropped->height;
    }
    return RAP_OK;
}

static rap_status embed_once(float *out, encoder *e, const places *p, const embed_crop *crop,
                             rap_err *err)
{
    rap_status status = RAP_OK;

    for (int done = 0, batch; status == RAP_OK && done < p->count; done += batch) {
        image cropped[EMBED_BATCH] = { 0 };

        status = crop_batch(cropped, &batch, p, done, crop, err);
        if (status == RAP_OK)
            status =
                encoder_images(e, cropped, batch, out + (size_t)done * (size_t)encoder_dim(e), err);
        for (int i = 0; i < EMBED_BATCH; i++)
            image_release(&cropped[i]);
    }
    return status;
}

/* ---- several crops ---- */

int embed_crops(const embed_crop *crop)
{
    return !(crop->inner > 0) ? 1 : 1 + (crop->crops > 1 ? crop->crops : 1);
}

/* Uses a fourth digit only where three are not exact, so that existing maker names stay valid. */
static void add_part(char *maker, const char *name, float part)
{
    size_t used = strlen(maker);
    char number[16];

    snprintf(number, sizeof number, "%.3f", (double)part);
    if (fabsf(strtof(number, NULL) - part) > 5e-5f)
        snprintf(number, sizeof number, "%.4f", (double)part);
    snprintf(maker + used, EMBED_MAKER - used, " %s %s", name, number);
}

void embed_maker(char out[EMBED_MAKER], const encoder *e, const embed_crop *crop)
{
    snprintf(out, EMBED_MAKER, "%.140s", encoder_fingerprint(e));
    if (embed_crops(crop) > 1)
        add_part(out, "inner", crop->inner);
    if (embed_crops(crop) > 2)
        snprintf(out + strlen(out), EMBED_MAKER - strlen(out), " x%d", crop->crops);
    if (crop->margin > 0)
        add_part(out, "margin", crop->margin);
    if (!crop->square)
        snprintf(out + strlen(out), EMBED_MAKER - strlen(out), " not square");
}

/* The box (w == 0: the whole photo) shrunk by `part` of its side on each side; unchanged if that would be too small. */
static rap_box inner_box(rap_box box, const image *photo, float part)
{
    if (box.w <= 0 || box.h <= 0)
        box = (rap_box){ 0, 0, (float)image_full_width(photo), (float)image_full_height(photo) };
    if (box.w * (1 - 2 * part) < EMBED_MIN_SIDE || box.h * (1 - 2 * part) < EMBED_MIN_SIDE)
        return box;
    return (rap_box){ box.x + box.w * part, box.y + box.h * part, box.w * (1 - 2 * part),
                      box.h * (1 - 2 * part) };
}

/* A zero vector adds nothing. */
void embed_add_direction(float *sum, const float *feature, int dim)
{
    double scale = vector_unit_scale(feature, dim);

    for (int i = 0; scale > 0 && i < dim; i++)
        sum[i] = (float)(sum[i] + feature[i] * scale);
}

/* Embeds all crops of each box but the first, and adds their directions to out [count, dim]. */
static rap_status embed_inner(float *out, encoder *e, const places *p, const embed_crop *crop,
                              rap_err *err)
{
    size_t dim = (size_t)encoder_dim(e), floats;
    rap_box *tight = mem_array((size_t)p->count, sizeof *tight);
    float *other = NULL;
    places inner = *p;
    rap_status status = RAP_OK;

    inner.box = tight;
    if (mem_mul(&floats, (size_t)p->count, dim))
        other = mem_array(floats, sizeof *other);
    if (!tight || !other)
        status = err_memory(err, "embedding a picture");
    for (int c = 1; status == RAP_OK && c < embed_crops(crop); c++) {
        for (int i = 0; i < p->count; i++)
            tight[i] = inner_box(p->box[i], p->each ? p->each[i] : p->one, crop->inner * (float)c);
        status = embed_once(other, e, &inner, crop, err);
        for (int i = 0; status == RAP_OK && i < p->count; i++)
            embed_add_direction(out + (size_t)i * dim, other + (size_t)i * dim, (int)dim);
    }
    free(tight);
    free(other);
    return status;
}

static rap_status embed_places(float *out, encoder *e, const places *p, const embed_crop *crop,
                               rap_err *err)
{
    size_t dim = (size_t)encoder_dim(e);
    float share = 1 / (float)embed_crops(crop);
    rap_status status;

    /* The whole photo alone, the common case of remembering, needs no copy. */
    if (p->count == 1 && p->box->w <= 0)
        status = encoder_images(e, p->each ? p->each[0] : p->one, 1, out, err);
    else
        status = embed_once(out, e, p, crop, err);
    if (status != RAP_OK || embed_crops(crop) == 1)
        return status;
    for (int i = 0; i < p->count; i++)
        vector_normalise(out + (size_t)i * dim, out + (size_t)i * dim, (int)dim);
    status = embed_inner(out, e, p, crop, err);
    for (size_t i = 0; status == RAP_OK && i < (size_t)p->count * dim; i++)
        out[i] *= share;
    return status;
}

rap_status embed_boxes(float *out, encoder *e, const image *photo, const rap_box *box, int count,
                       const embed_crop *crop, rap_err *err)
{
    const places p = { photo, NULL, box, count };

    return embed_places(out, e, &p, crop, err);
}

rap_status embed_each_crop(float *out, encoder *e, const image *photo, const rap_box *box,
                           int count, const embed_crop *crop, rap_err *err)
{
    const embed_crop alone = { .margin = crop->margin, .square = crop->square };
    size_t dim = (size_t)encoder_dim(e), crops = (size_t)embed_crops(crop), floats;
    rap_box *tight = mem_array((size_t)count, sizeof *tight);
    float *one = mem_mul(&floats, (size_t)count, dim) ? mem_array(floats, sizeof *one) : NULL;
    rap_status status = tight && one ? RAP_OK : err_memory(err, "embedding a picture");

    for (size_t c = 0; status == RAP_OK && c < crops; c++) {
        for (int i = 0; i < count; i++)
            tight[i] = c ? inner_box(box[i], photo, crop->inner * (float)c) : box[i];
        status = embed_boxes(one, e, photo, tight, count, &alone, err);
        for (size_t i = 0; status == RAP_OK && i < (size_t)count; i++)
            vector_normalise(out + (i * crops + c) * dim, one + i * dim, (int)dim);
    }
    free(tight);
    free(one);
    return status;
}

rap_status embed_photos(float *out, encoder *e, const image *const *photo, const rap_box *box,
                        int count, const embed_crop *crop, rap_err *err)
{
    const places p = { NULL, photo, box, count };

    return embed_places(out, e, &p, crop, err);
}
