/* cmd_see.c: rap see IMAGE: the concepts in a photo, with boxes and scores. */
#include "cli/answer.h"
#include "wire/wire.h"

#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_see = {
    "see",
    "IMAGE",
    "Find the concepts in a photo",
    "Prints one line per match, best first: name, reason, score (0 to 1), box (x,y,w,h in "
    "pixels).\n"
    "With --verify the language model looks at each match again, the concept's picture beside the\n"
    "region, and those that it denies are left out and named.\n"
    "--out draws them onto the photo. IMAGE may be a pipe, or - for standard input.\n"
    "--profile-layers runs the networks five times and prints, for each layer, its best time, its\n"
    "speed, and that speed as a share of a large matrix product's on this machine.",
    run,
    CLI_USES_ALL,
};

static int print(const cli *c, const rap_matches *matches, const char *name)
{
    if (c->json)
        return cli_print_json(wire_matches(matches));
    cli_print_matches(matches);
    cli_say_denied(c, matches);
    if (matches->count == 0 && !c->quiet)
        cli_say("%s: no known concept found (%zu region%s searched)", name, matches->region_count,
                matches->region_count == 1 ? "" : "s");
    return cli_flush();
}

/* Standard input may be a file as well. */
static rap_status may_write(cli *c, const char *out, const char *photo)
{
    const rap_image source = { .path = strcmp(photo, "-") == 0 ? "/dev/stdin" : photo };

    return rap_may_write(c->r, out, &source);
}

static int run(cli *c, int argc, char **argv)
{
    rap_image image = RAP_IMAGE_INIT;
    const char *out = NULL, *text = NULL;
    long limit = 0;
    const cli_option options[] = {
        { "--out", CLI_TEXT, &out, "FILE.png", "write the photo with the boxes drawn" },
        { "--text", CLI_TEXT, &text, "TEXT", "find names in this text as well" },
        { "--limit", CLI_NUMBER, &limit, "N",
          "at most N matches, up to 16 (default: the profile's K)" },
        { "--profile-layers", CLI_FLAG, &c->layers, NULL, "print layer times on stderr" },
        { "--verify", CLI_FLAG, &c->verify, NULL,
          "let the language model look again, and leave out what it denies" },
        CLI_LORA(c),
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_matches *matches = NULL;
    rap_status status = RAP_OK;
    int code = cli_parse(c, &cmd_see, options, &argc, argv, 1, 1);

    if (code != CLI_CONTINUE || (code = cli_picture(c, &image, argv[0])) != CLI_CONTINUE ||
        (code = cli_open(c, RAP_STORE_CACHE)) != CLI_CONTINUE)
        return code;
    if (limit > RAP_MOST_CONCEPTS) {
        cli_say("see: --limit must be 0 to %d, got %ld", RAP_MOST_CONCEPTS, limit);
        return CLI_USAGE;
    }
    if (out)
        status = may_write(c, out, argv[0]); /* before the work */
    for (int i = 0; status == RAP_OK && i < (c->layers ? CLI_LAYER_RUNS : 1); i++) {
        rap_matches_free(matches);
        status = rap_retrieve(&matches, c->r, &image, text, (int)limit);
    }
    if (status == RAP_OK && out)
        status = rap_draw(c->r, &image, matches, out);
    code = status == RAP_OK ? print(c, matches, argv[0]) : cli_failed(c, status);
    if (status == RAP_OK)
        answer_note(c);
    rap_matches_free(matches);
    return cli_say_layers(c, code);
}
