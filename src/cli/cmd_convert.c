/* cmd_convert.c: rap convert IN OUT.gguf: published checkpoints into GGUF. */
#include "cli/cli.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_convert = {
    "convert",
    "IN OUT.gguf",
    "Turn a published CLIP, SigLIP, DINOv2, ViT or YOLO-World checkpoint into GGUF",
    "IN is a file of torch.save (.pt, .pth, .bin), a .safetensors file, an index of shards, or a\n"
    "folder as Hugging Face or open_clip lays it out; nothing in it is executed. Read are CLIP as\n"
    "OpenAI (also its TorchScript files), open_clip and Hugging Face publish it, SigLIP as\n"
    "Hugging Face and timm do, DINOv2 as its authors, Hugging Face and timm do, timm's ViT, and\n"
    "YOLO-World v2 as Ultralytics does.\n"
    "\n"
    "A CLIP needs its vocabulary: the merges.txt or tokenizer.json beside it, or --vocab.\n"
    "--type says how matrices are written: f32, f16, bf16 or q8_0. docs/models.md says what each\n"
    "costs. Without it they stay what they are.\n"
    "\n"
    "--image-size makes an image encoder look at larger pictures than it was trained with: its\n"
    "positions are resampled, its features get finer, and each takes longer (twice as many\n"
    "patches, twice the time). What it changes for your pictures says `rap calibrate`.\n"
    "\n"
    "--mean and --std say with which colours an encoder was trained, where no file beside the\n"
    "checkpoint does: three numbers of 0 to 1 with commas between. What is assumed is said on\n"
    "stderr.\n"
    "\n"
    "OUT.gguf is replaced where it exists, unless it is a file that is read.",
    run,
    CLI_NO_MODELS,
};

/* "0.485,0.456,0.406" */
static bool read_triple(float out[3], const char *text)
{
    char *end;
    for (int i = 0; i < 3; i++) {
        out[i] = strtof(text, &end);
        if (end == text || *end != (i < 2 ? ',' : '\0') || !(out[i] >= 0 && out[i] <= 1))
            return false;
        text = end + 1;
    }
    return true;
}

static bool read_colours(rap_convert_options *how, const char *mean, const char *std)
{
    if (!mean && !std)
        return true;
    return mean && std && read_triple(how->mean, mean) && read_triple(how->std, std) &&
           how->std[0] > 0 && how->std[1] > 0 && how->std[2] > 0;
}

/* What was remarked: a line each on stderr, and in the JSON. */
typedef struct remarks {
    cli *c;
    json_t *lines;
} remarks;

static void add_remark(void *payload, const char *line)
{
    remarks *r = payload;
    json_array_append_new(r->lines, json_string(line));
    if (!r->c->quiet)
        cli_say("%s", line);
}

static int progress(const char *what, uint64_t done, uint64_t total, void *payload)
{
    const remarks *r = payload;

    return cli_progress(what, done, total, r->c);
}

static int run(cli *c, int argc, char **argv)
{
    rap_convert_options how = { 0 };
    const char *mean = NULL, *std = NULL;
    remarks said = { .c = c };
    long size = 0;
    const cli_option options[] = {
        { "--vocab", CLI_TEXT, &how.vocab, "FILE", "the BPE merges of a CLIP, plain or .gz" },
        { "--type", CLI_TEXT, &how.type, "TYPE", "f32, f16, bf16 or q8_0; as it is by default" },
        { "--image-size", CLI_NUMBER, &size, "N",
          "pixels a side of what an encoder sees; as published by default" },
        { "--mean", CLI_TEXT, &mean, "R,G,B",
          "mean of the colours that an encoder was trained with" },
        { "--std", CLI_TEXT, &std, "R,G,B", "their deviation" },
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
    if (!read_colours(&how, mean, std)) {
        cli_say("--mean and --std go together: three numbers of 0 to 1 each, as in "
                "0.485,0.456,0.406");
        return CLI_USAGE;
    }
    how.image_size = (int)size;
    how.remark = add_remark;
    how.payload = &said;
    how.on_progress = progress;
    said.lines = json_array();
    status = rap_convert(argv[0], argv[1], &how, error, sizeof error);
    if (status != RAP_OK) {
        json_decref(said.lines);
        cli_say("%s", *error ? error : rap_status_text(status));
        return rap_status_exit_code(status);
    }
    if (c->json)
        return cli_print_json(json_pack("{s:s, s:o}", "file", argv[1], "remarks", said.lines));
    json_decref(said.lines);
    if (!c->quiet)
        cli_line("wrote %s", argv[1]);
    return cli_flush();
}
