/* index.h: the items of a data set by what a sample needs to find: those of a category, those of the same side of
 * the split; and the split itself. */
#ifndef RAP_DATASET_INDEX_H
#define RAP_DATASET_INDEX_H

#include "dataset/pool.h"
#include "dataset/random.h"

typedef enum split_side { SIDE_TRAIN, SIDE_VALIDATION } split_side;

typedef struct index_entry {
    const dataset_item *item;
    split_side side;
    int category; /* number of it, in order of first appearance by key */
} index_entry;

typedef struct dataset_index {
    index_entry *entry; /* [count] each item once, by side, then category, then key */
    size_t count;
    size_t side_first[3];
} dataset_index;

/* Items that share an object or a picture, also through others, fall on the same side, drawn by `seed`. */
rap_status index_open(dataset_index *out, const dataset_pool *pool, uint64_t seed,
                      double validation, rap_err *err);
void index_release(dataset_index *x);

split_side index_side(const dataset_index *x, const dataset_item *item);

/* Another concept that is not shown with `item`: of the same category (wanted 1), of any other (0), or either
 * (-1); NULL when there is none. */
const dataset_item *index_other(const dataset_index *x, const dataset_item *item, int same_category,
                                draw *d);

#endif
