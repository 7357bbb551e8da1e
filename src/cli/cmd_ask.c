/* cmd_ask.c: rap ask [IMAGE] QUESTION: one answer, streamed. */
#include "cli/answer.h"
#include "cli/ask_method.h"
#include "wire/wire.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_ask = {
    "ask",
    "[IMAGE] QUESTION",
    "Ask about a photo, or about what is remembered",
    "The concepts found in the photo are put into the prompt, with those that the question names,\n"
    "so a question without a photo works too. --no-memory asks the model alone, to compare.\n"
    "IMAGE may be a pipe, or - for standard input.\n"
    "--json tells what the answer rests on: the concepts given, those that it names, what was\n"
    "left out, whether anything in the photo was recognised, tokens and times.",
    run,
    CLI_USES_ALL,
};

static int finish(answer_view *view, const rap_answer *a)
{
    if (!view->c->json)
        putchar('\n');
    else if (!view->stream)
        return cli_print_json(wire_answer(a));
    else if (cli_put_json(wire_answer(a), JSON_COMPACT) == 0)
        putchar('\n');
    else
        return rap_status_exit_code(RAP_E_MEMORY);
    answer_remark(view->c, a, false);
    return cli_flush();
}

static int answer(answer_view *view, rap_query *query)
{
    cli *c = view->c;
    rap_answer *answer = NULL;
    rap_status status;
    int code;

    if (!query->no_memory)
        cli_say_unknown(c, query->question);
    answer_watch(view, query);
    status = rap_ask(&answer, c->r, query, answer_listener(view), view);
    answer_end(view, status);
    code = status == RAP_OK ? finish(view, answer) : cli_failed(c, status);
    if (status == RAP_OK)
        answer_note(c);
    rap_answer_free(answer);
    return code;
}

static int run(cli *c, int argc, char **argv)
{
    rap_query query = RAP_QUERY_INIT;
    long limit = 0, max_tokens = 0, seed = 0, top_k = 0, budget = 0;
    double temperature = 0, top_p = 0, penalty = 0;
    bool no_memory = false;
    answer_view view = { .c = c };
    const char *method = NULL;
    const cli_option options[] = {
        { "--limit", CLI_NUMBER, &limit, "N",
          "at most N concepts, up to 16 (default: the profile's K)" },
        { "--max-tokens", CLI_NUMBER, &max_tokens, "N", "longest answer in tokens (default 256)" },
        { "--temperature", CLI_REAL, &temperature, "T", "sampling; 0 (default) is greedy" },
        { "--top-p", CLI_REAL, &top_p, "P",
          "nucleus of the sampling, with --temperature (default 0.95)" },
        { "--top-k", CLI_NUMBER, &top_k, "N",
          "candidates of the sampling, with --temperature (default 40)" },
        { "--seed", CLI_NUMBER, &seed, "N", "of the sampling, with --temperature" },
        { "--repeat-penalty", CLI_REAL, &penalty, "X", "above 1: against repetition" },
        { "--concept-budget", CLI_NUMBER, &budget, "N", "tokens that the concepts may take" },
        { "--no-memory", CLI_FLAG, &no_memory, NULL, "the model alone, nothing retrieved" },
        { "--stream", CLI_FLAG, &view.stream, NULL,
          "with --json: a line for each piece, then the whole" },
        { "--method", CLI_TEXT, &method, "NAME",
          "head or soft-tokens: with what `rap train --method NAME` learnt, not with retrieval" },
        CLI_LORA(c),
        { "--vision", CLI_TEXT, &c->vision, "NAME", "who encodes pictures: auto, own or mtmd" },
        { "--endpoint", CLI_TEXT, &c->endpoint, "URL",
          "ask a server with an OpenAI-compatible API" },
        { "--model", CLI_TEXT, &c->model, "NAME", "the model's name there" },
        { "--verify", CLI_FLAG, &c->verify, NULL,
          "let the language model look again, and leave out what it denies" },
        { "--prefix-cache", CLI_TEXT, &c->prefix_cache, "MIB",
          "keep evaluated concepts in files beside the store" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_ask, options, &argc, argv, 1, 2);

    if (code != CLI_CONTINUE || (code = answer_check(&view, &cmd_ask)) != CLI_CONTINUE ||
        (argc == 2 && (code = cli_picture(c, &query.image, argv[0])) != CLI_CONTINUE))
        return code;
    query.question = argv[argc - 1];
    if (method)
        return cli_ask_method(c, method, &query, (int)max_tokens);
    query.limit = (int)limit;
    query.max_tokens = (int)max_tokens;
    query.temperature = (float)temperature;
    query.seed = (uint32_t)seed;
    query.top_p = (float)top_p;
    query.top_k = (int)top_k;
    query.repeat_penalty = (float)penalty;
    query.concept_budget = (int)budget;
    query.no_memory = no_memory;
    code = cli_open(c, RAP_STORE_CACHE);
    return code == CLI_CONTINUE ? answer(&view, &query) : code;
}
