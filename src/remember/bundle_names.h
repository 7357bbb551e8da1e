/* bundle_names.h: the names in a bundle that an older version wrote, of which two may be one now
 * (refold.h): the later one gets a number, so that importing loses nothing. */
#ifndef RAP_REMEMBER_BUNDLE_NAMES_H
#define RAP_REMEMBER_BUNDLE_NAMES_H

#include "remember/inside.h"

#include <jansson.h>

typedef struct bundle_names {
    json_t
        *seen; /* folded names so far → the number of their concept in the bundle; NULL: all fit */
    int64_t number; /* of the present concept */
    char **text;    /* [count] what the present concept's names became */
    size_t count;
    const char **aliases;
} bundle_names;

void bundle_names_init(bundle_names *out);
/* Reads the bundle's version: names of a present one are left as they are. */
rap_status bundle_names_start(bundle_names *n, db *from, rap_err *err);
/* Puts free names in place of those in `c`, valid until the next call. */
rap_status bundle_names_settle(bundle_names *n, store_concept *c, rap_err *err);
void bundle_names_release(bundle_names *n);

#endif
