/* decode_plain.c: decodes JPEG, PNG and GIF with libvips, in this process, row by row and without
 * temporary files. */
#include "image/decode.h"
#include "image/raster.h"
#include "image/vips_start.h"

#include <string.h>
#include <vips/vips.h>

static rap_status plain_fail(rap_err *err, const char *name)
{
    char reason[512];

    vips_take_message(reason, sizeof reason);
    return image_damaged(err, name, reason);
}

/* Opens without decoding a pixel. Sequential access decodes rows on demand and keeps nothing in a
 * file. (The option "memory", which promises the same, decodes in threads and loses errors.) A
 * large JPEG is shrunk during decoding, which takes a quarter of the time. */
static VipsImage *plain_open(image_kind kind, const image_facts *facts, const void *bytes,
                             size_t size)
{
    VipsImage *im = NULL;
    VipsBlob *blob = vips_blob_new(NULL, bytes, size);
    const char *loader = kind == IMAGE_JPEG  ? "jpegload_buffer"
                         : kind == IMAGE_PNG ? "pngload_buffer"
                                             : "gifload_buffer";
    int factor = raster_factor(facts->width, facts->height);
    int shrink = factor > 4 ? 8 : factor > 2 ? 4 : factor;

    if (kind == IMAGE_JPEG)
        vips_call(loader, blob, &im, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                  VIPS_FAIL_ON_ERROR, "shrink", shrink, NULL);
    else
        vips_call(loader, blob, &im, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                  VIPS_FAIL_ON_ERROR, NULL);
    vips_area_unref(VIPS_AREA(blob));
    return im;
}

/* The layout of the rows of `im`; false if a raster cannot take them. */
static bool plain_layout(colour_layout *out, const VipsImage *im)
{
    bool ink = im->Type == VIPS_INTERPRETATION_CMYK;

    *out = (colour_layout){ .width = im->Xsize,
                            .bands = im->Bands,
                            .bits = im->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8,
                            .alpha = !ink && (im->Bands == 2 || im->Bands == 4),
                            .ink = ink };
    return im->Bands >= 1 && im->Bands <= 4 && (!ink || im->Bands == 4) &&
           (im->BandFmt == VIPS_FORMAT_USHORT || im->BandFmt == VIPS_FORMAT_UCHAR);
}

/* Reads all rows, in this thread. libvips' own threads are not used: in version 8.14 those of a
 * failing picture race, which loses the error or aborts the process. */
static bool plain_pull(raster *to, VipsImage *im)
{
    enum { STRIP = 64 };
    VipsRegion *region = vips_region_new(im);
    bool good = region != NULL;

    for (int y = 0; good && y < im->Ysize; y += STRIP) {
        VipsRect strip = { 0, y, im->Xsize, VIPS_MIN(STRIP, im->Ysize - y) };
        good = vips_region_prepare(region, &strip) == 0;
        for (int row = y; good && row < y + strip.height; row++)
            raster_row(to, VIPS_REGION_ADDR(region, 0, row));
    }
    if (region)
        g_object_unref(region);
    return good;
}

static rap_status plain_pixels(image *out, VipsImage *im, const image_facts *facts,
                               const char *name, rap_err *err)
{
    bool shrunk = raster_factor(facts->width, facts->height) > 1 && im->Xsize < facts->width;
    raster_plan plan = { .height = im->Ysize,
                         .full_width = shrunk ? (int)facts->width : im->Xsize,
                         .full_height = shrunk ? (int)facts->height : im->Ysize,
                         .orientation = facts->orientation };
    VipsBlob *ink = NULL;
    raster *to = NULL;
    rap_status status;

    if (!plain_layout(&plan.layout, im))
        return image_damaged(err, name, "its samples have an unsupported format");
    if (plan.layout.ink && vips_profile_load("cmyk", &ink, NULL) == 0)
        plan.ink = vips_blob_get(ink, &plan.ink_size);
    status = raster_open(&to, &plan, &facts->colour, err);
    if (status == RAP_OK && plain_pull(to, im)) {
        raster_finish(out, to);
    } else if (status == RAP_OK) {
        status = plain_fail(err, name);
        raster_close(to);
    }
    if (ink)
        vips_area_unref(VIPS_AREA(ink));
    return status;
}

/* The loader's size must equal that of our header reader, which was checked. A GIF's frames may be
 * larger than the screen size in its header. */
static bool plain_agrees(const VipsImage *im, image_kind kind, const image_facts *facts)
{
    if (kind == IMAGE_GIF)
        return (int64_t)im->Xsize * im->Ysize <= IMAGE_MAX_FILE_PIXELS;
    return im->Xsize <= facts->width && im->Ysize <= facts->height &&
           (kind == IMAGE_JPEG || (im->Xsize == facts->width && im->Ysize == facts->height));
}

rap_status decode_plain(image *out, image_kind kind, const image_facts *facts, const void *bytes,
                        size_t size, const char *name, rap_err *err)
{
    rap_status status = vips_start(err);
    VipsImage *im = status == RAP_OK ? plain_open(kind, facts, bytes, size) : NULL;

    if (status == RAP_OK && !im)
        status = plain_fail(err, name);
    else if (status == RAP_OK && !plain_agrees(im, kind, facts))
        status = image_damaged(err, name, "its size differs from the one in its header");
    if (status == RAP_OK)
        status = plain_pixels(out, im, facts, name, err);
    if (im)
        g_object_unref(im);
    return status;
}
