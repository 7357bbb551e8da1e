/* ask.c: see ask.h. */
#include "eval/published/ask.h"

#include "base/mem.h"
#include "base/text_fold.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 128 }; /* as the official scripts */

json_t *ask_concepts(const json_t *item)
{
    const json_t *names = json_object_get(item, "names");
    json_t *concept = json_object_get(item, "concept");
    json_t *out = names ? json_copy((json_t *)names) : json_array();

    if (out && !names && concept)
        json_array_append(out, concept);
    return out;
}

json_t *ask_index(const json_t *names)
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

const char *ask_known(const json_t *index, const char *name)
{
    char *folded = text_fold_name(name);
    const char *known = folded ? list_text(index, folded) : NULL;

    free(folded);
    return known;
}

void ask_forget(json_t *index, const char *name)
{
    char *folded = text_fold_name(name);

    if (folded)
        json_object_del(index, folded);
    free(folded);
}

bool ask_knows_all(const json_t *index, const json_t *item)
{
    json_t *concepts = ask_concepts(item);
    bool all = true;

    for (size_t k = 0; all && k < json_array_size(concepts); k++)
        all = ask_known(index, json_string_value(json_array_get(concepts, k))) != NULL;
    json_decref(concepts);
    return all;
}

/* Those of the item's concepts that the store knows, ended by NULL, borrowed from `concepts`; free(). */
static const char **only_known(const json_t *concepts, const json_t *known)
{
    size_t count = json_array_size(concepts), kept = 0;
    const char **only = mem_array(count + 1, sizeof *only);

    for (size_t i = 0; only && i < count; i++) {
        const char *name = json_string_value(json_array_get(concepts, i));

        if (ask_known(known, name))
            only[kept++] = name;
    }
    return only;
}

static rap_status ask(char **out, const ask_pass *pass, const json_t *item, rap_err *err)
{
    json_t *concepts = pass->oracle ? ask_concepts(item) : NULL;
    const char **only = pass->oracle ? only_known(concepts, pass->known) : NULL;
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = NULL;
    rap_status status = RAP_OK;

    query.image.path = list_text(item, "path");
    query.question = list_text(item, "question");
    query.max_tokens = MAX_TOKENS;
    query.no_memory = pass->no_memory;
    query.only = pass->no_memory ? NULL : only;
    if (pass->oracle && !only)
        status = err_memory(err, "asking questions");
    else if ((status = rap_ask(&answer, pass->r, &query, NULL, NULL)) != RAP_OK)
        err_set(err, status, "%s: %s: %s", pass->file, list_text(item, "place"),
                rap_error(pass->r));
    else if (!(*out = mem_string(answer->text)))
        status = err_memory(err, "keeping an answer");
    rap_answer_free(answer);
    free(only);
    json_decref(concepts);
    return status;
}

rap_status ask_all(char **out, ask_pass *pass, const list *l, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < list_count(l); i++) {
        status = ask(&out[i], pass, list_item(l, i), err);
        pass->done++;
        if (status == RAP_OK && pass->on_progress &&
            pass->on_progress("evaluating", pass->done, pass->total, pass->payload))
            status = err_set(err, RAP_E_CANCELLED, "evaluation cancelled");
    }
    return status;
}
