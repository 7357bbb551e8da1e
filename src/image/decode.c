/* decode.c: bytes from anywhere become an upright 8-bit sRGB picture, or one line saying why not.
 *
 * Order: is it one of the allowed kinds; are its dimensions sane, from the header alone; then the
 * pixels, strictly (a file that is cut short is an error, not half a picture); colours; orientation. */
#include "base/mem.h"
#include "image/image.h"
#include "image/vips_start.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#define DECODE_MAX_SIDE 65535

/* libvips can open many more kinds (PDF, SVG, TIFF, ImageMagick's zoo): each would be another parser
 * that untrusted bytes reach. */
static bool decode_is_allowed(const char *loader)
{
    static const char *const allowed[] = {
        "VipsForeignLoadJpegBuffer",  "VipsForeignLoadPngBuffer",  "VipsForeignLoadWebpBuffer",
        "VipsForeignLoadNsgifBuffer", "VipsForeignLoadHeifBuffer",
    };

    for (size_t i = 0; loader && i < sizeof allowed / sizeof *allowed; i++)
        if (strcmp(loader, allowed[i]) == 0)
            return true;
    return false;
}

static rap_status decode_fail(rap_err *err, const char *name)
{
    char reason[512];

    vips_take_message(reason, sizeof reason);
    if (*reason == '\0')
        return err_set(err, RAP_E_FORMAT, "%s: the picture is damaged or cut short", name);
    return err_set(err, RAP_E_FORMAT, "%s: the picture is damaged or cut short (%s)", name, reason);
}

/* Opens the file's header; no pixel is decoded yet. */
static rap_status decode_header(VipsImage **out, const void *bytes, size_t size, const char *name,
                                rap_err *err)
{
    VipsImage *im;

    if (size == 0)
        return err_set(err, RAP_E_FORMAT, "%s: is empty", name);
    if (size > IMAGE_MAX_BYTES)
        return err_set(err, RAP_E_LIMIT, "%s: has %zu bytes, the limit is %u", name, size,
                       IMAGE_MAX_BYTES);
    if (!decode_is_allowed(vips_foreign_find_load_buffer(bytes, size))) {
        vips_error_clear();
        return err_set(err, RAP_E_FORMAT, "%s: is not a JPEG, PNG, WebP, GIF or HEIC picture",
                       name);
    }
    im = vips_image_new_from_buffer(bytes, size, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    VIPS_FAIL_ON_ERROR, NULL);
    if (!im)
        return decode_fail(err, name);
    *out = im;
    return RAP_OK;
}

static rap_status decode_check_size(VipsImage *im, const char *name, rap_err *err)
{
    int width = vips_image_get_width(im), height = vips_image_get_height(im);

    if (width < 1 || height < 1)
        return err_set(err, RAP_E_FORMAT, "%s: has no pixels", name);
    if (width > DECODE_MAX_SIDE || height > DECODE_MAX_SIDE)
        return err_set(err, RAP_E_LIMIT, "%s: has %d × %d pixels, the limit is %d on a side", name,
                       width, height, DECODE_MAX_SIDE);
    if ((int64_t)width * height > IMAGE_MAX_PIXELS)
        return err_set(err, RAP_E_LIMIT, "%s: has %d × %d pixels, the limit is %d megapixels", name,
                       width, height, IMAGE_MAX_PIXELS / 1000000);
    return RAP_OK;
}

/* Moves *im on to `next`, dropping the reference it held. */
static void decode_step(VipsImage **im, VipsImage *next)
{
    g_object_unref(*im);
    *im = next;
}

