/* chat_command.c: the table of commands, then each of them. */
#include "cli/chat_command.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/answer.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char chat_commands_help[] =
    "/image FILE           questions are about this photo from now on; without FILE about none\n"
    "/see                  the concepts in the present photo, with reasons, scores and boxes\n"
    "/forget-conversation  begins anew: what was said and shown is forgotten, the photo stays\n"
    "/help                 this list\n"
    "//TEXT                the question /TEXT\n";

bool chat_is_command(const char *line)
{
    return line[0] == '/' && line[1] != '/';
}

/* ---- results ---- */

static int put_document(json_t *document)
{
    if (cli_put_json(document, JSON_COMPACT) != 0)
        return rap_status_exit_code(RAP_E_MEMORY);
    putchar('\n');
    return cli_flush();
}

int chat_failed(chat_state *s, int code, const char *error, json_t *document)
{
    cli_say("%s", error);
    if (s->worst == 0)
        s->worst = code;
    if (s->c->json)
        return put_document(document);
    json_decref(document);
    return cli_flush();
}

static int failed(chat_state *s, const char *command, int code, const char *error)
{
    return chat_failed(s, code, error, s->c->json ? wire_command(command, NULL, error) : NULL);
}

static int failed_call(chat_state *s, const char *command, rap_status status)
{
    const char *error = rap_error(s->c->r);

    return failed(s, command, rap_status_exit_code(status),
                  *error ? error : rap_status_text(status));
}

/* ---- commands ---- */

/* A terminal quotes the name of a file that is dropped on it. free(); NULL: out of memory. */
static char *file_name(const char *text)
{
    size_t len = strlen(text);

    if (len >= 2 && (text[0] == '\'' || text[0] == '"') && text[len - 1] == text[0])
        return mem_string_n(text + 1, len - 2);
    return mem_string(text);
}

/* A pipe that cannot be read has had its line of error. */
static int unreadable(chat_state *s, int code)
{
    if (s->worst == 0)
        s->worst = code;
    return s->c->json ? put_document(wire_command("/image", NULL, "the picture cannot be read"))
                      : 0;
}

static int show_image(chat_state *s, const char *argument)
{
    char *file = file_name(argument);
    rap_image image = RAP_IMAGE_INIT;
    rap_status status;
    int code = CLI_CONTINUE;

    if (!file)
        return failed(s, "/image", rap_status_exit_code(RAP_E_MEMORY), "out of memory");
    rap_free(s->c->piped); /* of the photo before, which the conversation has decoded */
    s->c->piped = NULL;
    if (*file)
        code = cli_picture(s->c, &image, file);
    if (code != CLI_CONTINUE) {
        free(file);
        return unreadable(s, code);
    }
    status = rap_chat_image(s->chat, *file ? &image : NULL);
    if (status != RAP_OK) {
        code = failed_call(s, "/image", status);
    } else {
        s->photo_said = false;
        if (!s->c->quiet && !s->c->json)
            cli_note(*file ? "the photo is now %s" : "no photo now", file);
        code = s->c->json
                   ? put_document(wire_command("/image", wire_file(*file ? file : NULL), NULL))
                   : 0;
    }
    free(file);
    return code;
}

static int see(chat_state *s, const char *argument)
{
    rap_matches *matches = NULL;
    rap_status status = rap_chat_see(&matches, s->chat, RAP_MOST_CONCEPTS);
    int code;

    (void)argument;
    if (status != RAP_OK)
        return failed_call(s, "/see", status);
    answer_note(s->c);
    if (s->c->json) {
        code = put_document(wire_command("/see", wire_matches(matches), NULL));
    } else {
        cli_print_matches(matches);
        if (matches->count == 0 && !s->c->quiet)
            cli_say("no known concept found (%zu region%s searched)", matches->region_count,
                    matches->region_count == 1 ? "" : "s");
        code = cli_flush();
    }
    rap_matches_free(matches);
    return code;
}

static int forget_conversation(chat_state *s, const char *argument)
{
    (void)argument;
    rap_chat_restart(s->chat);
    s->photo_said = false;
    if (s->c->json)
        return put_document(wire_command("/forget-conversation", json_true(), NULL));
    if (!s->c->quiet)
        cli_note("forgot the conversation");
    return 0;
}

static int help(chat_state *s, const char *argument)
{
    (void)argument;
    if (s->c->json)
        return put_document(wire_command("/help", wire_text(chat_commands_help), NULL));
    fputs(chat_commands_help, stdout);
    return cli_flush();
}

/* ---- the table ---- */

static const struct {
    const char *name;
    bool takes_argument;
    int (*run)(chat_state *s, const char *argument);
} commands[] = { { "/image", true, show_image },
                 { "/see", false, see },
                 { "/forget-conversation", false, forget_conversation },
                 { "/help", false, help } };

/* The name with what is wrong. */
static int misused(chat_state *s, const char *name, const char *fault)
{
    buf line = BUF_INIT;
    int code;

    buf_printf(&line, "%s: %s", name, fault);
    code = failed(s, name, CLI_USAGE, buf_text(&line));
    buf_release(&line);
    return code;
}

int chat_command(chat_state *s, const char *line)
{
    size_t len = strcspn(line, " \t"), argument_len = 0;
    const char *argument = "";
    char *name = mem_string_n(line, len), *rest = NULL;
    int code = 0;
    size_t i = 0;

    text_trim(&argument, &argument_len, line + len);
    rest = mem_string_n(argument, argument_len);
    while (name && i < sizeof commands / sizeof *commands && strcmp(commands[i].name, name) != 0)
        i++;
    if (!name || !rest)
        code = failed(s, "/", rap_status_exit_code(RAP_E_MEMORY), "out of memory");
    else if (i == sizeof commands / sizeof *commands)
        code = misused(s, name, "no such command; /help lists them, // begins a question with /");
    else if (*rest && !commands[i].takes_argument)
        code = misused(s, name, "takes nothing behind it; /help lists the commands");
    else
        code = commands[i].run(s, rest);
    free(name);
    free(rest);
    return code;
}
