/* kept.c: what closed conversations leave to the next ones: a decoder's memory, and states of starts of prompts. */
#include "generate/vlm_inside.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdlib.h>

struct llama_context *vlm_take_spare(prefix *out, unsigned *out_since, vlm *v)
{
    struct llama_context *ctx;

    pthread_mutex_lock(&v->lock);
    ctx = v->spare;
    *out = v->spare_prefix;
    *out_since = v->forgotten;
    v->spare = NULL;
    v->spare_prefix = (prefix){ .step = NULL };
    pthread_mutex_unlock(&v->lock);
    return ctx;
}

static void drop_spare(struct llama_context *ctx, prefix *p)
{
    prefix_release(p);
    if (ctx)
        llama_free(ctx);
}

void vlm_leave_spare(vlm *v, struct llama_context *ctx, prefix *p, unsigned since)
{
    struct llama_context *dropped = ctx;
    prefix stood = *p;

    pthread_mutex_lock(&v->lock);
    if (since == v->forgotten) {
        dropped = v->spare;
        stood = v->spare_prefix;
        v->spare = ctx;
        v->spare_prefix = *p;
    }
    pthread_mutex_unlock(&v->lock);
    *p = (prefix){ .step = NULL };
    drop_spare(dropped, &stood);
}

void vlm_keep_state(vlm *v, unsigned since, const prefix *steps, size_t count, uint8_t *bytes,
                    size_t size)
{
    pthread_mutex_lock(&v->lock);
    if (since == v->forgotten)
        kept_add(&v->kept, steps, count, bytes, size);
    else
        free(bytes);
    pthread_mutex_unlock(&v->lock);
}

bool vlm_is_recurrent(const vlm *v)
{
    return llama_model_is_recurrent(v->model) || llama_model_is_hybrid(v->model);
}

void vlm_forget(vlm *v)
{
    unsigned since;
    prefix stood;
    struct llama_context *ctx = vlm_take_spare(&stood, &since, v);

    drop_spare(ctx, &stood);
    pthread_mutex_lock(&v->lock);
    v->forgotten++;
    kept_clear(&v->kept);
    pthread_mutex_unlock(&v->lock);
}

/* The fingerprint tells models and llama.cpp's builds apart, but not what only the decoder uses. */
static void name_state(char out[65], const vlm *v, const char *fingerprint)
{
    buf all = BUF_INIT;

    buf_printf(&all, "%s", fingerprint);
    for (size_t i = 0; i < v->loras; i++) {
        char sum[65] = "";

        if (file_sha256(sum, v->lora_path[i], NULL) != RAP_OK) {
            buf_release(&all);
            return;
        }
        buf_printf(&all, " %s %.9g", sum, (double)v->lora_scale[i]);
    }
    if (!buf_failed(&all))
        sha256_hex(out, all.data, all.len);
    buf_release(&all);
}

const char *vlm_state_name(vlm *v)
{
    const char *fingerprint = vlm_fingerprint(v);

    pthread_mutex_lock(&v->lock);
    if (!*v->state_name && *fingerprint)
        name_state(v->state_name, v, fingerprint);
    pthread_mutex_unlock(&v->lock);
    return v->state_name;
}
