/* shelf.h: the store as the place where evaluated concepts are kept for later processes. */
#ifndef RAP_RAP_SHELF_H
#define RAP_RAP_SHELF_H

#include "rap/handle.h"

typedef struct shelf {
    prefix_shelf base;
    store *store;
    store_stamp *concept; /* [concepts] */
    size_t concepts;
} shelf;

/* For a turn with these concepts, before their pictures are read. *out_used: out->base, or NULL where nothing is to be kept.
 * shelf_release() it. */
rap_status shelf_init(shelf *out, const prefix_shelf **out_used, rap *r, const rap_matches *m);
void shelf_release(shelf *s);

#endif
