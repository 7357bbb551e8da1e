/* feed.c: puts tokens and pictures into the decoder's memory (its KV cache).
 *
 * A batch holds tokens or rows of floats, never both, so a prompt costs one pass per stretch of text and
 * one per picture. Only the very last token asks for logits: the output layer runs once. */
#include "generate/feed.h"

#include <mtmd-helper.h>

#include <stdlib.h>
#include <string.h>

enum { BATCH = 512, MAX_SCORES = 64 << 20 };

/* Attention that keeps its whole table of scores answers a short question in 60 % of the time that the
 * tiled ("flash") one takes on a CPU; where the table would be large, memory decides. */
static enum llama_flash_attn_type choose_attention(const vlm *v, int batch)
{
    int64_t scores = (int64_t)v->context * batch * llama_model_n_head(v->model) * 4;

    return scores <= MAX_SCORES ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_AUTO;
}

static rap_status new_context(struct llama_context **out, vlm *v, int batch, rap_err *err)
{
    struct llama_context_params params = llama_context_default_params();

    params.n_ctx = (uint32_t)v->context;
    params.n_batch = (uint32_t)batch;
    params.n_ubatch = params.n_batch;
    params.n_seq_max = 1;
    params.n_outputs_max = 1;
    params.n_threads = v->threads;
    params.n_threads_batch = v->threads;
    params.pooling_type = LLAMA_POOLING_TYPE_NONE;
    params.attention_type = LLAMA_ATTENTION_TYPE_CAUSAL;
    params.flash_attn_type = choose_attention(v, batch);
    params.no_perf = true;
    *out = llama_init_from_model(v->model, params);
    if (!*out)
        return err_set(err, RAP_E_MODEL, "%s: no memory for a conversation of %d tokens",
                       v->model_path, v->context);
    if (v->lora && llama_set_adapters_lora(*out, &v->lora, 1, &(float){ 1.0f }) != 0) {
        llama_free(*out);
        *out = NULL;
        return err_set(err, RAP_E_MODEL, "%s: the adapter cannot be applied", v->model_path);
    }
    return RAP_OK;
}

/* A closed conversation leaves its memory to the next one: making it costs more than a short answer. */
rap_status feed_init(feed *out, vlm *v, rap_err *err)
{
    rap_status status = RAP_OK;

    *out = (feed){ .v = v, .batch_size = v->context < BATCH ? v->context : BATCH };
    pthread_mutex_lock(&v->lock);
    out->ctx = v->spare;
    v->spare = NULL;
    pthread_mutex_unlock(&v->lock);
    if (out->ctx)
        llama_memory_clear(llama_get_memory(out->ctx), true);
    else
        status = new_context(&out->ctx, v, out->batch_size, err);
    if (!status)
        out->batch = llama_batch_init(out->batch_size, 0, 1);
    return status;
}

void feed_release(feed *f)
{
    if (f->batch.token)
        llama_batch_free(f->batch);
    if (f->ctx) {
        struct llama_context *before;

        pthread_mutex_lock(&f->v->lock);
        before = f->v->spare;
        f->v->spare = f->ctx;
        pthread_mutex_unlock(&f->v->lock);
        if (before)
            llama_free(before);
    }
    *f = (feed){ .v = NULL };
}

static rap_status run(feed *f, llama_batch batch, rap_err *err)
{
    int code = llama_decode(f->ctx, batch);

    if (code == 1)
        return err_set(err, RAP_E_LIMIT, "%s: the conversation does not fit a context of %d tokens",
                       f->v->model_path, f->v->context);
    if (code != 0)
        return err_set(err, RAP_E_MODEL, "%s: the model failed while reading the prompt (%d)",
                       f->v->model_path, code);
    f->at.position += batch.n_tokens;
    f->at.cells += batch.n_tokens;
    return RAP_OK;
}

/* Positions and sequence of the next n places; logits asked for at none but the last, if wanted. */
static void fill_places(feed *f, int n, bool want_logits)
{
    for (int i = 0; i < n; i++) {
        f->batch.pos[i] = f->at.position + i;
        f->batch.n_seq_id[i] = 1;
        f->batch.seq_id[i][0] = 0;
        f->batch.logits[i] = want_logits && i == n - 1;
    }
    f->batch.n_tokens = n;
}

