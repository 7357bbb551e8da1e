/* cmd_correct.c: rap correct IMAGE --is NAME | --not NAME: what a photo was wrongly said to show. */
#include "cli/cli.h"
#include "wire/wire.h"

static int run(cli *c, int argc, char **argv);

const cli_command cmd_correct = {
    "correct",
    "IMAGE",
    "Say what a photo does or does not show",
    "--is NAME: this is it; the photo becomes a further view of NAME. --not NAME: this is not it, "
    "though\n"
    "it looked like it. Give the box that `rap see` printed where the photo shows more than the "
    "thing.\n"
    "Both count from the next photo on, and are forgotten with NAME.",
    run,
    CLI_USES_ALL,
};

static int run(cli *c, int argc, char **argv)
{
    const char *is = NULL, *is_not = NULL;
    rap_box box = { 0, 0, 0, 0 };
    rap_image image = RAP_IMAGE_INIT;
    const cli_option options[] = {
        { "--is", CLI_TEXT, &is, "NAME", "what it is" },
        { "--not", CLI_TEXT, &is_not, "NAME", "what it is not" },
        { "--box", CLI_BOX, &box, "X,Y,W,H", "where in the photo (default: all of it)" },
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
    if (c->json)
        return cli_print_json(wire_corrected(is ? is : is_not, is != NULL));
    if (!c->quiet)
        cli_line("%s %s", is ? "learnt another view of" : "learnt what is not", is ? is : is_not);
    return cli_flush();
}
