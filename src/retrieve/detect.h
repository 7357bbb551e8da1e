/* detect.h: finds regions: the open-vocabulary detector, with the store's categories as its vocabulary. */
#ifndef RAP_RETRIEVE_DETECT_H
#define RAP_RETRIEVE_DETECT_H

#include "remember/store.h"
#include "vision/yolo_world.h"

typedef struct detect_settings {
    float confidence, iou;
    int max_regions;
    const char *const *extra; /* further words of the vocabulary, ended by NULL; borrowed */
    int read_only;            /* the store's cache of text vectors is not written */
} detect_settings;

typedef struct detect detect;

/* Borrows both models. RAP_E_UNSUPPORTED when the encoder's texts do not fit the detector. */
rap_status detect_new(detect **out, yolo_world *model, encoder *texts,
                      const detect_settings *settings, rap_err *err);
void detect_free(detect *d);

/* Updates the vocabulary to the store's current categories. Each text is encoded once and cached in the store. */
rap_status detect_refresh(detect *d, store *s, rap_err *err);

/* Regions, highest confidence first; the caller owns labels and array: detect_regions_free(). The array has `room`
 * unused entries at its end. */
rap_status detect_regions(detect *d, const image *photo, int room, rap_region **out, int *out_count,
                          rap_err *err);
void detect_regions_free(rap_region *region, int count);

#endif