/* Most embedded profiles are sRGB, and converting those would cost time to change nothing. */
static bool decode_needs_profile(VipsImage *im)
{
    const void *profile;
    size_t size;

    if (vips_image_get_typeof(im, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(im, VIPS_META_ICC_NAME, &profile, &size) != 0)
        return false;
    return !memmem(profile, size, "sRGB", 4) && !memmem(profile, size, "s\0R\0G\0B", 7);
}

/* Any number of bands of any kind become three of 8 bits in sRGB, alpha laid on white. */
static int decode_colours(VipsImage **im)
{
    VipsImage *next = NULL;

    if (decode_needs_profile(*im)) {
        if (vips_icc_transform(*im, &next, "srgb", "embedded", TRUE, NULL) == 0)
            decode_step(im, next);
        else /* a broken profile says nothing about the colours: do without */
            vips_error_clear();
    }
    next = NULL;
    if (vips_colourspace(*im, &next, VIPS_INTERPRETATION_sRGB, NULL) != 0)
        return -1;
    decode_step(im, next);
    next = NULL;
    if (vips_cast(*im, &next, VIPS_FORMAT_UCHAR, NULL) != 0)
        return -1;
    decode_step(im, next);
    if (vips_image_hasalpha(*im)) {
        VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
        next = NULL;
        int failed = vips_flatten(*im, &next, "background", white, NULL);
        vips_area_unref(VIPS_AREA(white));
        if (failed)
            return -1;
        decode_step(im, next);
    }
    if (vips_image_get_bands(*im) == 3)
        return 0;
    next = NULL;
    if (vips_image_get_bands(*im) < 3) {
        vips_error("decode", "%d bands of colour", vips_image_get_bands(*im));
        return -1;
    }
    if (vips_extract_band(*im, &next, 0, "n", 3, NULL) != 0)
        return -1;
    decode_step(im, next);
    return 0;
}

/* All pixels, row by row in this thread; free(). NULL: libvips says why, or there is no memory. Its own threads are
 * not used: in libvips 8.14 those of a failing picture race, which loses the error or aborts the process. */
static uint8_t *decode_pull(VipsImage *im)
{
    enum { STRIP = 64 };
    int width = vips_image_get_width(im), height = vips_image_get_height(im);
    size_t line = (size_t)width * 3;
    uint8_t *pixels = VIPS_IMAGE_SIZEOF_LINE(im) == line ? mem_array((size_t)height, line) : NULL;
    VipsRegion *region = vips_region_new(im);
    bool good = pixels && region;

    for (int y = 0; good && y < height; y += STRIP) {
        VipsRect strip = { 0, y, width, VIPS_MIN(STRIP, height - y) };
        good = vips_region_prepare(region, &strip) == 0;
        for (int row = y; good && row < y + strip.height; row++)
            memcpy(pixels + (size_t)row * line, VIPS_REGION_ADDR(region, 0, row), line);
    }
    if (region)
        g_object_unref(region);
    if (!pixels)
        vips_error("decode", "not enough memory");
    if (good)
        return pixels;
    free(pixels);
    return NULL;
}

/* The upright view of `pixels`, which must outlive it. */
static VipsImage *decode_turn(VipsImage *im, uint8_t *pixels, int orientation)
{
    int width = vips_image_get_width(im), height = vips_image_get_height(im);
    VipsImage *turned = NULL,
              *lying = vips_image_new_from_memory(pixels, (size_t)width * (size_t)height * 3, width,
                                                  height, 3, VIPS_FORMAT_UCHAR);

    if (!lying)
        return NULL;
    vips_image_set_int(lying, VIPS_META_ORIENTATION, orientation);
    if (vips_autorot(lying, &turned, NULL) != 0)
        turned = NULL;
    g_object_unref(lying);
    return turned;
}

static rap_status decode_pixels(image *out, VipsImage **im, const char *name, rap_err *err)
{
    int orientation = vips_image_get_orientation(*im);
    uint8_t *pixels = NULL, *lying = NULL;

    if (decode_colours(im) == 0)
        pixels = decode_pull(*im);
    if (pixels && orientation > 1) {
        VipsImage *turned = decode_turn(*im, pixels, orientation);
        lying = pixels;
        pixels = turned ? decode_pull(turned) : NULL;
        if (turned)
            decode_step(im, turned);
    }
    free(lying);
    if (!pixels)
        return decode_fail(err, name);
    *out = (image){ vips_image_get_width(*im), vips_image_get_height(*im), pixels };
    return RAP_OK;
}

rap_status image_decode(image *out, const void *bytes, size_t size, const char *name, rap_err *err)
{
    VipsImage *im = NULL;
    rap_status status;

    *out = (image){ 0, 0, NULL };
    status = vips_start(err);
    if (status == RAP_OK)
        status = decode_header(&im, bytes, size, name, err);
    if (status == RAP_OK)
        status = decode_check_size(im, name, err);
    if (status == RAP_OK)
        status = decode_pixels(out, &im, name, err);
    if (im)
        g_object_unref(im);
    return status;
}
