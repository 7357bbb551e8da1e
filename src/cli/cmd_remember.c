/* cmd_remember.c: rap remember NAME --image FILE: a new concept from one picture. */
#include "cli/cli.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_remember = {
    "remember",
    "NAME --image FILE",
    "Remember a concept from one picture",
    "The concept should fill most of the picture; in a larger photo, mark it with --box. The\n"
    "category is the word the detector looks for (\"dog\", \"mug\"); the info is what the model "
    "is\n"
    "told about it. Add further pictures with `rap edit NAME --view FILE`.",
    run,
    CLI_USES_ALL,
};

static int run(cli *c, int argc, char **argv)
{
    rap_concept concept = RAP_CONCEPT_INIT;
    const char *picture = NULL;
    cli_list aliases = { { NULL }, 0 };
    const cli_option options[] = {
        { "--image", CLI_TEXT, &picture, "FILE", "its picture (required)" },
        { "--category", CLI_TEXT, &concept.category, "WORD", "the word the detector looks for" },
        { "--info", CLI_TEXT, &concept.info, "TEXT", "what is worth knowing about it" },
        { "--alias", CLI_LIST, &aliases, "NAME", "another name; may be repeated" },
        { "--box", CLI_BOX, &concept.box, "X,Y,W,H", "its place in the picture, in pixels" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int64_t id = 0;
    rap_status status;
    int code = cli_parse(c, &cmd_remember, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE)
        return code;
    if (!picture) {
        cli_say("remember: --image is missing; give a picture of %s", argv[0]);
        return CLI_USAGE;
    }
    if ((code = cli_picture(c, &concept.image, picture)) != CLI_CONTINUE ||
        (code = cli_open(c, RAP_STORE_CHANGE)) != CLI_CONTINUE)
        return code;
    concept.name = argv[0];
    concept.aliases = aliases.item;
    status = rap_remember(&id, c->r, &concept);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (c->json)
        return cli_print_json(wire_remembered(id, argv[0]));
    if (!c->quiet)
        cli_line("remembered %s", argv[0]);
    return cli_flush();
}
