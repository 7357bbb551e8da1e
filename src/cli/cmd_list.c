/* cmd_list.c: rap list, rap find TEXT: what is remembered. Loads no model. */
#include "cli/cli.h"

#include <stdio.h>

static int run_list(cli *c, int argc, char **argv);
static int run_find(cli *c, int argc, char **argv);

const cli_command cmd_list = {
    "list", "", "List everything that is remembered", NULL, run_list,
};
const cli_command cmd_find = {
    "find", "TEXT",   "Find concepts by a part of their name, alias, category or info",
    NULL,   run_find,
};

static int print_line(const rap_record *record, void *payload)
{
    cli_print_plain(record->name);
    putchar('\t');
    cli_print_plain(record->category);
    printf("\t%d view%s\t", record->views, record->views == 1 ? "" : "s");
    cli_print_plain(record->info);
    putchar('\n');
    return 0;
}

static int collect(const rap_record *record, void *payload)
{
    return json_array_append_new(payload, cli_json_record(record));
}

static int print_concepts(cli *c, const char *search)
{
    json_t *concepts = json_array();
    rap_status status = rap_each(c->r, search, c->json ? collect : print_line, concepts);

    if (status == RAP_OK && c->json)
        return cli_print_json(json_pack("{s:o}", "concepts", concepts));
    json_decref(concepts);
    return status == RAP_OK ? cli_flush() : cli_failed(c, status);
}

static int run_list(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    int code = cli_parse(c, &cmd_list, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    return print_concepts(c, NULL);
}

static int run_find(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    int code = cli_parse(c, &cmd_find, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE || (code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    return print_concepts(c, argv[0]);
}
