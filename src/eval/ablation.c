/* ablation.c: see ablation.h. */
#include "eval/ablation.h"

#include "base/mem.h"
#include "eval/name_index.h"

#include <stdlib.h>

rap_policy ablation_policy(const ablation *a)
{
    return a->no_threshold ? RAP_POLICY_PAPER : RAP_POLICY_DEFAULT;
}

rap_status ablation_prepare(const ablation *a, rap *r, const json_t *names, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; a->no_info && status == RAP_OK && i < json_array_size(names); i++) {
        rap_change change = RAP_CHANGE_INIT;

        change.info = "";
        status = rap_update(r, json_string_value(json_array_get(names, i)), &change);
    }
    return status == RAP_OK ? RAP_OK : err_set(err, status, "%s", rap_error(r));
}

rap_status ablation_query(rap_query *query, const char ***out_only, const ablation *a,
                          const json_t *concepts, const json_t *index, rap_err *err)
{
    size_t count = json_array_size(concepts), kept = 0;

    *out_only = NULL;
    query->no_avatars = a->no_avatars;
    if (!a->oracle || query->no_memory)
        return RAP_OK;
    if (!(*out_only = mem_array(count + 1, sizeof **out_only)))
        return err_memory(err, "asking questions");
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(concepts, i));

        if (name && name_index_find(index, name))
            (*out_only)[kept++] = name;
    }
    query->only = *out_only;
    return RAP_OK;
}
