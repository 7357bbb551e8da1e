/* classifier.h: a linear classifier of features: does this show the concept? Logistic regression, f32. */
#ifndef RAP_TRAIN_CONCEPT_CLASSIFIER_H
#define RAP_TRAIN_CONCEPT_CLASSIFIER_H

#include "base/err.h"

#include <stdint.h>

typedef struct classifier {
    float *w; /* [dim] lent */
    float bias;
    int dim;
} classifier;

/* The share that the classifier gives to "yes", 0 to 1, for a feature [dim] of length 1. */
double classifier_yes(const classifier *c, const float *feature);

/* Fits c->w and c->bias to features [count, dim] of length 1 and label [count] (1: shows it). Both classes weigh the same, however
 * many there are; `decay` pulls w to 0. Full gradient steps, so that the same features give the same numbers. */
rap_status classifier_fit(classifier *c, const float *feature, const uint8_t *label, int count,
                          double decay, int steps, rap_err *err);

#endif
