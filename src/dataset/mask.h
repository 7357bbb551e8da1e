/* mask.h: which pixels of a picture are the object, as COCO's "segmentation" says it: polygons [[x, y, x, y…]…], or runs
 * {"size": [height, width], "counts": [N…] or a text}, down the columns, outside first. Kept small: items hold them. */
#ifndef RAP_DATASET_MASK_H
#define RAP_DATASET_MASK_H

#include <jansson.h>
#include <stdint.h>

typedef struct dataset_mask {
    int width, height; /* of the picture */
    float *point;      /* [points, 2] in pixels; NULL: runs */
    uint32_t *ring;    /* [rings] points of each polygon, one behind the other */
    uint32_t *run;     /* [runs] lengths, their sum width × height */
    uint32_t points, rings, runs;
} dataset_mask;

/* NULL: not such a value, or not one of a picture of that size; also when memory ran out. mask_free() it. */
dataset_mask *mask_parse(const json_t *segmentation, int width, int height);
void mask_free(dataset_mask *m); /* NULL-safe */

/* Sets the pixels of the object to 255. cover: [height, width, 3], zeroed, of the mask's size. */
void mask_fill(uint8_t *cover, const dataset_mask *m);

#endif
