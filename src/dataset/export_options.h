/* export_options.h: what dataset_export() takes and gives. */
#ifndef RAP_DATASET_EXPORT_OPTIONS_H
#define RAP_DATASET_EXPORT_OPTIONS_H

#include "base/err.h"

#include <stdint.h>

typedef struct dataset_export_options {
    const char *data;   /* a folder that dataset_build() made */
    const char *format; /* "llava", "sharegpt" or "webdataset" */
    const char *folder; /* what is made; must not be there, or be empty */
    int shard;          /* samples of a tar file; 0: 1000 */
    rap_on_progress *on_progress;
    void *payload;
} dataset_export_options;

typedef struct dataset_export_result {
    uint64_t train, validation; /* samples */
    uint64_t pictures;          /* written; in tar files one that several samples show counts each time */
    uint64_t marked;            /* left out: a text of theirs has "<image>" in it, which trainers take for a picture */
    uint64_t files;             /* of samples */
} dataset_export_result;

#endif
