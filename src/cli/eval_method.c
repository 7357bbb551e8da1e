/* eval_method.c: see eval_method.h. */
#include "cli/eval_method.h"

#include "base/mem.h"
#include "base/path.h"

#include <stdlib.h>

static rap_status begin(void *payload, const char *store, const json_t *names, rap_err *err)
{
    eval_method_flags *f = payload;
    size_t count = json_array_size(names);
    const char **list = mem_array(count + 1, sizeof *list);
    char *adapter = NULL;
    rap_status status = list ? RAP_OK : err_memory(err, "learning concepts");

    for (size_t i = 0; list && i < count; i++)
        list[i] = json_string_value(json_array_get(names, i));
    f->learn.store = store;
    f->learn.names = list;
    if (status == RAP_OK && f->learn.method == CONCEPT_LORA) {
        f->learn.out = f->folder.path;
        adapter = path_join(f->folder.path, "adapter.gguf");
    }
    if (status == RAP_OK)
        status = concept_learn(&f->result, &f->learn, err);
    if (status == RAP_OK)
        status = concept_asker_open(&f->asker, &f->learn, adapter, err);
    free(adapter);
    free(list);
    return status;
}

static rap_status ask(char **out, char **out_found, void *payload, const char *photo,
                      const char *question, rap_err *err)
{
    eval_method_flags *f = payload;
    const rap_image image = { .path = photo };

    return concept_ask(out, out_found, f->asker, *photo ? &image : NULL, question, 96, err);
}

int cli_eval_method(eval_method **out, cli *c, eval_method_flags *f)
{
    rap_err err = { RAP_OK, "" };
    rap_status status = RAP_OK;

    f->folder = (temp)TEMP_INIT;
    if (!concept_method_of(&f->learn.method, f->method)) {
        cli_say("eval: --method %s: head, soft-tokens or lora is expected", f->method);
        f->method = NULL;
        return CLI_USAGE;
    }
    if (f->learn.method == CONCEPT_LORA)
        status = temp_folder_anywhere(&f->folder, "rap-tune", &err);
    if (status != RAP_OK) {
        cli_say("%s", err.text);
        return rap_status_exit_code(status);
    }
    f->learn.profile = c->profile;
    f->learn.lora = cli_lora(c);
    f->learn.pictures = f->pictures;
    f->learn.negatives = f->negatives;
    f->learn.epochs = (int)f->epochs;
    f->learn.seed = (uint64_t)f->seed;
    f->learn.threads = (int)c->threads;
    f->learn.on_progress = cli_progress;
    f->learn.payload = c;
    f->run = (eval_method){ begin, ask, f };
    *out = &f->run;
    return CLI_CONTINUE;
}

void cli_eval_method_end(json_t *report, eval_method_flags *f)
{
    const concept_result *r = &f->result;

    if (!f->method)
        return;
    if (report)
        json_object_set_new(report, "method",
                            json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "name", f->method,
                                      "concepts", r->concepts, "positives", r->positives,
                                      "negatives", r->negatives, "seconds", r->seconds, "bytes",
                                      r->bytes, "loss", r->last_loss));
    else if (r->concepts > 0)
        cli_line("\n%d concepts learnt (%s): %.1f pictures, %.0f negatives, %.1f s of processor "
                 "time and "
                 "%.0f bytes each; loss %.3g",
                 r->concepts, f->method, r->positives, r->negatives, r->seconds, r->bytes,
                 r->last_loss);
    concept_asker_close(f->asker);
    f->asker = NULL;
    temp_remove(&f->folder);
}
