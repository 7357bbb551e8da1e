/* negatives.h: which of many negative pictures a concept is learnt against. */
#ifndef RAP_TRAIN_CONCEPT_NEGATIVES_H
#define RAP_TRAIN_CONCEPT_NEGATIVES_H

#include "train/concept/material.h"

/* At most `most` of m's: the half whose regions are nearest to `like` [dim], of length 1 (hard ones), and of the others any.
 * out [m->pictures]; the same for the same seed and name. */
rap_status negatives_choose(const material_picture **out, size_t *out_count, const material *m,
                            const float *like, int dim, size_t most, uint64_t seed,
                            const char *name, rap_err *err);

#endif
