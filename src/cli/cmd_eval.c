/* cmd_eval.c: rap eval [DIR]: accuracy on a held-out set, the no-memory baseline beside it; rap eval score: the measures
 * of the published lists for answers that any program wrote. */
#include "cli/cli.h"
#include "eval/eval.h"
#include "eval/published/score.h"
#include "wire/measure.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_eval = {
    "eval",
    "[DIR]",
    "Measure accuracy on a held-out set",
    "DIR holds the set (default: the toy set that comes with rap). It is imported into a "
    "temporary\n"
    "store; your own store is not touched. The baseline asks the same with nothing remembered.\n"
    "Tasks: caption, recognition, vqa, text_qa, retrieval, detection, open-set. The last is, for "
    "both "
    "policies:\n"
    "is the right concept first (recall@1) or among the first two (recall@2) at its place, is it "
    "among "
    "those\n"
    "given, would it be with no threshold; and the share of photos, judged as if nothing in them "
    "had "
    "been\n"
    "remembered, that are given a concept all the same (false positives).",
    run,
    CLI_NO_STORE,
};

static const char *default_set(void)
{
    if (file_is_folder(RAP_SOURCE_EVAL))
        return RAP_SOURCE_EVAL;
    return RAP_INSTALLED_EVAL;
}

static int failed(rap_status status, const rap_err *err)
{
    cli_say("%s", *err->text ? err->text : rap_status_text(status));
    return rap_status_exit_code(status);
}

static int score(cli *c, const char *answers, const char *no_memory, const char *kind)
{
    score_report report;
    rap_err err = { RAP_OK, "" };
    rap_status status = score_files(&report, answers, no_memory, kind, &err);

    if (status != RAP_OK)
        return failed(status, &err);
    if (c->json)
        return cli_print_json(score_json(&report));
    score_print(stdout, &report);
    return cli_flush();
}

static int run(cli *c, int argc, char **argv)
{
    eval_options options = { .payload = c, .on_progress = cli_progress };
    const char *no_memory = NULL, *kind = NULL;
    long sample = 0;
    bool growth = false;
    cli_list tasks = { { NULL }, 0 };
    const cli_option flags[] = {
        { "--sample", CLI_NUMBER, &sample, "N", "at most N items a task, spread evenly" },
        { "--task", CLI_LIST, &tasks, "NAME", "only this task; may be repeated" },
        { "--log", CLI_TEXT, &options.log, "FILE",
          "write every question and answer, a JSON line each" },
        { "--growth", CLI_FLAG, &growth, NULL,
          "task open-set: with 10, 100, 1,000 and 10,000 concepts as well" },
        { "--distractors", CLI_TEXT, &options.distractors, "PATH",
          "the further concepts: a folder of pictures, or a file of --save-distractors" },
        { "--save-distractors", CLI_TEXT, &options.save_distractors, "FILE",
          "keep the vectors of that folder" },
        { "--no-memory", CLI_TEXT, &no_memory, "FILE",
          "score: the answers of the same program without memory" },
        { "--kind", CLI_TEXT, &kind, "KIND",
          "score: caption, recognition, choice or open, where the shape leaves it open" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    eval_report report;
    rap_err err = { RAP_OK, "" };
    rap_status status;
    int code = cli_parse(c, &cmd_eval, flags, &argc, argv, 0, 2);

    if (code != CLI_CONTINUE)
        return code;
    if (argc == 2 && strcmp(argv[0], "score") == 0)
        return score(c, argv[1], no_memory, kind);
    options.folder = argc == 1 ? argv[0] : default_set();
    options.profile = c->profile;
    options.threads = (int)c->threads;
    options.sample = (int)sample;
    options.growth = growth;
    options.tasks = tasks.count > 0 ? tasks.item : NULL;
    status = eval_run(&report, &options, &err);
    if (status != RAP_OK)
        return failed(status, &err);
    if (c->json)
        return cli_print_json(wire_eval(&report));
    eval_print_table(stdout, &report);
    return cli_flush();
}
