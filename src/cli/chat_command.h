/* chat_command.h: what a line of a conversation can be beside a question: a command that begins with "/". */
#ifndef RAP_CLI_CHAT_COMMAND_H
#define RAP_CLI_CHAT_COMMAND_H

#include "cli/cli.h"

typedef struct chat_state {
    cli *c;
    rap_chat *chat;
    bool photo_said; /* that nothing is recognised in the present photo */
    int worst;       /* the exit code of the first line that failed; 0: none did */
} chat_state;

/* "//" begins a question with "/". */
bool chat_is_command(const char *line);
/* Runs it and prints its result, or one line of error. The exit code with which the chat must end, or 0. */
int chat_command(chat_state *state, const char *line);

/* Prints the error of a line, which does not end the chat: with --json `document`, which has it too. The exit code with
 * which the chat must end (standard output is closed), or 0. */
int chat_failed(chat_state *state, int code, const char *error, json_t *document);

extern const char chat_commands_help[];

#endif
