/* choice.c: see choice.h. A word stands for the first tokens of its spellings; the rest of it follows from them. */
#include "generate/choice.h"

#include <llama.h>

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SPELLINGS = 6, LONGEST = 32 };

typedef struct spellings {
    llama_token token[SPELLINGS];
    int count;
} spellings;

static bool has(const spellings *s, llama_token token)
{
    for (int i = 0; i < s->count; i++)
        if (s->token[i] == token)
            return true;
    return false;
}

/* Nothing but space: it may begin any word. */
static bool is_blank(const struct llama_vocab *vocab, llama_token token)
{
    char piece[64];
    int32_t len = llama_token_to_piece(vocab, token, piece, sizeof piece, 0, false);

    for (int32_t i = 0; i < len; i++)
        if (!isspace((unsigned char)piece[i]))
            return false;
    return true;
}

static void add(spellings *s, const struct llama_vocab *vocab, const char *text)
{
    llama_token token[LONGEST];
    int32_t n = llama_tokenize(vocab, text, (int32_t)strlen(text), token, LONGEST, false, false);

    if (n > 0 && s->count < SPELLINGS && !is_blank(vocab, token[0]) && !has(s, token[0]))
        s->token[s->count++] = token[0];
}

static void spell(spellings *s, const struct llama_vocab *vocab, const char *word)
{
    for (int form = 0; form < 3; form++) {
        char text[LONGEST] = " ";
        size_t len = 1;

        for (const char *w = word; *w && len + 1 < sizeof text; w++, len++)
            text[len] = (char)(form == 0   ? *w
                               : form == 1 ? tolower((unsigned char)*w)
                                           : toupper((unsigned char)*w));
        add(s, vocab, text + 1);
        add(s, vocab, text);
    }
}

/* The logarithm of the summed weights of those tokens that are not also the other word's. −INFINITY: none. */
static double weight(const spellings *s, const spellings *other, const float *logit)
{
    double most = -INFINITY, sum = 0;

    for (int i = 0; i < s->count; i++) {
        if (has(other, s->token[i]))
            continue;
        if (isnan(logit[s->token[i]]))
            return NAN;
        most = fmax(most, (double)logit[s->token[i]]);
    }
    for (int i = 0; i < s->count && isfinite(most); i++)
        if (!has(other, s->token[i]))
            sum += exp((double)logit[s->token[i]] - most);
    return most + log(sum);
}

rap_status choice_weigh(double *out, const choice *between, struct llama_context *ctx,
                        const char *name, rap_err *err)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(llama_get_model(ctx));
    const float *logit = llama_get_logits_ith(ctx, -1);
    spellings yes = { .count = 0 }, no = { .count = 0 };
    double for_yes, for_no;

    *out = 0;
    spell(&yes, vocab, between->yes);
    spell(&no, vocab, between->no);
    if (!logit)
        return err_set(err, RAP_E_MODEL, "%s: the model computes no numbers", name);
    for_yes = weight(&yes, &no, logit);
    for_no = weight(&no, &yes, logit);
    if (for_yes == -INFINITY || for_no == -INFINITY)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: its tokens do not tell '%s' from '%s': it cannot judge", name,
                       between->yes, between->no);
    if (!isfinite(for_yes) || !isfinite(for_no))
        return err_set(err, RAP_E_MODEL, "%s: the model computes no numbers", name);
    *out = 1 / (1 + exp(for_no - for_yes));
    return RAP_OK;
}
