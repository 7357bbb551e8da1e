/* raster.h: makes an upright picture from decoded rows: converts colours, shrinks to the largest size, rotates. */
#ifndef RAP_IMAGE_RASTER_H
#define RAP_IMAGE_RASTER_H

#include "image/colour.h"
#include "image/image.h"

typedef struct raster raster;

typedef struct raster_plan {
    colour_layout layout;        /* of the rows to come */
    int height;                  /* how many come */
    int full_width, full_height; /* as they lie in the file, where the decoder shrinks already */
    int orientation;             /* of EXIF, 1 to 8 */
    const uint8_t *ink;          /* the profile for ink that has none; NULL: there is no ink */
    size_t ink_size;
} raster_plan;

/* The whole factor by which a picture of this size is shrunk: 1 up to IMAGE_MAX_PIXELS. */
int raster_factor(int64_t width, int64_t height);

rap_status raster_open(raster **out, const raster_plan *plan, const colour_source *source,
                       rap_err *err);
void raster_row(raster *r, const void *samples); /* the next one, from the top */
/* Returns the picture and closes. All rows must have been added. */
void raster_finish(image *out, raster *r);
void raster_close(raster *r); /* NULL-safe; after a failure */

#endif
