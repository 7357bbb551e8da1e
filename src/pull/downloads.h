/* downloads.h: what the hub's cache holds of the repositories that recipes name: how much, and away with it. Other tools
 * share that cache and may have downloaded some of it. */
#ifndef RAP_PULL_DOWNLOADS_H
#define RAP_PULL_DOWNLOADS_H

#include "base/err.h"

#include <stdint.h>

typedef struct pull_downloads {
    int64_t files, bytes;
    int64_t used;  /* of the files: in repositories that a profile links to, which stay */
    char *folder;  /* of the cache; free() */
} pull_downloads;

/* Counts, or with `clear` removes those repositories that no profile links to. RAP_E_BUSY: one of them is being downloaded,
 * and nothing of it was removed. */
rap_status pull_downloads_look(pull_downloads *out, int clear, rap_err *err);

#endif
