/* quantise.c: llama_model_quantize(), whose log is its only report: it tells the progress and the reason of a failure. */
#include "generate/quantise.h"

#include "generate/check/check.h"

#include <llama.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static const struct {
    const char *name;
    enum llama_ftype type;
} types[] = {
    { "q2_k", LLAMA_FTYPE_MOSTLY_Q2_K },     { "q3_k_s", LLAMA_FTYPE_MOSTLY_Q3_K_S },
    { "q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M }, { "q3_k_l", LLAMA_FTYPE_MOSTLY_Q3_K_L },
    { "q4_0", LLAMA_FTYPE_MOSTLY_Q4_0 },     { "q4_1", LLAMA_FTYPE_MOSTLY_Q4_1 },
    { "q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S }, { "q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M },
    { "q5_0", LLAMA_FTYPE_MOSTLY_Q5_0 },     { "q5_1", LLAMA_FTYPE_MOSTLY_Q5_1 },
    { "q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S }, { "q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M },
    { "q6_k", LLAMA_FTYPE_MOSTLY_Q6_K },     { "iq3_s", LLAMA_FTYPE_MOSTLY_IQ3_S },
    { "iq4_nl", LLAMA_FTYPE_MOSTLY_IQ4_NL }, { "iq4_xs", LLAMA_FTYPE_MOSTLY_IQ4_XS },
};

/* What is heard of the log. */
typedef struct listener {
    rap_on_progress *on_progress;
    void *payload;
    char reason[256];
} listener;

/* "[  12/ 291] blk.1.attn_q.weight …", "…: failed to quantize: REASON" */
static void listen(enum ggml_log_level level, const char *text, void *payload)
{
    static const char failed[] = "failed to quantize: ";
    listener *l = payload;
    const char *reason = strstr(text, failed);
    int done, all;

    (void)level;
    if (reason)
        snprintf(l->reason, sizeof l->reason, "%.*s",
                 (int)strcspn(reason + sizeof failed - 1, "\n"), reason + sizeof failed - 1);
    else if (l->on_progress && sscanf(text, "[%d/%d]", &done, &all) == 2 && done > 0 && all > 0)
        (void)l->on_progress("quantising", (uint64_t)done, (uint64_t)all, l->payload);
}

static void drop(enum ggml_log_level level, const char *text, void *payload)
{
    (void)level;
    (void)text;
    (void)payload;
}

/* A full disk is but an "iostream error" to llama.cpp. */
static bool is_full(const char *path)
{
    struct statvfs space;

    return statvfs(path, &space) == 0 && space.f_bavail < (1u << 20) / space.f_frsize + 1;
}

static rap_status run(const char *in, const char *out, const char *name,
                      const struct llama_model_quantize_params *params, listener *l, rap_err *err)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER; /* there is one log */
    uint32_t code;

    pthread_mutex_lock(&one);
    llama_backend_init();
    llama_log_set(listen, l);
    code = llama_model_quantize(in, out, params);
    llama_log_set(drop, NULL);
    pthread_mutex_unlock(&one);
    if (code == 0)
        return RAP_OK;
    if (is_full(out))
        return err_set(err, RAP_E_IO, "%s: the disk is full", name);
    return err_set(err, RAP_E_MODEL, "%s: llama.cpp cannot quantise it: %s", name,
                   *l->reason ? l->reason : "it does not say why");
}

rap_status quantise(const char *in, const char *out, const char *name, const char *type,
                    rap_on_progress *on_progress, void *payload, rap_err *err)
{
    struct llama_model_quantize_params params = llama_model_quantize_default_params();
    listener l = { .on_progress = on_progress, .payload = payload };
    check_facts facts;
    rap_status status;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, type) == 0) {
            params.ftype = types[i].type;
            status = check_model(&facts, in, err);
            return status ? status : run(in, out, name, &params, &l, err);
        }
    return err_set(err, RAP_E_ARGUMENT, "the type '%s' is none of llama.cpp's quantiser", type);
}
