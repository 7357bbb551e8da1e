/* crop.h: the concept's picture of a sample: cropped from its photo, changed a little, kept as a JPEG. */
#ifndef RAP_DATASET_CROP_H
#define RAP_DATASET_CROP_H

#include "dataset/plan.h"
#include "dataset/report.h"

enum { CROP_VARIANTS = 4, CROP_NAME = 64 }; /* different changes of one crop, at most */

/* Where the crop of an item lies below images/: "crops/<hash>-<variant>.jpg". */
void crop_name(char out[CROP_NAME], const dataset_item *item, int variant);

/* Makes the file unless it is there. folder: images/. RAP_E_NOT_FOUND or RAP_E_FORMAT: the photo cannot be used. */
rap_status crop_make(const dataset_plan *plan, const char *folder, const dataset_item *item,
                     int variant, rap_err *err);

#endif
