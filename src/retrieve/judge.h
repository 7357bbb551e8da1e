/* judge.h: the score of a hit, which the default policy compares with the threshold (rank.c).
 *
 * Without settings the score is the distance. An encoder's calibration (eval/calibrate) may add:
 * - a center: the mean direction of many pictures, common to all concepts, which is subtracted first;
 * - the within-class scatter: axes along which pictures of one concept differ (light, crop, background). Differences
 *   along an axis count less the longer it is; at length 1 not at all;
 * - crowding: this factor times how much nearer than unrelated concepts (√2) the concept's nearest neighbour in the
 *   store is. It is added to the score, so a concept with look-alikes must be matched more closely.
 * Each concept also has a threshold of its own, from its views and from corrections (judge_shift). */
#ifndef RAP_RETRIEVE_JUDGE_H
#define RAP_RETRIEVE_JUDGE_H

#include "remember/store.h"
#include "retrieve/search.h"

typedef struct judge_settings {
    const float *center; /* [dim]; NULL: none */
    const float *scatter; /* [axes, dim], orthogonal */
    int axes;
    float crowding;      /* 0: none */
    float threshold;     /* ≥ 2: only corrections reject anything */
} judge_settings;

/* The distance of two vectors under the settings: 0 to 2. */
float judge_distance(const judge_settings *s, const float *a, const float *b, int dim);

/* The score of a feature [dim] for a concept; `near` is the distance of its nearest neighbour (unused without
 * crowding). INFINITY if the feature is nearer to a refusal than to every view, or beyond a threshold that refusals
 * lowered. Clamped to the threshold if the concept's views raised its own one far enough. */
float judge_score(const judge_settings *s, const float *feature, const store_evidence *known,
                  float near, int dim);

/* How far a concept's own threshold is below the encoder's: positive when refusals are close (up to JUDGE_STRICTER),
 * negative when its views differ by more than the threshold allows (down to −JUDGE_LOOSER). 0 without refusals and
 * with one view. */
#define JUDGE_STRICTER 0.15f
#define JUDGE_LOOSER 0.10f
float judge_shift(const judge_settings *s, const store_evidence *known, float near, int dim);

/* Scores for hit [count, per]: out [count, per]. Reads the views and refusals of the hits from the store, and their
 * neighbours from `index`. `maker` is that of feature [count, dim] and of the index. */
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
