/* measure_weighted.h: recognition: the mean of the accuracy on positives and on negatives, as Yo'LLaVA
 * (arXiv 2406.09400) and the RAP paper report it.
 *
 * The list says which are which ("type"), and what is right ("correct_answer"). In the published list 333 of the
 * 13,320 negatives are positives listed a second time, whose right answer is yes; `listed_twice` counts such. They can
 * be left out. */
#ifndef RAP_EVAL_PUBLISHED_MEASURE_WEIGHTED_H
#define RAP_EVAL_PUBLISHED_MEASURE_WEIGHTED_H

#include "eval/published/list.h"

typedef struct weighted_counts {
    int right[2], asked[2]; /* [0]: negatives, [1]: positives */
    int listed_twice;       /* negatives whose right answer is yes; counted whether left out or not */
} weighted_counts;

double weighted_positive(weighted_counts c);
double weighted_negative(weighted_counts c);
double weighted_accuracy(weighted_counts c);

/* `answer` as in measure_repic.h; the first "yes" or "no" in it counts, an answer with neither is wrong. */
weighted_counts measure_weighted(const list *l, const char *const *answer, bool without_twice);

#endif
