/* query.c: see query.h. */
#include "rap/query.h"

#include "base/text.h"

rap_status query_check(const rap_query *query, rap_err *err)
{
    if (!query->question || !*query->question)
        return err_set(err, RAP_E_ARGUMENT, "the question is empty");
    if (!text_is_utf8(query->question))
        return err_set(err, RAP_E_ARGUMENT, "the question is not valid UTF-8");
    if (query->limit < 0 || query->limit > RAP_MOST_CONCEPTS)
        return err_set(err, RAP_E_LIMIT, "the limit of concepts must be 0 to %d, got %d",
                       RAP_MOST_CONCEPTS, query->limit);
    if (query->max_tokens < 0 || query->max_tokens > 1 << 20)
        return err_set(err, RAP_E_LIMIT, "max_tokens must be 0 to 1048576, got %d",
                       query->max_tokens);
    if (!(query->temperature >= 0 && query->temperature <= 100))
        return err_set(err, RAP_E_ARGUMENT, "the temperature must be 0 to 100, got %g",
                       (double)query->temperature);
    if (!(query->top_p >= 0 && query->top_p <= 1))
        return err_set(err, RAP_E_ARGUMENT, "a top-p of %g is not between 0 and 1",
                       (double)query->top_p);
    if (!(query->repeat_penalty >= 0 && query->repeat_penalty <= 100))
        return err_set(err, RAP_E_ARGUMENT, "a repeat penalty of %g makes no sense",
                       (double)query->repeat_penalty);
    if (query->concept_budget < 0)
        return err_set(err, RAP_E_ARGUMENT, "a budget of %d tokens makes no sense",
                       query->concept_budget);
    return RAP_OK;
}
