/* growth.h: the main measure of a list as the store grows. */
#ifndef RAP_EVAL_PUBLISHED_GROWTH_H
#define RAP_EVAL_PUBLISHED_GROWTH_H

#include "eval/published/published.h"

/* Fills the steps of the report, the largest store first, forgetting concepts of the handle's store on the way: it is
 * not whole afterwards. The largest step is taken from the report's score. `known`: all names in the store. */
rap_status growth_run(published_report *out, const published_options *options, rap *r,
                      const list *l, const json_t *known, rap_err *err);

#endif
