/* cmd_chat.c: rap chat [IMAGE]: a conversation, one question per line of standard input. */
#include "base/buf.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/plain.h"
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run(cli *c, int argc, char **argv);

enum { LONGEST = 1 << 20 };

const cli_command cmd_chat = {
    "chat",
    "[IMAGE]",
    "Ask follow-up questions, about a photo or without one",
    "Reads one question per line from standard input, until an empty line or the end. Earlier\n"
    "questions and answers stay in the context. With --json each answer is one line of JSON.\n"
    "A question that cannot be answered prints its error and does not end the chat; the exit\n"
    "status is then that of the first such question.",
    run,
    CLI_USES_ALL,
};

/* ---- one line ---- */

/* Reads a line, keeping at most LONGEST bytes of it. False at the end of input. */
static bool read_line(buf *line, bool *out_too_long)
{
    int c;

    buf_clear(line);
    *out_too_long = false;
    while ((c = getc(stdin)) != EOF && c != '\n') {
        if (line->len < LONGEST)
            buf_putc(line, (char)c);
        else
            *out_too_long = true;
    }
    while (line->len > 0 && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    return (c != EOF || line->len > 0) && !interrupt_caught();
}

/* Why the line is no question; NULL: it is one. */
static const char *line_fault(const buf *line, bool too_long)
{
    if (buf_failed(line))
        return "out of memory";
    if (too_long)
        return "the question is longer than 1 MiB";
    return strlen(line->data) != line->len ? "the question contains a NUL byte" : NULL;
}

static int say_turn(const cli *c, const char *question, const char *answer, const char *error)
{
    if (error)
        cli_say("%s", error);
    if (c->json && cli_put_json(wire_turn(question, answer, error), JSON_COMPACT) != 0)
        return rap_status_exit_code(RAP_E_MEMORY);
    if (c->json || !error)
        putchar('\n');
    return cli_flush();
}

/* Errors of one question, after which the chat goes on: an endpoint that failed may answer the next one. */
static bool is_about_the_question(rap_status status)
{
    return status == RAP_E_ARGUMENT || status == RAP_E_LIMIT || status == RAP_E_NOT_FOUND ||
           status == RAP_E_UNSUPPORTED || status == RAP_E_IO || status == RAP_E_BUSY ||
           status == RAP_E_FORMAT;
}

/* *worst: the exit code of the first question without an answer. Non-zero ends the chat. */
static int answer_line(cli *c, rap_chat *chat, const char *line, int *worst)
{
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = NULL;
    plain_stream shown = PLAIN_STREAM_INIT;
    rap_status status;
    int code;

    query.question = line;
    cli_say_unknown(c, line);
    status = rap_chat_ask(&answer, chat, &query, c->json ? NULL : cli_print_token, &shown);
    plain_stream_end(&shown, stdout);
    if (status != RAP_OK && shown.begun)
        putchar('\n');
    if (status == RAP_OK)
        code = say_turn(c, line, answer->text, NULL);
    else if (!is_about_the_question(status))
        code = cli_failed(c, status);
    else
        code = say_turn(c, line, NULL, rap_error(c->r));
    if (status != RAP_OK && *worst == 0)
        *worst = rap_status_exit_code(status);
    rap_answer_free(answer);
    return code;
}

/* ---- the conversation ---- */

static int talk(cli *c, rap_chat *chat)
{
    buf line = BUF_INIT;
    bool terminal = isatty(STDIN_FILENO) && !c->quiet, too_long = false;
    int code = 0, worst = 0;

    while (code == 0) {
        const char *fault;

        if (terminal)
            fputs("> ", stderr);
        if (!read_line(&line, &too_long) || (line.len == 0 && !buf_failed(&line)))
            break;
        fault = line_fault(&line, too_long);
        if (!fault) {
            code = answer_line(c, chat, buf_text(&line), &worst);
            continue;
        }
        code = say_turn(c, "", NULL, fault);
        worst = worst ? worst : rap_status_exit_code(RAP_E_LIMIT);
    }
    buf_release(&line);
    return code ? code : worst;
}

static int run(cli *c, int argc, char **argv)
{
    const cli_option options[] = {
        { "--vision", CLI_TEXT, &c->vision, "NAME", "who encodes pictures: auto, own or mtmd" },
        { "--endpoint", CLI_TEXT, &c->endpoint, "URL",
          "ask a server with an OpenAI-compatible API" },
        { "--model", CLI_TEXT, &c->model, "NAME", "the model's name there" },
        { "--prefix-cache", CLI_TEXT, &c->prefix_cache, "MIB",
          "keep evaluated concepts in files beside the store" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_image image = RAP_IMAGE_INIT;
    rap_chat *chat = NULL;
    rap_status status;
    int code = cli_parse(c, &cmd_chat, options, &argc, argv, 0, 1);

    if (code != CLI_CONTINUE)
        return code;
    c->stdin_used = true; /* by the questions */
    if ((argc == 1 && (code = cli_picture(c, &image, argv[0])) != CLI_CONTINUE) ||
        (code = cli_open(c, RAP_STORE_CACHE)) != CLI_CONTINUE)
        return code;
    status = rap_chat_open(&chat, c->r, argc == 1 ? &image : NULL);
    code = status == RAP_OK ? talk(c, chat) : cli_failed(c, status);
    if (code == 0)
        code = cli_flush();
    rap_chat_close(chat);
    return code;
}
