/* cmd_eval.c: rap eval: accuracy with baselines beside it, on a held-out set (DIR), on a published list of questions
 * (FILE), and of answers that any program wrote (score ANSWERS.json). */
#include "cli/cli.h"
#include "cli/eval_method.h"
#include "cli/eval_table.h"
#include "eval/eval.h"
#include "eval/published/published.h"
#include "wire/measure.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_eval = {
    "eval",
    "[DIR] | FILE --database DIR | score ANSWERS.json | table FOLDER",
    "Measure accuracy on a held-out set or a published list, or score answers",
    "FILE is a published list of questions: captions, recognition, visual and text-only questions\n"
    "of RAP, Yo'LLaVA, MyVLM, MC-LLaVA and RePIC, or MMPB's table; --database has their concepts.\n"
    "score takes what any program answered. Both print the measures that the papers report, "
    "beside\n"
    "two baselines, no memory and the majority answer; docs/accuracy.md explains them. table "
    "makes\n"
    "tables and a figure of what examples/paper_table.sh measured.\n"
    "\n"
    "DIR holds the set (default: the toy set that comes with rap). It is imported into a\n"
    "temporary store; your own is not touched. The baseline asks the same questions with an empty\n"
    "store. Tasks: caption, recognition, vqa, text_qa, mine, retrieval, detection, open-set, and,\n"
    "only when it is named, describe: how often `rap remember --describe` names the kind and the\n"
    "colours of a concept rightly, and --category auto the category.\n"
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

static int failed(rap_status status, const rap_err *err)
{
    cli_say("%s", *err->text ? err->text : rap_status_text(status));
    return rap_status_exit_code(status);
}

/* Everything that the flags of the three forms set. */
typedef struct eval_flags {
    eval_options set;
    published_options list;
    const char *no_memory, *kind, *draw;
    long sample, concepts;
    eval_method_flags method;
    bool verify, growth, oracle, no_info, no_avatars, no_threshold;
    cli_list tasks, questions;
} eval_flags;

static ablation without(const eval_flags *f)
{
    return (ablation){ .oracle = f->oracle,
                       .no_info = f->no_info,
                       .no_avatars = f->no_avatars,
                       .no_threshold = f->no_threshold };
}

static int score(cli *c, const char *answers, const eval_flags *f)
{
    score_report report;
    rap_err err = { RAP_OK, "" };
    rap_status status = score_files(&report, answers, f->no_memory, f->kind, &err);

    if (status != RAP_OK)
        return failed(status, &err);
    if (c->json)
        return cli_print_json(score_json(&report));
    score_print(stdout, &report);
    return cli_flush();
}

static int published(cli *c, const char *file, const eval_flags *f)
{
    published_options o = f->list;
    published_report report;
    rap_err err = { RAP_OK, "" };
    rap_status status;

    o.file = file;
    o.kind = f->kind;
    o.profile = c->profile;
    o.lora = cli_lora(c);
    o.threads = (int)c->threads;
    o.sample = (int)f->sample;
    o.without = without(f);
    o.draw = f->draw;
    o.growth = f->growth || o.draw;
    o.questions = f->questions.count > 0 ? f->questions.item : NULL;
    o.on_progress = cli_progress;
    o.payload = c;
    status = published_run(&report, &o, &err);
    if (status == RAP_OK && o.draw)
        status = published_draw(&report, o.draw, &err);
    if (status != RAP_OK)
        return failed(status, &err);
    if (c->json)
        return cli_print_json(published_json(&report));
    published_print(stdout, &report);
    if (o.draw)
        cli_line("(drawn: %s)", o.draw);
    return cli_flush();
}

