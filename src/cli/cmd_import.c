/* cmd_import.c: rap import FILE, rap export FILE: bundles and the official format. */
#include "cli/cli.h"
#include "wire/wire.h"

#include <stdio.h>

static int run_import(cli *c, int argc, char **argv);
static int run_export(cli *c, int argc, char **argv);

const cli_command cmd_import = {
    "import",
    "FILE",
    "Import the official database.json or a bundle",
    "All concepts are imported, or none. The picture paths in a database.json are relative to its\n"
    "folder or the folder above. A name that is taken is an error, unless --replace is given.",
    run_import,
    CLI_USES_ALL,
};
const cli_command cmd_export = {
    "export",
    "FILE",
    "Export the store to a bundle, or to database.json",
    "A FILE ending in .json is written in the official format, with the pictures in the folder\n"
    "images next to it. Any other name gives a lossless bundle.",
    run_export,
    CLI_USES_ALL,
};

static int run_import(cli *c, int argc, char **argv)
{
    bool replace = false;
    const cli_option options[] = {
        { "--replace", CLI_FLAG, &replace, NULL, "replace concepts whose name is taken" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_import_report report = { 0 };
    rap_status status;
    int code = cli_parse(c, &cmd_import, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE || (code = cli_open(c, RAP_STORE_CHANGE)) != CLI_CONTINUE)
        return code;
    status = rap_import(&report, c->r, argv[0], replace);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (*rap_note(c->r))
        cli_say("%s", rap_note(c->r));
    if (c->json)
        return cli_print_json(wire_imported(&report));
    if (!c->quiet) {
        printf("%d added, %d replaced, %d skipped", report.added, report.updated, report.skipped);
        if (report.views)
            printf("; %d further %s", report.views, report.views == 1 ? "picture" : "pictures");
        putchar('\n');
    }
    return cli_flush();
}

static int run_export(cli *c, int argc, char **argv)
{
    const cli_option options[] = { { NULL, CLI_FLAG, NULL, NULL, NULL } };
    rap_status status;
    int code = cli_parse(c, &cmd_export, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE || (code = cli_open(c, RAP_STORE_READ)) != CLI_CONTINUE)
        return code;
    status = rap_export(c->r, argv[0]);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (c->json)
        return cli_print_json(wire_file(argv[0]));
    if (!c->quiet)
        cli_line("wrote %s", argv[0]);
    return cli_flush();
}
