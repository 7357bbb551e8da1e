/* speaker.c: prefill in runs of tokens and of rows, then one token after another. Where there are further words, the last row
 * and all that follow are decoded with the normed row at hand: its product with a word's row is the word's logit. */
#include "train/concept/speaker.h"

#include "base/buf.h"
#include "base/mem.h"
#include "generate/vlm_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 512, LEAST_CELLS = 2048 };

struct speaker {
    vlm *v;
    struct llama_context *ctx;
    llama_batch tokens, rows; /* [BATCH] */
    int cells;
    llama_pos position;
};

static rap_status new_context(speaker *s, int cells, rap_err *err)
{
    struct llama_context_params p = llama_context_default_params();

    p.n_ctx = (uint32_t)cells;
    p.n_batch = p.n_ubatch = BATCH;
    p.n_seq_max = 1;
    p.n_threads = p.n_threads_batch = s->v->threads;
    p.pooling_type = LLAMA_POOLING_TYPE_NONE;
    p.attention_type = LLAMA_ATTENTION_TYPE_CAUSAL;
    p.no_perf = true;
    if (s->ctx)
        llama_free(s->ctx);
    s->ctx = llama_init_from_model(s->v->model, p);
    s->cells = cells;
    if (!s->ctx)
        return err_set(err, RAP_E_MODEL, "%s: no memory for a conversation of %d tokens",
                       s->v->model_path, cells);
    return s->v->loras == 0 ||
                   llama_set_adapters_lora(s->ctx, s->v->lora, s->v->loras, s->v->lora_scale) == 0
               ? RAP_OK
               : err_set(err, RAP_E_MODEL, "%s: its adapters cannot be applied", s->v->model_path);
}

rap_status speaker_open(speaker **out, vlm *v, rap_err *err)
{
    speaker *s = mem_array(1, sizeof *s);
    rap_status status;

    *out = NULL;
    if (!s)
        return err_memory(err, "opening a conversation");
    s->v = v;
    s->tokens = llama_batch_init(BATCH, 0, 1);
    s->rows = llama_batch_init(BATCH, v->width, 1);
    status = new_context(s, LEAST_CELLS < v->context ? LEAST_CELLS : v->context, err);
    if (status) {
        speaker_close(s);
        return status;
    }
    *out = s;
    return RAP_OK;
}

void speaker_close(speaker *s)
{
    if (!s)
        return;
    llama_batch_free(s->tokens);
    llama_batch_free(s->rows);
    if (s->ctx)
        llama_free(s->ctx);
    free(s);
}

/* ---- prefill ---- */

/* Decodes what is in the batch, and empties it. */
static rap_status decode(speaker *s, llama_batch *b, rap_err *err)
{
    int code = b->n_tokens ? llama_decode(s->ctx, *b) : 0;

    b->n_tokens = 0;
    return code == 0 ? RAP_OK
                     : err_set(err, RAP_E_MODEL, "%s: the model failed while reading a prompt (%d)",
                               s->v->model_path, code);
}

static void place(speaker *s, llama_batch *b, bool logits)
{
    int i = b->n_tokens++;

    b->pos[i] = s->position++;
    b->n_seq_id[i] = 1;
    b->seq_id[i][0] = 0;
    b->logits[i] = logits;
}

static rap_status take(speaker *s, int32_t cell, const float *row, bool logits, rap_err *err)
{
    llama_batch *b = cell >= 0 ? &s->tokens : &s->rows, *other = cell >= 0 ? &s->rows : &s->tokens;
    rap_status status = decode(s, other, err);

    if (!status && b->n_tokens == BATCH)
        status = decode(s, b, err);
    if (status)
        return status;
    if (cell >= 0)
        b->token[b->n_tokens] = cell;
    else
        memcpy(b->embd + (size_t)b->n_tokens * (size_t)s->v->width, row,
               (size_t)s->v->width * sizeof *row);
    place(s, b, logits);
    return RAP_OK;
}

static rap_status flush(speaker *s, rap_err *err)
{
    rap_status status = decode(s, &s->tokens, err);

    return status ? status : decode(s, &s->rows, err);
}

