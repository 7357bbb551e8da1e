/* decoder.c: prefill of tokens and pictures into the decoder's KV cache.
 *
 * A batch holds tokens or rows of floats, never both, so a prompt costs one pass per stretch of text and one per
 * picture. Only the very last token asks for logits: the output layer runs once. The cache starts at FIRST_CELLS and
 * grows with the conversation up to the model's context: one of 128,000 tokens takes gigabytes. */
#include "generate/decoder.h"

#include "base/mem.h"

#include <mtmd-helper.h>

#include <stdlib.h>
#include <string.h>

enum { BATCH = 512, MAX_SCORES = 64 << 20, FIRST_CELLS = 4096 };

/* Attention that keeps its whole table of scores answers a short question in 60 % of the time that the tiled ("flash")
 * one takes on a CPU; where the table would be large, memory decides. The same for all memories of a model, because a
 * state of the one kind cannot be read by the other. */
static enum llama_flash_attn_type choose_attention(const vlm *v, int batch)
{
    int cells = v->context < FIRST_CELLS ? v->context : FIRST_CELLS;
    int64_t scores = (int64_t)cells * batch * llama_model_n_head(v->model) * 4;

    return scores <= MAX_SCORES ? LLAMA_FLASH_ATTN_TYPE_DISABLED : LLAMA_FLASH_ATTN_TYPE_AUTO;
}

static rap_status apply_adapters(struct llama_context *ctx, vlm *v, rap_err *err)
{
    if (v->loras == 0 || llama_set_adapters_lora(ctx, v->lora, v->loras, v->lora_scale) == 0)
        return RAP_OK;
    return err_set(err, RAP_E_MODEL, "%s: its adapters cannot be applied", v->model_path);
}

static rap_status new_context(struct llama_context **out, vlm *v, int cells, int batch,
                              rap_err *err)
{
    struct llama_context_params params = llama_context_default_params();
    rap_status status;

    params.n_ctx = (uint32_t)cells;
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
                       v->model_path, cells);
    status = apply_adapters(*out, v, err);
    if (status) {
        llama_free(*out);
        *out = NULL;
    }
    return status;
}

/* With bidirectional attention among a picture's tokens, llama.cpp wants all of them in one batch. */
static int choose_batch(const vlm *v)
{
    int batch = v->both_ways > BATCH ? v->both_ways : BATCH;

    return v->context < batch ? v->context : batch;
}

/* A closed conversation leaves its KV cache to the next one: making one costs more than a short answer, and a common
 * start need not be evaluated again. */
rap_status decoder_init(decoder *out, vlm *v, rap_err *err)
{
    rap_status status = RAP_OK;

    *out = (decoder){ .v = v, .batch_size = choose_batch(v) };
    out->ctx = vlm_take_spare(&out->prefix, &out->since, v);
    if (!out->ctx)
        status = new_context(&out->ctx, v, v->context < FIRST_CELLS ? v->context : FIRST_CELLS,
                             out->batch_size, err);
    if (!status)
        out->batch = llama_batch_init(out->batch_size, 0, 1);
    return status;
}

void decoder_release(decoder *d)
{
    if (d->batch.token)
        llama_batch_free(d->batch);
    if (d->ctx)
        vlm_leave_spare(d->v, d->ctx, &d->prefix, d->since);
    prefix_release(&d->prefix);
    *d = (decoder){ .v = NULL };
}

/* ---- growing ---- */

static rap_status move_state(struct llama_context *to, struct llama_context *from, rap_err *err)
{
    size_t size = llama_state_seq_get_size(from, 0);
    uint8_t *state = mem_array(size, 1);
    bool moved;

    if (!state)
        return err_memory(err, "continuing a conversation");
    moved = llama_state_seq_get_data(from, state, size, 0) == size &&
            llama_state_seq_set_data(to, state, size, 0) == size;
    free(state);
    return moved ? RAP_OK : err_set(err, RAP_E_MODEL, "the conversation's memory cannot grow");
}

rap_status decoder_reserve(decoder *d, int cells, rap_err *err)
{
    int have = (int)llama_n_ctx(d->ctx);
    struct llama_context *grown = NULL;
    rap_status status = RAP_OK;

    if (cells > d->v->context)
        return err_set(err, RAP_E_LIMIT, "%s: %d tokens do not fit a context of %d",
                       d->v->model_path, cells, d->v->context);
    if (cells <= have)
        return RAP_OK;
    while (have < cells)
        have = have > d->v->context / 2 ? d->v->context : have * 2;
    status = new_context(&grown, d->v, have, d->batch_size, err);
    if (!status && d->cells > 0)
        status = move_state(grown, d->ctx, err);
    if (status) {
        if (grown)
            llama_free(grown);
        return status;
    }
    llama_free(d->ctx);
    d->ctx = grown;
    llama_set_abort_callback(d->ctx, d->stop, d->stop_payload);
    return RAP_OK;
}

/* ---- prefill ---- */

void decoder_stop_when(decoder *d, bool (*stop)(void *payload), void *payload)
{
    d->stop = stop;
    d->stop_payload = payload;
    llama_set_abort_callback(d->ctx, stop, payload);
}

