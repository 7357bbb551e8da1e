/* cmd_dataset.c: rap dataset build|stats|show|export|annotate|novel: training data in the RAP format. */
#include "cli/cli.h"
#include "cli/dataset_annotate.h"
#include "cli/dataset_novel.h"
#include "dataset/dataset.h"
#include "dataset/export.h"
#include "wire/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_dataset = {
    "dataset",
    "build CONFIG.json --out FOLDER | stats FOLDER | show FOLDER N --out F.png | "
    "export FOLDER OUT --format NAME | "
    "annotate FOLDER --task TASK (--endpoint URL --model NAME | --profile P) | novel FOLDER "
    "--endpoint URL",
    "Build training data in the RAP format, and look at it",
    "build  reads the sources that CONFIG.json names (COCO, RefCOCO, TAO, ILSVRC-VID, "
    "CustomConcept101,\n"
    "       folders of pictures, MyVLM, Yo'LLaVA, MC-LLaVA, LLaVA instructions, a store) and "
    "writes\n"
    "       FOLDER/train.json, validation.json, images/ and report.json. The same configuration "
    "gives\n"
    "       the same bytes on any number of threads; after an interruption the same command goes "
    "on.\n"
    "stats  counts a data set, or any file in the RAP format; --out draws the counts.\n"
    "show   draws sample N (from 0) as a model sees it: pictures, prompt, and the answer, which "
    "is\n"
    "       what is trained on.\n"
    "export  writes it as other trainers read it: llava (LLaVA-NeXT's list), sharegpt\n"
    "       (LLaMA-Factory, with dataset_info.json) or webdataset (tar files); prompts and "
    "pictures\n"
    "       are those of RAP.\n"
    "annotate  lets a model behind an OpenAI-compatible chat endpoint describe the concepts "
    "(describe),\n"
    "       caption photos with names in them (caption), write questions and answers (qa), or say\n"
    "       whether a concept is in the photo (verify). The key comes from RAP_API_KEY. With "
    "--profile\n"
    "       the profile's own language model answers, without an endpoint. Every reply\n"
    "       is kept in FOLDER/annotations.jsonl, and the samples with what was good go to\n"
    "       FOLDER/annotated-TASK/; the built files stay. Interrupted, the same command goes "
    "on.\n"
    "novel  asks an image-to-image service (AUTOMATIC1111's /sdapi/v1/img2img) for new views of "
    "the\n"
    "       concepts, keeps those in which the profile's encoder still sees the concept, and "
    "writes\n"
    "       the samples with and without them to FOLDER/novel/.\n\n"
    "docs/dataset.md documents CONFIG.json; src/dataset/templates.txt holds the wordings.",
    run,
    CLI_NO_STORE,
};

static int failed(const rap_err *err)
{
    cli_say("%s", err->text);
    return rap_status_exit_code(err->status);
}

/* ---- build ---- */

static json_t *json_result(const dataset_result *r)
{
    json_t *kinds = json_object(), *dropped = json_object(), *out;

    for (int k = 0; k < KIND_COUNT; k++)
        json_object_set_new(kinds, dataset_kind_name(k),
                            json_pack("{s:I, s:I}", "made", (json_int_t)r->made[k], "wanted",
                                      (json_int_t)r->wanted[k]));
    for (int i = 0; i < DROP_REASONS; i++)
        if (r->report.dropped[i])
            json_object_set_new(dropped, drop_reason_text(i),
                                json_integer((json_int_t)r->report.dropped[i]));
    out = json_pack("{s:I, s:I, s:o, s:o}", "train", (json_int_t)r->train, "validation",
                    (json_int_t)r->validation, "kinds", kinds, "dropped", dropped);
    if (out && r->has_novel)
        json_object_set_new(out, "novel", cli_novel_json(&r->novel));
    return out;
}

static void print_result(const dataset_result *r, const char *folder)
{
    printf("%" PRIu64 " samples in %s, %" PRIu64 " of them for validation\n",
           r->train + r->validation, folder, r->validation);
    for (int k = 0; k < KIND_COUNT; k++)
        if (r->wanted[k] && r->made[k] < r->wanted[k])
            printf("  %-12s%10" PRIu64 " of %" PRIu64 " wanted: the sources hold no more\n",
                   dataset_kind_name(k), r->made[k], r->wanted[k]);
        else if (r->wanted[k])
            printf("  %-12s%10" PRIu64 "\n", dataset_kind_name(k), r->made[k]);
    for (int i = 0; i < DROP_REASONS; i++)
        if (r->report.dropped[i])
            printf("left out: %" PRIu64 ": %s (%s)\n", r->report.dropped[i], drop_reason_text(i),
                   r->report.first[i]);
    if (r->has_novel)
        cli_print_novel(&r->novel, r->novel_threshold);
}