/* The whole prompt; the last row by itself. */
static rap_status read_prompt(speaker *s, const sequence *p, const spoken *w, rap_err *err)
{
    const float *photo = p->photo;
    size_t width = (size_t)s->v->width;
    rap_status status = RAP_OK;

    for (int32_t i = 0; !status && i < p->count; i++) {
        int32_t cell = p->cell[i];
        const float *row = cell == CELL_ROW ? photo
                           : cell < -1      ? w->param + (size_t)(-2 - cell) * width
                                            : NULL;

        photo += cell == CELL_ROW ? width : 0;
        if (i + 1 == p->count) {
            status = flush(s, err);
            llama_set_embeddings(s->ctx, w->words > 0);
        }
        if (!status)
            status = take(s, cell, row, i + 1 == p->count, err);
    }
    return status ? status : flush(s, err);
}

/* ---- choosing ---- */

/* The likeliest: a token, or vocab + i. */
static rap_status choose(int32_t *out, const speaker *s, const spoken *w, rap_err *err)
{
    int32_t vocab = llama_vocab_n_tokens(s->v->tokens.vocab);
    const float *logits = llama_get_logits_ith(s->ctx, -1), *h = NULL;
    float best;

    if (w->words > 0)
        h = llama_get_embeddings_ith(s->ctx, -1);
    if (!logits || (w->words > 0 && !h))
        return err_set(err, RAP_E_MODEL, "%s: the model gives no logits", s->v->model_path);
    *out = 0;
    best = logits[0];
    for (int32_t i = 1; i < vocab; i++)
        if (logits[i] > best) {
            best = logits[i];
            *out = i;
        }
    for (int k = 0; k < w->words; k++) {
        float sum = 0;

        for (int i = 0; i < s->v->width; i++)
            sum += h[i] * w->word[k * s->v->width + i];
        if (sum > best) {
            best = sum;
            *out = vocab + k;
        }
    }
    return isfinite(best) ? RAP_OK
                          : err_set(err, RAP_E_MODEL, "%s: the model's logits are no numbers",
                                    s->v->model_path);
}

static void write_token(buf *out, const speaker *s, int32_t token)
{
    char piece[256];
    int32_t len = llama_token_to_piece(s->v->tokens.vocab, token, piece, sizeof piece, 0, false);

    if (len > 0)
        buf_add(out, piece, (size_t)len);
}

static rap_status generate(buf *out, speaker *s, const spoken *w, int max_tokens, rap_err *err)
{
    int32_t vocab = llama_vocab_n_tokens(s->v->tokens.vocab), token = 0;
    rap_status status = RAP_OK;

    for (int n = 0; !status && n < max_tokens && s->position < s->cells; n++) {
        const float *row = NULL;

        status = choose(&token, s, w, err);
        if (status || (token < vocab && llama_vocab_is_eog(s->v->tokens.vocab, token)))
            break;
        if (token < vocab) {
            write_token(out, s, token);
        } else {
            int k = token - vocab;

            buf_puts(out, out->len && out->data[out->len - 1] != ' ' ? " " : "");
            buf_puts(out, w->text[k]);
            row = w->param + (size_t)w->input[k] * (size_t)s->v->width;
        }
        status = take(s, row ? -2 : token, row, true, err);
        if (!status)
            status = flush(s, err);
    }
    return status;
}

rap_status speaker_say(char **out, speaker *s, const sequence *asked, const spoken *w,
                       int max_tokens, rap_err *err)
{
    buf text = BUF_INIT;
    int need = asked->count + max_tokens;
    const char *from;
    rap_status status = RAP_OK;

    *out = NULL;
    if (need > s->v->context)
        return err_set(err, RAP_E_LIMIT, "%s: %d tokens do not fit a context of %d",
                       s->v->model_path, need, s->v->context);
    if (need > s->cells)
        status = new_context(s, need, err);
    if (status)
        return status;
    llama_memory_clear(llama_get_memory(s->ctx), false);
    llama_set_embeddings(s->ctx, false);
    s->position = 0;
    s->tokens.n_tokens = s->rows.n_tokens = 0;
    status = read_prompt(s, asked, w, err);
    if (!status)
        status = generate(&text, s, w, max_tokens, err);
    from = buf_text(&text);
    while (*from == ' ' || *from == '\n')
        from++;
    if (!status && (buf_failed(&text) || !(*out = mem_string(from))))
        status = err_memory(err, "writing an answer");
    buf_release(&text);
    return status;
}
