/* cmd_forget.c: rap forget NAME...: deletes concepts with pictures, vectors and cached tokens. */
#include "cli/cli.h"
#include "wire/wire.h"

#include <limits.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_forget = {
    "forget",
    "NAME...",
    "Forget concepts: rows, pictures and vectors are overwritten",
    "If one of the names is not in the store, nothing is forgotten.",
    run,
    CLI_USES_ALL,
};

static int run(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    const char *const *names = (const char *const *)argv;
    rap_status status;
    int code = cli_parse(c, &cmd_forget, options, &argc, argv, 1, INT_MAX);

    if (code != CLI_CONTINUE || (code = cli_open(c, RAP_STORE_CHANGE)) != CLI_CONTINUE)
        return code;
    argv[argc] = NULL; /* flags may have stood behind the names */
    status = rap_forget_all(c->r, names);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (*rap_note(c->r))
        cli_say("%s", rap_note(c->r));
    if (c->json)
        return cli_print_json(wire_forgotten(names));
    for (int i = 0; i < argc && !c->quiet; i++)
        cli_line("forgot %s", argv[i]);
    return cli_flush();
}