static rap_status decode_batch(decoder *d, llama_batch batch, rap_err *err)
{
    int code = llama_decode(d->ctx, batch);

    if (code == 1)
        return err_set(err, RAP_E_LIMIT, "%s: the conversation does not fit a context of %d tokens",
                       d->v->model_path, d->v->context);
    if (code != 0)
        return err_set(err, RAP_E_MODEL, "%s: the model failed while reading the prompt (%d)",
                       d->v->model_path, code);
    d->position += batch.n_tokens;
    d->cells += batch.n_tokens;
    return RAP_OK;
}

/* Positions and sequence of the next n places; logits asked for at none but the last, if wanted. */
static void fill_places(decoder *d, int n, bool want_logits)
{
    for (int i = 0; i < n; i++) {
        d->batch.pos[i] = d->position + i;
        d->batch.n_seq_id[i] = 1;
        d->batch.seq_id[i][0] = 0;
        d->batch.logits[i] = want_logits && i == n - 1;
    }
    d->batch.n_tokens = n;
}

rap_status decoder_prefill(decoder *d, const llama_token *token, size_t count, bool want_logits,
                           rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < count;) {
        size_t left = count - i;
        int n = left < (size_t)d->batch_size ? (int)left : d->batch_size;

        fill_places(d, n, want_logits && i + (size_t)n == count);
        memcpy(d->batch.token, token + i, (size_t)n * sizeof *token);
        status = decode_batch(d, d->batch, err);
        i += (size_t)n;
    }
    return status;
}

static rap_status prefill_image(decoder *d, const mtmd_input_chunk *chunk, const float *rows,
                                rap_err *err)
{
    vlm *v = d->v;
    size_t count = mtmd_input_chunk_get_n_tokens(chunk);
    llama_pos after = d->position;
    float *encoded = NULL;
    rap_status status = RAP_OK;

    if (mtmd_decode_use_non_causal(v->mtmd, chunk) && count > (size_t)d->batch_size)
        return err_set(err, RAP_E_LIMIT, "%s: a picture of %zu tokens is over the batch of %d",
                       v->model_path, count, d->batch_size);
    if (!rows)
        status = picture_encode(&encoded, v, chunk, err);
    if (!status && mtmd_helper_decode_image_chunk(
                       v->mtmd, d->ctx, chunk, rows ? (float *)rows : encoded, /* only read */
                       d->position, 0, d->batch_size, &after, NULL, NULL) != 0)
        status = err_set(err, RAP_E_MODEL, "%s: the model failed while reading a picture",
                         v->model_path);
    free(encoded);
    if (status)
        return status;
    d->position = after;
    d->cells += (int)count;
    return RAP_OK;
}

rap_status decoder_prefill_picture(decoder *d, const picture *p, rap_err *err)
{
    const float *rows = p->rows;
    rap_status status = RAP_OK;

    for (size_t i = p->first; !status && i < mtmd_input_chunks_size(p->chunks); i++) {
        const mtmd_input_chunk *chunk = mtmd_input_chunks_get(p->chunks, i);
        size_t count = mtmd_input_chunk_get_n_tokens(chunk), skip = i == p->first ? p->skip : 0;

        if (mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_TEXT) {
            status = decoder_prefill(d, mtmd_input_chunk_get_tokens_text(chunk, &count) + skip,
                                     count - skip, false, err);
            continue;
        }
        status = prefill_image(d, chunk, rows, err);
        if (rows)
            rows += count * (size_t)d->v->width;
    }
    return status;
}

/* ---- going back ---- */

/* A recurrent model's state sums up all it read, and its last tokens cannot be removed: the state is copied. */
rap_status decoder_mark_init(decoder_mark *out, decoder *d, rap_err *err)
{
    const llama_state_seq_flags part = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;

    *out = (decoder_mark){ .position = d->position, .cells = d->cells };
    if (d->cells == 0 || !vlm_is_recurrent(d->v))
        return RAP_OK;
    out->state_size = llama_state_seq_get_size_ext(d->ctx, 0, part);
    out->state = mem_array(out->state_size, 1);
    if (!out->state)
        return err_memory(err, "continuing a conversation");
    out->state_size = llama_state_seq_get_data_ext(d->ctx, out->state, out->state_size, 0, part);
    return RAP_OK;
}

void decoder_mark_release(decoder_mark *m)
{
    free(m->state);
    *m = (decoder_mark){ .state = NULL };
}

/* Removed cells keep their values, and a NaN among them would spoil every later score: what is kept is saved,
 * everything cleared, and the saved part restored. */
static bool wipe_rest(struct llama_context *ctx)
{
    size_t size = llama_state_seq_get_size(ctx, 0);
    uint8_t *state = mem_array(size, 1);
    bool kept = state && llama_state_seq_get_data(ctx, state, size, 0) == size;

    llama_memory_clear(llama_get_memory(ctx), true);
    kept = kept && llama_state_seq_set_data(ctx, state, size, 0) == size;
    free(state);
    return kept;
}

bool decoder_rewind(decoder *d, const decoder_mark *mark)
{
    llama_memory_t memory = llama_get_memory(d->ctx);
    bool kept = mark->cells > 0;

    if (kept && mark->state)
        kept = llama_state_seq_set_data_ext(d->ctx, mark->state, mark->state_size, 0,
                                            LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY) > 0;
    kept = kept && llama_memory_seq_rm(memory, 0, mark->position, -1) && wipe_rest(d->ctx);
    if (!kept) {
        llama_memory_clear(memory, true);
        prefix_release(&d->prefix);
    }
    d->position = kept ? mark->position : 0;
    d->cells = kept ? mark->cells : 0;
    return kept || mark->cells == 0;
}