static int build(cli *c, const char *config, const char *folder, const char *format)
{
    dataset_options options = { .config = config,
                                .folder = folder,
                                .format = format,
                                .threads = (int)c->threads,
                                .on_progress = cli_progress,
                                .payload = c };
    dataset_result result;
    rap_err err = { 0 };

    if (dataset_build(&result, &options, &err) != RAP_OK)
        return failed(&err);
    if (result.has_novel)
        cli_say_novel(&result.novel);
    if (c->json)
        return cli_print_json(json_result(&result));
    print_result(&result, folder);
    return cli_flush();
}

/* ---- stats ---- */

static json_t *json_stats(const dataset_stats *s)
{
    json_t *kinds = json_object(), *concepts = json_array();

    for (int k = 0; k < KIND_COUNT; k++)
        json_object_set_new(kinds, dataset_kind_name(k), json_integer((json_int_t)s->kind[k]));
    for (int i = 0; i <= 16; i++)
        json_array_append_new(concepts, json_integer((json_int_t)s->concepts[i]));
    return json_pack("{s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "samples",
                     (json_int_t)s->samples, "kinds", kinds, "other", (json_int_t)s->other,
                     "concepts", concepts, "text_only", (json_int_t)s->text_only, "turns",
                     (json_int_t)s->turns, "yes", (json_int_t)s->yes, "no", (json_int_t)s->no,
                     "missing", (json_int_t)s->missing, "both_sides", (json_int_t)s->both_sides);
}

static int stats(cli *c, const char *folder, const char *png)
{
    dataset_stats s;
    rap_err err = { 0 };

    if (dataset_count(&s, folder, &err) != RAP_OK ||
        (png && dataset_draw_stats(&s, folder, png, &err) != RAP_OK))
        return failed(&err);
    if (c->json)
        return cli_print_json(json_stats(&s));
    dataset_print(stdout, &s);
    if (png)
        cli_line("(drawn: %s)", png);
    return cli_flush();
}

/* ---- show ---- */

static int show(cli *c, const char *folder, const char *number, const char *png)
{
    char *end;
    unsigned long long n = strtoull(number, &end, 10);
    rap_err err = { 0 };

    if (*end || *number == '-') {
        cli_say("%s: not the number of a sample", number);
        return CLI_USAGE;
    }
    if (dataset_show(folder, n, png, &err) != RAP_OK)
        return failed(&err);
    if (!c->json)
        cli_line("(drawn: %s)", png);
    else
        return cli_print_json(wire_file(png));
    return cli_flush();
}

/* ---- export ---- */

static int export_set(cli *c, const char *data, const char *folder, const char *format, long shard)
{
    const dataset_export_options o = { .data = data,
                                       .format = format,
                                       .folder = folder,
                                       .shard = (int)shard,
                                       .on_progress = cli_progress,
                                       .payload = c };
    dataset_export_result r;
    rap_err err = { 0 };

    if (dataset_export(&r, &o, &err) != RAP_OK)
        return failed(&err);
    if (c->json)
        return cli_print_json(json_pack("{s:I, s:I, s:I, s:I, s:I}", "train", (json_int_t)r.train,
                                        "validation", (json_int_t)r.validation, "pictures",
                                        (json_int_t)r.pictures, "left_out", (json_int_t)r.marked,
                                        "files", (json_int_t)r.files));
    cli_line("%" PRIu64 " samples and %" PRIu64 " for validation, %" PRIu64 " pictures, in %s",
             r.train, r.validation, r.pictures, folder);
    if (r.marked)
        cli_line("left out: %" PRIu64 " whose text says \"<image>\"", r.marked);
    return cli_flush();
}

static int usage(const char *what)
{
    cli_say("dataset: %s; `rap dataset --help` explains", what);
    return CLI_USAGE;
}

/* ---- the actions ---- */

typedef struct action {
    const char *name;
    const char *flags[16]; /* that it uses, besides --json and --quiet */
} action;

static const action actions[] = {
    { "build", { "--out", "--format", "--threads" } },
    { "stats", { "--out" } },
    { "show", { "--out" } },
    { "export", { "--out", "--format", "--shard" } },
    { "annotate",
      { "--endpoint", "--model", "--profile", "--task", "--prompts", "--parallel", "--per-minute",
        "--side", "--max-tokens", "--dry-run", "--replay", "--threads" } },
    { "novel",
      { "--endpoint", "--prompt", "--negative", "--strength", "--seed", "--steps", "--views",
        "--side", "--threshold", "--profile", "--threads" } },
};

static const action *action_named(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0)
            return &actions[i];
    return NULL;
}

static bool uses(const action *a, const char *flag)
{
    for (size_t i = 0; a->flags[i]; i++)
        if (strcmp(a->flags[i], flag) == 0)
            return true;
    return strcmp(flag, "--json") == 0 || strcmp(flag, "--quiet") == 0;
}

