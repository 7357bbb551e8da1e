/* cmd_embed.c: rap embed: the encoder's feature of a picture or a text. */
#include "cli/cli.h"
#include "wire/wire.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_embed = {
    "embed",
    "(--image FILE | --text TEXT)",
    "Print the encoder's feature of a picture or a text",
    "The feature is not normalised. With --json the tokens of a text are printed too. No store is\n"
    "opened.",
    run,
    CLI_USES_ALL,
};

static int print_embedding(cli *c, const rap_embedding *e)
{
    if (c->json)
        return cli_print_json(wire_embedding(e));
    for (int i = 0; i < e->dim; i++)
        printf("%.9g\n", (double)e->feature[i]);
    return cli_flush();
}

static int embed(cli *c, const rap_image *image, const char *text)
{
    rap_embedding *embedding = NULL;
    rap_status status = rap_embed(&embedding, c->r, image, text);
    int code;

    for (int i = 1; i < CLI_LAYER_RUNS && c->layers && status == RAP_OK; i++) {
        rap_embedding_free(embedding);
        status = rap_embed(&embedding, c->r, image, text);
    }
    code = status == RAP_OK ? print_embedding(c, embedding) : cli_failed(c, status);
    rap_embedding_free(embedding);
    return cli_say_layers(c, code);
}

static int run(cli *c, int argc, char **argv)
{
    rap_image image = RAP_IMAGE_INIT;
    const char *picture = NULL, *text = NULL;
    const cli_option options[] = {
        { "--image", CLI_TEXT, &picture, "FILE", "a picture" },
        { "--text", CLI_TEXT, &text, "TEXT", "a text (the encoder must have a text tower)" },
        { "--profile-layers", CLI_FLAG, &c->layers, NULL, "print layer times on stderr" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_embed, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE)
        return code;
    if ((picture != NULL) == (text != NULL)) {
        cli_say("embed: give either --image or --text");
        return CLI_USAGE;
    }
    if ((picture && (code = cli_picture(c, &image, picture)) != CLI_CONTINUE) ||
        (code = cli_open(c, RAP_STORE_EMPTY)) != CLI_CONTINUE)
        return code;
    return embed(c, picture ? &image : NULL, text);
}
