/* tokens.c: a prompt as tokens and pictures.
 *
 * Reading order: the vocabulary's special tokens (tokenizer_init), lists, one stretch of ordinary text
 * (add_stretch), then tokenize_prompt, which splits SPECIAL segments at special tokens and adds everything
 * else to stretches.
 *
 * Why not llama_tokenize(parse_special = true) on the whole: a concept called "</s>" would end the turn.
 * Why not per segment: SentencePiece merges across segment borders, and the model was trained on that. */
#include "generate/tokens.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTR_PARSED =
        LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN
};

/* ---- the vocabulary ---- */

/* User-defined tokens are matched in any text; those that look like markup act on a model like control
 * tokens. Runs of blanks and single characters do not. */
static bool looks_like_markup(const char *text)
{
    return strlen(text) >= 3 && strpbrk(text, "<[|{") != NULL;
}

static int longest_first(const void *a, const void *b)
{
    const special_token *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static rap_status add_special(tokenizer *t, llama_token id, int attr, rap_err *err)
{
    const char *text = llama_vocab_get_text(t->vocab, id);
    special_token *s = &t->special[t->specials];

    if (!text || !*text)
        return RAP_OK;
    *s = (special_token){ .text = mem_string(text),
                          .len = strlen(text),
                          .id = id,
                          .strip_after = attr & LLAMA_TOKEN_ATTR_RSTRIP,
                          .strip_before = attr & LLAMA_TOKEN_ATTR_LSTRIP };
    if (!s->text)
        return err_memory(err, "reading a vocabulary");
    t->specials++;
    t->forbidden[id] = (attr & LLAMA_TOKEN_ATTR_CONTROL) || looks_like_markup(text);
    return RAP_OK;
}

static void add_byte(tokenizer *t, llama_token id, int *found)
{
    const char *text = llama_vocab_get_text(t->vocab, id);
    unsigned byte = 0;

    if (text && strlen(text) == 6 && sscanf(text, "<0x%2x>", &byte) == 1 && byte < 256) {
        t->byte[byte] = id;
        (*found)++;
    }
}

static size_t count_specials(const struct llama_vocab *vocab, int32_t tokens)
{
    size_t count = 0;

    for (llama_token id = 0; id < tokens; id++)
        count += (llama_vocab_get_attr(vocab, id) & ATTR_PARSED) != 0;
    return count;
}

rap_status tokenizer_init(tokenizer *out, const struct llama_vocab *vocab, rap_err *err)
{
    int32_t tokens = llama_vocab_n_tokens(vocab);
    int bytes = 0;
    rap_status status = RAP_OK;

    *out = (tokenizer){ .vocab = vocab };
    out->special = mem_array(count_specials(vocab, tokens) + 1, sizeof *out->special);
    out->forbidden = mem_array((size_t)tokens + 1, 1);
    if (!out->special || !out->forbidden)
        status = err_memory(err, "reading a vocabulary");
    for (llama_token id = 0; !status && id < tokens; id++) {
        int attr = (int)llama_vocab_get_attr(vocab, id);

        if (attr & ATTR_PARSED)
            status = add_special(out, id, attr, err);
        else if (attr & LLAMA_TOKEN_ATTR_BYTE)
            add_byte(out, id, &bytes);
    }
    if (status) {
        tokenizer_release(out);
        return status;
    }
    out->has_bytes = bytes == 256;
    qsort(out->special, out->specials, sizeof *out->special, longest_first);
    return RAP_OK;
}

void tokenizer_release(tokenizer *t)
{
    for (size_t i = 0; i < t->specials; i++)
        free(t->special[i].text);
    free(t->special);
    free(t->forbidden);
    *t = (tokenizer){ .vocab = NULL };
}

/* ---- lists ---- */

static rap_status reserve(token_list *l, size_t more, rap_err *err)
{
    size_t cap = l->cap ? l->cap : 256;

    while (cap < l->count + more)
        cap *= 2;
    if (cap > l->cap) {
        llama_token *grown = realloc(l->token, cap * sizeof *grown);

        if (!grown)
            return err_memory(err, "tokenising a prompt");
        l->token = grown;
        l->cap = cap;
    }
    return RAP_OK;
}

static rap_status open_run(token_list *l, int picture, rap_err *err)
{
    if (l->runs == l->run_cap) {
        size_t cap = l->run_cap ? l->run_cap * 2 : 16;
        token_run *grown = realloc(l->run, cap * sizeof *grown);

        if (!grown)
            return err_memory(err, "tokenising a prompt");
        l->run = grown;
        l->run_cap = cap;
    }
    l->run[l->runs++] = (token_run){ .picture = picture, .from = l->count, .count = 0 };
    return RAP_OK;
}

rap_status token_list_add(token_list *l, llama_token token, rap_err *err)
{
    rap_status status = reserve(l, 1, err);

    if (!status && (l->runs == 0 || l->run[l->runs - 1].picture >= 0))
        status = open_run(l, -1, err);
    if (status)
        return status;
    l->token[l->count++] = token;
    l->run[l->runs - 1].count++;
    return RAP_OK;
}

void token_list_release(token_list *l)
{
    free(l->token);
    free(l->run);
    *l = (token_list){ .token = NULL };
}

/* ---- ordinary text ---- */

static rap_status tokenize(llama_token **out, int32_t *out_count, const tokenizer *t,
                           const char *text, size_t len, rap_err *err)
{
    int32_t cap = (int32_t)len + 8, count;

    *out = NULL;
    if (len > (1u << 24))
        return err_set(err, RAP_E_LIMIT, "a text of %zu bytes is too long for a prompt", len);
    *out = mem_array((size_t)cap, sizeof **out);
    if (!*out)
        return err_memory(err, "tokenising a prompt");
    count = llama_tokenize(t->vocab, text, (int32_t)len, *out, cap, false, false);
    if (count < 0) {
        cap = -count;
        free(*out);
        *out = mem_array((size_t)cap, sizeof **out);
        if (!*out)
            return err_memory(err, "tokenising a prompt");
        count = llama_tokenize(t->vocab, text, (int32_t)len, *out, cap, false, false);
    }
    if (count >= 0) {
        *out_count = count;
        return RAP_OK;
    }
    free(*out);
    *out = NULL;
    return err_set(err, RAP_E_MODEL, "the model cannot tokenise the prompt");
}

/* Writes a token's text letter by letter, so that the model gets its characters but not its meaning. */
static rap_status spell(token_list *out, const tokenizer *t, llama_token id, rap_err *err)
{
    const char *text = llama_vocab_get_text(t->vocab, id);
    rap_status status = RAP_OK;

    for (size_t used = 1; !status && *text; text += used) {
        llama_token *letter = NULL;
        unsigned code = 0;
        int32_t count = 0;

        if (t->has_bytes) {
            status = token_list_add(out, t->byte[(unsigned char)*text], err);
            continue;
        }
        used = text_decode(&code, text);
        used = used ? used : 1;
        status = tokenize(&letter, &count, t, text, used, err);
        for (int32_t k = 0; !status && k < count; k++)
            if (!t->forbidden[letter[k]])
                status = token_list_add(out, letter[k], err);
        free(letter);
    }
    return status;
}

static rap_status add_text(token_list *out, const tokenizer *t, const char *text, size_t len,
                           rap_err *err)
{
    llama_token *token = NULL;
    int32_t count = 0;
    rap_status status = len ? tokenize(&token, &count, t, text, len, err) : RAP_OK;

    for (int32_t i = 0; !status && i < count; i++)
        status = t->forbidden[token[i]] ? spell(out, t, token[i], err)
                                        : token_list_add(out, token[i], err);
    free(token);
    return status;
}

/* ---- stretches, and marks in them ---- */

/* A prompt that is being tokenised: `stretch` is what stands behind out->token[begun − 1] so far. */
typedef struct writing {
    token_list *out;
    const tokenizer *t;
    buf stretch;
    size_t begun;
    size_t *edge;
    const size_t *mark;
    size_t marks, passed, settled; /* marks behind us; those of them whose stretch is complete */
    token_list *part;              /* [marks] the stretch as it was at each mark */
} writing;

/* The stretch so far may be tokenised otherwise than when it goes on. */
static rap_status pass_marks(writing *w, size_t segment, rap_err *err)
{
    rap_status status = buf_failed(&w->stretch) ? err_memory(err, "tokenising a prompt") : RAP_OK;

    for (; !status && w->passed < w->marks && w->mark[w->passed] == segment; w->passed++)
        status = add_text(&w->part[w->passed], w->t, w->stretch.data, w->stretch.len, err);
    return status;
}

static void settle_marks(writing *w)
{
    for (; w->settled < w->passed; w->settled++) {
        const token_list *part = &w->part[w->settled];
        size_t at = w->begun;

        for (size_t n = 0; n < part->count && at < w->out->count; n++, at++)
            if (part->token[n] != w->out->token[at])
                break;
        w->edge[w->settled] = at;
    }
    w->begun = w->out->count;
}

static rap_status end_stretch(writing *w, rap_err *err)
{
    rap_status status = buf_failed(&w->stretch) ? err_memory(err, "tokenising a prompt") : RAP_OK;

    if (!status)
        status = add_text(w->out, w->t, w->stretch.data, w->stretch.len, err);
    if (!status)
        settle_marks(w);
    buf_clear(&w->stretch);
    return status;
}

/* ---- prompts ---- */

static const special_token *special_at(const tokenizer *t, const char *text)
{
    for (size_t i = 0; i < t->specials; i++)
        if (strncmp(text, t->special[i].text, t->special[i].len) == 0)
            return &t->special[i];
    return NULL;
}

static void strip_end(buf *b)
{
    while (b->len && isspace((unsigned char)b->data[b->len - 1]))
        b->data[--b->len] = '\0';
}

/* Template text: each special token on its own, the rest is added to the stretch. */
static rap_status add_special_text(writing *w, const char *text, rap_err *err)
{
    while (*text) {
        const special_token *s = special_at(w->t, text);
        rap_status status;

        if (!s) {
            buf_putc(&w->stretch, *text++);
            continue;
        }
        if (s->strip_before)
            strip_end(&w->stretch);
        status = end_stretch(w, err);
        if (!status)
            status = token_list_add(w->out, s->id, err);
        if (status)
            return status;
        w->begun = w->out->count;
        text += s->len;
        while (s->strip_after && isspace((unsigned char)*text))
            text++;
    }
    return RAP_OK;
}

static rap_status add_segment(writing *w, const prompt_segment *s, rap_err *err)
{
    rap_status status;

    if (s->kind == PROMPT_PLAIN) {
        buf_puts(&w->stretch, s->text);
        return RAP_OK;
    }
    if (s->kind == PROMPT_SPECIAL)
        return add_special_text(w, s->text, err);
    status = end_stretch(w, err);
    return status ? status : open_run(w->out, s->image, err);
}

rap_status tokenize_prompt_marks(token_list *out, size_t *edge, const size_t *mark, size_t marks,
                                 const tokenizer *t, const prompt *p, rap_err *err)
{
    writing w = { .out = out,
                  .t = t,
                  .stretch = BUF_INIT,
                  .begun = out->count,
                  .edge = edge,
                  .mark = mark,
                  .marks = marks,
                  .part = mem_array(marks + 1, sizeof *w.part) };
    rap_status status = w.part ? RAP_OK : err_memory(err, "tokenising a prompt");

    for (size_t i = 0; !status && i < p->count; i++) {
        status = pass_marks(&w, i, err);
        if (!status)
            status = add_segment(&w, &p->segment[i], err);
    }
    if (!status)
        status = pass_marks(&w, p->count, err);
    if (!status)
        status = end_stretch(&w, err);
    for (size_t i = 0; w.part && i < marks; i++)
        token_list_release(&w.part[i]);
    free(w.part);
    buf_release(&w.stretch);
    return status;
}

rap_status tokenize_prompt(token_list *out, const tokenizer *t, const prompt *p, rap_err *err)
{
    return tokenize_prompt_marks(out, NULL, NULL, 0, t, p, err);
}
