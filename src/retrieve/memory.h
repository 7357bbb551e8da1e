/* memory.h: the vectors of a store that one encoder made, as a search index. */
#ifndef RAP_RETRIEVE_MEMORY_H
#define RAP_RETRIEVE_MEMORY_H

#include "remember/rows.h"
#include "retrieve/search.h"

typedef struct memory memory;

/* Loads all vectors of the store's current state. `dim` is that of the encoder. */
rap_status memory_load(memory **out, store *s, const char *encoder, int dim,
                       rap_on_progress *on_progress, void *payload, rap_err *err);
void memory_free(memory *m); /* NULL-safe */
/* Whether it must be loaded again although the store's generation is unchanged. */
int memory_is_outdated(const memory *m);
const search_index *memory_index(const memory *m); /* borrowed */

#endif
