/* memory.h: what an encoder has seen of the store, ready to be searched. */
#ifndef RAP_RETRIEVE_MEMORY_H
#define RAP_RETRIEVE_MEMORY_H

#include "remember/rows.h"
#include "retrieve/search.h"

typedef struct memory memory;

/* Everything as the store stands now. `dim` is what the encoder makes. */
rap_status memory_load(memory **out, store *s, const char *encoder, int dim,
                       rap_on_progress *on_progress, void *payload, rap_err *err);
void memory_free(memory *m); /* NULL-safe */
/* Whether it must be loaded again though the store's generation is the same. */
int memory_is_outdated(const memory *m);
const search_index *memory_index(const memory *m); /* borrowed */

#endif
