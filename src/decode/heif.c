/* heif.c: HEIC and AVIF by libheif: the primary picture, turned and cropped as the file says. */
#include "decode/foreign.h"
#include "image/kind.h"
#include "image/raster.h"

#include <libheif/heif.h>
#include <stdlib.h>
#include <string.h>

enum { HEIF_MAX_SIDE = 65535, HEIF_MAX_PROFILE = 16 << 20 };

typedef struct heif_picture {
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
    uint8_t *profile;
    int bits; /* of a sample */
    bool alpha;
} heif_picture;

static void heif_close(heif_picture *p)
{
    if (p->image)
        heif_image_release(p->image);
    if (p->handle)
        heif_image_handle_release(p->handle);
    if (p->context)
        heif_context_free(p->context);
    free(p->profile);
}

void foreign_heif_start(void)
{
    heif_init(NULL);
}

static struct heif_error heif_open(heif_picture *p, const uint8_t *bytes, size_t size)
{
    struct heif_error e = { heif_error_Memory_allocation_error, heif_suberror_Unspecified,
                            "memory" };

    p->context = heif_context_alloc();
    if (!p->context)
        return e;
    heif_context_set_maximum_image_size_limit(p->context, HEIF_MAX_SIDE);
    heif_context_set_max_decoding_threads(p->context, 2);
    e = heif_context_read_from_memory_without_copy(p->context, bytes, size, NULL);
    if (e.code == heif_error_Ok)
        e = heif_context_get_primary_image_handle(p->context, &p->handle);
    return e;
}

static struct heif_error heif_pixels(heif_picture *p)
{
    struct heif_decoding_options *options = heif_decoding_options_alloc();
    struct heif_error e;
    bool wide = heif_image_handle_get_luma_bits_per_pixel(p->handle) > 8;

    p->alpha = heif_image_handle_has_alpha_channel(p->handle) != 0;
    e = heif_decode_image(
        p->handle, &p->image, heif_colorspace_RGB,
        wide ? (p->alpha ? heif_chroma_interleaved_RRGGBBAA_LE : heif_chroma_interleaved_RRGGBB_LE)
        : p->alpha ? heif_chroma_interleaved_RGBA
                   : heif_chroma_interleaved_RGB,
        options);
    heif_decoding_options_free(options);
    if (e.code == heif_error_Ok)
        p->bits =
            wide ? heif_image_get_bits_per_pixel_range(p->image, heif_channel_interleaved) : 8;
    return e;
}

/* A profile says more than codes, which may stand beside it for the sake of the samples' matrix. */
static void heif_colours(colour_source *out, heif_picture *p)
{
    size_t size = heif_image_handle_get_raw_color_profile_size(p->handle);
    struct heif_color_profile_nclx *codes = NULL;

    if (size > 0 && size <= HEIF_MAX_PROFILE && (p->profile = malloc(size)) &&
        heif_image_handle_get_raw_color_profile(p->handle, p->profile).code == heif_error_Ok) {
        out->profile = p->profile;
        out->profile_size = size;
        return;
    }
    if (heif_image_handle_get_nclx_color_profile(p->handle, &codes).code != heif_error_Ok)
        return;
    out->code_primaries = (int)codes->color_primaries;
    out->code_transfer = (int)codes->transfer_characteristics;
    heif_nclx_color_profile_free(codes);
}

/* Samples of fewer than 16 bits become samples of 16. */
static void widen(uint16_t *to, const uint8_t *from, size_t count, int bits)
{
    uint32_t most = (1u << bits) - 1;

    for (size_t i = 0; i < count; i++) {
        uint32_t value = le16(from + 2 * i) & most;
        to[i] = (uint16_t)((value * 65535u + most / 2) / most);
    }
}

static rap_status heif_rows(image *out, heif_picture *p, const uint8_t *plane, int stride,
                            const raster_plan *plan, rap_err *err)
{
    size_t samples = (size_t)plan->layout.width * (size_t)plan->layout.bands;
    uint16_t *wide = malloc(samples * sizeof *wide);
    colour_source source = { 0 };
    raster *to = NULL;
    rap_status status;

    heif_colours(&source, p);
    status = wide ? raster_open(&to, plan, &source, err) : err_memory(err, "decoding a picture");
    for (int y = 0; status == RAP_OK && y < plan->height; y++) {
        const uint8_t *row = plane + (size_t)y * (size_t)stride;
        if (p->bits > 8)
            widen(wide, row, samples, p->bits);
        raster_row(to, p->bits > 8 ? (const void *)wide : row);
    }
    if (status == RAP_OK)
        raster_finish(out, to);
    free(wide);
    return status;
}

static rap_status heif_picture_out(image *out, heif_picture *p, const char *name, rap_err *err)
{
    int width = heif_image_get_width(p->image, heif_channel_interleaved);
    int height = heif_image_get_height(p->image, heif_channel_interleaved), stride = 0;
    const uint8_t *plane =
        heif_image_get_plane_readonly(p->image, heif_channel_interleaved, &stride);
    raster_plan plan = { .layout = { .width = width,
                                     .bands = p->alpha ? 4 : 3,
                                     .bits = p->bits > 8 ? 16 : 8,
                                     .alpha = p->alpha },
                         .height = height,
                         .full_width = width,
                         .full_height = height,
                         .orientation = 1 };

    if (!plane || width < 1 || height < 1 || (int64_t)width * height > IMAGE_MAX_FILE_PIXELS ||
        stride < width * plan.layout.bands * (plan.layout.bits / 8) || p->bits > 16)
        return image_damaged(err, name, "it has no pixels");
    return heif_rows(out, p, plane, stride, &plan, err);
}

rap_status foreign_heif(image *out, const uint8_t *bytes, size_t size, const char *name,
                        rap_err *err)
{
    heif_picture p = { 0 };
    struct heif_error e = heif_open(&p, bytes, size);
    rap_status status;

    if (e.code == heif_error_Ok)
        e = heif_pixels(&p);
    if (e.code != heif_error_Ok)
        status = image_damaged(err, name, e.message);
    else
        status = heif_picture_out(out, &p, name, err);
    heif_close(&p);
    return status;
}
