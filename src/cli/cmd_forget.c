/* cmd_forget.c: rap forget NAME...: gone, with pictures, vectors and cached tokens. */
#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_forget = {
    "forget",
    "NAME...",
    "Forget things: rows, pictures and vectors are overwritten",
    "All of them, or none when one is not there.",
    run,
};

static void print_forgotten(int count, char **names)
{
    for (int i = 0; i < count; i++) {
        fputs("forgot ", stdout);
        cli_print_plain(names[i]);
        putchar('\n');
    }
}

static int run(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    json_t *names = NULL;
    rap_status status;
    int code = cli_parse(c, &cmd_forget, options, &argc, argv, 1, INT_MAX);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    argv[argc] = NULL; /* flags may have stood behind the names */
    status = rap_forget_all(c->r, (const char *const *)argv);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (*rap_note(c->r))
        cli_say("%s", rap_note(c->r));
    if (!c->json) {
        if (!c->quiet)
            print_forgotten(argc, argv);
        return cli_flush();
    }
    names = json_array();
    for (int i = 0; i < argc; i++)
        json_array_append_new(names, json_string(argv[i]));
    return cli_print_json(json_pack("{s:o}", "forgotten", names));
}
