/* draw.c: boxes and labels on a picture, and saving it, for `rap see --out`. */
#include "base/file.h"
#include "image/image.h"
#include "image/vips_start.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

/* ---- boxes ---- */

static int clamp_int(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Fills [x0, x1) × [y0, y1), clipped. */
static void draw_fill(image *im, int x0, int y0, int x1, int y1, uint32_t color)
{
    x0 = clamp_int(x0, 0, im->width);
    x1 = clamp_int(x1, 0, im->width);
    y0 = clamp_int(y0, 0, im->height);
    y1 = clamp_int(y1, 0, im->height);
    for (int y = y0; y < y1; y++) {
        uint8_t *to = im->rgb + ((size_t)y * (size_t)im->width + (size_t)x0) * 3;
        for (int x = x0; x < x1; x++) {
            *to++ = (uint8_t)(color >> 16);
            *to++ = (uint8_t)(color >> 8);
            *to++ = (uint8_t)color;
        }
    }
}

/* A coordinate that may be anything, NaN included, as a pixel in [0, size]. */
static int draw_pixel(float value, int size)
{
    if (!(value > 0.0f))
        return 0;
    return value > (float)size ? size : (int)lrintf(value);
}

void image_draw_box(image *im, rap_box box, int thickness, uint32_t color)
{
    float across = (float)im->width / (float)image_full_width(im);
    float down = (float)im->height / (float)image_full_height(im);
    int x0 = draw_pixel(box.x * across, im->width);
    int x1 = draw_pixel((box.x + box.w) * across, im->width);
    int y0 = draw_pixel(box.y * down, im->height);
    int y1 = draw_pixel((box.y + box.h) * down, im->height);
    int t = clamp_int(thickness, 1, 1 + (im->width > im->height ? im->width : im->height));

    if (!(box.w > 0.0f) || !(box.h > 0.0f)) {
        x0 = y0 = 0;
        x1 = im->width;
        y1 = im->height;
    }
    draw_fill(im, x0, y0, x1, y0 + t < y1 ? y0 + t : y1, color);
    draw_fill(im, x0, y1 - t > y0 ? y1 - t : y0, x1, y1, color);
    draw_fill(im, x0, y0, x0 + t < x1 ? x0 + t : x1, y1, color);
    draw_fill(im, x1 - t > x0 ? x1 - t : x0, y0, x1, y1, color);
}

/* ---- labels ---- */

/* The text as pango needs it: valid UTF-8, one line, no markup. g_free(). */
static char *label_escape(const char *text)
{
    char *valid = g_utf8_make_valid(text, -1), *escaped;

    for (char *at = valid; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    escaped = g_markup_escape_text(valid, -1);
    g_free(valid);
    return escaped;
}

/* The coverage of the text, 0..255, one byte per pixel; NULL if there is no font or nothing to
 * draw. */
static VipsImage *label_render(const char *text, int pixels)
{
    char *escaped = label_escape(text), *font = g_strdup_printf("sans bold %d", pixels);
    VipsImage *mask = NULL;

    /* At 72 dpi a point is a pixel. */
    if (vips_text(&mask, escaped, "font", font, "dpi", 72, NULL) != 0)
        vips_error_clear();
    g_free(escaped);
    g_free(font);
    return mask;
}

/* Mixes `color` into the picture by the mask, clipped. */
static void label_blend(image *im, const uint8_t *mask, int width, int height, int left, int top,
                        uint32_t color)
{
    const int channel[3] = { (int)(color >> 16 & 255), (int)(color >> 8 & 255),
                             (int)(color & 255) };

    for (int y = 0; y < height && top + y < im->height; y++) {
        for (int x = 0; x < width && left + x < im->width; x++) {
            uint8_t *to =
                im->rgb + ((size_t)(top + y) * (size_t)im->width + (size_t)(left + x)) * 3;
            int cover = mask[(size_t)y * (size_t)width + (size_t)x];
            for (int c = 0; c < 3; c++)
                to[c] = (uint8_t)((to[c] * (255 - cover) + channel[c] * cover + 127) / 255);
        }
    }
}

static uint32_t label_ink(uint32_t plate)
{
    unsigned light = (plate >> 16 & 255) * 299 + (plate >> 8 & 255) * 587 + (plate & 255) * 114;

    return light > 140000 ? 0x000000 : 0xFFFFFF;
}

rap_status image_draw_label(image *im, int x, int y, const char *text, int pixels, uint32_t color,
                            rap_err *err)
{
    rap_status status = vips_start(err);
    VipsImage *mask = NULL;
    uint8_t *cover = NULL;
    size_t size = 0;

    pixels = clamp_int(pixels, 4, 512);
    if (status != RAP_OK)
        return status;
    mask = label_render(text, pixels);
    if (mask && vips_image_get_bands(mask) == 1)
        cover = vips_image_write_to_memory(mask, &size);
    if (cover) {
        int pad = pixels / 4 + 1, width = vips_image_get_width(mask);
        int height = vips_image_get_height(mask);
        int left = draw_pixel((float)x * (float)im->width / (float)image_full_width(im), im->width);
        int top =
            draw_pixel((float)y * (float)im->height / (float)image_full_height(im), im->height);
        if (left + width + 2 * pad > im->width)
            left = clamp_int(im->width - width - 2 * pad, 0, im->width);
        if (top + height + 2 * pad > im->height)
            top = clamp_int(im->height - height - 2 * pad, 0, im->height);
        draw_fill(im, left, top, left + width + 2 * pad, top + height + 2 * pad, color);
        label_blend(im, cover, width, height, left + pad, top + pad, label_ink(color));
    }
    vips_error_clear();
    g_free(cover);
    if (mask)
        g_object_unref(mask);
    return RAP_OK;
}

/* ---- saving ---- */

rap_status image_save_png(const image *im, const char *path, rap_err *err)
{
    rap_status status = vips_start(err);
    VipsImage *source = NULL;
    void *bytes = NULL;
    size_t size = 0;
    char reason[256];

    if (status != RAP_OK)
        return status;
    source = vips_image_new_from_memory(im->rgb, (size_t)im->width * (size_t)im->height * 3,
                                        im->width, im->height, 3, VIPS_FORMAT_UCHAR);
    if (source)
        source->Type = VIPS_INTERPRETATION_sRGB;
    if (!source || vips_pngsave_buffer(source, &bytes, &size, NULL) != 0) {
        vips_take_message(reason, sizeof reason);
        status = err_set(err, RAP_E_IO, "%s: cannot encode the picture (%s)", path, reason);
    } else {
        status = file_write(path, bytes, size, err);
    }
    g_free(bytes);
    if (source)
        g_object_unref(source);
    return status;
}
