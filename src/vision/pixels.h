/* pixels.h: preprocessing: scales, crops and normalises pictures as the encoder was trained. */
#ifndef RAP_VISION_PIXELS_H
#define RAP_VISION_PIXELS_H

#include "formats/gguf_file.h"
#include "image/image.h"

#include <stdbool.h>

/* Incremented when preprocessing changes; part of the fingerprint. */
#define PIXELS_VERSION 1

typedef struct pixels_recipe {
    int size;       /* side of the square result */
    int scale_size; /* the shortest side after scaling, before the center crop */
    bool squash;    /* both sides are scaled to scale_size, ignoring the aspect ratio */
    bool floor;     /* half pixels of the crop offset round down, not to even */
    image_filter filter;
    float mean[3], std[3];
} pixels_recipe;

/* Reads "<keys>.image_size", "image_mean", "image_std", "resize_size", "interpolation", and the optional
 * "resize" (default "shortest") and "crop" (default "center"). */
rap_status pixels_read(pixels_recipe *out, const gguf_file *g, const char *keys, rap_err *err);

/* out [size, size, 3]. */
rap_status pixels_prepare(float *out, const image *im, const pixels_recipe *recipe, rap_err *err);

#endif
