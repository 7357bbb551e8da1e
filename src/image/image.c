/* image.c: pictures in memory: create, copy, crop. Reading is in load.c, decoding in decode.c,
 * scaling in resize.c, drawing and saving in draw.c. */
#include "image/image.h"
#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

rap_status image_new(image *out, int width, int height, rap_err *err)
{
    *out = (image){ 0 };
    if (width < 1 || height < 1)
        return err_set(err, RAP_E_ARGUMENT, "a picture cannot have %d × %d pixels", width, height);
    if ((int64_t)width * height > IMAGE_MAX_PIXELS)
        return err_set(err, RAP_E_LIMIT,
                       "a picture of %d × %d pixels is over the limit of %d megapixels", width,
                       height, IMAGE_MAX_PIXELS / 1000000);
    out->rgb = mem_array((size_t)width * (size_t)height, 3);
    if (!out->rgb)
        return err_memory(err, "making a picture");
    out->width = width;
    out->height = height;
    return RAP_OK;
}

void image_release(image *im)
{
    if (!im)
        return;
    free(im->rgb);
    *im = (image){ 0 };
}

int image_full_width(const image *im)
{
    return im->full_width > 0 ? im->full_width : im->width;
}

int image_full_height(const image *im)
{
    return im->full_height > 0 ? im->full_height : im->height;
}

rap_status image_copy(image *out, const image *in, rap_err *err)
{
    rap_status status = image_new(out, in->width, in->height, err);

    if (status != RAP_OK)
        return status;
    memcpy(out->rgb, in->rgb, (size_t)in->width * (size_t)in->height * 3);
    out->full_width = in->full_width;
    out->full_height = in->full_height;
    return RAP_OK;
}

/* ---- boxes ---- */

static bool box_is_whole(rap_box box)
{
    return !isfinite(box.x) || !isfinite(box.y) || !isfinite(box.w) || !isfinite(box.h) ||
           box.w <= 0 || box.h <= 0;
}

static float clampf(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* One side of a box in whole pixels: [*from, *from + length) inside [0, size), length ≥ 1. */
static int side_pixels(int *from, float start, float length, int size)
{
    int first = (int)lrintf(clampf(start, 0.0f, (float)size));
    int last = (int)lrintf(clampf(start + length, 0.0f, (float)size));

    if (first > size - 1)
        first = size - 1;
    if (last <= first)
        last = first + 1;
    *from = first;
    return last - first;
}

rap_status image_crop(image *out, const image *in, rap_box box, rap_err *err)
{
    float across = (float)in->width / (float)image_full_width(in);
    float down = (float)in->height / (float)image_full_height(in);
    int x, y, width, height;
    rap_status status;

    *out = (image){ 0 };
    if (box_is_whole(box))
        return image_copy(out, in, err);
    width = side_pixels(&x, box.x * across, box.w * across, in->width);
    height = side_pixels(&y, box.y * down, box.h * down, in->height);
    status = image_new(out, width, height, err);
    if (status != RAP_OK)
        return status;
    for (int row = 0; row < height; row++)
        memcpy(out->rgb + (size_t)row * (size_t)width * 3,
               in->rgb + ((size_t)(y + row) * (size_t)in->width + (size_t)x) * 3,
               (size_t)width * 3);
    return RAP_OK;
}

rap_box image_square_box(const image *in, rap_box box, float margin)
{
    float full_w = (float)image_full_width(in), full_h = (float)image_full_height(in);
    float side, w, h, x, y;

    if (box_is_whole(box))
        return (rap_box){ 0, 0, full_w, full_h };
    side = fmaxf(box.w, box.h) * (1.0f + 2.0f * margin);
    w = fminf(side, full_w);
    h = fminf(side, full_h);
    x = clampf(box.x + box.w / 2 - w / 2, 0.0f, full_w - w);
    y = clampf(box.y + box.h / 2 - h / 2, 0.0f, full_h - h);
    return (rap_box){ x, y, w, h };
}
