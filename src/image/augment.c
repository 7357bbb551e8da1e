/* augment.c: geometry and colour in our own code, blur and JPEG with libvips. */
#include "image/augment.h"

#include "base/file.h"
#include "image/vips_start.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

void image_mirror(image *im)
{
    for (int y = 0; y < im->height; y++) {
        uint8_t *row = im->rgb + (size_t)y * (size_t)im->width * 3;

        for (int l = 0, r = im->width - 1; l < r; l++, r--)
            for (int c = 0; c < 3; c++) {
                uint8_t t = row[l * 3 + c];

                row[l * 3 + c] = row[r * 3 + c];
                row[r * 3 + c] = t;
            }
    }
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

/* The pixel at (x, y), which may be outside the picture. */
static void sample(uint8_t out[3], const image *in, double x, double y)
{
    x = clamp(x, 0, in->width - 1);
    y = clamp(y, 0, in->height - 1);
    int left = (int)x, top = (int)y;
    int right = left + 1 < in->width ? left + 1 : left;
    int bottom = top + 1 < in->height ? top + 1 : top;
    double u = x - left, v = y - top;
    const uint8_t *a = in->rgb + ((size_t)top * (size_t)in->width + (size_t)left) * 3;
    const uint8_t *b = in->rgb + ((size_t)top * (size_t)in->width + (size_t)right) * 3;
    const uint8_t *c = in->rgb + ((size_t)bottom * (size_t)in->width + (size_t)left) * 3;
    const uint8_t *d = in->rgb + ((size_t)bottom * (size_t)in->width + (size_t)right) * 3;

    for (int i = 0; i < 3; i++)
        out[i] = (uint8_t)((a[i] * (1 - u) + b[i] * u) * (1 - v) + (c[i] * (1 - u) + d[i] * u) * v +
                           0.5);
}

rap_status image_rotate(image *out, const image *in, double degrees, rap_err *err)
{
    double turn = degrees * 3.14159265358979323846 / 180, cosine = cos(turn), sine = sin(turn);
    double cx = (in->width - 1) / 2.0, cy = (in->height - 1) / 2.0;
    rap_status status = image_new(out, in->width, in->height, err);

    if (status != RAP_OK)
        return status;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++)
            sample(out->rgb + ((size_t)y * (size_t)in->width + (size_t)x) * 3, in,
                   cx + (x - cx) * cosine + (y - cy) * sine,
                   cy - (x - cx) * sine + (y - cy) * cosine);
    return RAP_OK;
}

void image_color(image *im, double brightness, double contrast, double saturation)
{
    size_t pixels = (size_t)im->width * (size_t)im->height;
    double mean = 0;

    for (size_t i = 0; i < pixels * 3; i++)
        mean += im->rgb[i];
    mean = pixels ? mean / (double)(pixels * 3) : 0;
    for (size_t i = 0; i < pixels; i++) {
        uint8_t *p = im->rgb + i * 3;
        double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];

        for (int c = 0; c < 3; c++) {
            double x = luma + (p[c] - luma) * saturation;

            x = (mean + (x - mean) * contrast) * brightness;
            p[c] = (uint8_t)(clamp(x, 0, 255) + 0.5);
        }
    }
}

/* A view of the pixels; g_object_unref(). */
static VipsImage *wrap(const image *im)
{
    VipsImage *v = vips_image_new_from_memory(im->rgb, (size_t)im->width * (size_t)im->height * 3,
                                              im->width, im->height, 3, VIPS_FORMAT_UCHAR);

    if (v)
        v->Type = VIPS_INTERPRETATION_sRGB;
    return v;
}

rap_status image_blur(image *out, const image *in, double sigma, rap_err *err)
{
    rap_status status = vips_start(err);
    VipsImage *source = status == RAP_OK ? wrap(in) : NULL, *soft = NULL;
    void *bytes = NULL;
    size_t size = 0, wanted = (size_t)in->width * (size_t)in->height * 3;

    if (status != RAP_OK)
        return status;
    status = image_new(out, in->width, in->height, err);
    if (status == RAP_OK && source && vips_gaussblur(source, &soft, sigma, NULL) == 0)
        bytes = vips_image_write_to_memory(soft, &size);
    if (status == RAP_OK && bytes && size == wanted)
        memcpy(out->rgb, bytes, wanted);
    else if (status == RAP_OK)
        status = err_memory(err, "blurring a picture");
    vips_error_clear();
    g_free(bytes);
    if (soft)
        g_object_unref(soft);
    if (source)
        g_object_unref(source);
    if (status != RAP_OK)
        image_release(out);
    return status;
}

rap_status image_encode_jpeg(buf *out, const image *im, int quality, const char *name, rap_err *err)
{
    rap_status status = vips_start(err);
    VipsImage *source = status == RAP_OK ? wrap(im) : NULL;
    void *bytes = NULL;
    size_t size = 0;
    char reason[256];

    if (status != RAP_OK)
        return status;
    if (!source || vips_jpegsave_buffer(source, &bytes, &size, "Q", quality, "strip", TRUE, NULL)) {
        vips_take_message(reason, sizeof reason);
        status = err_set(err, RAP_E_IO, "%s: cannot encode the picture (%s)", name, reason);
    } else {
        buf_add(out, bytes, size);
        status = buf_failed(out) ? err_memory(err, "encoding a picture") : RAP_OK;
    }
    g_free(bytes);
    if (source)
        g_object_unref(source);
    return status;
}

static rap_status save_jpeg(const image *im, const char *path, int quality, bool wait, rap_err *err)
{
    buf bytes = BUF_INIT;
    rap_status status = image_encode_jpeg(&bytes, im, quality, path, err);

    if (status == RAP_OK && wait)
        status = file_write(path, bytes.data, bytes.len, err);
    else if (status == RAP_OK)
        status = file_write_cache(path, &(file_part){ bytes.data, bytes.len }, 1, err);
    buf_release(&bytes);
    return status;
}

rap_status image_save_jpeg(const image *im, const char *path, int quality, rap_err *err)
{
    return save_jpeg(im, path, quality, true, err);
}

rap_status image_save_jpeg_cache(const image *im, const char *path, int quality, rap_err *err)
{
    return save_jpeg(im, path, quality, false, err);
}
