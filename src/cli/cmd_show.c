/* cmd_show.c: rap show NAME: all fields of one concept; --out writes its picture. */
#include "base/file.h"
#include "cli/cli.h"
#include "wire/wire.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_show = {
    "show", "NAME", "Show one concept; --out writes its picture", NULL, run, CLI_USES_ALL,
};

static void print_field(const char *label, const char *text)
{
    printf("%-10s", label);
    cli_print_plain(text);
    putchar('\n');
}

static void print_record(const rap_record *record)
{
    print_field("name", record->name);
    for (const char *const *a = record->aliases; a && *a; a++)
        print_field("alias", *a);
    print_field("category", record->category);
    print_field("info", record->info);
    if (record->automatic)
        print_field("automatic", record->automatic == RAP_AUTOMATIC_BOTH   ? "info, category"
                                 : record->automatic == RAP_AUTOMATIC_INFO ? "info"
                                                                           : "category");
    printf("%-10s%d\n", "views", record->views);
    print_field("created", record->created);
    print_field("updated", record->updated);
}

static int write_avatar(cli *c, const char *name, const char *path)
{
    void *bytes = NULL;
    size_t size = 0;
    rap_err err = { RAP_OK, "" };
    rap_status status = rap_may_write(c->r, path, NULL);

    if (status == RAP_OK)
        status = rap_avatar(&bytes, &size, c->r, name);
    if (status != RAP_OK)
        return cli_failed(c, status);
    status = file_write(path, bytes, size, &err);
    rap_free(bytes);
    if (status == RAP_OK)
        return 0;
    cli_say("%s", err.text);
    return rap_status_exit_code(status);
}

static int run(cli *c, int argc, char **argv)
{
    const char *out = NULL;
    const cli_option options[] = {
        { "--out", CLI_TEXT, &out, "FILE", "write its main picture, byte for byte" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_record *record = NULL;
    rap_status status;
    int code = cli_parse(c, &cmd_show, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE || (code = cli_open(c, RAP_STORE_READ_OR_EMPTY)) != CLI_CONTINUE)
        return code;
    status = rap_find(&record, c->r, argv[0]);
    if (status != RAP_OK)
        return cli_failed(c, status);
    code = out ? write_avatar(c, argv[0], out) : 0;
    if (code == 0 && c->json) {
        code = cli_print_json(wire_record(record));
    } else if (code == 0) {
        print_record(record);
        code = cli_flush();
    }
    rap_record_free(record);
    return code;
}
