/* coco.h: files in COCO's layout: {"images": [{"id", "file_name", "width", "height"}…], "annotations": [{"id",
 * "image_id", "category_id", "bbox": [x, y, w, h], "iscrowd"}…], "categories": [{"id", "name"}…]}, in whatever
 * order. The images and categories are kept in a compact table (about 70 bytes an image); annotations are only
 * passed on. An image that is listed again, with its id or under another one, is the same image. */
#ifndef RAP_DATASET_COCO_H
#define RAP_DATASET_COCO_H

#include "dataset/source.h"
#include "formats/json_walk.h"

typedef struct coco_image {
    int64_t id, frame, video; /* TAO's frame_index and video_id, else −1 */
    size_t name;              /* offset into the table's texts */
    int width, height;
    size_t same; /* 0, or 1 + the index of an earlier image of this file name */
} coco_image;

typedef struct coco coco;

/* Reads the images and categories of `path`. */
rap_status coco_open(coco **out, const char *path, source_sink *sink, rap_err *err);
void coco_close(coco *c); /* NULL-safe */

const coco_image *coco_find_image(const coco *c, int64_t id); /* NULL: not there */
/* Puts the picture there, with the size that the file gives; 0 when memory ran out. */
int coco_place(dataset_place *out, const char *source, const coco *c, const coco_image *image,
               rap_box box);
const char *coco_image_name(const coco *c, const coco_image *image);
const char *coco_category(const coco *c, int64_t id); /* NULL: not there */

typedef struct coco_annotation {
    int64_t id, track; /* track: −1 when it has none */
    const coco_image *image;
    const char *category;
    rap_box box;        /* inside the image */
    const json_t *json; /* the whole annotation */
} coco_annotation;

/* Calls back for each usable annotation; the others are counted in the sink's report. */
typedef rap_status coco_each(const coco_annotation *annotation, void *payload, rap_err *err);
rap_status coco_annotations(const coco *c, coco_each *each, void *payload, source_sink *sink,
                            rap_err *err);
/* For each annotation whose image and category are defined, whatever its box; counts nothing. */
rap_status coco_all_annotations(const coco *c, coco_each *each, void *payload, source_sink *sink,
                                rap_err *err);

/* Keeps the annotation's mask where the plan replaces backgrounds; one that cannot be used is none. */
void coco_keep_mask(dataset_item *item, const coco_annotation *annotation, const source_sink *sink);

#endif
