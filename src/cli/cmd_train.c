/* cmd_train.c: rap train: a LoRA for a profile's language model, out of a data set in the RAP format. */
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/train_method.h"
#include "train/train.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run(cli *c, int argc, char **argv);

const cli_command cmd_train = {
    "train",
    "DATA --out FOLDER",
    "Train an adapter on a data set (LoRA, on this machine's processor)",
    "DATA is a folder that `rap dataset build` made, or a file of samples in the RAP format "
    "beside\n"
    "images/. The profile's language model stays as it is: llama, qwen2, qwen3 or phi3, in any "
    "type\n"
    "of weights. FOLDER gets adapter.gguf, which any program on llama.cpp loads, loss.jsonl and\n"
    "loss.png. After an interruption the same command goes on from FOLDER/checkpoint.gguf.\n\n"
    "--method head, soft-tokens, or lora with --concepts, learns the store's concepts one by one\n"
    "instead: `rap train --method head --help`.\n\n"
    "LLaVA's projector is trained too, in full, and lies in FOLDER/mmproj.gguf: name both files in "
    "the\n"
    "profile. --projector off leaves it as it is; that of other models is never trained.",
    run,
    CLI_NO_STORE,
};

/* A signal was seen: the checkpoint may now take its time. */
static int on_progress(const char *what, uint64_t done, uint64_t total, void *payload)
{
    int stop = cli_progress(what, done, total, payload);

    if (stop)
        alarm(0);
    return stop;
}

static void print_data(const train_result *r, const train_options *o)
{
    printf("%" PRIu64 " samples, %" PRIu64 " tokens, %" PRIu64 " of them learnt, %" PRIu64
           " pictures; the longest sample has %d tokens\n",
           r->samples, r->tokens, r->answers, r->pictures, r->longest);
    if (r->from_cache)
        printf("%" PRIu64 " of the pictures were encoded by an earlier training\n", r->from_cache);
    if (r->many_concepts)
        printf("left out: %" PRIu64 " with more than %d concepts\n", r->many_concepts,
               o->max_concepts);
    if (r->too_long)
        printf("left out: %" PRIu64 " longer than %d tokens (the first: %s)\n", r->too_long,
               o->max_tokens, r->first_long);
    if (r->no_answer)
        printf("left out: %" PRIu64 " without an answer\n", r->no_answer);
    if (r->held_out)
        printf("held out: %" PRIu64 " samples\n", r->held_out);
    if (r->projector)
        printf("the projector is trained too: %" PRIu64 " numbers\n", r->projector);
    else if (*r->why_not)
        printf("the projector is not trained: %s\n", r->why_not);
    printf("%" PRId64 " steps; %" PRIu64 " numbers are trained; about %.2f GB of memory\n",
           r->steps, r->trained, r->bytes / 1e9);
}

static void print_end(const train_result *r, const train_options *o)
{
    if (r->from_step)
        printf("went on from step %" PRId64 "\n", r->from_step);
    if (r->held_out)
        printf("loss of the held-out samples %.4g at last, %.4g at step %" PRId64
               " (adapter-best.gguf)%s\n",
               r->validation, r->best, r->best_step, r->stopped_early ? "; stopped early" : "");
    printf("loss %.4g at first, %.4g at last; %.0f tokens/s, %.0f s\n%s/adapter.gguf\n",
           r->first_loss, r->last_loss, r->tokens_per_second, r->seconds, o->folder);
    if (r->adapters)
        printf("(it goes on top of the profile's own adapter%s: list all of them under \"lora\")\n",
               r->adapters == 1 ? "" : "s");
    if (r->projector)
        printf("%s/mmproj.gguf (the adapter goes with this projector: \"mmproj\" in the profile)\n",
               o->folder);
}

