/* page.h: a page to draw results on: wrapped text, pictures, filled boxes. */
#ifndef RAP_IMAGE_PAGE_H
#define RAP_IMAGE_PAGE_H

#include "image/image.h"

rap_status page_new(image *out, int width, int height, uint32_t color, rap_err *err);

/* Draws text from (x, y), wrapped at `width` pixels, keeping line breaks, without markup; returns its
 * height, 0 without a font. Text beyond the page is clipped. page NULL: only measures. */
rap_status page_text(int *out_height, image *page, int x, int y, int width, const char *text,
                     int pixels, uint32_t color, rap_err *err);

void page_fill(image *page, int x, int y, int width, int height, uint32_t color);

/* Draws the picture scaled to fit width × height and returns its position on the page. */
rap_status page_picture(rap_box *out_place, image *page, int x, int y, int width, int height,
                        const image *picture, rap_err *err);

#endif
