/* crop.c: every change is drawn by the item's key and the variant, so that whoever makes a crop makes the same. */
#include "dataset/crop.h"

#include "base/file.h"
#include "base/hash.h"
#include "dataset/background.h"
#include "dataset/random.h"
#include "image/augment.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void crop_name(char out[CROP_NAME], const dataset_item *item, int variant)
{
    snprintf(out, CROP_NAME, "crops/%016" PRIx64 "-%d.jpg",
             hash_fast(item->key, strlen(item->key), 0), variant);
}

/* The place of the crop, moved and scaled by the draw, then with the plan's margin. */
static rap_box place(const dataset_plan *plan, const image *photo, rap_box box, draw *d)
{
    const plan_augment *a = &plan->augment;
    double scale = 1 + draw_between(d, -a->scale, a->scale);
    double dx = draw_between(d, -a->shift, a->shift), dy = draw_between(d, -a->shift, a->shift);

    if (box.w <= 0) /* the whole picture shows it: nothing is cut off */
        return (rap_box){ 0, 0, (float)image_full_width(photo), (float)image_full_height(photo) };
    box.x += (float)(box.w * dx + box.w * (1 - scale) / 2);
    box.y += (float)(box.h * dy + box.h * (1 - scale) / 2);
    box.w *= (float)scale;
    box.h *= (float)scale;
    if (plan->square)
        return image_square_box(photo, box, (float)plan->margin);
    box.x -= box.w * (float)plan->margin;
    box.y -= box.h * (float)plan->margin;
    box.w *= 1 + 2 * (float)plan->margin;
    box.h *= 1 + 2 * (float)plan->margin;
    return box;
}

/* Replaces the picture by what `made` is; status is that of making it. */
static rap_status replace(image *im, image *made, rap_status status)
{
    if (status == RAP_OK) {
        image_release(im);
        *im = *made;
    }
    return status;
}

static rap_status change(image *im, const plan_augment *a, draw *d, rap_err *err)
{
    double degrees = draw_between(d, -a->rotate, a->rotate), sigma = draw_share(d) * a->blur;
    double brightness = 1 + draw_between(d, -a->color, a->color);
    double contrast = 1 + draw_between(d, -a->color, a->color);
    double saturation = 1 + draw_between(d, -a->color, a->color);
    image made = { 0 };
    rap_status status = RAP_OK;

    if (draw_share(d) < a->flip)
        image_mirror(im);
    if (fabs(degrees) > 0.5)
        status = replace(im, &made, image_rotate(&made, im, degrees, err));
    if (status == RAP_OK && a->color > 0)
        image_color(im, brightness, contrast, saturation);
    if (status == RAP_OK && sigma > 0.2)
        status = replace(im, &made, image_blur(&made, im, sigma, err));
    return status;
}

/* A crop larger than any encoder looks at only takes room. */
static rap_status shrink(image *im, rap_err *err)
{
    enum { LARGEST = 448 };
    int longer = im->width > im->height ? im->width : im->height;
    image made = { 0 };

    if (longer <= LARGEST)
        return RAP_OK;
    return replace(im, &made,
                   image_resize(&made, im,
                                (int)lround(fmax(1, (double)im->width * LARGEST / longer)),
                                (int)lround(fmax(1, (double)im->height * LARGEST / longer)),
                                IMAGE_BICUBIC, err));
}

rap_status crop_photo(image *out, drop_reason *out_reason, const dataset_plan *plan,
                      const char *folder, const dataset_place *place, rap_err *err)
{
    char *path = plan_picture(plan, folder, place->picture);
    rap_status status = path ? image_load(out, path, err) : err_memory(err, "reading a picture");

    free(path);
    *out_reason = DROP_NO_PICTURE;
    if (status !=
        RAP_OK) /* IO is the photo's fault here, not that of the disk that is written to */
        return status == RAP_E_MEMORY ? status : RAP_E_FORMAT;
    if (place->width == 0 ||
        (place->width == image_full_width(out) && place->height == image_full_height(out)))
        return RAP_OK;
    *out_reason = DROP_SIZE;
    err_set(err, RAP_E_FORMAT, "%s: %d x %d pixels, annotated as %d x %d", place->picture,
            image_full_width(out), image_full_height(out), place->width, place->height);
    image_release(out);
    return RAP_E_FORMAT;
}

/* A share of the crops whose object has a mask gets another background. */
static rap_status change_background(image *crop, const dataset_plan *plan, const char *folder,
                                    const dataset_item *item, const image *photo, rap_box box,
                                    draw *d, rap_err *err)
{
    image whole = { 0 }, cover = { 0 };
    rap_status status = RAP_OK;

    if (plan->augment.background <= 0 || draw_share(d) >= plan->augment.background)
        return RAP_OK;
    status = background_mask(&whole, plan, folder, item, photo, err);
    if (status == RAP_OK && whole.rgb)
        status = image_crop(&cover, &whole, box, err);
    image_release(&whole);
    if (status == RAP_OK && cover.rgb)
        status = shrink(&cover, err);
    if (status == RAP_OK && cover.rgb)
        background_replace(crop, &cover, d);
    image_release(&cover);
    return status;
}

static rap_status make(drop_reason *out_reason, const dataset_plan *plan, const char *folder,
                       const char *path, const dataset_item *item, draw *d, rap_err *err)
{
    image photo = { 0 }, crop = { 0 };
    rap_box box = { 0, 0, 0, 0 };
    int quality =
        plan->augment.jpeg_least + (int)draw_below(d, (size_t)(96 - plan->augment.jpeg_least));
    rap_status status = crop_photo(&photo, out_reason, plan, folder, &item->concept, err);

    if (status == RAP_OK) {
        box = place(plan, &photo, item->concept.box, d);
        status = image_crop(&crop, &photo, box, err);
    }
    if (status == RAP_OK)
        status = shrink(&crop, err);
    if (status == RAP_OK)
        status = change_background(&crop, plan, folder, item, &photo, box, d, err);
    image_release(&photo);
    if (status == RAP_OK)
        status = change(&crop, &plan->augment, d, err);
    if (status == RAP_OK)
        status = image_save_jpeg_cache(&crop, path, quality, err);
    image_release(&crop);
    return status;
}

/* Is a JPEG there, to its end? A power cut may leave a torn one. */
static bool is_whole(const char *path)
{
    static const unsigned char wanted[4] = { 0xFF, 0xD8, 0xFF, 0xD9 };
    unsigned char found[4];
    FILE *file = fopen(path, "rb");
    bool whole = file && fread(found, 1, 2, file) == 2 && fseek(file, -2, SEEK_END) == 0 &&
                 fread(found + 2, 1, 2, file) == 2 && memcmp(found, wanted, 4) == 0;

    if (file)
        fclose(file);
    return whole;
}

rap_status crop_make(drop_reason *out_reason, const dataset_plan *plan, const char *folder,
                     const dataset_item *item, int variant, rap_err *err)
{
    char name[CROP_NAME], purpose[32], *path;
    draw d;
    rap_status status = RAP_OK;

    crop_name(name, item, variant);
    snprintf(purpose, sizeof purpose, "crop %d", variant);
    d = draw_for(plan->seed, purpose, item->key);
    path = path_join(folder, name);
    if (!path)
        status = err_memory(err, "cropping a concept");
    else if (!is_whole(path))
        status = make(out_reason, plan, folder, path, item, &d, err);
    free(path);
    return status;
}
