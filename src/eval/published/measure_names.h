/* measure_names.h: precision, recall and F1 of names over all captions, as the RAP paper (arXiv 2410.13360, section 4)
 * reports them: of every concept named in any caption, which share is in the picture; of every concept in a picture,
 * which share is named. A name counts once for each caption.
 *
 * The paper publishes no script for this. Here a name is found as words of its own, however many it has, compared as
 * people read names (base/text_search.h). */
#ifndef RAP_EVAL_PUBLISHED_MEASURE_NAMES_H
#define RAP_EVAL_PUBLISHED_MEASURE_NAMES_H

#include "eval/metrics.h"
#include "eval/published/list.h"

/* `known`: a list of texts: the concepts whose naming counts, at least those of the list. `answer` as in
 * measure_repic.h. The ratios are metrics_precision and its neighbours. */
rap_status measure_names(metrics_counts *out, const list *l, const char *const *answer,
                         const json_t *known, rap_err *err);

#endif
