/* batch.h: lessons one behind the other, without padding, as the decoder takes them; and which come when. */
#ifndef RAP_TRAIN_BATCH_H
#define RAP_TRAIN_BATCH_H

#include "train/decoder.h"
#include "train/lesson.h"

typedef struct batch {
    int32_t *token, *target, *begin; /* [cap], [cap], [cap + 1] */
    real *weight;                    /* [cap] of the targets */
    const real **picture;            /* [cap] */
    real *pixels;                    /* [cap, feature_width] of pictures: rows, or features of a projector that is trained */
    real *projected;                 /* [cap, width] lent: what the projector makes of them; NULL: they are rows */
    int64_t cap, width, feature_width, pixel_rows;
    rows rows;
} batch;

/* feature_width: width, or that of a projector's input; `projected` NULL or where its output will lie. */
rap_status batch_init(batch *out, int64_t cap, int64_t width, int64_t feature_width, real *projected, rap_err *err);
void batch_release(batch *b);
size_t batch_bytes(int64_t cap, int64_t feature_width);

void batch_clear(batch *b);
bool batch_fits(const batch *b, const lesson *l);
rap_status batch_add(batch *b, const lesson *l, loss_reduction reduction, const pictures *bank, rap_err *err);

/* out [count] = 0 … count − 1 in the order of this epoch. */
void batch_order(size_t *out, size_t count, uint64_t seed, int epoch);

#endif
