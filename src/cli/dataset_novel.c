/* dataset_novel.c: the flags become options, the result text or JSON. */
#include "cli/dataset_novel.h"
#include "wire/wire.h"

#include <inttypes.h>
#include <stdio.h>

json_t *cli_novel_json(const novel_result *r)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:o}", "views",
                     (json_int_t)r->views, "known", (json_int_t)r->known, "made",
                     (json_int_t)r->made, "failed", (json_int_t)r->failed, "kept",
                     (json_int_t)r->kept, "dropped", (json_int_t)r->dropped, "least_cosine",
                     r->least, "mean_cosine", r->mean, "samples", (json_int_t)r->samples, "added",
                     (json_int_t)r->added, "folder", wire_text(r->out));
}

void cli_say_novel(const novel_result *r)
{
    if (r->failed)
        cli_say("%" PRIu64 " views could not be made; the first: %s", r->failed, r->first_failure);
    if (*r->why && !r->failed)
        cli_say("%s", r->why);
}

void cli_print_novel(const novel_result *r, double threshold)
{
    printf("%" PRIu64 " views wanted: %" PRIu64 " there before, %" PRIu64 " made now\n", r->views,
           r->known, r->made);
    if (r->kept + r->dropped)
        printf("kept: %" PRIu64 "; dropped: %" PRIu64 " with a cosine under %g to the original "
               "(least %.3f, mean %.3f)\n",
               r->kept, r->dropped, threshold, r->least, r->mean);
    printf("samples: %" PRIu64 ", %" PRIu64 " of them with a new view\n", r->samples, r->added);
    cli_line("written: %s", r->out);
}

int cli_dataset_novel(cli *c, const char *folder, const char *endpoint, long side,
                      const novel_flags *f)
{
    novel_options options = { .folder = folder,
                              .endpoint = endpoint,
                              .prompt = f->prompt,
                              .negative = f->negative,
                              .strength = f->strength,
                              .seed = (uint64_t)f->seed,
                              .steps = (int)f->steps,
                              .views = (int)f->views,
                              .side = (int)side,
                              .threshold = f->threshold,
                              .profile = c->profile,
                              .threads = (int)c->threads,
                              .on_progress = cli_progress,
                              .payload = c };
    novel_result result;
    rap_err err = { 0 };

    if (novel(&result, &options, &err) != RAP_OK) {
        cli_say("%s", err.text);
        return rap_status_exit_code(err.status);
    }
    cli_say_novel(&result);
    if (c->json)
        return cli_print_json(cli_novel_json(&result));
    cli_print_novel(&result, f->threshold != 0 ? f->threshold : NOVEL_THRESHOLD);
    return cli_flush();
}
