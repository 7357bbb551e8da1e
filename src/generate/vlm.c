/* vlm.c: opens a vision-language model: checks, then llama.cpp.
 *
 * Reading order: silence (llama.cpp logs to nobody), the three files (open_model, open_projector,
 * open_adapter), vlm_open, then the facts about an open model. Pictures are in picture.c. */
#include "generate/vlm_inside.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"

#include <mtmd-helper.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_CONTEXT = 4096, MIN_CONTEXT = 16, MAX_CONTEXT = 1 << 20 };

/* ---- silence ---- */

static void drop_log(enum ggml_log_level level, const char *text, void *payload)
{
    (void)level;
    (void)text;
    (void)payload;
}

static void start_backend(void)
{
    llama_log_set(drop_log, NULL);
    mtmd_helper_log_set(drop_log, NULL);
    llama_backend_init();
}

/* ---- files ---- */

/* Called before the checks, because they and llama.cpp may each take a while. */
static rap_status need_file(const char *path, rap_err *err)
{
    if (file_is_folder(path))
        return err_set(err, RAP_E_FORMAT, "%s: is a folder, not a model file", path);
    if (!file_exists(path))
        return err_set(err, RAP_E_NOT_FOUND, "%s: no such file", path);
    return RAP_OK;
}

/* A small model is slower on many threads: it waits at every layer for all of them, and on a busy machine
 * that is most of the time. One thread for each 32 MiB of weights keeps the waiting small. */
static int threads_for(const char *path, int limit)
{
    struct stat info;
    long wanted = stat(path, &info) == 0 ? 1 + (long)(info.st_size >> 25) : limit;

    return wanted < limit ? (int)wanted : limit;
}

static rap_status open_model(vlm *v, const vlm_options *o, check_facts *facts, rap_err *err)
{
    struct llama_model_params params = llama_model_default_params();
    rap_status status = need_file(o->model, err);

    if (!status)
        status = check_model(facts, o->model, err);
    if (status)
        return status;
    v->model = llama_model_load_from_file(o->model, params);
    if (!v->model)
        return err_set(err, RAP_E_MODEL, "%s: llama.cpp cannot load this model (architecture '%s')",
                       o->model, facts->architecture);
    if (llama_model_has_encoder(v->model) || !llama_model_has_decoder(v->model))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: '%s' is not a decoder-only model", o->model,
                       facts->architecture);
    v->width = llama_model_n_embd_inp(v->model);
    return tokenizer_init(&v->tokens, llama_model_get_vocab(v->model), err);
}

static rap_status open_projector(vlm *v, const vlm_options *o, const check_facts *facts,
                                 rap_err *err)
{
    struct mtmd_context_params params = mtmd_context_params_default();
    rap_status status;

    if (!o->mmproj)
        return RAP_OK;
    status = need_file(o->mmproj, err);
    if (!status)
        status = check_mmproj(o->mmproj, facts, err);
    if (status)
        return status;
    params.n_threads = threads_for(o->mmproj, v->limit);
    params.print_timings = false;
    params.warmup = false;
    v->mtmd = mtmd_init_from_file(o->mmproj, v->model, params);
    if (!v->mtmd)
        return err_set(err, RAP_E_MODEL, "%s: llama.cpp cannot load this projector with '%s'",
                       o->mmproj, path_base(o->model));
    if (!mtmd_support_vision(v->mtmd))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: reads no pictures", o->mmproj);
    return RAP_OK;
}

static rap_status open_adapter(vlm *v, const vlm_options *o, const check_facts *facts, rap_err *err)
{
    rap_status status;

    if (!o->lora)
        return RAP_OK;
    status = need_file(o->lora, err);
    if (!status)
        status = check_lora(o->lora, facts, err);
    if (status)
        return status;
    v->lora = llama_adapter_lora_init(v->model, o->lora);
    if (!v->lora)
        return err_set(err, RAP_E_MODEL, "%s: does not fit '%s'", o->lora, path_base(o->model));
    return RAP_OK;
}

