/* official.h: categories and infos of concepts from a database.json in the official format, for sources that have
 * pictures only. */
#ifndef RAP_DATASET_OFFICIAL_H
#define RAP_DATASET_OFFICIAL_H

#include "base/err.h"

#include <jansson.h>

/* `path` NULL: an empty one. Free with json_decref(). */
rap_status official_open(json_t **out, const char *path, rap_err *err);

/* "" when the database does not have it; `field`: "category" or "info". Borrowed. In an info the concept's name,
 * in brackets, stands as {name} only after rename_word(). */
const char *official_field(const json_t *database, const char *name, const char *field);

#endif
