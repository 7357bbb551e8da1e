/* measure_repic.h: names in captions, as the scripts of RePIC (arXiv 2506.18369) count them.
 *
 * Each target of a caption is a hit when the caption names it; else a miss when the caption names another concept of
 * the file that is no target of this caption; else none. Precision = hits / (hits + misses), recall = hits / targets,
 * F1 = their harmonic mean, each over the whole file.
 *
 * A name is found when one word of the caption is the name, with or without <brackets> (words.h), so that a name of
 * two words is never found. Case counts in files in which every caption has two targets, not in others. */
#ifndef RAP_EVAL_PUBLISHED_MEASURE_REPIC_H
#define RAP_EVAL_PUBLISHED_MEASURE_REPIC_H

#include "eval/published/list.h"
#include "eval/published/name_pool.h"

typedef struct repic_counts {
    int hits, misses, targets;
} repic_counts;

double repic_precision(repic_counts c);
double repic_recall(repic_counts c);
double repic_f1(repic_counts c);

/* The rule that the published scripts have for this file. */
name_rule repic_rule(const list *l);

/* `answer`: [list_count(l)], a caption for each item; NULL is an empty one. With NAME_WHOLE the same counts with names
 * found however many words they have. */
rap_status measure_repic(repic_counts *out, const list *l, const char *const *answer,
                         name_rule rule, rap_err *err);

/* Every name in the items of a list of captions, a new list; names may stand in it more than once. NULL: out of
 * memory. */
json_t *repic_names(const list *l);

#endif
