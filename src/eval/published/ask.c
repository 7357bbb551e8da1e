/* ask.c: see ask.h. */
#include "eval/published/ask.h"

#include "base/mem.h"
#include "eval/name_index.h"

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

bool ask_knows_all(const json_t *index, const json_t *item)
{
    json_t *concepts = ask_concepts(item);
    bool all = name_index_has_all(index, concepts);

    json_decref(concepts);
    return all;
}

static rap_status ask(char **out, const ask_pass *pass, const json_t *item, rap_err *err)
{
    json_t *concepts = ask_concepts(item);
    const char **only = NULL;
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = NULL;
    rap_status status;

    query.image.path = list_text(item, "path");
    query.question = list_text(item, "question");
    query.max_tokens = MAX_TOKENS;
    query.no_memory = pass->no_memory;
    status = ablation_query(&query, &only, pass->without, concepts, pass->known, err);
    if (status == RAP_OK && (status = rap_ask(&answer, pass->r, &query, NULL, NULL)) != RAP_OK)
        err_set(err, status, "%s: %s: %s", pass->file, list_text(item, "place"),
                rap_error(pass->r));
    else if (status == RAP_OK && !(*out = mem_string(answer->text)))
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
