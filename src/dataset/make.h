/* make.h: one sample from one item: which concepts stand in the prompt, what is asked, what is answered. */
#ifndef RAP_DATASET_MAKE_H
#define RAP_DATASET_MAKE_H

#include "base/buf.h"
#include "dataset/index.h"
#include "dataset/nearest.h"
#include "dataset/plan.h"
#include "dataset/report.h"
#include "dataset/templates.h"

typedef struct maker { /* everything is borrowed and only read, so threads may share it */
    const dataset_plan *plan;
    const templates *templates;
    const dataset_index *index;
    const nearest *nearest; /* NULL: hard noise is of the same category */
    const char *images; /* the folder of pictures */
} maker;

/* Appends the sample's line to `out` and makes its crops; nothing is appended when it had to be dropped, which
 * `report` counts. Depends on the seed, the item and the kind alone. */
rap_status make_sample(buf *out, dataset_report *report, const maker *m, const dataset_item *item,
                       dataset_kind kind, rap_err *err);

/* The box as the plan's model family writes it: "llava" [x1, y1, x2, y2] of the picture padded to a square, 0 to
 * 1 with two decimals; "thousand" the same of the picture itself, 0 to 1000; "pixels". */
void make_box(char out[64], const char *style, rap_box box, int width, int height);

#endif