static int next_count(const feed *f, size_t left)
{
    return left < (size_t)f->batch_size ? (int)left : f->batch_size;
}

rap_status feed_tokens(feed *f, const llama_token *token, size_t count, bool want_logits,
                       rap_err *err)
{
    for (size_t i = 0; i < count;) {
        int n = next_count(f, count - i);
        rap_status status;

        fill_places(f, n, want_logits && i + (size_t)n == count);
        memcpy(f->batch.token, token + i, (size_t)n * sizeof *token);
        status = run(f, f->batch, err);
        if (status)
            return status;
        i += (size_t)n;
    }
    return RAP_OK;
}

static rap_status feed_rows(feed *f, const float *rows, size_t count, rap_err *err)
{
    size_t width = (size_t)f->v->width;

    for (size_t i = 0; i < count;) {
        int n = next_count(f, count - i);
        llama_batch batch;
        rap_status status;

        fill_places(f, n, false);
        batch = f->batch;
        batch.token = NULL;
        batch.embd = (float *)(rows + i * width); /* read only */
        status = run(f, batch, err);
        if (status)
            return status;
        i += (size_t)n;
    }
    return RAP_OK;
}

/* Rows encoded earlier, between this model's frame. Some models let a picture's tokens see each other in
 * both directions; then it must lie in one batch. */
static rap_status feed_stored(feed *f, const picture *p, rap_err *err)
{
    const picture_frame *frame = &f->v->frame;
    bool both_ways = mtmd_decode_use_non_causal(f->v->mtmd, NULL);
    rap_status status = feed_tokens(f, frame->before, frame->before_count, false, err);

    if (status)
        return status;
    if (both_ways && p->count > (size_t)f->batch_size)
        return err_set(err, RAP_E_LIMIT, "%s: a picture of %zu tokens is over the batch of %d",
                       f->v->model_path, p->count, f->batch_size);
    if (both_ways)
        llama_set_causal_attn(f->ctx, false);
    status = feed_rows(f, p->rows, p->count, err);
    if (both_ways)
        llama_set_causal_attn(f->ctx, true);
    return status ? status : feed_tokens(f, frame->after, frame->after_count, false, err);
}

static rap_status feed_chunk(feed *f, const mtmd_input_chunk *chunk, rap_err *err)
{
    llama_pos after = f->at.position;
    float *rows = NULL;
    rap_status status;

    if (mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_TEXT) {
        size_t count = 0;
        const llama_token *text = mtmd_input_chunk_get_tokens_text(chunk, &count);

        return feed_tokens(f, text, count, false, err);
    }
    if (mtmd_decode_use_non_causal(f->v->mtmd, chunk) &&
        mtmd_input_chunk_get_n_tokens(chunk) > (size_t)f->batch_size)
        return err_set(err, RAP_E_LIMIT, "%s: a picture of %zu tokens is over the batch of %d",
                       f->v->model_path, mtmd_input_chunk_get_n_tokens(chunk), f->batch_size);
    status = picture_encode(&rows, f->v, chunk, err);
    if (!status && mtmd_helper_decode_image_chunk(f->v->mtmd, f->ctx, chunk, rows, f->at.position,
                                                  0, f->batch_size, &after, NULL, NULL) != 0)
        status = err_set(err, RAP_E_MODEL, "%s: the model failed while reading a picture",
                         f->v->model_path);
    free(rows);
    if (status)
        return status;
    f->at.position = after;
    f->at.cells += (int)mtmd_input_chunk_get_n_tokens(chunk);
    return RAP_OK;
}

rap_status feed_picture(feed *f, const picture *p, rap_err *err)
{
    rap_status status = RAP_OK;

    if (!p->chunks)
        return feed_stored(f, p, err);
    for (size_t i = 0; !status && i < mtmd_input_chunks_size(p->chunks); i++)
        status = feed_chunk(f, mtmd_input_chunks_get(p->chunks, i), err);
    return status;
}

bool feed_rewind(feed *f, feed_mark mark)
{
    llama_memory_t memory = llama_get_memory(f->ctx);

    if (llama_memory_seq_rm(memory, 0, mark.position, -1)) {
        f->at = mark;
        return true;
    }
    llama_memory_clear(memory, true);
    f->at = (feed_mark){ 0 };
    return false;
}
