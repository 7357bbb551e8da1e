/* items.h: reads the lists of an evaluation set: one file per task, an array of objects, whose fields are all checked
 * before the first question is asked. */
#ifndef RAP_EVAL_ITEMS_H
#define RAP_EVAL_ITEMS_H

#include "base/err.h"

#include <jansson.h>

/* The file of a task ("captions.json"), or NULL for an unknown task. */
const char *items_file(const char *task);

/* The array in `folder` for a task; json_decref() it. RAP_E_FORMAT names the file, the item and the field. */
rap_status items_load(json_t **out, const char *folder, const char *task, rap_err *err);

/* The names that an item is about ("names", else "concept" or "name"), a new list; NULL: out of memory. */
json_t *items_concepts(const json_t *item);

#endif
