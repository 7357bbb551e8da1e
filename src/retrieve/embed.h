/* embed.h: from boxes in a photo to features, one batch for all of them. */
#ifndef RAP_RETRIEVE_EMBED_H
#define RAP_RETRIEVE_EMBED_H

#include "image/image.h"
#include "vision/encoder.h"

#define EMBED_BATCH 16                      /* pictures encoded at once */
#define EMBED_PIXELS ((size_t)48 << 20) /* held at once: many large crops of a 100-megapixel photo */
#define EMBED_CROPS 3
#define EMBED_MIN_SIDE 8 /* pixels; a smaller picture shows nothing to recognise */

/* How a box becomes a picture: the same for remembering, retrieving and showing to the language model.
 * With `inner` further crops, each by this part of the side tighter on each side than the one before, are
 * embedded too, and the feature is the mean of all directions: it no longer follows how loosely a detector's box
 * fits. */
typedef struct embed_crop {
    float margin; /* 0.1: a tenth of the box's side is added on each side */
    int square;   /* grown to a square where the picture allows it        */
    float inner;  /* > 0: tighter crops as well                           */
    int crops;    /* how many of them, 1 to EMBED_CROPS; 0: one           */
} embed_crop;

/* What made a vector: the encoder's fingerprint, with what `crop` adds to it where it is not as profiles have it
 * unless they say otherwise (square, no margin, no inner crop); vectors with different makers are never
 * compared. */
#define EMBED_MAKER 192
void embed_maker(char out[EMBED_MAKER], const encoder *e, const embed_crop *crop);

/* How many crops of each box `crop` takes, the first among them. */
int embed_crops(const embed_crop *crop);

/* The sum of directions that the mean of several crops is made of. */
void embed_add_direction(float *sum, const float *feature, int dim);

/* RAP_E_LIMIT for a picture too small; `name` is what the error calls it. */
rap_status embed_check_size(const image *photo, const char *name, rap_err *err);

/* Crops to the box as `crop` says; w == 0 gives a copy of the whole. image_release() it. */
rap_status embed_crop_box(image *out, const image *photo, rap_box box, const embed_crop *crop,
                     rap_err *err);

/* Features of the boxes (w == 0: the whole photo): out [count, encoder_dim], caller's memory. */
rap_status embed_boxes(float *out, encoder *e, const image *photo, const rap_box *box, int count,
                       const embed_crop *crop, rap_err *err);

/* The direction of each crop alone, `inner` apart: out [count, crops, dim], each of length 1. For measuring how many
 * crops are worth their time. */
rap_status embed_each_crop(float *out, encoder *e, const image *photo, const rap_box *box,
                           int count, const embed_crop *crop, rap_err *err);

/* Features of one box in each of several photos: out [count, encoder_dim]. */
rap_status embed_photos(float *out, encoder *e, const image *const *photo, const rap_box *box,
                        int count, const embed_crop *crop, rap_err *err);

#endif
