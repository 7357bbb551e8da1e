/* rows.h: rows that are learnt while the decoder stays as it is: what goes in for a concept, and the further words of the
 * output. */
#ifndef RAP_TRAIN_CONCEPT_ROWS_H
#define RAP_TRAIN_CONCEPT_ROWS_H

#include "train/concept/sequence.h"
#include "train/decoder.h"

typedef struct rows_options {
    int epochs;
    int batch;          /* sequences of a step */
    double lr, word_lr; /* of rows that go in, and of further words */
    uint64_t seed;
    int threads;
    rap_on_progress *on_progress; /* counts steps */
    const char *what;             /* for it */
    void *payload;
} rows_options;

typedef struct rows_result {
    int64_t steps;
    double first_loss,
        last_loss; /* mean over the answers' tokens of a step; last: mean of the last epoch */
} rows_result;

/* param [inputs + outputs, width]: learnt rows that go in, then the further words; holds their beginning, and then what
 * was learnt. */
rap_status rows_learn(rows_result *out, float *param, int inputs, int outputs, decoder *d,
                      const sequence *list, size_t count, const rows_options *o, rap_err *err);

#endif
