/* name_index.h: the names of a store, found as the store itself finds them (text_fold_name), and a store that shrinks. */
#ifndef RAP_EVAL_NAME_INDEX_H
#define RAP_EVAL_NAME_INDEX_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* Of a list of names, a new object; NULL: out of memory. */
json_t *name_index_new(const json_t *names);
/* The name of the index that is the same for a reader, borrowed; NULL: none. */
const char *name_index_find(const json_t *index, const char *name);
bool name_index_has_all(const json_t *index, const json_t *names);

/* A list of all names of the index, each once: those of `first`, a list of lists, in its order, then those of `names`. */
rap_status name_index_order(json_t **out, const json_t *index, const json_t *first,
                            const json_t *names, rap_err *err);
/* Forgets all names behind the first `keep`: in the handle's store, in the list and in its index. */
rap_status name_index_shrink(json_t *index, json_t *names, rap *r, size_t keep, rap_err *err);

/* The sizes of a store that grows: 10, 20, 50, 100 …; ended by 0. */
extern const int name_index_steps[];

#endif
