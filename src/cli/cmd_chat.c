/* cmd_chat.c: rap chat [IMAGE]: questions line by line, follow-ups included. */
#include "base/buf.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_chat = {
    "chat",
    "[IMAGE]",
    "Talk about a photo, question after question",
    "Reads one question a line from standard input until its end or an empty line. Follow-ups "
    "know\n"
    "what was said. With --json each answer is one JSON line.",
    run,
};

static rap_status answer_line(cli *c, rap_chat *chat, const char *line)
{
    rap_query query = RAP_QUERY_INIT;
    rap_answer *answer = NULL;
    rap_status status;

    query.question = line;
    status = rap_chat_ask(&answer, chat, &query, c->json ? NULL : cli_print_token, NULL);
    if (status == RAP_OK && c->json) {
        json_t *reply = json_pack("{s:s, s:s}", "question", line, "answer", answer->text);

        json_dumpf(reply, stdout, JSON_COMPACT);
        json_decref(reply);
    }
    if (status == RAP_OK) {
        putchar('\n');
        fflush(stdout);
    }
    rap_answer_free(answer);
    return status;
}

static rap_status talk(cli *c, rap_chat *chat)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    rap_status status = RAP_OK;
    bool terminal = isatty(STDIN_FILENO) && !c->quiet;

    while (status == RAP_OK) {
        if (terminal)
            fputs("> ", stderr);
        len = getline(&line, &cap, stdin);
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            line[--len] = '\0';
        if (len <= 0)
            break;
        status = answer_line(c, chat, line);
    }
    free(line);
    return status;
}

static int run(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    rap_image image = RAP_IMAGE_INIT;
    rap_chat *chat = NULL;
    rap_status status;
    int code = cli_parse(c, &cmd_chat, options, &argc, argv, 0, 1);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    if (argc == 1)
        image.path = argv[0];
    status = rap_chat_open(&chat, c->r, argc == 1 ? &image : NULL);
    if (status == RAP_OK)
        status = talk(c, chat);
    code = status == RAP_OK ? cli_flush() : cli_failed(c, status);
    rap_chat_close(chat);
    return code;
}
