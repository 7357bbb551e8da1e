/* judge.h: is it really this one? A score for a hit, which the default policy compares with the threshold.
 *
 * Without settings it is the distance. An encoder's calibration (eval/calibrate) may add:
 * - a center: the mean direction of many pictures, which says nothing about a concept, is taken away first;
 * - the within-class scatter: axes along which pictures of one concept differ (light, crop, background), so that
 *   what lies along them tells little; each counts less, the more so the longer it is (at length 1 not at all);
 * - crowding: by how much the concept's nearest neighbour in the store is nearer than unlike ones are (√2),
 *   times this, so that a concept that has look-alikes must be met more closely than one that stands alone.
 * Each concept then has a threshold of its own, from its views and from corrections (judge_shift). */
#ifndef RAP_RETRIEVE_JUDGE_H
#define RAP_RETRIEVE_JUDGE_H

#include "remember/store.h"
#include "retrieve/search.h"

typedef struct judge_settings {
    const float *center; /* [dim]; NULL: none */
    const float *scatter; /* [axes, dim], at right angles to each other */
    int axes;
    float crowding;      /* 0: none */
    float threshold;     /* ≥ 2: nothing is rejected, but what a correction refuses */
} judge_settings;

/* How far apart two vectors are, as the settings see them: 0 to 2. */
float judge_distance(const judge_settings *s, const float *a, const float *b, int dim);

/* The score of one feature [dim] against a concept; `near`: how far its nearest neighbour is (any, without
 * crowding). INFINITY: the feature is nearer to a refusal than to every view, or beyond a threshold that the
 * concept's refusals lowered; at most the threshold where its views raised it far enough. */
float judge_score(const judge_settings *s, const float *feature, const store_evidence *known,
                  float near, int dim);

/* How much lower than the encoder's a concept's own threshold is: positive when refusals came
 * close (up to JUDGE_STRICTER), negative when its own views differ more than the threshold allows (down to
 * −JUDGE_LOOSER). 0 without refusals and with one view. */
#define JUDGE_STRICTER 0.15f
#define JUDGE_LOOSER 0.10f
float judge_shift(const judge_settings *s, const store_evidence *known, float near, int dim);

/* Scores for hit [count, per]: out [count, per]. Reads what is known of the hits from the store; `index` gives
 * their neighbours. `maker` made feature [count, dim] and what is in the index. */
typedef struct judge_case {
    const judge_settings *settings;
    store *store;
    const search_index *index;
    const char *maker;
    const float *feature;  /* [count, dim] */
    const search_hit *hit; /* [count, per] */
    int count, per, dim, threads;
} judge_case;
rap_status judge_hits(float *out, const judge_case *c, rap_err *err);

#endif
