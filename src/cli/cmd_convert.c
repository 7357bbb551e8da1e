/* cmd_convert.c: rap convert IN OUT.gguf: published checkpoints into GGUF. */
#include "cli/cli.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_convert = {
    "convert",
    "IN OUT.gguf",
    "Turn a CLIP or ViT checkpoint (.pt) into GGUF",
    "Reads OpenAI-format CLIP and timm ViT state dicts without executing anything in them. A CLIP\n"
    "needs its vocabulary: the bpe_simple_vocab file, plain or gzip.",
    run,
};

static int run(cli *c, int argc, char **argv)
{
    const char *vocab = NULL;
    const cli_option options[] = {
        { "--vocab", CLI_TEXT, &vocab, "FILE", "the BPE merges of a CLIP, plain or .gz" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    char error[1024] = "";
    rap_status status;
    int code = cli_parse(c, &cmd_convert, options, &argc, argv, 2, 2);

    if (code != CLI_CONTINUE)
        return code;
    status = rap_convert(argv[0], argv[1], vocab, error, sizeof error);
    if (status != RAP_OK) {
        cli_say("%s", *error ? error : rap_status_text(status));
        return rap_status_exit_code(status);
    }
    if (c->json)
        return cli_print_json(json_pack("{s:s}", "file", argv[1]));
    if (!c->quiet)
        printf("wrote %s\n", argv[1]);
    return cli_flush();
}
