/* speaker.h: says the answer to a sequence with llama.cpp: greedy, with what was learnt going in as rows and coming out as
 * words. */
#ifndef RAP_TRAIN_CONCEPT_SPEAKER_H
#define RAP_TRAIN_CONCEPT_SPEAKER_H

#include "train/concept/sequence.h"

typedef struct speaker speaker;

rap_status speaker_open(speaker **out, vlm *v, rap_err *err); /* borrows v */
void speaker_close(speaker *s);                               /* NULL-safe */

/* What was learnt, for one answer. All lent. */
typedef struct spoken {
    const float *param;      /* the learnt rows that cells name, [rows, width] */
    const float *word;       /* [words, width] rows of the output behind the vocabulary's */
    const char *const *text; /* [words] how they are written: "<bo>" */
    const int *input;        /* [words] the learnt row that goes in when the word was said */
    int words;
} spoken;

/* The answer's text, at most max_tokens long; free(). */
rap_status speaker_say(char **out, speaker *s, const sequence *asked, const spoken *w,
                       int max_tokens, rap_err *err);

#endif
