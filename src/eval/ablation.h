/* ablation.h: what is taken away from the system to see what it is worth: the rows of the paper's tables that need no other
 * weights. The same for a held-out set and a published list. */
#ifndef RAP_EVAL_ABLATION_H
#define RAP_EVAL_ABLATION_H

#include "base/err.h"

#include <jansson.h>

typedef struct ablation {
    int oracle;       /* the right concepts are given, nothing is retrieved          */
    int no_info;      /* the concepts' texts are left out                            */
    int no_avatars;   /* the concepts' pictures are left out of the prompt           */
    int no_threshold; /* the paper's policy: no threshold, two concepts a region     */
} ablation;

/* How the handle retrieves. */
rap_policy ablation_policy(const ablation *a);

/* With `no_info` empties the infos of these concepts, a list of names, in the handle's store. */
rap_status ablation_prepare(const ablation *a, rap *r, const json_t *names, rap_err *err);

/* Sets the query up. concepts: the names that the question is about, borrowed by the query as *out_only, which is freed with
 * free(); those that the index of names (name_index.h) does not know are left out. */
rap_status ablation_query(rap_query *query, const char ***out_only, const ablation *a,
                          const json_t *concepts, const json_t *index, rap_err *err);

#endif
