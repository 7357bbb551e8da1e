/* items.h: the lists of an evaluation set: a file for each task, an array of objects whose fields are checked before
 * anything is asked. */
#ifndef RAP_EVAL_ITEMS_H
#define RAP_EVAL_ITEMS_H

#include "base/err.h"

#include <jansson.h>

/* The file of a task ("captions.json"), or NULL when there is no such task. */
const char *items_file(const char *task);

/* The array in `folder` for a task; json_decref() it. RAP_E_FORMAT names the file, the item and the field. */
rap_status items_load(json_t **out, const char *folder, const char *task, rap_err *err);

#endif
