/* sequence.h: a question, and its answer, about concepts that are given as learnt rows instead of tokens: what the decoder
 * takes in, row by row.
 *
 *     head          USER: <image>[row of bo]\nQUESTION ASSISTANT: ANSWER            names are spelled
 *     soft-tokens   USER: <image>\n[bo] is [rows of bo].\nQUESTION ASSISTANT: ANSWER   [bo]: one further word */
#ifndef RAP_TRAIN_CONCEPT_SEQUENCE_H
#define RAP_TRAIN_CONCEPT_SEQUENCE_H

#include "train/cells.h"

#include <stdbool.h>
#include <stdint.h>

/* A photo as the decoder takes it in. */
typedef struct photo_rows {
    float *tokens;     /* vlm_encode()'s, owned */
    const float *rows; /* [cells that are −1, width] in it */
    int32_t *cell;     /* [count] tokens around its rows; −1: a row */
    int32_t count;
} photo_rows;

rap_status photo_rows_init(photo_rows *out, vlm *v, const image *im, rap_err *err);
void photo_rows_release(photo_rows *s); /* NULL-safe fields */

/* A concept in a sequence. */
typedef struct known {
    const char *name;
    int first, rows; /* its learnt rows */
    int word;        /* the learnt row that goes in for its name; −1: the name is spelled */
    int output;      /* which further word of the vocabulary it is, with word ≥ 0 */
    bool
        in_photo; /* its rows stand behind the photo's; else a sentence before the question has them */
} known;

typedef struct sequence {
    int32_t *cell; /* [count] a token, CELL_ROW: a row of the photo, −2 − j: learnt row j */
    int32_t *
        target; /* [count] the token that is learnt behind this one; −1: none. vocab + i: further word i */
    int32_t count, cap;
    int answers;        /* tokens that are learnt */
    const float *photo; /* the photo's rows, in their order; lent */
} sequence;

/* answer NULL: only the prompt. */
rap_status sequence_build(sequence *out, const vlm *v, const photo_rows *photo, const known *list,
                          int count, const char *question, const char *answer, rap_err *err);
void sequence_release(sequence *s); /* NULL-safe fields */

#endif
