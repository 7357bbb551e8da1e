/* cmd_embed.c: rap embed: plumbing: the encoder's feature of a picture or a text. */
#include "cli/cli.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_embed = {
    "embed",
    "(--image FILE | --text TEXT)",
    "Print the encoder's feature of a picture or a text",
    "The feature is not normalised. For a text the tokens are given as well.",
    run,
};

static json_t *json_embedding(const rap_embedding *e)
{
    json_t *feature = json_array(), *tokens;
    json_t *out =
        json_pack("{s:s, s:i, s:o}", "encoder", e->encoder, "dim", e->dim, "feature", feature);

    for (int i = 0; i < e->dim; i++)
        json_array_append_new(feature, json_real((double)e->feature[i]));
    if (e->token_count > 0) {
        tokens = json_array();
        for (int i = 0; i < e->token_count; i++)
            json_array_append_new(tokens, json_integer(e->token[i]));
        json_object_set_new(out, "tokens", tokens);
    }
    return out;
}

static int print_embedding(cli *c, const rap_embedding *e)
{
    if (c->json)
        return cli_print_json(json_embedding(e));
    for (int i = 0; i < e->dim; i++)
        printf("%.9g\n", (double)e->feature[i]);
    return cli_flush();
}

static int run(cli *c, int argc, char **argv)
{
    rap_image image = RAP_IMAGE_INIT;
    const char *text = NULL;
    const cli_option options[] = {
        { "--image", CLI_TEXT, &image.path, "FILE", "a picture" },
        { "--text", CLI_TEXT, &text, "TEXT", "a text (the encoder must have a text tower)" },
        { "--profile-layers", CLI_FLAG, &c->layers, NULL, "time the networks' layers, on stderr" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    rap_embedding *embedding = NULL;
    rap_status status;
    int code = cli_parse(c, &cmd_embed, options, &argc, argv, 0, 0);

    if (code != CLI_CONTINUE)
        return code;
    if ((image.path != NULL) == (text != NULL)) {
        cli_say("embed: give --image or --text");
        return CLI_USAGE;
    }
    if ((code = cli_open(c, false)) != CLI_CONTINUE)
        return code;
    status = rap_embed(&embedding, c->r, image.path ? &image : NULL, text);
    for (int i = 1; i < CLI_LAYER_RUNS && c->layers && status == RAP_OK; i++) {
        rap_embedding_free(embedding);
        status = rap_embed(&embedding, c->r, image.path ? &image : NULL, text);
    }
    code = status == RAP_OK ? print_embedding(c, embedding) : cli_failed(c, status);
    rap_embedding_free(embedding);
    return cli_say_layers(c, code);
}
