/* vlm_open.c: opens a vision-language model: checks, then llama.cpp.
 *
 * Reading order: silence (llama.cpp's log is dropped), the files (open_model, open_projector, open_adapters), how long a
 * conversation may be, vlm_open, then the facts about an open model. Pictures are in picture.c. */
#include "generate/vlm_inside.h"

#include "base/available.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "generate/check/check.h"
#include "generate/check/trial.h"

#include <mtmd-helper.h>
#include <mtmd_pixels.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LEAST_CONTEXT = 4096,
    MIN_CONTEXT = 16,
    MAX_CONTEXT = 1 << 20,
    MROPE_TOKENS = 1024,
    CONCEPT_TOKENS = 256
};
#define KEPT_BYTES ((size_t)512 << 20) /* of states in memory, at most */

#ifndef RAP_LLAMA_VERSION
#error "the build says which llama.cpp it links: RAP_LLAMA_VERSION"
#endif

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
    if (!status && o->mmproj)
        status = need_file(o->mmproj, err);
    if (!status && o->mmproj)
        status = check_mmproj(o->mmproj, facts, err);
    if (!status && !facts->known)
        status = trial_load(o->model, o->mmproj, facts->split ? NULL : RAP_LLAMA_VERSION, err);
    if (status)
        return status;
    if (o->gpu_layers)
        params.n_gpu_layers = o->gpu_layers > 0 ? o->gpu_layers : 0;
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

static bool has_mrope(const vlm *v)
{
    enum llama_rope_type type = llama_model_rope_type(v->model);

    return type == LLAMA_ROPE_TYPE_MROPE || type == LLAMA_ROPE_TYPE_IMROPE;
}

/* Would mtmd encode pictures on a GPU? */
static bool has_gpu(const vlm_options *o)
{
    return o->gpu_layers >= 0 && llama_supports_gpu_offload();
}

/* At most as many threads as the language model may use, and as many as the network is large enough for. */
static rap_status open_limited(tower **out, const vlm *v, const vlm_options *o, rap_err *err)
{
    rap_status status = tower_open(out, o->mmproj, 0, o->precision, err);

    if (status || tower_threads(*out) <= v->limit)
        return status;
    tower_close(*out);
    return tower_open(out, o->mmproj, v->limit, o->precision, err);
}

/* Leaves v->tower NULL where mtmd is to encode pictures. */
static rap_status open_tower(vlm *v, const vlm_options *o, rap_err *err)
{
    rap_status status;

    if (o->vision == VLM_VISION_MTMD || (o->vision == VLM_VISION_AUTO && has_gpu(o)))
        return RAP_OK;
    if (o->vision == VLM_VISION_OWN)
        return open_limited(&v->tower, v, o, err);
    status = open_limited(&v->tower, v, o, NULL);
    return status == RAP_E_MEMORY ? err_memory(err, "opening a projector") : RAP_OK;
}

/* check_mmproj() has passed. Without a bound, models with positions in two dimensions make thousands of tokens of a
 * phone's photo. */
static rap_status open_projector(vlm *v, const vlm_options *o, rap_err *err)
{
    struct mtmd_context_params params = mtmd_context_params_default();

    rap_status status = o->mmproj ? open_tower(v, o, err) : RAP_OK;

    if (status || !o->mmproj)
        return status;
    v->concept_tokens = o->concept_tokens > 0   ? o->concept_tokens
                        : o->concept_tokens < 0 ? 0
                                                : CONCEPT_TOKENS;
    v->image_tokens = o->image_tokens > 0 ? o->image_tokens : has_mrope(v) ? MROPE_TOKENS : 0;
    params.n_threads = threads_for(o->mmproj, v->limit);
    params.print_timings = false;
    params.warmup = false;
    params.use_gpu = o->gpu_layers >= 0;
    if (v->image_tokens > 0)
        params.image_max_tokens = v->image_tokens;
    v->mtmd = v->tower ? rap_mtmd_without_weights(o->mmproj, v->model, &params)
                       : mtmd_init_from_file(o->mmproj, v->model, params);
    if (!v->mtmd)
        return err_set(err, RAP_E_MODEL, "%s: llama.cpp cannot load this projector with '%s'",
                       o->mmproj, path_base(o->model));
    if (!mtmd_support_vision(v->mtmd))
        return err_set(err, RAP_E_UNSUPPORTED, "%s: reads no pictures", o->mmproj);
    if (mtmd_decode_use_non_causal(v->mtmd, NULL))
        v->both_ways = vlm_largest_piece(v);
    return RAP_OK;
}

static rap_status open_adapter(vlm *v, const vlm_options *o, const vlm_lora *lora,
                               const check_facts *facts, rap_err *err)
{
    rap_status status = need_file(lora->path, err);

    if (!status)
        status = check_lora(lora->path, facts, err);
    if (status)
        return status;
    v->lora[v->loras] = llama_adapter_lora_init(v->model, lora->path);
    if (!v->lora[v->loras])
        return err_set(err, RAP_E_MODEL, "%s: does not fit '%s'", lora->path, path_base(o->model));
    v->lora_scale[v->loras] = lora->scale;
    v->lora_path[v->loras++] = mem_string(lora->path);
    return v->lora_path[v->loras - 1] ? RAP_OK : err_memory(err, "opening an adapter");
}

