/* cmd_chat.c: rap chat [IMAGE]: a conversation, one question or command per line. */
#include "base/buf.h"
#include "cli/answer.h"
#include "cli/chat_command.h"
#include "cli/chat_line.h"
#include "cli/interrupt.h"
#include "wire/wire.h"

#include <stdio.h>
#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_chat = {
    "chat",
    "[IMAGE]",
    "Ask follow-up questions, about a photo or without one",
    "Reads one question per line, until the end of standard input. Earlier questions and\n"
    "answers stay in the context. On a terminal lines can be edited and recalled; Ctrl-C stops\n"
    "an answer or clears the line; Ctrl-D, or Ctrl-C twice, ends the chat. Elsewhere an empty\n"
    "line ends it too. A line that begins with / is a command:\n"
    "\n"
    "  /image FILE           questions are about this photo from now on; without FILE about none\n"
    "  /see                  the concepts in the present photo, with reasons, scores and boxes\n"
    "  /forget-conversation  begins anew: what was said and shown is forgotten, the photo stays\n"
    "  /help                 the list of commands\n"
    "  //TEXT                the question /TEXT\n"
    "\n"
    "With --json each line is answered by one line of JSON. A line that fails prints its error\n"
    "and does not end the chat; the exit status is then that of the first such line.",
    run,
    CLI_USES_ALL,
};

/* Errors of one question, after which the chat goes on: an endpoint that failed may answer the next one. */
static bool is_about_the_question(rap_status status)
{
    return status == RAP_E_ARGUMENT || status == RAP_E_LIMIT || status == RAP_E_NOT_FOUND ||
           status == RAP_E_UNSUPPORTED || status == RAP_E_IO || status == RAP_E_BUSY ||
           status == RAP_E_FORMAT;
}

/* ---- a question ---- */

static int say_answer(chat_state *s, const char *question, const rap_answer *a)
{
    if (s->c->json && cli_put_json(wire_turn(question, a, NULL), JSON_COMPACT) != 0)
        return rap_status_exit_code(RAP_E_MEMORY);
    putchar('\n');
    answer_remark(s->c, a, s->photo_said);
    s->photo_said |= a->recognised == 0;
    answer_note(s->c);
    return cli_flush();
}

/* Ctrl-C before the answer began: no failure. */
static int say_stopped(chat_state *s, const char *question)
{
    if (!s->c->json) {
        fputc('\n', stderr);
        return 0;
    }
    if (cli_put_json(wire_turn(question, NULL, "stopped"), JSON_COMPACT) != 0)
        return rap_status_exit_code(RAP_E_MEMORY);
    putchar('\n');
    return cli_flush();
}

static int ask(chat_state *s, answer_view *view, const char *question)
{
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = NULL;
    rap_status status;
    int code;

    query.question = question;
    cli_say_unknown(s->c, question);
    answer_watch(view, &query);
    status = rap_chat_ask(&answer, s->chat, &query, answer_listener(view), view);
    answer_end(view, status);
    if (status == RAP_OK) {
        code = say_answer(s, question, answer);
    } else if (status == RAP_E_CANCELLED && interrupt_take()) {
        code = say_stopped(s, question);
    } else if (is_about_the_question(status)) {
        code = chat_failed(s, rap_status_exit_code(status), rap_error(s->c->r),
                           s->c->json ? wire_turn(question, NULL, rap_error(s->c->r)) : NULL);
    } else {
        code = cli_failed(s->c, status);
    }
    rap_answer_free(answer);
    return code;
}

/* ---- the conversation ---- */

/* Why the line is no question; NULL: it is one. */
static const char *line_fault(const buf *line, chat_line read)
{
    if (buf_failed(line))
        return "out of memory";
    if (read == CHAT_LINE_LONG)
        return "the question is longer than 1 MiB";
    return strlen(line->data) != line->len ? "the question contains a NUL byte" : NULL;
}

static int take_line(chat_state *s, answer_view *view, const buf *line, chat_line read)
{
    const char *fault = line_fault(line, read), *text = buf_text(line);

    if (fault)
        return chat_failed(s, rap_status_exit_code(RAP_E_LIMIT), fault,
                           s->c->json ? wire_turn("", NULL, fault) : NULL);
    if (chat_is_command(text))
        return chat_command(s, text);
    return ask(s, view, text[0] == '/' ? text + 1 : text);
}

/* The second Ctrl-C in a row ends the chat. */
static void take_ctrl_c(const chat_state *s, bool again)
{
    interrupt_take();
    if (again)
        interrupt_self();
    else if (!s->c->quiet)
        cli_note("(Ctrl-C again, or Ctrl-D, ends the chat)");
}

static int talk(chat_state *s, answer_view *view, chat_lines *lines)
{
    bool terminal = chat_lines_terminal(lines), cleared = false;
    buf line = BUF_INIT;
    int code = 0;

    if (terminal)
        interrupt_spare();
    while (code == 0) {
        chat_line read = chat_lines_read(lines, &line);
        bool empty = line.len == 0 && !buf_failed(&line);

        if (read == CHAT_LINE_CLEARED && terminal) {
            take_ctrl_c(s, cleared);
            cleared = true;
            if (!interrupt_caught())
                continue;
        }
        cleared = false;
        if (interrupt_caught() || read == CHAT_LINE_END || (empty && !terminal))
            break;
        if (!empty)
            code = take_line(s, view, &line, read);
        interrupt_take(); /* a Ctrl-C that stopped an answer */
    }
    buf_release(&line);
    return code ? code : s->worst;
}

static int converse(cli *c, answer_view *view, const rap_image *image)
{
    chat_state s = { .c = c };
    chat_lines *lines = chat_lines_open(c->quiet);
    rap_status status = rap_chat_open(&s.chat, c->r, image);
    int code;

    if (status != RAP_OK) {
        code = cli_failed(c, status);
    } else if (!lines) {
        cli_say("out of memory while opening the terminal");
        code = rap_status_exit_code(RAP_E_MEMORY);
    } else {
        code = talk(&s, view, lines);
    }
    chat_lines_close(lines);
    rap_chat_close(s.chat);
    return code ? code : cli_flush();
}

static int run(cli *c, int argc, char **argv)
{
    answer_view view = { .c = c };
    const cli_option options[] = {
        { "--stream", CLI_FLAG, &view.stream, NULL,
          "with --json: a line for each piece, then the whole" },
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
    rap_image image = RAP_IMAGE_INIT;
    int code = cli_parse(c, &cmd_chat, options, &argc, argv, 0, 1);

    if (code != CLI_CONTINUE || (code = answer_check(&view, &cmd_chat)) != CLI_CONTINUE)
        return code;
    c->stdin_used = true; /* by the questions */
    if ((argc == 1 && (code = cli_picture(c, &image, argv[0])) != CLI_CONTINUE) ||
        (code = cli_open(c, RAP_STORE_CACHE)) != CLI_CONTINUE)
        return code;
    return converse(c, &view, argc == 1 ? &image : NULL);
}
