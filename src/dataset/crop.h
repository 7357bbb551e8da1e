/* crop.h: the concept's picture of a sample: cropped from its photo, changed a little, kept as a JPEG. */
#ifndef RAP_DATASET_CROP_H
#define RAP_DATASET_CROP_H

#include "dataset/plan.h"
#include "dataset/report.h"
#include "image/image.h"

enum { CROP_VARIANTS = 4, CROP_NAME = 64 }; /* different changes of one crop, at most */

/* Where the crop of an item lies below images/: "crops/<hash>-<variant>.jpg". */
void crop_name(char out[CROP_NAME], const dataset_item *item, int variant);

/* Makes the file unless it is there. folder: images/. A status other than memory, IO and cancelled: the photo cannot
 * be used, for *out_reason. */
rap_status crop_make(drop_reason *out_reason, const dataset_plan *plan, const char *folder,
                     const dataset_item *item, int variant, rap_err *err);

/* Loads the photo of a place of an item and checks it: RAP_E_FORMAT and *out_reason when it cannot be used, also
 * because it has another size than annotated. Its boxes would then be those of another picture, as they would where
 * EXIF turns the photo and the annotator did not. */
rap_status crop_photo(image *out, drop_reason *out_reason, const dataset_plan *plan,
                      const char *folder, const dataset_place *place, rap_err *err);

#endif
