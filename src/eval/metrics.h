/* metrics.h: what counts as correct. Pure functions. */
#ifndef RAP_EVAL_METRICS_H
#define RAP_EVAL_METRICS_H

#include "rap.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct metrics_counts {
    int hit, extra, missed; /* true positives, false positives, false negatives */
} metrics_counts;

double metrics_ratio(int part, int whole); /* 0 when whole is 0 */
double metrics_precision(metrics_counts c);
double metrics_recall(metrics_counts c);
double metrics_f1(metrics_counts c);

/* Compares the stored names in `answer` with those that it should contain, and adds the counts. A name counts when it is
 * a whole word, in any case. */
void metrics_add_names(metrics_counts *c, const char *answer, const json_t *all_names,
                       const json_t *true_names);

/* 1 yes, 0 no, −1 neither; the first such word counts. */
int metrics_yes_no(const char *answer);

/* An open answer is right when it equals `expected`, ignoring case, articles and final punctuation. With `options` (an
 * array of strings, may be NULL), an answer that contains the right one and no other is right too. */
bool metrics_answer(const char *answer, const char *expected, const json_t *options);

#endif
