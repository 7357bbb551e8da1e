/* begin.h: where learnt rows begin, and how far one step takes them. */
#ifndef RAP_TRAIN_CONCEPT_BEGIN_H
#define RAP_TRAIN_CONCEPT_BEGIN_H

#include "dataset/random.h"
#include "generate/vlm.h"
#include "train/decoder.h"

/* Adds the mean of the rows of the tokens that spell the text: in, out [width] or NULL. */
rap_status begin_at_text(float *in, float *out, const decoder *d, const vlm *v, const char *text,
                         rap_err *err);

/* The row of a token drawn at random, as Yo'LLaVA begins: in [width]. */
void begin_anywhere(float *in, const decoder *d, draw *drawn);

/* How far apart the rows of tokens are, going in or coming out: the root of the mean square of their numbers. Steps are a
 * share of it. */
double begin_spread(const decoder *d, bool out);

#endif