static json_t *json_result(const train_result *r, const train_options *o)
{
    bool dry = o->dry_run;
    json_t *j =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:f}", "samples",
                  (json_int_t)r->samples, "tokens", (json_int_t)r->tokens, "learnt",
                  (json_int_t)r->answers, "pictures", (json_int_t)r->pictures, "many_concepts",
                  (json_int_t)r->many_concepts, "too_long", (json_int_t)r->too_long, "no_answer",
                  (json_int_t)r->no_answer, "longest", r->longest, "steps", (json_int_t)r->steps,
                  "trained", (json_int_t)r->trained, "bytes", r->bytes);

    if (j)
        json_object_set_new(j, "held_out", json_integer((json_int_t)r->held_out));
    if (j)
        json_object_set_new(j, "from_cache", json_integer((json_int_t)r->from_cache));
    if (j && r->projector)
        json_object_set_new(j, "projector", json_integer((json_int_t)r->projector));
    if (j && r->projector && !dry)
        json_object_set_new(j, "mmproj", json_sprintf("%s/mmproj.gguf", o->folder));
    if (j && !dry && r->held_out) {
        json_object_set_new(j, "validation", json_real(r->validation));
        json_object_set_new(j, "best", json_real(r->best));
        json_object_set_new(j, "best_step", json_integer(r->best_step));
        json_object_set_new(j, "stopped_early", json_boolean(r->stopped_early));
    }
    if (j && !dry) {
        json_object_set_new(j, "from_step", json_integer(r->from_step));
        json_object_set_new(j, "first_loss", json_real(r->first_loss));
        json_object_set_new(j, "last_loss", json_real(r->last_loss));
        json_object_set_new(j, "tokens_per_second", json_real(r->tokens_per_second));
        json_object_set_new(j, "seconds", json_real(r->seconds));
    }
    return j;
}

static int train(cli *c, const train_options *o)
{
    train_result r;
    rap_err err = { 0 };

    if (train_run(&r, o, &err) != RAP_OK) {
        cli_say("%s", err.text);
        return rap_status_exit_code(err.status);
    }
    if (c->json)
        return cli_print_json(json_result(&r, o));
    print_data(&r, o);
    if (!o->dry_run)
        print_end(&r, o);
    return cli_flush();
}

