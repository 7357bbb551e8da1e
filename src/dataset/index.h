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

/* Items that share an object, a picture or a video, also through others, fall on the same side. Such groups are held
 * out, in an order drawn by `seed`, as long as that brings their items nearer to the share; never all of them unless
 * `validation` is 1. */
rap_status index_open(dataset_index *out, const dataset_pool *pool, uint64_t seed,
                      double validation, rap_err *err);
void index_release(dataset_index *x);

const index_entry *index_find(const dataset_index *x, const dataset_item *item); /* NULL: not there */
split_side index_side(const dataset_index *x, const dataset_item *item);

/* Is `other` a concept that cannot be in the picture that is asked about? Not when both come from one video, whose
 * annotations need not be complete. */
int index_apart(const dataset_item *item, const dataset_item *other);

/* Another concept that is not shown with `item`: of the same category (wanted 1), of any other (0), or either
 * (-1); NULL when there is none. */
const dataset_item *index_other(const dataset_index *x, const dataset_item *item, int same_category,
                                draw *d);

#endif