static int held_out(cli *c, const char *folder, eval_flags *f)
{
    eval_options *o = &f->set;
    eval_report report;
    rap_err err = { RAP_OK, "" };
    rap_status status;
    int code;

    o->folder = folder;
    o->profile = c->profile;
    o->lora = cli_lora(c);
    o->threads = (int)c->threads;
    o->sample = (int)f->sample;
    o->without = without(f);
    o->verify = f->verify;
    o->draw = f->draw;
    o->growth = f->growth || o->draw;
    o->concepts = (int)f->concepts;
    if (f->method.method && (code = cli_eval_method(&o->method, c, &f->method)) != CLI_CONTINUE)
        return code;
    o->tasks = f->tasks.count > 0 ? f->tasks.item : NULL;
    o->on_progress = cli_progress;
    o->payload = c;
    status = eval_run(&report, o, &err);
    if (status == RAP_OK && o->draw)
        status = eval_draw(&report, o->draw, &err);
    if (status != RAP_OK)
        cli_eval_method_end(NULL, &f->method);
    if (status != RAP_OK)
        return failed(status, &err);
    if (c->json) {
        json_t *j = wire_eval(&report);

        cli_eval_method_end(j, &f->method);
        return cli_print_json(j);
    }
    eval_print_table(stdout, &report);
    cli_eval_method_end(NULL, &f->method);
    if (o->draw)
        cli_line("(drawn: %s)", o->draw);
    return cli_flush();
}

/* The forms of the command. */
enum { OF_SET = 1, OF_LIST = 2, OF_SCORE = 4, OF_TABLE = 8 };

static int form_of(int argc, char **argv, const eval_flags *f)
{
    if (argc == 2)
        return strcmp(argv[0], "score") == 0   ? OF_SCORE
               : strcmp(argv[0], "table") == 0 ? OF_TABLE
                                               : 0;
    if (argc == 1 && (f->list.database || (file_exists(argv[0]) && !file_is_folder(argv[0]))))
        return OF_LIST;
    return OF_SET;
}

/* The first flag that was given and means nothing to this form; NULL: none. */
static const char *unused_flag(int form, const eval_flags *f, bool lora)
{
    const struct {
        const char *name;
        bool given;
        int forms;
    } flags[] = {
        { "--sample", f->sample != 0, OF_SET | OF_LIST },
        { "--growth", f->growth, OF_SET | OF_LIST },
        { "--task", f->tasks.count > 0, OF_SET },
        { "--concepts", f->concepts != 0, OF_SET },
        { "--method", f->method.method, OF_SET },
        { "--pictures", f->method.pictures, OF_SET },
        { "--negatives", f->method.negatives, OF_SET },
        { "--epochs", f->method.epochs != 0, OF_SET },
        { "--seed", f->method.seed != 0, OF_SET },
        { "--log", f->set.log, OF_SET },
        { "--distractors", f->set.distractors, OF_SET },
        { "--save-distractors", f->set.save_distractors, OF_SET },
        { "--database", f->list.database, OF_LIST },
        { "--images", f->list.images, OF_LIST },
        { "--answers", f->list.answers, OF_LIST },
        { "--question", f->questions.count > 0, OF_LIST },
        { "--oracle", f->oracle, OF_SET | OF_LIST },
        { "--no-info", f->no_info, OF_SET | OF_LIST },
        { "--lora", lora, OF_SET | OF_LIST },
        { "--verify", f->verify, OF_SET },
        { "--no-avatars", f->no_avatars, OF_SET | OF_LIST },
        { "--no-threshold", f->no_threshold, OF_SET | OF_LIST },
        { "--draw", f->draw, OF_SET | OF_LIST },
        { "--kind", f->kind, OF_LIST | OF_SCORE },
        { "--no-memory", f->no_memory, OF_SCORE },
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].given && !(flags[i].forms & form))
            return flags[i].name;
    return NULL;
}

