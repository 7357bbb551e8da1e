/* export.h: a data set in the RAP format in the forms that other trainers read.
 *
 *     llava       OUT/train.json and images/: LLaVA-NeXT's list, {"id", "image": [paths], "conversations"}
 *     sharegpt    OUT/rap.json, images/ and dataset_info.json, as LLaMA-Factory registers data
 *     webdataset  OUT/train-000000.tar …: 0000000.json, 0000000.jpg (the photo), 0000000.1.jpg … (the concepts' pictures)
 *
 * In all of them the first turn is the whole RAP prompt with "<image>" for each picture, the photo's first, and the pictures
 * are listed in the order of these. validation.json becomes validation.json, rap_validation.json and
 * validation-000000.tar. */
#ifndef RAP_DATASET_EXPORT_H
#define RAP_DATASET_EXPORT_H

#include "dataset/export_options.h"

/* Files are written whole; after an interruption what is there is not complete, and OUT has to be removed. */
rap_status dataset_export(dataset_export_result *out, const dataset_export_options *o, rap_err *err);

#endif
