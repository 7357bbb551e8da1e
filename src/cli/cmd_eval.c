/* cmd_eval.c: rap eval [DIR]: accuracy on a held-out set, the no-memory baseline beside it. */
#include "cli/cli.h"
#include "eval/eval.h"
#include "wire/measure.h"

#include "base/file.h"

#include <stdio.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_eval = {
    "eval",
    "[DIR]",
    "Measure accuracy on a held-out set",
    "DIR holds the set (default: the toy set that comes with rap). It is imported into a\n"
    "temporary store; your own is not touched. The baseline asks the same questions with an empty\n"
    "store. Tasks: caption, recognition, vqa, text_qa, retrieval, detection, open-set.\n"
    "\n"
    "open-set prints for each policy: how often the right concept is first at its region\n"
    "(recall@1) or among the first two (recall@2), how often it is reported, with the threshold\n"
    "and without; and the share of photos for which a concept is reported although those they\n"
    "show are not in the store (false positives).",
    run,
    CLI_NO_STORE,
};

static const char *default_set(void)
{
    if (file_is_folder(RAP_SOURCE_EVAL))
        return RAP_SOURCE_EVAL;
    return RAP_INSTALLED_EVAL;
}

static int run(cli *c, int argc, char **argv)
{
    eval_options options = { .payload = c, .on_progress = cli_progress };
    long sample = 0;
    bool growth = false;
    cli_list tasks = { { NULL }, 0 };
    const cli_option flags[] = {
        { "--sample", CLI_NUMBER, &sample, "N", "at most N items per task, evenly spaced" },
        { "--task", CLI_LIST, &tasks, "NAME", "only this task; may be repeated" },
        { "--log", CLI_TEXT, &options.log, "FILE",
          "write every question and answer to FILE, one line of JSON each" },
        { "--growth", CLI_FLAG, &growth, NULL,
          "open-set: repeat with stores of 10, 100, 1,000 and 10,000 concepts" },
        { "--distractors", CLI_TEXT, &options.distractors, "PATH",
          "concepts to fill them: a folder of pictures, or a file of --save-distractors" },
        { "--save-distractors", CLI_TEXT, &options.save_distractors, "FILE",
          "write the vectors of that folder to FILE" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    eval_report report;
    rap_err err = { RAP_OK, "" };
    rap_status status;
    int code = cli_parse(c, &cmd_eval, flags, &argc, argv, 0, 1);

    if (code != CLI_CONTINUE)
        return code;
    options.folder = argc == 1 ? argv[0] : default_set();
    options.profile = c->profile;
    options.threads = (int)c->threads;
    options.sample = (int)sample;
    options.growth = growth;
    options.tasks = tasks.count > 0 ? tasks.item : NULL;
    status = eval_run(&report, &options, &err);
    if (status != RAP_OK) {
        cli_say("%s", *err.text ? err.text : rap_status_text(status));
        return rap_status_exit_code(status);
    }
    if (c->json)
        return cli_print_json(wire_eval(&report));
    eval_print_table(stdout, &report);
    return cli_flush();
}
