/* cmd_forget.c: rap forget NAME...: gone, with pictures, vectors and cached tokens. */
#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_forget = {
    "forget", "NAME...", "Forget things: rows, pictures and vectors are overwritten", NULL, run,
};

static int run(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    json_t *names = NULL;
    int code = cli_parse(c, &cmd_forget, options, &argc, argv, 1, INT_MAX);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    names = json_array();
    for (int i = 0; i < argc; i++) {
        rap_status status = rap_forget(c->r, argv[i]);

        if (status != RAP_OK) {
            json_decref(names);
            return cli_failed(c, status);
        }
        json_array_append_new(names, json_string(argv[i]));
        if (!c->json && !c->quiet) {
            fputs("forgot ", stdout);
            cli_print_plain(argv[i]);
            putchar('\n');
        }
    }
    if (c->json)
        return cli_print_json(json_pack("{s:o}", "forgotten", names));
    json_decref(names);
    return cli_flush();
}
