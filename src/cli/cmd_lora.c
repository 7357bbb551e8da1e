/* cmd_lora.c: rap lora export|import|projector|merge: adapters between llama.cpp, PEFT and a model of their own. */
#include "base/text.h"
#include "cli/cli.h"
#include "train/lora_files.h"
#include "wire/wire.h"

#include <math.h>
#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_lora = {
    "lora",
    "export|import|projector|merge FILE --out PATH",
    "Convert an adapter to or from PEFT, or merge it into its model",
    "export     FILE is an adapter.gguf; PATH becomes a folder in the form of PEFT:\n"
    "           adapter_model.safetensors and adapter_config.json. --layout llava gives the "
    "layers\n"
    "           the names that they have in Hugging Face's LLaVA.\n"
    "import     FILE is such a folder; PATH becomes an adapter.gguf.\n"
    "projector  FILE is the non_lora_trainables.bin of LLaVA's training; PATH becomes a copy of\n"
    "           the mmproj with that projector.\n"
    "merge      FILE is an adapter in either form; PATH becomes the model with the adapter in it,\n"
    "           each weight in the type it had.\n\n"
    "--model names the GGUF that the adapter is for (for projector: the mmproj); without it, that\n"
    "of the profile. An adapter for another model is refused.",
    run,
    CLI_NO_STORE,
};

typedef struct deed {
    const char *name;
    rap_status (*fn)(const lora_files *f, rap_err *err);
} deed;

static const deed *deed_named(const char *name)
{
    static const deed all[] = { { "export", lora_files_export },
                                { "import", lora_files_import },
                                { "projector", lora_files_projector },
                                { "merge", lora_files_merge } };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(name, all[i].name) == 0)
            return &all[i];
    return NULL;
}

static int run(cli *c, int argc, char **argv)
{
    lora_files f = { .scale = NAN }; /* not given */
    rap_err err = { 0 };
    const deed *d;
    const cli_option options[] = {
        { "--out", CLI_TEXT, &f.out, "PATH", "what is written" },
        { "--model", CLI_TEXT, &f.model, "FILE", "the GGUF that the adapter is for" },
        { "--base", CLI_TEXT, &f.base, "NAME", "export: the base model in adapter_config.json" },
        { "--layout", CLI_TEXT, &f.layout, "NAME", "export: llama (default) or llava" },
        { "--scale", CLI_REAL, &f.scale, "X", "merge: times the adapter's own scale: 1" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_lora, options, &argc, argv, 2, 2);

    if (code != CLI_CONTINUE)
        return code;
    d = deed_named(argv[0]);
    if (!d || !f.out) {
        cli_say(d ? "lora: %s takes --out PATH"
                  : "lora: '%s' is not export, import, projector or merge",
                argv[0]);
        return CLI_USAGE;
    }
    if (f.base && d->fn != lora_files_export) {
        cli_say("lora: --base has no effect on %s", d->name);
        return CLI_USAGE;
    }
    if (f.layout && d->fn != lora_files_export) {
        cli_say("lora: --layout has no effect on %s", d->name);
        return CLI_USAGE;
    }
    if (!isnan(f.scale) && d->fn != lora_files_merge) {
        cli_say("lora: --scale has no effect on %s", d->name);
        return CLI_USAGE;
    }
    if (isnan(f.scale))
        f.scale = 1;
    if (f.base && !text_is_utf8(f.base)) {
        cli_say("lora: --base is not in UTF-8");
        return CLI_USAGE;
    }
    f.from = argv[1];
    f.profile = c->profile;
    f.threads = (int)c->threads;
    if (d->fn(&f, &err) != RAP_OK) {
        cli_say("%s", err.text);
        return rap_status_exit_code(err.status);
    }
    if (c->json)
        return cli_print_json(wire_file(f.out));
    if (!c->quiet)
        cli_line("wrote %s", f.out);
    return cli_flush();
}
