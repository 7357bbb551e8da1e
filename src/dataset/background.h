/* background.h: another background behind an object, where the source has its mask. */
#ifndef RAP_DATASET_BACKGROUND_H
#define RAP_DATASET_BACKGROUND_H

#include "dataset/plan.h"
#include "dataset/random.h"
#include "image/image.h"

/* The object of the item in its concept's photo: an image of the photo's size, 255 where it is, else 0. Without a mask that
 * fits the photo `out` stays empty, and the status is RAP_OK. folder: images/. */
rap_status background_mask(image *out, const dataset_plan *plan, const char *folder,
                           const dataset_item *item, const image *photo, rap_err *err);

/* Puts drawn colours that run into each other behind the object. cover: of the crop's size. */
void background_replace(image *crop, const image *cover, draw *d);

#endif
