/* yolo_world.h: the YOLO-World v2 open-vocabulary detector. Its vocabulary is a set of text embeddings
 * passed to each call; see MODELS.md for the architecture and its shapes.
 *
 * A detector may be used by several threads: it processes one picture at a time while the others wait. */
#ifndef RAP_VISION_YOLO_WORLD_H
#define RAP_VISION_YOLO_WORLD_H

#include "base/err.h"
#include "image/image.h"
#include "vision/encoder.h" /* precision */

typedef struct yolo_world yolo_world;

enum { YOLO_MAX_NAMES = 10000 }; /* per vocabulary */

/* Opens a GGUF whose general.architecture is "yolo-world". threads and p as in encoder_open();
 * PRECISION_INT8 means PRECISION_AUTO here. */
rap_status yolo_world_open(yolo_world **out, const char *path, int threads, precision p,
                           rap_err *err);
void yolo_world_close(yolo_world *y);         /* NULL-safe */
int yolo_world_text_dim(const yolo_world *y); /* width of a text embedding */

/* The names to detect, prepared for one detector. Immutable: any number may be in use, each by any number of
 * threads. */
typedef struct yolo_vocabulary yolo_vocabulary;

/* text [count, text_dim]: normalised inside, copied. */
rap_status yolo_vocabulary_new(yolo_vocabulary **out, const yolo_world *y, const float *text,
                               int count, rap_err *err);
void yolo_vocabulary_free(yolo_vocabulary *v); /* NULL-safe; before or after the detector */

typedef struct detection {
    rap_box box;      /* pixels of the given picture */
    float confidence; /* 0..1 */
    int label;        /* index into the vocabulary */
} detection;

typedef struct detect_options {
    float confidence;   /* minimum to keep; default 0.1 */
    float iou;          /* NMS; default 0.5               */
    int max_boxes;      /* default 20                     */
    int class_agnostic; /* default 1: one box per object, whatever its label */
} detect_options;
#define DETECT_OPTIONS_INIT \
    {                       \
        0.1f, 0.5f, 20, 1   \
    }

/* Detects the names of `v`; *out [*out_count] best first, free(). Letterboxes like Ultralytics. */
rap_status yolo_world_detect(yolo_world *y, const yolo_vocabulary *v, const image *im,
                             const detect_options *options, detection **out, int *out_count,
                             rap_err *err);

/* Raw head outputs before NMS, for parity tests: boxes [anchors, 4] xyxy in letterboxed pixels, scores
 * [anchors, count]; free() both. */
rap_status yolo_world_raw(yolo_world *y, const yolo_vocabulary *v, const image *im, float **boxes,
                          float **scores, int *out_anchors, rap_err *err);

/* Times every layer from now on; the report lists the best times. free(). */
void yolo_world_profile(yolo_world *y);
rap_status yolo_world_report(yolo_world *y, char **out, rap_err *err);

#endif
