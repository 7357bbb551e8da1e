/* train_method.c: see train_method.h. */
#include "cli/train_method.h"

#include "train/concept/concept.h"

#include <stdio.h>
#include <string.h>

static const cli_command command = {
    "train --method METHOD",
    "[NAME…]",
    "Learn concepts of the store one by one, as methods without retrieval do",
    "head         a classifier of the encoder's features, and a row that makes the model name the\n"
    "             concept where the classifier finds it (MyVLM's way)\n"
    "soft-tokens  a word and 16 rows that describe the concept (Yo'LLaVA's way)\n"
    "lora         fine-tuning: one LoRA for all; --out FOLDER gets adapter.gguf\n\n"
    "NAME…: these concepts; none: all. What head and soft-tokens learn is kept in the store, for "
    "the\n"
    "models it was learnt with, and goes with the concept; `rap ask --method METHOD` uses it. A\n"
    "bundle leaves it out. Learn again after a change of the concept. docs/training.md says more.",
    cli_train_method,
    CLI_USES_ALL,
};

bool cli_is_method(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--method") == 0 && strcmp(argv[i + 1], "lora") != 0)
            return true;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--method=lora") == 0 || strncmp(argv[i], "--method=", 9) == 0)
            return strcmp(argv[i], "--method=lora") != 0;
    for (int i = 1; i < argc; i++) /* lora: on the concepts, unless it is given DATA alone */
        if (strcmp(argv[i], "--concepts") == 0)
            return true;
    return false;
}

char *cli_store_path(int *out_code, cli *c, rap_store_use use)
{
    char *text = NULL, *path = NULL;
    json_t *about = NULL;
    rap_status status;

    *out_code = cli_open(c, use);
    if (*out_code != CLI_CONTINUE)
        return NULL;
    status = rap_describe(&text, c->r);
    if (status != RAP_OK) {
        *out_code = cli_failed(c, status);
        return NULL;
    }
    about = json_loads(text, 0, NULL);
    rap_free(text);
    path = strdup(json_string_value(json_object_get(json_object_get(about, "store"), "path")));
    json_decref(about);
    return path;
}

static json_t *json_result(const concept_result *r)
{
    return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "concepts", r->concepts, "positives",
                     r->positives, "negatives", r->negatives, "seconds", r->seconds, "bytes",
                     r->bytes, "first_loss", r->first_loss, "last_loss", r->last_loss);
}

static int learn(cli *c, const concept_options *o)
{
    concept_result r;
    rap_err err = { RAP_OK, "" };

    if (concept_learn(&r, o, &err) != RAP_OK) {
        cli_say("%s", err.text);
        if (r.concepts > 0)
            cli_say("%d concept%s learnt and kept", r.concepts, r.concepts == 1 ? " is" : "s are");
        return rap_status_exit_code(err.status);
    }
    if (c->json)
        return cli_print_json(json_result(&r));
    cli_line("%d concept%s learnt (%s): %.1f pictures, %.0f negatives, %.1f s of processor time "
             "and %.0f "
             "bytes each",
             r.concepts, r.concepts == 1 ? "" : "s", concept_method_name(o->method), r.positives,
             r.negatives, r.seconds, r.bytes);
    cli_line("loss %.3g at first, %.3g at last", r.first_loss, r.last_loss);
    if (r.right + r.wrong > 0)
        cli_line("the classifiers sort %d of %d features of their pictures rightly", r.right,
                 r.right + r.wrong);
    if (o->out)
        cli_line("%s/adapter.gguf", o->out);
    return cli_flush();
}

int cli_train_method(cli *c, int argc, char **argv)
{
    concept_options o = { .names = NULL };
    const char *method = "lora";
    bool concepts = false;
    long negatives = 0, tokens = 0, epochs = 0, batch = 0, seed = 0;
    const cli_option options[] = {
        { "--method", CLI_TEXT, &method, "NAME", "head, soft-tokens or lora" },
        CLI_LORA(c),
        { "--concepts", CLI_FLAG, &concepts, NULL, "lora: of the store's concepts, not of DATA" },
        { "--pictures", CLI_TEXT, &o.pictures, "DIR",
          "further pictures: NAME/x.jpg; a caption in NAME/x.txt, questions in NAME/qa.json" },
        { "--negatives", CLI_TEXT, &o.negatives, "DIR",
          "pictures that show none of them (default: the other concepts' pictures)" },
        { "--most-negatives", CLI_NUMBER, &negatives, "N",
          "of these at most N, half of them the likest (head: 150, soft-tokens: 200, lora: 60)" },
        { "--tokens", CLI_NUMBER, &tokens, "N", "rows of a concept, soft-tokens: 16" },
        { "--epochs", CLI_NUMBER, &epochs, "N", "head: 40, soft-tokens and lora: 4" },
        { "--batch", CLI_NUMBER, &batch, "N", "samples of a step: head 4, soft-tokens 8, lora 16" },
        { "--lr", CLI_REAL, &o.lr, "X", "highest learning rate (default: from the embeddings)" },
        { "--seed", CLI_NUMBER, &seed, "N", "0" },
        { "--out", CLI_TEXT, &o.out, "FOLDER", "lora: where the adapter goes" },
        { "--force", CLI_FLAG, &o.force, NULL, "learn even if memory looks too small" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &command, options, &argc, argv, 0, 1000);
    char *store;

    if (code != CLI_CONTINUE)
        return code;
    if (!concept_method_of(&o.method, method)) {
        cli_say("train: --method %s: head, soft-tokens or lora is expected", method);
        return CLI_USAGE;
    }
    if ((o.method == CONCEPT_LORA) != (o.out != NULL)) {
        cli_say("train: --method %s %s", method,
                o.out ? "keeps what it learns in the store; leave --out out"
                      : "takes --out FOLDER for the adapter");
        return CLI_USAGE;
    }
    store = cli_store_path(&code, c, RAP_STORE_CHANGE);
    if (!store)
        return code;
    argv[argc] = NULL;
    o.names = argc > 0 ? (const char *const *)argv : NULL;
    o.profile = c->profile;
    o.lora = cli_lora(c);
    o.store = store;
    o.most_negatives = (int)negatives;
    o.tokens = (int)tokens;
    o.epochs = (int)epochs;
    o.batch = (int)batch;
    o.seed = (uint64_t)seed;
    o.threads = (int)c->threads;
    o.on_progress = cli_progress;
    o.payload = c;
    code = learn(c, &o);
    free(store);
    return code;
}
