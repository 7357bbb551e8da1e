/* embed.h: the features of boxes in a photo, in one call. */
#ifndef RAP_RETRIEVE_EMBED_H
#define RAP_RETRIEVE_EMBED_H

#include "image/image.h"
#include "vision/encoder.h"

#define EMBED_BATCH 16                      /* pictures encoded at once */
#define EMBED_PIXELS ((size_t)48 << 20) /* of crops held at once: a 100-megapixel photo may have many large ones */
#define EMBED_CROPS 3
#define EMBED_MIN_SIDE 8 /* pixels; a smaller picture shows too little to recognise anything */

/* How a box is cropped: the same for remembering, retrieving, and the picture given to the language model.
 * With `inner`, further crops are embedded too, each smaller than the one before by this share of the side on each
 * side, and the feature is the mean of all their directions. It then depends less on how tightly the detector's box
 * fits. */
typedef struct embed_crop {
    float margin; /* 0.1: a tenth of the box's side is added on each side */
    int square;   /* grown to a square where the picture allows it        */
    float inner;  /* > 0: inner crops as well                             */
    int crops;    /* how many of them, 1 to EMBED_CROPS; 0: one           */
} embed_crop;

/* The name of how a vector was made: the encoder's fingerprint, plus the crop settings where they differ from the
 * default (square, no margin, no inner crop). Vectors with different makers are never compared. */
#define EMBED_MAKER 192
void embed_maker(char out[EMBED_MAKER], const encoder *e, const embed_crop *crop);

/* The number of crops per box, including the first. */
int embed_crops(const embed_crop *crop);

/* Sums unit vectors, for the mean of several crops. */
void embed_add_direction(float *sum, const float *feature, int dim);

/* RAP_E_LIMIT for a picture that is too small; `name` is for the error. */
rap_status embed_check_size(const image *photo, const char *name, rap_err *err);

/* Crops to the box with these settings; w == 0 copies the whole picture. image_release() it. */
rap_status embed_crop_box(image *out, const image *photo, rap_box box, const embed_crop *crop,
                     rap_err *err);

/* Features of the boxes (w == 0: the whole photo): out [count, encoder_dim], caller's memory. */
rap_status embed_boxes(float *out, encoder *e, const image *photo, const rap_box *box, int count,
                       const embed_crop *crop, rap_err *err);

/* The unit vector of each crop by itself, `inner` apart: out [count, crops, dim]. For calibration. */
rap_status embed_each_crop(float *out, encoder *e, const image *photo, const rap_box *box,
                           int count, const embed_crop *crop, rap_err *err);

/* Features of one box in each of several photos: out [count, encoder_dim]. */
rap_status embed_photos(float *out, encoder *e, const image *const *photo, const rap_box *box,
                        int count, const embed_crop *crop, rap_err *err);

#endif
