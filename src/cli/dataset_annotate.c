/* dataset_annotate.c: the flags become options, the result text or JSON. */
#include "cli/dataset_annotate.h"

#include "dataset/annotate.h"
#include "wire/wire.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *json_result(const annotate_result *r)
{
    json_t *faults = json_object();

    for (int i = 1; i < FAULT_COUNT; i++)
        if (r->fault[i])
            json_object_set_new(faults, annotate_fault_text(i),
                                json_integer((json_int_t)r->fault[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
                     "requests", (json_int_t)r->requests, "known", (json_int_t)r->known, "asked",
                     (json_int_t)r->asked, "failed", (json_int_t)r->failed, "bad", faults,
                     "prompt_tokens", (json_int_t)r->prompt_tokens, "answer_tokens",
                     (json_int_t)r->answer_tokens, "pictures", (json_int_t)r->pictures,
                     "picture_bytes", (json_int_t)r->picture_bytes, "samples_same",
                     (json_int_t)r->same, "samples_changed", (json_int_t)r->changed,
                     "samples_dropped", (json_int_t)r->dropped, "samples_denied",
                     (json_int_t)r->denied, "folder", wire_text(r->out));
}

static void print_estimate(const annotate_result *r)
{
    uint64_t left = r->requests - r->known;

    printf("%" PRIu64 " requests, %" PRIu64 " of them answered already\n", r->requests, r->known);
    printf("to send: %" PRIu64 " pictures, %.1f MB%s\n", r->pictures,
           (double)r->picture_bytes / 1e6,
           r->measured < left ? " (estimated from a part of them)" : "");
    printf("tokens, estimated: %" PRIu64 " of prompts, at most %" PRIu64 " of answers\n",
           r->prompt_tokens, r->answer_tokens);
}

static void print_result(const annotate_result *r)
{
    printf("%" PRIu64 " requests: %" PRIu64 " answered before, %" PRIu64 " now", r->requests,
           r->known, r->asked);
    if (r->asked)
        printf(" (%" PRIu64 " tokens of prompts, %" PRIu64 " of answers, %.1f MB of pictures)",
               r->prompt_tokens, r->answer_tokens, (double)r->picture_bytes / 1e6);
    putchar('\n');
    for (int i = 1; i < FAULT_COUNT; i++)
        if (r->fault[i])
            printf("bad answers: %" PRIu64 ": %s\n", r->fault[i], annotate_fault_text(i));
    if (*r->first_fault)
        cli_line("the first: %s", r->first_fault);
    printf("samples: %" PRIu64 " with an answer, %" PRIu64 " as they were, %" PRIu64
           " left out for want of a good one",
           r->changed, r->same, r->dropped);
    if (r->denied)
        printf(", %" PRIu64 " denied", r->denied);
    putchar('\n');
    cli_line("written: %s", r->out);
}

int cli_dataset_annotate(cli *c, const char *folder, const annotate_flags *f)
{
    annotate_options options = { .folder = folder,
                                 .endpoint = f->endpoint,
                                 .profile = c->profile,
                                 .threads = (int)c->threads,
                                 .model = f->model,
                                 .task = f->task,
                                 .prompts = f->prompts,
                                 .parallel = (int)f->parallel,
                                 .per_minute = (int)f->per_minute,
                                 .side = (int)f->side,
                                 .max_tokens = (int)f->max_tokens,
                                 .dry_run = f->dry_run,
                                 .replay = f->replay,
                                 .on_progress = cli_progress,
                                 .payload = c };
    annotate_result result;
    rap_err err = { 0 };
    int code = 0;

    if (annotate(&result, &options, &err) != RAP_OK) {
        cli_say("%s", err.text);
        return rap_status_exit_code(err.status);
    }
    if (result.failed) {
        cli_say("%" PRIu64
                " requests were not answered; the first: %s; the same command asks again",
                result.failed, result.first_failure);
        code = rap_status_exit_code(RAP_E_IO);
    }
    if (c->json)
        return cli_print_json(json_result(&result)) ? 1 : code;
    if (f->dry_run)
        print_estimate(&result);
    else
        print_result(&result);
    return cli_flush() ? 1 : code;
}