static int run(cli *c, int argc, char **argv)
{
    eval_flags f = { .sample = 0 };
    const cli_option flags[] = {
        { "--sample", CLI_NUMBER, &f.sample, "N", "at most N items a task, spread evenly" },
        { "--growth", CLI_FLAG, &f.growth, NULL,
          "with 10, 20, 50, 100 … concepts as well; task open-set: 10, 100, 1,000 and 10,000" },
        { "--task", CLI_LIST, &f.tasks, "NAME", "DIR: only this task; may be repeated" },
        { "--concepts", CLI_NUMBER, &f.concepts, "N",
          "DIR: only the first N concepts that are asked about, and items about these" },
        { "--method", CLI_TEXT, &f.method.method, "NAME",
          "DIR: learn them as `rap train --method NAME` does, in place of retrieval" },
        { "--pictures", CLI_TEXT, &f.method.pictures, "DIR", "--method: as in rap train" },
        { "--negatives", CLI_TEXT, &f.method.negatives, "DIR", "--method: as in rap train" },
        { "--epochs", CLI_NUMBER, &f.method.epochs, "N", "--method: as in rap train" },
        { "--seed", CLI_NUMBER, &f.method.seed, "N", "--method: as in rap train" },
        CLI_LORA(c),
        { "--log", CLI_TEXT, &f.set.log, "FILE",
          "DIR: write every question and answer, a JSON line each" },
        { "--distractors", CLI_TEXT, &f.set.distractors, "PATH",
          "DIR: the further concepts: a folder of pictures, or a file of --save-distractors" },
        { "--save-distractors", CLI_TEXT, &f.set.save_distractors, "FILE",
          "DIR: keep the vectors of that folder" },
        { "--database", CLI_TEXT, &f.list.database, "DIR",
          "FILE: the folder of the official database.json with the concepts" },
        { "--images", CLI_TEXT, &f.list.images, "DIR",
          "FILE: what its pictures are relative to (default: its own folder)" },
        { "--answers", CLI_TEXT, &f.list.answers, "OUT",
          "FILE: write the answers as `rap eval score` reads them" },
        { "--question", CLI_LIST, &f.questions, "TEXT",
          "FILE: ask this for a caption; of several each in turn" },
        { "--oracle", CLI_FLAG, &f.oracle, NULL,
          "give exactly the right concepts, retrieve nothing" },
        { "--no-info", CLI_FLAG, &f.no_info, NULL, "leave the texts of the concepts out" },
        { "--no-avatars", CLI_FLAG, &f.no_avatars, NULL,
          "leave the pictures of the concepts out of the prompt" },
        { "--no-threshold", CLI_FLAG, &f.no_threshold, NULL,
          "retrieve by the paper's policy, which has none" },
        { "--verify", CLI_FLAG, &f.verify, NULL, "DIR: the language model verifies every match" },
        { "--draw", CLI_TEXT, &f.draw, "PNG", "draw the growth" },
        { "--no-memory", CLI_TEXT, &f.no_memory, "FILE",
          "score: the answers of the same program without memory" },
        { "--kind", CLI_TEXT, &f.kind, "KIND",
          "FILE, score: caption, recognition, choice or open, where the shape leaves it open" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code = cli_parse(c, &cmd_eval, flags, &argc, argv, 0, 2), form;
    const char *unused;

    if (code != CLI_CONTINUE)
        return code;
    form = form_of(argc, argv, &f);
    if (!form) {
        cli_say("eval: of two arguments the first is 'score' or 'table', not '%s'", argv[0]);
        return CLI_USAGE;
    }
    if ((unused = unused_flag(form, &f, c->lora.count > 0))) {
        cli_say("eval: %s means nothing %s", unused,
                form == OF_SET     ? "to a held-out set"
                : form == OF_LIST  ? "to a published list"
                : form == OF_TABLE ? "to table"
                                   : "to score");
        return CLI_USAGE;
    }
    if (form == OF_TABLE)
        return cli_eval_table(c, argv[1]);
    if (form == OF_SCORE)
        return score(c, argv[1], &f);
    if (form == OF_LIST)
        return published(c, argv[0], &f);
    return held_out(c, argc == 1 ? argv[0] : default_set(), &f);
}
