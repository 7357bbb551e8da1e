/* cmd_list.c: rap list, rap find TEXT: the concepts in the store. Loads no model. */
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "wire/wire.h"

#include <stdio.h>

static int run_list(cli *c, int argc, char **argv);
static int run_find(cli *c, int argc, char **argv);

const cli_command cmd_list = {
    "list",
    "",
    "List the concepts in the store, by name",
    "With --limit, pass the last name printed to --after for the next page.",
    run_list,
    CLI_USES_ALL,
};
const cli_command cmd_find = {
    "find", "TEXT",   "Find concepts by part of their name, alias, category or info",
    NULL,   run_find, CLI_USES_ALL,
};

/* A page of records, printed one by one: a store may be larger than memory. */
typedef struct page {
    bool json;
    long limit; /* 0: all */
    long count;
} page;

static void print_line(const rap_record *record)
{
    cli_print_plain(record->name);
    putchar('\t');
    cli_print_plain(record->category);
    printf("\t%d view%s\t", record->views, record->views == 1 ? "" : "s");
    cli_print_plain(record->info);
    putchar('\n');
}

static int print_json(const rap_record *record, bool first)
{
    fputs(first ? "\n    " : ",\n    ", stdout);
    return cli_put_json(wire_record(record), 0);
}

/* Non-zero stops: the page is full, standard output has failed, or a signal was caught. */
static int print_record(const rap_record *record, void *payload)
{
    page *p = payload;

    if (p->json && print_json(record, p->count == 0))
        return 1;
    if (!p->json)
        print_line(record);
    p->count++;
    return p->count == p->limit || ferror(stdout) || interrupt_caught();
}

static int print_concepts(cli *c, const char *search, const char *after, long limit)
{
    page p = { c->json, limit, 0 };
    rap_status status;

    if (limit < 0) {
        cli_say("%s: --limit must not be negative, got %ld", search ? "find" : "list", limit);
        return CLI_USAGE;
    }
    if (c->json)
        fputs("{\n  \"concepts\": [", stdout);
    status = rap_each_after(c->r, after, search, print_record, &p);
    if (status == RAP_E_CANCELLED && p.count && p.count == limit)
        status = RAP_OK;
    if (status != RAP_OK && !ferror(stdout))
        return cli_failed(c, status);
    if (c->json)
        fputs(p.count ? "\n  ]\n}\n" : "]\n}\n", stdout);
    return cli_flush();
}

static int run(cli *c, const cli_command *command, int arguments, int argc, char **argv)
{
    const char *after = NULL;
    long limit = 0;
    const cli_option options[] = {
        { "--limit", CLI_NUMBER, &limit, "N", "at most N concepts" },
        { "--after", CLI_TEXT, &after, "NAME", "only concepts whose name sorts after NAME" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, command, options, &argc, argv, arguments, arguments);

    if (code != CLI_CONTINUE || (code = cli_open(c, RAP_STORE_READ_OR_EMPTY)) != CLI_CONTINUE)
        return code;
    return print_concepts(c, arguments ? argv[0] : NULL, after, limit);
}

static int run_list(cli *c, int argc, char **argv)
{
    return run(c, &cmd_list, 0, argc, argv);
}

static int run_find(cli *c, int argc, char **argv)
{
    return run(c, &cmd_find, 1, argc, argv);
}
