/* tokens.h: a prompt as tokens and pictures, with data never becoming a special token. */
#ifndef RAP_GENERATE_TOKENS_H
#define RAP_GENERATE_TOKENS_H

#include "generate/prompt.h"

#include <llama.h>

#include <stdbool.h>
#include <stdint.h>

/* A token with a meaning of its own: control, user-defined or unknown. */
typedef struct special_token {
    char *text;
    size_t len;
    llama_token id;
    bool strip_after, strip_before; /* white space next to it is part of it */
} special_token;

/* What must be known of a vocabulary; made once per model, then only read. */
typedef struct tokenizer {
    const struct llama_vocab *vocab; /* borrowed */
    special_token *special;          /* [specials], longest first */
    size_t specials;
    uint8_t *forbidden;    /* [tokens]: 1 where data must not become this token */
    llama_token byte[256]; /* the token that spells one byte */
    bool has_bytes;
} tokenizer;

rap_status tokenizer_init(tokenizer *out, const struct llama_vocab *vocab, rap_err *err);
void tokenizer_release(tokenizer *t); /* NULL-safe fields */

/* A stretch of tokens, or one picture. */
typedef struct token_run {
    int picture;        /* −1: tokens; else the prompt's picture number */
    size_t from, count; /* in token_list.token                         */
} token_run;

typedef struct token_list {
    llama_token *token;
    size_t count, cap;
    token_run *run;
    size_t runs, run_cap;
} token_list;

rap_status token_list_add(token_list *l, llama_token token, rap_err *err);
void token_list_release(token_list *l);

/* Appends the prompt. The text between two pictures or special tokens is tokenised as one string, as it was
 * in training, whatever segments it came from. */
rap_status tokenize_prompt(token_list *out, const tokenizer *t, const prompt *p, rap_err *err);
/* The same, and where parts of it end: edge[i] tokens at the beginning of `out`, empty before, are those that the first
 * mark[i] segments have by themselves. mark [marks] ascending */
rap_status tokenize_prompt_marks(token_list *out, size_t *edge, const size_t *mark, size_t marks, const tokenizer *t,
                                 const prompt *p, rap_err *err);

#endif
