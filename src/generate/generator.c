/* generator.c: hands each call on to the kind of generator at hand. */
#include "generate/generator.h"

void generator_close(generator *g)
{
    if (g)
        g->kind->close(g);
}

bool generator_has_vision(const generator *g)
{
    return g->kind->has_vision(g);
}

const char *generator_fingerprint(generator *g)
{
    return g->kind->fingerprint(g);
}

bool generator_encodes(const generator *g)
{
    return g->kind->encode != NULL;
}

rap_status generator_encode(generator *g, const image *im, float **out, size_t *out_floats,
                            rap_err *err)
{
    *out = NULL;
    *out_floats = 0;
    if (!g->kind->encode)
        return err_set(err, RAP_E_UNSUPPORTED, "this generator takes pictures as they are");
    return g->kind->encode(g, im, out, out_floats, err);
}

bool generator_fits(generator *g, const float *tokens, size_t floats)
{
    return g->kind->fits && g->kind->fits(g, tokens, floats);
}

void generator_forget(generator *g)
{
    if (g->kind->forget)
        g->kind->forget(g);
}

rap_status conversation_open(conversation **out, generator *g, rap_err *err)
{
    return g->kind->open_conversation(out, g, err);
}

void conversation_close(conversation *c)
{
    if (c)
        c->kind->close_conversation(c);
}

bool generator_judges(const generator *g)
{
    return g->kind->judge != NULL;
}

rap_status conversation_judge(conversation *c, const session_turn *turn, const choice *between,
                              double *out, rap_err *err)
{
    *out = 0;
    if (!c->kind->judge)
        return err_set(
            err, RAP_E_UNSUPPORTED,
            "an endpoint tells no probabilities: only a model in this process can verify");
    return c->kind->judge(c, turn, between, out, err);
}

rap_status conversation_ask(conversation *c, const session_turn *turn, session_answer *out,
                            rap_err *err)
{
    return c->kind->ask(c, turn, out, err);
}
