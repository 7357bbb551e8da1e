/* image.h: pictures as plain 8-bit RGB in memory: upright by EXIF, alpha on white, converted to sRGB. A
 * picture larger than IMAGE_MAX_PIXELS is shrunk by an integer factor while it is decoded; every rap_box is
 * in pixels of the original, and the functions here that take one apply the scale. */
#ifndef RAP_IMAGE_IMAGE_H
#define RAP_IMAGE_IMAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX_PIXELS 100000000      /* in memory: larger pictures are shrunk */
#define IMAGE_MAX_FILE_PIXELS 268435456 /* in a file: 2^28, checked in the header before decoding */
#define IMAGE_MAX_MEMORY 2200000000u    /* memory for decoding besides the picture, for all threads together */
#define IMAGE_MAX_BYTES (512u << 20)

typedef struct image {
    int width, height;
    uint8_t *rgb;                /* [height, width, 3] */
    int full_width, full_height; /* before shrinking; 0: not shrunk */
} image;

int image_full_width(const image *im);
int image_full_height(const image *im);

/* JPEG, PNG, GIF (first frame), WebP (first frame), HEIC, AVIF. `name` is for errors. */
rap_status image_decode(image *out, const void *bytes, size_t size, const char *name, rap_err *err);
rap_status image_load(image *out, const char *path, rap_err *err);
/* The decoder with its version: another one may read what this one could not. */
#define IMAGE_DECODER_ROOM 64
void image_decoder(char out[IMAGE_DECODER_ROOM]);
/* Are these the first bytes of such a picture? */
bool image_is_picture(const void *bytes, size_t size);
/* Loads the bytes (owned by the caller, free()) of either form of rap_image; no decoding. */
rap_status image_read_bytes(char **out, size_t *out_size, const rap_image *source, rap_err *err);
void image_release(image *im); /* NULL-safe, leaves {0} */

rap_status image_new(image *out, int width, int height, rap_err *err); /* zeroed */
rap_status image_copy(image *out, const image *in, rap_err *err);

/* Copies the box (clamped to the picture; at least 1×1; w == 0: the whole). */
rap_status image_crop(image *out, const image *in, rap_box box, rap_err *err);
/* Grows the box by `margin` (0.1 = a tenth of its side on each side), then to a square as far as the picture
 * allows, and moves it inside the picture. */
rap_box image_square_box(const image *in, rap_box box, float margin);

typedef enum image_filter { IMAGE_BILINEAR, IMAGE_BICUBIC } image_filter;
/* Antialiased like Pillow's resize (the convolution support scales with the reduction; fixed-point
 * 8-bit passes, horizontal first), which is what the reference preprocessing of CLIP and timm uses. */
rap_status image_resize(image *out, const image *in, int width, int height, image_filter filter,
                        rap_err *err);

rap_status image_save_png(const image *im, const char *path, rap_err *err); /* atomic */

/* Drawing for `rap see --out`: colours 0xRRGGBB; the box in pixels of the original, the thickness in pixels
 * in memory. */
void image_draw_box(image *im, rap_box box, int thickness, uint32_t color);
/* Text on a filled background whose top-left is (x, y) of the original, moved inside the picture. Drawn with
 * pango through libvips; nothing is drawn without a font. Markup is not interpreted. */
rap_status image_draw_label(image *im, int x, int y, const char *text, int pixels, uint32_t color,
                            rap_err *err);

#endif
