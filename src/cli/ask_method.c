/* ask_method.c: see ask_method.h. */
#include "cli/ask_method.h"

#include "cli/train_method.h"
#include "train/concept/concept.h"

#include <stdlib.h>

static int print(cli *c, const char *answer, const char *found)
{
    if (c->json)
        return cli_print_json(json_pack("{s:s, s:s}", "answer", answer, "given", found));
    cli_line("%s", answer);
    return cli_flush();
}

int cli_ask_method(cli *c, const char *method, const rap_query *query, int max_tokens)
{
    concept_options o = { .profile = c->profile, .lora = cli_lora(c), .threads = (int)c->threads };
    concept_asker *a = NULL;
    char *answer = NULL, *found = NULL, *store;
    bool photo = query->image.path || query->image.bytes;
    rap_err err = { RAP_OK, "" };
    rap_status status;
    int code;

    if (!concept_method_of(&o.method, method) || o.method == CONCEPT_LORA) {
        cli_say("ask: --method %s: head or soft-tokens is expected", method);
        return CLI_USAGE;
    }
    store = cli_store_path(&code, c, RAP_STORE_CACHE);
    if (!store)
        return code;
    o.store = store;
    status = concept_asker_open(&a, &o, NULL, &err);
    if (status == RAP_OK)
        status = concept_ask(&answer, &found, a, photo ? &query->image : NULL, query->question,
                             max_tokens ? max_tokens : 256, &err);
    code = rap_status_exit_code(status);
    if (status != RAP_OK)
        cli_say("%s", err.text);
    else
        code = print(c, answer, found);
    concept_asker_close(a);
    free(answer);
    free(found);
    free(store);
    return code;
}
