/* sampler.c: the likeliest token, or one drawn by llama.cpp's samplers. */
#include "generate/sampler.h"

#include <math.h>

enum { TOP_K = 40, PENALTY_TOKENS = 64 };
static const float TOP_P = 0.95f;

void sampler_init(sampler *out, const sampling *s, const struct llama_vocab *vocab)
{
    bool penalty = s->repeat_penalty > 0 && s->repeat_penalty != 1, draws = s->temperature > 0;
    struct llama_sampler *chain;

    out->chain = NULL;
    if (!penalty && !draws)
        return;
    chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
    if (penalty)
        llama_sampler_chain_add(chain, llama_sampler_init_penalties(llama_vocab_n_tokens(vocab),
                                                                    PENALTY_TOKENS,
                                                                    s->repeat_penalty, 0, 0));
    if (!draws) {
        llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    } else {
        if (s->top_k >= 0)
            llama_sampler_chain_add(chain, llama_sampler_init_top_k(s->top_k ? s->top_k : TOP_K));
        llama_sampler_chain_add(chain,
                                llama_sampler_init_top_p(s->top_p > 0 ? s->top_p : TOP_P, 1));
        llama_sampler_chain_add(chain, llama_sampler_init_temp(s->temperature));
        llama_sampler_chain_add(chain, llama_sampler_init_dist(s->seed));
    }
    out->chain = chain;
}

void sampler_release(sampler *s)
{
    if (s->chain)
        llama_sampler_free(s->chain);
    s->chain = NULL;
}

/* The likeliest token. −1 if any logit is NaN. */
static llama_token best_token(const float *logit, int32_t count)
{
    llama_token best = 0;

    for (llama_token i = 0; i < count; i++) {
        if (isnan(logit[i]))
            return -1;
        if (logit[i] > logit[best])
            best = i;
    }
    return best;
}

rap_status sampler_next(llama_token *out, sampler *s, struct llama_context *ctx, const char *name,
                        rap_err *err)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(llama_get_model(ctx));
    const float *logit = llama_get_logits_ith(ctx, -1);

    *out = logit ? best_token(logit, llama_vocab_n_tokens(vocab)) : -1;
    if (*out < 0)
        return err_set(err, RAP_E_MODEL, "%s: the model computes no numbers", name);
    if (s->chain)
        *out = llama_sampler_sample(s->chain, ctx, -1);
    return RAP_OK;
}