static rap_status open_adapters(vlm *v, const vlm_options *o, const check_facts *facts,
                                rap_err *err)
{
    rap_status status = RAP_OK;

    if (o->loras > VLM_LORAS)
        return err_set(err, RAP_E_LIMIT, "%zu adapters: at most %d go together", o->loras,
                       VLM_LORAS);
    for (size_t i = 0; !status && i < o->loras; i++)
        status = open_adapter(v, o, &o->lora[i], facts, err);
    return status;
}

static rap_status open_style(vlm *v, const vlm_options *o, rap_err *err)
{
    if (!o->style || strcmp(o->style, "rap") == 0)
        return style_copy(&v->style, &o->turns, err);
    if (strcmp(o->style, "chat") == 0) {
        rap_status status = style_of_model(&v->style, v->model, o->turns.system, o->model, err);

        v->style.turns.memory_first = o->turns.memory_first;
        return status;
    }
    return err_set(err, RAP_E_ARGUMENT, "the prompt style '%.40s' is not known (rap or chat)",
                   o->style);
}

/* ---- how long a conversation may be ---- */

static int64_t meta_int(const vlm *v, const char *name, int64_t fallback)
{
    char architecture[64] = "", key[128], text[32] = "";

    llama_model_meta_val_str(v->model, "general.architecture", architecture, sizeof architecture);
    snprintf(key, sizeof key, "%s.%s", architecture, name);
    if (llama_model_meta_val_str(v->model, key, text, sizeof text) <= 0)
        return fallback;
    return strtoll(text, NULL, 10);
}

/* Bytes of memory that one token takes: its keys and values in every layer, as f16. */
static size_t bytes_per_token(const vlm *v)
{
    int64_t heads = llama_model_n_head(v->model), kv = llama_model_n_head_kv(v->model);
    int64_t side = heads > 0 ? llama_model_n_embd(v->model) / heads : 0;
    int64_t floats =
        meta_int(v, "attention.key_length", side) + meta_int(v, "attention.value_length", side);

    return floats > 0 && kv > 0 ? (size_t)(llama_model_n_layer(v->model) * kv * floats * 2) : 1;
}

/* The asked-for context, else the model's own as far as half of the free memory goes. */
static int choose_context(const vlm *v, int asked)
{
    int64_t context = llama_model_n_ctx_train(v->model), fits;

    if (asked > 0) {
        context = asked;
    } else {
        fits = (int64_t)(memory_available() / 2 / bytes_per_token(v));
        fits = fits < LEAST_CONTEXT ? LEAST_CONTEXT : fits;
        context = context < fits ? context : fits;
    }
    return context < MIN_CONTEXT ? MIN_CONTEXT : context > MAX_CONTEXT ? MAX_CONTEXT : (int)context;
}

static rap_status copy_names(vlm *v, const vlm_options *o, rap_err *err)
{
    v->model_path = mem_string(o->model);
    v->mmproj_path = mem_string(o->mmproj);
    v->model_sha = mem_string(o->model_sha256);
    v->mmproj_sha = mem_string(o->mmproj_sha256);
    v->fingerprint = mem_array(65, 1);
    v->state_name = mem_array(65, 1);
    if (!v->model_path || !v->fingerprint || !v->state_name || (o->mmproj && !v->mmproj_path) ||
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
        status = open_projector(v, options, err);
    if (!status)
        status = open_adapters(v, options, &facts, err);
    if (status) {
        vlm_close(v);
        return status;
    }
    v->context = choose_context(v, options->context);
    v->kept.limit = memory_available() / 16 < KEPT_BYTES ? memory_available() / 16 : KEPT_BYTES;
    *out = v;
    return RAP_OK;
}

void vlm_close(vlm *v)
{
    if (!v)
        return;
    vlm_forget(v);
    mtmd_free(v->mtmd);
    tower_close(v->tower);
    tokenizer_release(&v->tokens);
    style_release(&v->style);
    if (v->model)
        llama_model_free(v->model); /* frees its adapters too */
    free(v->model_path);
    free(v->mmproj_path);
    free(v->model_sha);
    free(v->mmproj_sha);
    free(v->fingerprint);
    free(v->state_name);
    for (size_t i = 0; i < v->loras; i++)
        free(v->lora_path[i]);
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
    char model[65] = "", mmproj[65] = "", all[256];

    if (!file_identity(model, v->model_sha, v->model_path) ||
        (v->mmproj_path && !file_identity(mmproj, v->mmproj_sha, v->mmproj_path)))
        return;
    snprintf(all, sizeof all, "%s %s %d %d %s %s", model, mmproj, v->image_tokens,
             v->concept_tokens, RAP_LLAMA_VERSION, vlm_vision_name(v));
    sha256_hex(v->fingerprint, all, strlen(all));
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

const char *vlm_vision_name(const vlm *v)
{
    static const char *const own[] = { "own", "own f32", "own bf16", "own int8" };

    return !v->mtmd ? "" : v->tower ? own[tower_precision(v->tower)] : "mtmd";
}

int vlm_context(const vlm *v)
{
    return v->context;
}