static int refuse_others(const cli *c, const action *a)
{
    for (int i = 0; i < c->given.count; i++)
        if (!uses(a, c->given.item[i])) {
            cli_say("dataset: %s has no effect on %s; leave it out (see `rap dataset --help`)",
                    c->given.item[i], a->name);
            return CLI_USAGE;
        }
    return CLI_CONTINUE;
}

static int run(cli *c, int argc, char **argv)
{
    const char *out = NULL, *format = NULL;
    long shard = 0;
    annotate_flags ask = { .endpoint = NULL };
    novel_flags views = { .prompt = NULL };
    const cli_option options[] = {
        { "--out", CLI_TEXT, &out, "PATH", "the folder to build, or the PNG to draw" },
        { "--format", CLI_TEXT, &format, "NAME",
          "build: json, or jsonl for one sample a line (default: as CONFIG.json says); export: "
          "llava, sharegpt or webdataset" },
        { "--shard", CLI_NUMBER, &shard, "N", "export: samples of a tar file (default 1000)" },
        { "--endpoint", CLI_TEXT, &ask.endpoint, "URL",
          "annotate, novel: the service, http://localhost:8080 say" },
        { "--model", CLI_TEXT, &ask.model, "NAME",
          "annotate: the model, as the endpoint calls it" },
        { "--task", CLI_TEXT, &ask.task, "TASK", "annotate: describe, caption, qa or verify" },
        { "--prompts", CLI_TEXT, &ask.prompts, "DIR",
          "annotate: a folder with TASK.txt of your own" },
        { "--parallel", CLI_NUMBER, &ask.parallel, "N",
          "annotate: requests in flight (default 4)" },
        { "--per-minute", CLI_NUMBER, &ask.per_minute, "N",
          "annotate: requests a minute, at most" },
        { "--side", CLI_NUMBER, &ask.side, "N",
          "pixels of a picture's longer side (annotate: 768, novel: 512)" },
        { "--max-tokens", CLI_NUMBER, &ask.max_tokens, "N",
          "annotate: of an answer (default 1024)" },
        { "--dry-run", CLI_FLAG, &ask.dry_run, NULL,
          "annotate: count requests, tokens and bytes, send nothing" },
        { "--replay", CLI_FLAG, &ask.replay, NULL,
          "annotate: use the answers that are there, send nothing" },
        { "--prompt", CLI_TEXT, &views.prompt, "TEXT",
          "novel: what the view shall show; {category}, {name}, {info}" },
        { "--negative", CLI_TEXT, &views.negative, "TEXT", "novel: what it must not show" },
        { "--strength", CLI_REAL, &views.strength, "X",
          "novel: how far it may go, above 0 to 1 (default 0.5)" },
        { "--seed", CLI_NUMBER, &views.seed, "N", "novel: of all views (default 0)" },
        { "--steps", CLI_NUMBER, &views.steps, "N", "novel: of the diffusion (default 20)" },
        { "--views", CLI_NUMBER, &views.views, "N",
          "novel: of each picture of a concept (default 1)" },
        { "--threshold", CLI_REAL, &views.threshold, "X",
          "novel: least cosine to the original (default 0.75)" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_dataset, options, &argc, argv, 2, 3);
    const action *a = NULL;

    if (code != CLI_CONTINUE)
        return code;
    if (!(a = action_named(argv[0])))
        return usage("build, stats, show, export, annotate or novel is expected");
    if ((code = refuse_others(c, a)) != CLI_CONTINUE)
        return code;
    if (strcmp(argv[0], "build") == 0)
        return argc != 2 || !out ? usage("build takes CONFIG.json and --out FOLDER")
                                 : build(c, argv[1], out, format);
    if (strcmp(argv[0], "stats") == 0)
        return argc != 2 ? usage("stats takes a folder or a file") : stats(c, argv[1], out);
    if (strcmp(argv[0], "show") == 0)
        return argc != 3 || !out ? usage("show takes FOLDER, N and --out F.png")
                                 : show(c, argv[1], argv[2], out);
    if (strcmp(argv[0], "export") == 0)
        return argc != 3 && !(argc == 2 && out)
                   ? usage("export takes FOLDER, OUT and --format llava, sharegpt or webdataset")
               : !format ? usage("export takes --format llava, sharegpt or webdataset")
                         : export_set(c, argv[1], argc == 3 ? argv[2] : out, format, shard);
    if (strcmp(argv[0], "annotate") == 0)
        return argc != 2 ? usage("annotate takes a folder")
                         : cli_dataset_annotate(c, argv[1], &ask);
    return argc != 2 ? usage("novel takes a folder")
                     : cli_dataset_novel(c, argv[1], ask.endpoint, ask.side, &views);
}
