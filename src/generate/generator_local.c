/* generator_local.c: llama.cpp in this process (vlm.h, session.h) behind the interface of all generators. */
#include "generate/generator_local.h"

#include "base/mem.h"
#include "generate/session.h"

#include <stdlib.h>

typedef struct local {
    generator base;
    vlm *v;
} local;

typedef struct local_conversation {
    conversation base;
    session *s;
} local_conversation;

static void local_close(generator *g)
{
    local *l = (local *)g;

    vlm_close(l->v);
    free(l);
}

static bool local_has_vision(const generator *g)
{
    return vlm_has_vision(((const local *)g)->v);
}

static const char *local_fingerprint(generator *g)
{
    return vlm_fingerprint(((local *)g)->v);
}

static rap_status local_encode(generator *g, const image *im, float **out, size_t *out_floats,
                               rap_err *err)
{
    return vlm_encode_concept(((local *)g)->v, im, out, out_floats, err);
}

static bool local_fits(generator *g, const float *tokens, size_t floats)
{
    return vlm_fits_tokens(((local *)g)->v, tokens, floats);
}

static void local_forget(generator *g)
{
    vlm_forget(((local *)g)->v);
}

static rap_status local_open_conversation(conversation **out, generator *g, rap_err *err)
{
    local_conversation *c = mem_array(1, sizeof *c);
    rap_status status;

    *out = NULL;
    if (!c)
        return err_memory(err, "opening a conversation");
    c->base.kind = g->kind;
    status = session_open(&c->s, ((local *)g)->v, err);
    if (status) {
        free(c);
        return status;
    }
    *out = &c->base;
    return RAP_OK;
}

static void local_close_conversation(conversation *c)
{
    local_conversation *l = (local_conversation *)c;

    session_close(l->s);
    free(l);
}

static rap_status local_ask(conversation *c, const session_turn *turn, session_answer *out,
                            rap_err *err)
{
    return session_ask(((local_conversation *)c)->s, turn, out, err);
}

static rap_status local_judge(conversation *c, const session_turn *turn, const choice *between,
                              double *out, rap_err *err)
{
    return session_judge(((local_conversation *)c)->s, turn, between, out, err);
}

static const generator_kind kind = { .close = local_close,
                                     .has_vision = local_has_vision,
                                     .fingerprint = local_fingerprint,
                                     .encode = local_encode,
                                     .fits = local_fits,
                                     .forget = local_forget,
                                     .open_conversation = local_open_conversation,
                                     .close_conversation = local_close_conversation,
                                     .ask = local_ask,
                                     .judge = local_judge };

rap_status generator_open_local(generator **out, const vlm_options *options, rap_err *err)
{
    local *l = mem_array(1, sizeof *l);
    rap_status status;

    *out = NULL;
    if (!l)
        return err_memory(err, "opening a model");
    l->base.kind = &kind;
    status = vlm_open(&l->v, options, err);
    if (status) {
        free(l);
        return status;
    }
    *out = &l->base;
    return RAP_OK;
}
