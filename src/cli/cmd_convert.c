/* cmd_convert.c: rap convert IN OUT: published checkpoints to GGUF. */
#include "cli/cli.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_convert = {
    "convert",
    "IN OUT",
    "Convert a CLIP, SigLIP, DINOv2, ViT, YOLO-World or LLaVA checkpoint to GGUF",
    "IN is a file written by torch.save (.pt, .pth, .bin), a .safetensors file, an index of\n"
    "shards, or a folder in the layout of Hugging Face or open_clip. No code in it is executed.\n"
    "Supported: CLIP from OpenAI (TorchScript files too), open_clip and Hugging Face; SigLIP from\n"
    "Hugging Face and timm; DINOv2 from its authors, Hugging Face and timm; ViT from timm; and\n"
    "YOLO-World v2 from Ultralytics. OUT is the file to write.\n"
    "\n"
    "For LLaVA-1.5 and LLaVA-Phi-3, from their authors or from Hugging Face, OUT is a folder,\n"
    "which gets model.gguf and mmproj.gguf. A checkpoint that does not hold its image tower needs\n"
    "--tower. Its --type may also be one of llama.cpp's quantiser: q4_k_m, q5_k_m, q6_k, ...;\n"
    "mmproj.gguf is then f16.\n"
    "\n"
    "A CLIP needs its vocabulary: merges.txt or tokenizer.json in the same folder, or --vocab.\n"
    "--type sets the type of the weight matrices: f32, f16, bf16 or q8_0; docs/models.md compares\n"
    "them. By default the checkpoint's type is kept.\n"
    "\n"
    "--image-size sets a larger input size for an image encoder: its position embeddings are\n"
    "resampled, its features get finer, and the time grows with the number of patches. Use\n"
    "`rap calibrate` to see whether it helps on your pictures.\n"
    "\n"
    "--mean and --std give the normalisation that an encoder was trained with, if no file in the\n"
    "folder of the checkpoint does: three numbers from 0 to 1, separated by commas. Assumptions\n"
    "are reported on standard error.\n"
    "\n"
    "A file that exists is overwritten, unless it is one of the input files.",
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

/* Remarks of the converter: one line each on stderr, and in the JSON. */
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
        { "--type", CLI_TEXT, &how.type, "TYPE",
          "f32, f16, bf16, q8_0; LLaVA also q4_k_m, ... (default: unchanged)" },
        { "--tower", CLI_TEXT, &how.tower, "FOLDER",
          "the CLIP that is the image tower of a LLaVA without its own" },
        { "--image-size", CLI_NUMBER, &size, "N",
          "input size of an image encoder in pixels (default: as published)" },
        { "--mean", CLI_TEXT, &mean, "R,G,B", "mean of the training colours" },
        { "--std", CLI_TEXT, &std, "R,G,B", "standard deviation of the training colours" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    char error[1024] = "";
    rap_status status;
    int code = cli_parse(c, &cmd_convert, options, &argc, argv, 2, 2);

    if (code != CLI_CONTINUE)
        return code;
    if (size < 0 || size > 1024) {
        cli_say("convert: --image-size must be 1 to 1024, got %ld", size);
        return CLI_USAGE;
    }
    if (!read_colours(&how, mean, std)) {
        cli_say("convert: --mean and --std must be given together, as three numbers from 0 to 1 "
                "each, for example 0.485,0.456,0.406; those of --std above 0");
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
        return cli_print_json(
            json_pack("{s:o, s:o}", "file", wire_text(argv[1]), "remarks", said.lines));
    json_decref(said.lines);
    if (!c->quiet)
        cli_line("wrote %s", argv[1]);
    return cli_flush();
}
