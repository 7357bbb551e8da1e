/* cmd_correct.c: rap correct IMAGE --is NAME | --not NAME: correct a wrong match. */
#include "cli/cli.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_correct = {
    "correct",
    "IMAGE",
    "Correct what was or was not recognised in a photo",
    "--is NAME adds the photo, or the box in it, as a further view of NAME. --not NAME stores it\n"
    "as a look-alike of NAME; without --box that is every region in which NAME is found now.\n"
    "If the photo shows more than the concept, give the box that `rap see` printed.\n"
    "Both take effect with the next photo, and `rap forget NAME` removes them.",
    run,
    CLI_USES_ALL,
};

static int run(cli *c, int argc, char **argv)
{
    const char *is = NULL, *is_not = NULL;
    rap_box box = { 0, 0, 0, 0 };
    rap_image image = RAP_IMAGE_INIT;
    const cli_option options[] = {
        { "--is", CLI_TEXT, &is, "NAME", "the concept it shows" },
        { "--not", CLI_TEXT, &is_not, "NAME", "the concept it does not show" },
        { "--box", CLI_BOX, &box, "X,Y,W,H", "the region, in pixels (default: the whole photo)" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_status status;
    int code = cli_parse(c, &cmd_correct, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE)
        return code;
    if (!is == !is_not) {
        cli_say("correct: give --is NAME or --not NAME; see `rap correct --help`");
        return CLI_USAGE;
    }
    if ((code = cli_picture(c, &image, argv[0])) != CLI_CONTINUE ||
        (code = cli_open(c, RAP_STORE_CHANGE)) != CLI_CONTINUE)
        return code;
    status = rap_correct(c->r, is ? is : is_not, &image, box, is != NULL);
    if (status != RAP_OK)
        return cli_failed(c, status);
    if (*rap_note(c->r))
        cli_say("%s", rap_note(c->r));
    if (c->json)
        return cli_print_json(wire_corrected(is ? is : is_not, is != NULL));
    if (!c->quiet)
        cli_line("%s %s", is ? "added a view of" : "added a look-alike of", is ? is : is_not);
    return cli_flush();
}
