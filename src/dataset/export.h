/* export.h: a data set in the RAP format in the forms that other trainers read.
 *
 *     llava       OUT/train.json and images/: LLaVA's list, {"id", "image": [paths], "conversations"}
 *     sharegpt    OUT/rap.json, images/ and dataset_info.json, as LLaMA-Factory registers data
 *     webdataset  OUT/train-000000.tar …: 0000000.json, 0000000.jpg (the photo), 0000000.1.jpg … (the concepts' pictures)
 *
 * In all of them the first turn is the whole RAP prompt with "<image>" for each picture, the photo's first, and the pictures
 * are listed in the order of these. validation.json becomes validation.json, rap_validation.json and
 * validation-000000.tar. */
#ifndef RAP_DATASET_EXPORT_H
#define RAP_DATASET_EXPORT_H

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

/* Files are written whole; after an interruption what is there is not complete, and OUT has to be removed. */
rap_status dataset_export(dataset_export_result *out, const dataset_export_options *o, rap_err *err);

#endif
