/* rank.h: the two policies: from the hits of each region and the names in the text to the list of matches. Pure
 * functions. */
#ifndef RAP_RETRIEVE_RANK_H
#define RAP_RETRIEVE_RANK_H

#include "base/err.h"
#include "retrieve/search.h"

#define RANK_HITS 2 /* neighbours per region; the paper's rule uses both */

typedef struct rank_region {
    rap_box box;
    int whole;             /* the whole photo */
    const search_hit *hit; /* [hits], nearest first, id -1 ends early */
    const float *score;    /* [hits] for the threshold and order of the default policy (judge.h);
                            * NULL: the distance */
    int hits;
} rank_region;

typedef struct rank_input {
    const int64_t *named; /* concepts whose name or alias occurs in the text, in text order */
    int named_count;
    const rank_region *region;
    int region_count;
    rap_policy policy;
    int limit;       /* K */
    float threshold; /* the largest score that is accepted; ≥ 2: every finite one (a score may exceed every
                      * distance, judge.h); default policy only */
    float
        ambiguity; /* a second concept scored at most this much worse is as good; default policy only */
} rank_input;

typedef struct rank_result {
    int64_t id;
    float distance; /* NaN: by name only */
    int region;     /* index, −1: by name only */
    rap_reason reason;
    int ambiguous; /* 0: certain; else those with the same number are candidates for one place */
} rank_result;

/* How many results rank_matches() may write: the paper's rule keeps every name, whatever K is. */
int rank_capacity(const rank_input *in);

/* Writes *out_count results, best first, into `out` (room for rank_capacity()).
 *
 * Paper: the names, then the two nearest of every region by distance until there are K; no threshold.
 * Default: the names (with their box, if they were found in a region too), then the rest by score, K in all. A region
 * gives only its nearest concept, and only within the threshold; a concept is used once, in its best region. If a
 * second concept is as good and has no better region of its own, both are returned, one after the other, marked as
 * ambiguous. */
rap_status rank_matches(rank_result *out, int *out_count, const rank_input *in, rap_err *err);

#endif
