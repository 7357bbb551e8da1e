/* pixels.c: torchvision's Resize, CenterCrop, ToTensor and Normalize, and those of Hugging Face's
 * image processors, with identical results. */
#include "vision/pixels.h"
#include "vision/transformer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIZE = 1024, MAX_ASPECT = 8 };

static rap_status read_triple(float out[3], const gguf_file *g, const char *keys, const char *key,
                              rap_err *err)
{
    char name[96];
    for (size_t i = 0; i < 3; i++) {
        double value;
        snprintf(name, sizeof name, "%s.%s", keys, key);
        rap_status status = gguf_array_float(g, name, i, &value, err);
        if (status != RAP_OK)
            return status;
        out[i] = (float)value;
    }
    return RAP_OK;
}

/* Reads a key with one of two values: *out is true for `second`; a missing key means the first. */
static rap_status read_word(bool *out, const gguf_file *g, const char *keys, const char *key,
                            const char *first, const char *second, rap_err *err)
{
    char name[96];
    const char *text;
    size_t len;
    snprintf(name, sizeof name, "%s.%s", keys, key);
    *out = false;
    if (!gguf_has(g, name))
        return RAP_OK;
    rap_status status = gguf_get_string(g, name, &text, &len, err);
    if (status != RAP_OK)
        return status;
    *out = len == strlen(second) && !memcmp(text, second, len);
    if (!*out && (len != strlen(first) || memcmp(text, first, len)))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: unknown %s '%.*s'", gguf_file_path(g), key,
                       len < 40 ? (int)len : 40, text);
    return RAP_OK;
}

rap_status pixels_read(pixels_recipe *out, const gguf_file *g, const char *keys, rap_err *err)
{
    int64_t size, scale;
    bool bilinear;
    rap_status status;
    if ((status = transformer_int(&size, g, keys, "image_size", 1, MAX_SIZE, err)) ||
        (status = transformer_int(&scale, g, keys, "resize_size", size, 2 * MAX_SIZE, err)) ||
        (status = read_triple(out->mean, g, keys, "image_mean", err)) ||
        (status = read_triple(out->std, g, keys, "image_std", err)) ||
        (status = read_word(&bilinear, g, keys, "interpolation", "bicubic", "bilinear", err)) ||
        (status = read_word(&out->squash, g, keys, "resize", "shortest", "squash", err)) ||
        (status = read_word(&out->floor, g, keys, "crop", "center", "center_floor", err)))
        return status;
    out->filter = bilinear ? IMAGE_BILINEAR : IMAGE_BICUBIC;
    out->size = (int)size;
    out->scale_size = (int)scale;
    for (int c = 0; c < 3; c++)
        if (!(out->std[c] > 0))
            return err_set(err, RAP_E_FORMAT, "%s: %s.image_std must be positive",
                           gguf_file_path(g), keys);
    return RAP_OK;
}

/* A picture with an extreme aspect ratio would scale to a huge one of which only the centre is
 * used, so it is cropped first. */
static rap_status crop_long(image *out, const image *im, rap_err *err)
{
    rap_box box = { 0, 0, (float)image_full_width(im), (float)image_full_height(im) };
    float side = fminf(box.w, box.h) * MAX_ASPECT;
    if (box.w > side)
        box.x = floorf((box.w - side) / 2), box.w = side;
    if (box.h > side)
        box.y = floorf((box.h - side) / 2), box.h = side;
    return image_crop(out, im, box, err);
}

static rap_status scale(image *out, const image *im, const pixels_recipe *r, rap_err *err)
{
    int64_t w = im->width, h = im->height, size = r->scale_size;
    if (r->squash)
        return image_resize(out, im, (int)size, (int)size, r->filter, err);
    if (w > h * MAX_ASPECT || h > w * MAX_ASPECT) {
        image crop = { 0 };
        rap_status status = crop_long(&crop, im, err);
        if (status == RAP_OK)
            status = scale(out, &crop, r, err);
        image_release(&crop);
        return status;
    }
    if (w <= h)
        return image_resize(out, im, (int)size, (int)(size * h / w), r->filter, err);
    return image_resize(out, im, (int)(size * w / h), (int)size, r->filter, err);
}

/* The offset of the center crop. Half pixels round to even, as in Python, or down. */
static int crop_offset(int side, const pixels_recipe *r)
{
    return r->floor ? (side - r->size) / 2 : (int)lrint((side - r->size) / 2.0);
}

rap_status pixels_prepare(float *out, const image *im, const pixels_recipe *r, rap_err *err)
{
    image scaled = { 0 };
    rap_status status = scale(&scaled, im, r, err);
    if (status != RAP_OK)
        return status;
    int left = crop_offset(scaled.width, r), top = crop_offset(scaled.height, r);
    for (int y = 0; y < r->size; y++) {
        const uint8_t *row =
            scaled.rgb + 3 * ((size_t)(top + y) * (size_t)scaled.width + (size_t)left);
        for (int x = 0; x < r->size; x++)
            for (int c = 0; c < 3; c++)
                *out++ = ((float)*row++ / 255.0f - r->mean[c]) / r->std[c];
    }
    image_release(&scaled);
    return RAP_OK;
}
