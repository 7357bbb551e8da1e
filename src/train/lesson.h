/* lesson.h: a data set in the RAP format as sequences of tokens and pictures, ready to train on.
 *
 * Each sample becomes one sequence: its turns as generate/prompt.h writes them, each answer behind its prompt. Learnt are the
 * answers and what ends them; everything else is only read. */
#ifndef RAP_TRAIN_LESSON_H
#define RAP_TRAIN_LESSON_H

#include "engine/profile.h"
#include "generate/vlm.h"
#include "train/loss_reduction.h"
#include "train/pictures.h"
#include "train/real.h"

typedef struct lesson_picture {
    int32_t at;    /* its first cell in the sequence */
    size_t number; /* in the bank */
} lesson_picture;

typedef struct lesson {
    char *id;
    int32_t *token;  /* [count] −1: a row of a picture */
    uint8_t *learnt; /* [count] 1: this token is an answer's */
    int32_t count, answers;
    lesson_picture *picture;
    int pictures;
} lesson;

typedef struct lessons {
    lesson *item;
    size_t count, cap;
    uint64_t tokens, answers;
    uint64_t many_concepts, too_long, no_answer; /* left out */
    char first_long[64];
    int longest;
    pictures *bank;
} lessons;

typedef struct lesson_options {
    const char *data; /* a folder with train.json or train.jsonl and images/, or such a file beside images/ */
    const char *folder; /* where pictures' features may lie; NULL: they are not made (one is, to count) */
    bool before_projector; /* features, of a projector that is trained */
    int max_concepts, max_tokens;
    rap_on_progress *on_progress;
    void *payload;
} lesson_options;

/* The file of samples that `data` means; free(). */
rap_status lesson_file(char **out, const char *data, rap_err *err);

rap_status lessons_read(lessons *out, vlm *v, const lesson_options *o, rap_err *err);
/* The set's own validation samples, with pictures in the bank of `train`; none when it has no such file. */
rap_status lessons_read_validation(lessons *out, lessons *train, vlm *v, const lesson_options *o, rap_err *err);
/* Moves about `share` of the lessons, at least one, from `train` to `out`; the same with the same seed. */
rap_status lessons_hold_out(lessons *out, lessons *train, double share, uint64_t seed, rap_err *err);
void lessons_release(lessons *l);

/* out [count] (or NULL): what each token counts in the loss, 0 where it is only read. Returns the sum. */
double lesson_weights(real *out, const lesson *l, loss_reduction reduction);

#endif
