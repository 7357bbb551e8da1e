/* nearest.h: the concepts that look most like another one, by the encoder of a profile, as hard noise.
 *
 * Memory: about nine bytes for each dimension of each concept (a million of 384 dimensions: 3.5 GB). */
#ifndef RAP_DATASET_NEAREST_H
#define RAP_DATASET_NEAREST_H

#include "dataset/index.h"
#include "dataset/plan.h"

typedef struct nearest nearest;

typedef struct nearest_options {
    const dataset_plan *plan;
    const dataset_index *index; /* borrowed until nearest_close() */
    const char *images;         /* the folder of pictures */
    const char *file;           /* features so far: a later run goes on from them */
    int threads;
    rap_on_progress *on_progress; /* NULL: silent */
    void *payload;
} nearest_options;

/* Embeds every concept of the index that `file` does not hold yet. */
rap_status nearest_open(nearest **out, const nearest_options *options, rap_err *err);
void nearest_close(nearest *n); /* NULL-safe */

/* One of the few concepts of the same side nearest to the item that cannot be in its query picture, drawn by `d`; NULL
 * when there is none, or the item's photo could not be read. Threads may share it. */
rap_status nearest_other(const dataset_item **out, const nearest *n, const dataset_item *item,
                         draw *d, rap_err *err);

#endif
