/* learnt.h: what training made of a concept, for methods that learn each concept by itself: numbers that only the method
 * and the models named with them understand. They go with the concept; a bundle leaves them out. */
#ifndef RAP_REMEMBER_LEARNT_H
#define RAP_REMEMBER_LEARNT_H

#include "remember/store.h"

#include <stdbool.h>

/* Replaces what this method learnt of the concept with these models. RAP_E_LIMIT: none, or over 64 Mi numbers. */
rap_status store_put_learnt(store *s, const char *name, const char *method, const char *model,
                            const float *numbers, size_t count, rap_err *err);

typedef struct store_learnt {
    char *name;     /* of the concept */
    float *numbers; /* [count] */
    size_t count;
} store_learnt;

/* Of all concepts that have some, by name; store_learnt_free(). None: an empty list. */
rap_status store_get_learnt(store *s, const char *method, const char *model, store_learnt **out,
                            size_t *out_count, rap_err *err);
void store_learnt_free(store_learnt *list, size_t count); /* NULL-safe */

/* Calls back with every picture of a concept, the avatar first, and ends at the first failure. */
rap_status store_each_view(store *s, int64_t concept_id, store_on_view *on_view, void *payload, rap_err *err);

#endif