static rap_status open_style(vlm *v, const vlm_options *o, rap_err *err)
{
    if (!o->style || strcmp(o->style, "rap") == 0)
        return style_copy(&v->style, &o->turns, err);
    if (strcmp(o->style, "chat") == 0)
        return style_from_template(&v->style, llama_model_chat_template(v->model, NULL), o->model,
                                   err);
    return err_set(err, RAP_E_ARGUMENT, "the prompt style '%.40s' is not known (rap or chat)",
                   o->style);
}

/* The asked-for context, else the model's own up to DEFAULT_CONTEXT. */
static int choose_context(const vlm *v, int asked)
{
    int own = llama_model_n_ctx_train(v->model);
    int context = asked > 0 ? asked : own < DEFAULT_CONTEXT ? own : DEFAULT_CONTEXT;

    return context < MIN_CONTEXT ? MIN_CONTEXT : context > MAX_CONTEXT ? MAX_CONTEXT : context;
}

static rap_status copy_names(vlm *v, const vlm_options *o, rap_err *err)
{
    v->model_path = mem_string(o->model);
    v->mmproj_path = mem_string(o->mmproj);
    v->model_sha = mem_string(o->model_sha256);
    v->mmproj_sha = mem_string(o->mmproj_sha256);
    v->fingerprint = mem_array(65, 1);
    if (!v->model_path || !v->fingerprint || (o->mmproj && !v->mmproj_path) ||
        (o->model_sha256 && !v->model_sha) || (o->mmproj_sha256 && !v->mmproj_sha))
        return err_memory(err, "opening a model");
    return RAP_OK;
}

rap_status vlm_open(vlm **out, const vlm_options *options, rap_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    check_facts facts = { .width = 0 };
    rap_status status;
    vlm *v;

    *out = NULL;
    if (!options->model || !*options->model)
        return err_set(err, RAP_E_ARGUMENT, "no language model is named");
    v = mem_array(1, sizeof *v);
    if (!v)
        return err_memory(err, "opening a model");
    pthread_mutex_init(&v->lock, NULL);
    pthread_once(&once, start_backend);
    v->limit = options->threads > 0 ? options->threads : threads_available();
    v->threads = threads_for(options->model, v->limit);
    status = copy_names(v, options, err);
    if (!status)
        status = open_model(v, options, &facts, err);
    if (!status)
        status = open_style(v, options, err);
    if (!status)
        status = open_projector(v, options, &facts, err);
    if (!status)
        status = open_adapter(v, options, &facts, err);
    if (status) {
        vlm_close(v);
        return status;
    }
    v->context = choose_context(v, options->context);
    *out = v;
    return RAP_OK;
}

void vlm_close(vlm *v)
{
    if (!v)
        return;
    free(v->frame.before);
    free(v->frame.after);
    if (v->spare)
        llama_free(v->spare);
    mtmd_free(v->mtmd);
    tokenizer_release(&v->tokens);
    style_release(&v->style);
    if (v->model)
        llama_model_free(v->model); /* frees its adapters too */
    free(v->model_path);
    free(v->mmproj_path);
    free(v->model_sha);
    free(v->mmproj_sha);
    free(v->fingerprint);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* ---- facts ---- */

static bool file_identity(char out[65], const char *sha, const char *path)
{
    if (sha) {
        snprintf(out, 65, "%s", sha);
        return true;
    }
    return file_sha256(out, path, NULL) == RAP_OK;
}

static void read_fingerprint(vlm *v)
{
    char model[65] = "", mmproj[65] = "", both[132];

    if (!file_identity(model, v->model_sha, v->model_path) ||
        (v->mmproj_path && !file_identity(mmproj, v->mmproj_sha, v->mmproj_path)))
        return;
    snprintf(both, sizeof both, "%s %s", model, mmproj);
    sha256_hex(v->fingerprint, both, strlen(both));
}

/* Hashing 20 MB takes longer than many a question does, so it happens when the name is first asked for. */
const char *vlm_fingerprint(vlm *v)
{
    pthread_mutex_lock(&v->lock);
    if (!*v->fingerprint)
        read_fingerprint(v);
    pthread_mutex_unlock(&v->lock);
    return v->fingerprint;
}

int vlm_has_vision(const vlm *v)
{
    return v->mtmd != NULL;
}

int vlm_embedding_width(const vlm *v)
{
    return v->width;
}

int vlm_context(const vlm *v)
{
    return v->context;
}
