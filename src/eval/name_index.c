/* name_index.c: see name_index.h. */
#include "eval/name_index.h"

#include "base/mem.h"
#include "base/text_fold.h"

#include <stdlib.h>

const int name_index_steps[] = { 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 0 };

json_t *name_index_new(const json_t *names)
{
    json_t *index = json_object();

    for (size_t i = 0; index && i < json_array_size(names); i++) {
        json_t *name = json_array_get(names, i);
        char *folded = text_fold_name(json_string_value(name));

        if (!folded || json_object_set(index, folded, name) != 0) {
            json_decref(index);
            index = NULL;
        }
        free(folded);
    }
    return index;
}

const char *name_index_find(const json_t *index, const char *name)
{
    char *folded = text_fold_name(name);
    const char *known = folded ? json_string_value(json_object_get(index, folded)) : NULL;

    free(folded);
    return known;
}

bool name_index_has_all(const json_t *index, const json_t *names)
{
    bool all = true;

    for (size_t i = 0; all && i < json_array_size(names); i++)
        all = name_index_find(index, json_string_value(json_array_get(names, i))) != NULL;
    return all;
}

/* Appends those of the list that the index has and `taken` has not. */
static void take(json_t *out, json_t *taken, const json_t *index, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = name_index_find(index, json_string_value(json_array_get(list, i)));

        if (!name || json_object_get(taken, name))
            continue;
        json_object_set_new(taken, name, json_true());
        json_array_append_new(out, json_string(name));
    }
}

rap_status name_index_order(json_t **out, const json_t *index, const json_t *first,
                            const json_t *names, rap_err *err)
{
    json_t *taken = json_object();

    *out = json_array();
    for (size_t i = 0; i < json_array_size(first); i++)
        take(*out, taken, index, json_array_get(first, i));
    take(*out, taken, index, names);
    json_decref(taken);
    if (json_array_size(*out) == json_object_size(index))
        return RAP_OK;
    json_decref(*out);
    *out = NULL;
    return err_memory(err, "growing the store");
}

static void forget(json_t *index, const char *name)
{
    char *folded = text_fold_name(name);

    if (folded)
        json_object_del(index, folded);
    free(folded);
}

rap_status name_index_shrink(json_t *index, json_t *names, rap *r, size_t keep, rap_err *err)
{
    size_t count = json_array_size(names);
    const char **gone = mem_array(count + 1, sizeof *gone);
    rap_status status = gone ? RAP_OK : err_memory(err, "growing the store");

    for (size_t i = keep; gone && i < count; i++)
        gone[i - keep] = json_string_value(json_array_get(names, i));
    if (status == RAP_OK && (status = rap_forget_all(r, gone)) != RAP_OK)
        err_set(err, status, "%s", rap_error(r));
    for (size_t i = count; status == RAP_OK && i-- > keep;) {
        forget(index, gone[i - keep]);
        json_array_remove(names, i);
    }
    free(gone);
    return status;
}
