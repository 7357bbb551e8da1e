/* raster.h: builds an upright picture from decoded rows: converts colours, shrinks to the maximum size,
 * rotates. */
#ifndef RAP_IMAGE_RASTER_H
#define RAP_IMAGE_RASTER_H

#include "image/colour.h"
#include "image/image.h"

typedef struct raster raster;

typedef struct raster_plan {
    colour_layout layout;        /* of the input rows */
    int height;                  /* number of input rows */
    int full_width, full_height; /* as stored in the file, if the decoder already shrinks */
    int orientation;             /* from EXIF, 1 to 8 */
    const uint8_t *ink;          /* the profile for ink without one; NULL: no ink */
    size_t ink_size;
} raster_plan;

/* The integer factor by which a picture of this size is shrunk: 1 up to IMAGE_MAX_PIXELS. */
int raster_factor(int64_t width, int64_t height);

rap_status raster_open(raster **out, const raster_plan *plan, const colour_source *source,
                       rap_err *err);
void raster_row(raster *r, const void *samples); /* the next row, from the top */
/* Returns the picture and closes. All rows must have been added. */
void raster_finish(image *out, raster *r);
void raster_close(raster *r); /* NULL-safe; after a failure */

#endif
