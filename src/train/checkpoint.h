/* checkpoint.h: where a training stands, in one GGUF that is replaced whole; and the record of its losses. */
#ifndef RAP_TRAIN_CHECKPOINT_H
#define RAP_TRAIN_CHECKPOINT_H

#include "base/err.h"
#include "train/real.h"

#include <stdbool.h>

typedef struct checkpoint {
    int64_t step;         /* done */
    const char *settings; /* of the whole training: what must be the same to go on */
    real *param, *m, *v;
    size_t count;
    real *projector, *projector_m, *projector_v; /* where the projector is trained too */
    size_t projector_count;                      /* 0: it is not */
} checkpoint;

rap_status checkpoint_write(const char *path, const checkpoint *c, rap_err *err);
/* Fills step, param, m and v; step 0 when there is none. RAP_E_EXISTS when it is another training's. */
rap_status checkpoint_read(checkpoint *c, const char *path, rap_err *err);

/* loss.jsonl, one step a line. */
typedef struct record {
    double *loss; /* [count] */
    int64_t count, cap;
    double validation, best;              /* the last and the lowest on held-out samples; NAN: none */
    int64_t validations, best_step, since; /* how many; the lowest's step; how many after it */
    void *file;                            /* FILE */
    char *path;
} record;
/* Keeps the first `steps` lines of what is there. RAP_E_FORMAT when they are not there. */
rap_status record_open(record *out, const char *path, int64_t steps, rap_err *err);
/* validation NAN: none at this step. */
rap_status record_add(record *r, double loss, double validation, double lr, double norm, double tokens_per_second,
                      rap_err *err);
/* Would this be the lowest so far? */
bool record_is_best(const record *r, double validation);
void record_close(record *r);

/* The losses as a picture. */
rap_status record_draw(const record *r, const char *png, rap_err *err);

#endif
