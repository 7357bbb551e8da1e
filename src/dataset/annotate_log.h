/* annotate_log.h: the side file of requests that were answered: one JSON object a line, each with a "key". It is only
 * ever appended to. Of each line its key and place stay in memory.
 *
 * A last line that a crash left unfinished is cut off; any other line that is not ours is an error that names it. */
#ifndef RAP_DATASET_ANNOTATE_LOG_H
#define RAP_DATASET_ANNOTATE_LOG_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { ANNOTATE_KEY = 33 }; /* 32 hex digits and NUL */

typedef struct annotate_log annotate_log;

/* `write` false: it may be absent, and nothing is changed. A file that another run writes is RAP_E_BUSY. */
rap_status annotate_log_open(annotate_log **out, const char *path, bool write, rap_err *err);
void annotate_log_close(annotate_log *log); /* NULL-safe */

/* Is this the first time that the key comes up at this stage (1, 2 …), or at a later one? */
bool annotate_log_claim(annotate_log *log, const char key[ANNOTATE_KEY], int stage);
bool annotate_log_has(annotate_log *log, const char key[ANNOTATE_KEY]); /* answered? */

/* NULL: not answered. Free with json_decref(). */
rap_status annotate_log_get(json_t **out, annotate_log *log, const char key[ANNOTATE_KEY],
                            rap_err *err);
/* Appends the entry, which it takes over, with its key. From any thread. */
rap_status annotate_log_add(annotate_log *log, const char key[ANNOTATE_KEY], json_t *entry,
                            rap_err *err);

/* The key of a request: of all that its answer depends on. */
void annotate_key(char out[ANNOTATE_KEY], const char *const *parts, size_t count);

#endif
