/* names.h: finds the concepts that a text names. */
#ifndef RAP_RETRIEVE_NAMES_H
#define RAP_RETRIEVE_NAMES_H

#include "remember/store.h"

typedef struct names names;

/* An index of the store's current names and aliases. */
rap_status names_load(names **out, store *s, rap_err *err);
void names_free(names *n);

/* The concepts named in `text`, each once: out [*out_count], free().
 *
 * Default: names and aliases as whole words, compared folded (text_search.h), with or without <brackets>, in the order
 * of the text; of two that overlap the longer one counts. Paper: "<name>" byte for byte, in the order in which the
 * concepts were stored, as the official code does. */
rap_status names_find(const names *n, const char *text, rap_policy policy, int64_t **out,
                      int *out_count, rap_err *err);

#endif
