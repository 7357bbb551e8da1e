/* page.c: text with pango through libvips, the rest in our own code. */
#include "image/page.h"

#include "image/vips_start.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

static void set_pixel(uint8_t *p, uint32_t color, int cover)
{
    const int channel[3] = { (int)(color >> 16 & 255), (int)(color >> 8 & 255),
                             (int)(color & 255) };

    for (int c = 0; c < 3; c++)
        p[c] = (uint8_t)((p[c] * (255 - cover) + channel[c] * cover + 127) / 255);
}

void page_fill(image *page, int x, int y, int width, int height, uint32_t color)
{
    for (int row = y > 0 ? y : 0; row < y + height && row < page->height; row++)
        for (int column = x > 0 ? x : 0; column < x + width && column < page->width; column++)
            set_pixel(page->rgb + ((size_t)row * (size_t)page->width + (size_t)column) * 3, color,
                      255);
}

rap_status page_new(image *out, int width, int height, uint32_t color, rap_err *err)
{
    rap_status status = image_new(out, width, height, err);

    if (status == RAP_OK)
        page_fill(out, 0, 0, width, height, color);
    return status;
}

/* The text's coverage, one byte per pixel; NULL if there is no font or nothing to draw. */
static VipsImage *render(const char *text, int width, int pixels)
{
    char *valid = g_utf8_make_valid(text, -1), *escaped, *font = g_strdup_printf("sans %d", pixels);
    VipsImage *mask = NULL;

    for (char *at = valid; *at; at++)
        if (((unsigned char)*at < 0x20 && *at != '\n') || *at == 0x7F)
            *at = ' ';
    escaped = g_markup_escape_text(valid, -1);
    if (vips_text(&mask, escaped, "font", font, "dpi", 72, "width", width, "wrap",
                  VIPS_TEXT_WRAP_WORD_CHAR, NULL) != 0)
        vips_error_clear();
    g_free(valid);
    g_free(escaped);
    g_free(font);
    return mask;
}

static void blend(image *page, const uint8_t *cover, int width, int height, int x, int y,
                  uint32_t color)
{
    for (int row = 0; row < height && y + row < page->height; row++)
        for (int column = 0; column < width && x + column < page->width; column++)
            if (x + column >= 0 && y + row >= 0)
                set_pixel(page->rgb +
                              ((size_t)(y + row) * (size_t)page->width + (size_t)(x + column)) * 3,
                          color, cover[(size_t)row * (size_t)width + (size_t)column]);
}

rap_status page_text(int *out_height, image *page, int x, int y, int width, const char *text,
                     int pixels, uint32_t color, rap_err *err)
{
    rap_status status = vips_start(err);
    VipsImage *mask = status == RAP_OK && *text && width > 0 ? render(text, width, pixels) : NULL;
    void *cover = NULL;
    size_t size = 0;

    *out_height = mask ? vips_image_get_height(mask) : 0;
    if (mask && page && vips_image_get_bands(mask) == 1)
        cover = vips_image_write_to_memory(mask, &size);
    if (cover)
        blend(page, cover, vips_image_get_width(mask), vips_image_get_height(mask), x, y, color);
    vips_error_clear();
    g_free(cover);
    if (mask)
        g_object_unref(mask);
    return status;
}

rap_status page_picture(rap_box *out_place, image *page, int x, int y, int width, int height,
                        const image *picture, rap_err *err)
{
    double scale = fmin((double)width / picture->width, (double)height / picture->height);
    int w = (int)fmax(1, round(picture->width * scale));
    int h = (int)fmax(1, round(picture->height * scale));
    image scaled = { 0 };
    rap_status status = image_resize(&scaled, picture, w, h, IMAGE_BICUBIC, err);

    if (out_place)
        *out_place = (rap_box){ (float)x, (float)y, (float)w, (float)h };
    for (int row = 0; status == RAP_OK && row < h && y + row < page->height; row++)
        if (x >= 0 && x < page->width)
            memcpy(page->rgb + ((size_t)(y + row) * (size_t)page->width + (size_t)x) * 3,
                   scaled.rgb + (size_t)row * (size_t)w * 3,
                   (size_t)(x + w <= page->width ? w : page->width - x) * 3);
    image_release(&scaled);
    return status;
}
