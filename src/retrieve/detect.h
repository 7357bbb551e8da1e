/* detect.h: where the things are: the open-vocabulary detector asked for the store's categories. */
#ifndef RAP_RETRIEVE_DETECT_H
#define RAP_RETRIEVE_DETECT_H

#include "remember/store.h"
#include "vision/yolo_world.h"

typedef struct detect_settings {
    float confidence, iou;
    int max_regions;
    const char *const *extra; /* words looked for besides the categories, ended by NULL; borrowed */
    int read_only;            /* the store's cache of text vectors is only read */
} detect_settings;

typedef struct detect detect;

/* Borrows both models. RAP_E_UNSUPPORTED when the encoder's texts do not fit the detector. */
rap_status detect_new(detect **out, yolo_world *model, encoder *texts,
                      const detect_settings *settings, rap_err *err);
void detect_free(detect *d);

/* Brings the vocabulary to the store's categories of now. A text is encoded once: the store caches it. */
rap_status detect_refresh(detect *d, store *s, rap_err *err);

/* Regions, most certain first, labels and array owned by the caller: detect_regions_free(). `room` more
 * entries are left unused behind them. */
rap_status detect_regions(detect *d, const image *photo, int room, rap_region **out, int *out_count,
                          rap_err *err);
void detect_regions_free(rap_region *region, int count);

#endif
