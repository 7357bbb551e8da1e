/* image.c: pictures as memory: make, copy, cut. Decoding is in decode.c, scaling in resize.c, drawing
 * and saving in draw.c. */
#include "image/image.h"
#include "base/file.h"
#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

rap_status image_new(image *out, int width, int height, rap_err *err)
{
    *out = (image){ 0, 0, NULL };
    if (width < 1 || height < 1)
        return err_set(err, RAP_E_ARGUMENT, "a picture of %d × %d pixels cannot be made", width,
                       height);
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
    *im = (image){ 0, 0, NULL };
}

rap_status image_copy(image *out, const image *in, rap_err *err)
{
    rap_status status = image_new(out, in->width, in->height, err);

    if (status == RAP_OK)
        memcpy(out->rgb, in->rgb, (size_t)in->width * (size_t)in->height * 3);
    return status;
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
    int x, y, width, height;
    rap_status status;

    *out = (image){ 0, 0, NULL };
    if (box_is_whole(box))
        return image_copy(out, in, err);
    width = side_pixels(&x, box.x, box.w, in->width);
    height = side_pixels(&y, box.y, box.h, in->height);
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
    float full_w = (float)in->width, full_h = (float)in->height, side, w, h, x, y;

    if (box_is_whole(box))
        return (rap_box){ 0, 0, full_w, full_h };
    side = fmaxf(box.w, box.h) * (1.0f + 2.0f * margin);
    w = fminf(side, full_w);
    h = fminf(side, full_h);
    x = clampf(box.x + box.w / 2 - w / 2, 0.0f, full_w - w);
    y = clampf(box.y + box.h / 2 - h / 2, 0.0f, full_h - h);
    return (rap_box){ x, y, w, h };
}

/* ---- reading ---- */

rap_status image_read_bytes(char **out, size_t *out_size, const rap_image *source, rap_err *err)
{
    *out = NULL;
    *out_size = 0;
    if (source->path)
        return file_read(out, out_size, source->path, IMAGE_MAX_BYTES, err);
    if (!source->bytes || source->size == 0)
        return err_set(err, RAP_E_ARGUMENT, "picture: neither a path nor bytes were given");
    if (source->size > IMAGE_MAX_BYTES)
        return err_set(err, RAP_E_LIMIT, "picture: has %zu bytes, the limit is %u", source->size,
                       IMAGE_MAX_BYTES);
    *out = mem_string_n(source->bytes, source->size);
    if (!*out)
        return err_memory(err, "copying a picture");
    *out_size = source->size;
    return RAP_OK;
}

rap_status image_load(image *out, const char *path, rap_err *err)
{
    char *bytes = NULL;
    size_t size = 0;
    rap_status status;

    *out = (image){ 0, 0, NULL };
    status = file_read(&bytes, &size, path, IMAGE_MAX_BYTES, err);
    if (status == RAP_OK)
        status = image_decode(out, bytes, size, path, err);
    free(bytes);
    return status;
}
