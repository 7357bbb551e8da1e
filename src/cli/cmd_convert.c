/* cmd_convert.c: rap convert IN OUT.gguf: published checkpoints into GGUF. */
#include "cli/cli.h"
#include "wire/wire.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_convert = {
    "convert",
    "IN OUT.gguf",
    "Turn a published CLIP, SigLIP, DINOv2, ViT or YOLO-World checkpoint into GGUF",
    "IN is a file of torch.save (.pt, .bin), a .safetensors file, an index of shards, or a folder\n"
    "as Hugging Face lays it out; nothing in it is executed. Read are CLIP as OpenAI (also its\n"
    "TorchScript files), open_clip and Hugging Face publish it, SigLIP and DINOv2 as Hugging Face\n"
    "does, timm's ViT, and YOLO-World v2 as Ultralytics does.\n"
    "\n"
    "A CLIP needs its vocabulary: the merges.txt or tokenizer.json beside it, or --vocab.\n"
    "--type says how matrices are written: f32, f16, bf16 or q8_0. docs/models.md says what each\n"
    "costs. Without it they stay what they are.\n"
    "\n"
    "--image-size makes an image encoder look at larger pictures than it was trained with: its\n"
    "positions are resampled, its features get finer, and each takes longer (twice as many\n"
    "patches, twice the time). What it changes for your pictures says `rap calibrate`.\n"
    "\n"
    "OUT.gguf is replaced where it exists, unless it is a file that is read.",
    run,
    CLI_NO_MODELS,
};

static int run(cli *c, int argc, char **argv)
{
    rap_convert_options how = { 0 };
    long size = 0;
    const cli_option options[] = {
        { "--vocab", CLI_TEXT, &how.vocab, "FILE", "the BPE merges of a CLIP, plain or .gz" },
        { "--type", CLI_TEXT, &how.type, "TYPE", "f32, f16, bf16 or q8_0; as it is by default" },
        { "--image-size", CLI_NUMBER, &size, "N",
          "pixels a side of what an encoder sees; as published by default" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    char error[1024] = "";
    rap_status status;
    int code = cli_parse(c, &cmd_convert, options, &argc, argv, 2, 2);

    if (code != CLI_CONTINUE)
        return code;
    if (size < 0 || size > 1024) {
        cli_say("--image-size %ld is not 1 to 1024 pixels", size);
        return CLI_USAGE;
    }
    how.image_size = (int)size;
    how.on_progress = cli_progress;
    how.payload = c;
    status = rap_convert(argv[0], argv[1], &how, error, sizeof error);
    if (status != RAP_OK) {
        cli_say("%s", *error ? error : rap_status_text(status));
        return rap_status_exit_code(status);
    }
    if (c->json)
        return cli_print_json(wire_file(argv[1]));
    if (!c->quiet)
        cli_line("wrote %s", argv[1]);
    return cli_flush();
}