/* The number of `word` in `words` (NULL-ended); −1: another one. */
static int number_of(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

/* Usage: a word that --projector or --loss-reduction does not have. */
static int read_words(train_options *o, const char *projector, const char *reduction)
{
    static const char *const projectors[] = { [TRAIN_PROJECTOR_OFF] = "off",
                                              [TRAIN_PROJECTOR_AUTO] = "auto",
                                              [TRAIN_PROJECTOR_ON] = "train",
                                              NULL },
                             *const reductions[] = { [REDUCTION_TOKEN] = "token",
                                                     [REDUCTION_ANSWER] = "answer",
                                                     [REDUCTION_SQUARE] = "square",
                                                     NULL };
    int p = number_of(projector, projectors), r = number_of(reduction, reductions);

    if (p < 0)
        cli_say("train: --projector %s: train or off", projector);
    if (r < 0)
        cli_say("train: --loss-reduction %s: token, answer or square", reduction);
    if (p < 0 || r < 0)
        return CLI_USAGE;
    o->projector = (train_projector)p;
    o->reduction = (loss_reduction)r;
    return CLI_CONTINUE;
}

static int run(cli *c, int argc, char **argv)
{
    train_options o = TRAIN_OPTIONS_INIT;
    const char *projector = "auto", *reduction = "token", *method = "lora";
    long rank = o.rank, epochs = o.epochs, batch = o.batch, tokens = o.max_tokens,
         concepts = o.max_concepts;
    long rows = 0, seed = 0, every = o.save_every, validate = 0, patience = 0;
    const cli_option options[] = {
        { "--out", CLI_TEXT, &o.folder, "FOLDER",
          "where the adapter, the losses and checkpoints go" },
        { "--from", CLI_TEXT, &o.from, "ADAPTER",
          "begin with the numbers of this adapter.gguf, of the same rank and alpha" },
        CLI_LORA(c),
        { "--method", CLI_TEXT, &method, "NAME", "lora; others: `rap train --method head --help`" },
        { "--rank", CLI_NUMBER, &rank, "N", "of the LoRA: 128" },
        { "--alpha", CLI_REAL, &o.alpha, "X", "its scale is alpha / rank: 256" },
        { "--dropout", CLI_REAL, &o.dropout, "X", "0.05" },
        { "--lr", CLI_REAL, &o.lr, "X", "highest learning rate: 1e-4" },
        { "--projector", CLI_TEXT, &projector, "train|off",
          "the projector too, or the LoRA alone (default: train where it can be)" },
        { "--projector-lr", CLI_REAL, &o.projector_lr, "X",
          "highest learning rate of the projector: 2e-5" },
        { "--bf16", CLI_FLAG, &o.bf16, NULL,
          "multiply frozen weights in bf16 (AVX512-BF16): faster, less exact" },
        { "--half", CLI_FLAG, &o.half, NULL, "write the adapter in f16: half the size" },
        { "--warmup", CLI_REAL, &o.warmup, "X", "share of the steps: 0.03" },
        { "--clip", CLI_REAL, &o.clip, "X", "length of the gradient at most, 0: any: 1" },
        { "--loss-reduction", CLI_TEXT, &reduction, "HOW",
          "token (default), answer (each alike) or square (a token of n: 1/sqrt(n))" },
        { "--epochs", CLI_NUMBER, &epochs, "N", "1" },
        { "--batch", CLI_NUMBER, &batch, "N", "samples of a step: 64" },
        { "--max-tokens", CLI_NUMBER, &tokens, "N", "longer samples are left out: 2048" },
        { "--max-concepts", CLI_NUMBER, &concepts, "N", "samples with more are left out: 2" },
        { "--rows", CLI_NUMBER, &rows, "N", "tokens computed at once: --max-tokens" },
        { "--recompute", CLI_FLAG, &o.recompute, NULL, "less memory, a third more time" },
        { "--save-every", CLI_NUMBER, &every, "N", "steps between checkpoints: 50" },
        { "--validation", CLI_REAL, &o.validation, "X",
          "share of the samples held out, 0: none (default: the set's own)" },
        { "--validate-every", CLI_NUMBER, &validate, "N", "steps between evaluations: an epoch" },
        { "--patience", CLI_NUMBER, &patience, "N",
          "stop after N evaluations without a lower loss" },
        { "--seed", CLI_NUMBER, &seed, "N", "0" },
        { "--dry-run", CLI_FLAG, &o.dry_run, NULL,
          "count tokens, steps and memory, and train nothing" },
        { "--force", CLI_FLAG, &o.force, NULL, "train even if memory looks too small" },
        { NULL, CLI_FLAG, NULL, NULL, NULL },
    };
    int code;

    if (cli_is_method(argc, argv))
        return cli_train_method(c, argc, argv);
    code = cli_parse(c, &cmd_train, options, &argc, argv, 1, 1);
    if (code != CLI_CONTINUE)
        return code;
    if ((code = read_words(&o, projector, reduction)) != CLI_CONTINUE)
        return code;
    if (!o.folder) {
        cli_say("train: takes --out FOLDER; `rap train --help` explains");
        return CLI_USAGE;
    }
    o.data = argv[0];
    o.profile = c->profile;
    o.lora = cli_lora(c);
    o.threads = (int)c->threads;
    o.rank = (int)rank;
    o.epochs = (int)epochs;
    o.batch = (int)batch;
    o.max_tokens = (int)tokens;
    o.max_concepts = (int)concepts;
    o.rows = (int)rows;
    o.save_every = (int)every;
    o.validate_every = (int)validate;
    o.patience = (int)patience;
    o.seed = (uint64_t)seed;
    o.on_progress = on_progress;
    o.payload = c;
    return train(c, &o);
}
