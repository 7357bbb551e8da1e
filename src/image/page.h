/* page.h: a sheet of paper to draw results on: wrapped text, pictures, filled boxes. */
#ifndef RAP_IMAGE_PAGE_H
#define RAP_IMAGE_PAGE_H

#include "image/image.h"

rap_status page_new(image *out, int width, int height, uint32_t color, rap_err *err);

/* Text from (x, y) on, wrapped at `width` pixels, line breaks kept, no markup; gives its height, 0 where there is
 * no font. What does not fit on the page is cut off. page NULL: only measures. */
rap_status page_text(int *out_height, image *page, int x, int y, int width, const char *text,
                     int pixels, uint32_t color, rap_err *err);

void page_fill(image *page, int x, int y, int width, int height, uint32_t color);

/* The picture scaled to fit into width × height, with its place on the page. */
rap_status page_picture(rap_box *out_place, image *page, int x, int y, int width, int height,
                        const image *picture, rap_err *err);

#endif
