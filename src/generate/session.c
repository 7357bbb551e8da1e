/* session.c: one conversation.
 *
 * Reading order: a turn's plan (which pictures and tokens, and how many concepts fit), feeding it, then
 * speaking (generate), then session_ask, which undoes the turn when it fails. The decoder's memory keeps
 * everything that was said, so a later turn only feeds what is new. */
#include "generate/session.h"

#include "base/mem.h"
#include "base/threads.h"
#include "generate/feed.h"
#include "generate/stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ANSWER = 256, TOP_K = 40 };
static const float TOP_P = 0.95f;

struct session {
    vlm *v;
    feed feed;
    int turns;
    bool has_pending; /* the answer's last token was said but not fed */
    llama_token pending;
};

rap_status session_open(session **out, vlm *v, rap_err *err)
{
    session *s = mem_array(1, sizeof *s);
    rap_status status;

    *out = NULL;
    if (!s)
        return err_memory(err, "opening a conversation");
    s->v = v;
    status = feed_init(&s->feed, v, err);
    if (status) {
        free(s);
        return status;
    }
    *out = s;
    return RAP_OK;
}

void session_close(session *s)
{
    if (!s)
        return;
    feed_release(&s->feed);
    free(s);
}

void session_answer_release(session_answer *a)
{
    free(a->text);
    *a = (session_answer){ .text = NULL };
}

/* ---- a turn's plan ---- */

typedef struct plan {
    picture *picture;        /* [1 + concepts]: the query's, then each concept's */
    prompt_concept *concept; /* [concepts]                                        */
    int pictures;            /* initialised so far                                */
    bool has_query;
    token_list tokens;
    int kept;  /* concepts that fit */
    int cells; /* places the prompt takes */
} plan;

static void plan_release(plan *p)
{
    for (int i = 0; i < p->pictures; i++)
        picture_release(&p->picture[i]);
    free(p->picture);
    free(p->concept);
    token_list_release(&p->tokens);
}

/* A text-only model is told of concepts without their pictures. */
static rap_status plan_pictures(plan *p, session *s, const session_turn *turn, rap_err *err)
{
    size_t concepts = (size_t)turn->concepts;
    rap_status status = RAP_OK;

    p->picture = mem_array(concepts + 1, sizeof *p->picture);
    p->concept = mem_array(concepts + 1, sizeof *p->concept);
    if (!p->picture || !p->concept)
        return err_memory(err, "planning a turn");
    p->pictures = turn->concepts + 1;
    p->has_query = turn->query && (turn->query->pixels || turn->query->tokens);
    if (p->has_query)
        status = picture_init(&p->picture[0], s->v, turn->query, err);
    for (size_t i = 0; !status && i < concepts; i++) {
        const session_picture *source = turn->concept_picture ? &turn->concept_picture[i] : NULL;

        p->concept[i] = turn->concept[i];
        p->concept[i].has_image = s->v->mtmd && source && (source->pixels || source->tokens);
        if (p->concept[i].has_image)
            status = picture_init(&p->picture[i + 1], s->v, source, err);
    }
    return status;
}

/* Some templates write the token that begins a text themselves. */
static void drop_second_begin(token_list *l, llama_token begin)
{
    if (l->runs == 0 || l->run[0].picture >= 0 || l->run[0].count < 2 || l->token[1] != begin)
        return;
    memmove(l->token, l->token + 1, (l->count - 1) * sizeof *l->token);
    l->count--;
    l->run[0].count--;
    for (size_t i = 1; i < l->runs; i++)
        l->run[i].from--;
}

static rap_status plan_tokens(plan *p, const session *s, const prompt *text, rap_err *err)
{
    const struct llama_vocab *vocab = s->v->tokens.vocab;
    llama_token begin = llama_vocab_bos(vocab);
    bool begins = s->turns == 0 && llama_vocab_get_add_bos(vocab) && begin != LLAMA_TOKEN_NULL;
    rap_status status = RAP_OK;

    token_list_release(&p->tokens);
    if (s->has_pending)
        status = token_list_add(&p->tokens, s->pending, err);
    if (!status && begins)
        status = token_list_add(&p->tokens, begin, err);
    if (!status)
        status = tokenize_prompt(&p->tokens, &s->v->tokens, text, err);
    if (!status && begins)
        drop_second_begin(&p->tokens, begin);
    return status;
}

/* The prompt with the first `kept` concepts, and its size. */
static rap_status plan_prompt(plan *p, const session *s, const session_turn *turn, int kept,
                              rap_err *err)
{
    prompt text;
    rap_status status = prompt_build(&text, &s->v->style.turns, p->has_query, p->concept, kept,
                                     turn->question, s->turns == 0, err);

    if (status)
        return status;
    status = plan_tokens(p, s, &text, err);
    p->kept = kept;
    p->cells = (int)p->tokens.count;
    for (size_t i = 0; i < p->tokens.runs; i++)
        if (p->tokens.run[i].picture >= 0)
            p->cells += p->picture[p->tokens.run[i].picture].cells;
    prompt_release(&text);
    return status;
}

/* Room kept free for the answer: what was asked for, but no more than an eighth of the context. */
static int answer_room(const session *s, const session_turn *turn)
{
    int wanted = turn->max_tokens > 0 ? turn->max_tokens : DEFAULT_ANSWER;
    int share = s->v->context / 8;

    return wanted < share ? wanted : share > 0 ? share : 1;
}

/* Leaves out concepts from the last until the prompt fits. */
static rap_status plan_fit(plan *p, const session *s, const session_turn *turn, rap_err *err)
{
    int room = s->v->context - s->feed.at.cells - answer_room(s, turn);

    for (int kept = turn->concepts; kept >= 0; kept--) {
        rap_status status = plan_prompt(p, s, turn, kept, err);

        if (status || p->cells <= room)
            return status;
    }
    return err_set(err, RAP_E_LIMIT,
                   "the question takes %d tokens, and %d of this model's context of %d are left%s",
                   p->cells, room > 0 ? room : 0, s->v->context,
                   s->turns ? "; start a new conversation" : "");
}

static rap_status plan_init(plan *p, session *s, const session_turn *turn, rap_err *err)
{
    rap_status status;

    *p = (plan){ .picture = NULL };
    if (!turn->question || !*turn->question)
        return err_set(err, RAP_E_ARGUMENT, "the question is empty");
    if (turn->concepts < 0 || (turn->concepts > 0 && !turn->concept))
        return err_set(err, RAP_E_ARGUMENT, "a turn with %d concepts", turn->concepts);
    status = plan_pictures(p, s, turn, err);
    if (!status)
        status = plan_fit(p, s, turn, err);
    if (!status && (p->tokens.runs == 0 || p->tokens.run[p->tokens.runs - 1].picture >= 0))
        status = err_set(err, RAP_E_ARGUMENT, "the question has no text");
    return status;
}

/* ---- feeding ---- */

static rap_status feed_plan(session *s, const plan *p, session_answer *out, rap_err *err)
{
    for (size_t i = 0; i < p->tokens.runs; i++) {
        const token_run *run = &p->tokens.run[i];
        rap_status status;

        if (run->picture < 0) {
            status = feed_tokens(&s->feed, p->tokens.token + run->from, run->count,
                                 i + 1 == p->tokens.runs, err);
        } else {
            status = feed_picture(&s->feed, &p->picture[run->picture], err);
            out->images_encoded += p->picture[run->picture].chunks != NULL;
        }
        if (status)
            return status;
    }
    out->prompt_tokens = p->cells;
    s->has_pending = false;
    return RAP_OK;
}

/* ---- speaking ---- */

/* NULL: greedy. */
static struct llama_sampler *new_sampler(const session_turn *turn)
{
    struct llama_sampler *chain;

    if (!(turn->temperature > 0))
        return NULL;
    chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
    llama_sampler_chain_add(chain, llama_sampler_init_top_k(TOP_K));
    llama_sampler_chain_add(chain, llama_sampler_init_top_p(TOP_P, 1));
    llama_sampler_chain_add(chain, llama_sampler_init_temp(turn->temperature));
    llama_sampler_chain_add(chain, llama_sampler_init_dist(turn->seed));
    return chain;
}

/* The likeliest token. −1 when any logit is not a number: such weights mean nothing. */
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

static rap_status next_token(llama_token *out, session *s, struct llama_sampler *sampler,
                             rap_err *err)
{
    const float *logit = llama_get_logits_ith(s->feed.ctx, -1);

    *out = logit ? best_token(logit, llama_vocab_n_tokens(s->v->tokens.vocab)) : -1;
    if (*out < 0)
        return err_set(err, RAP_E_MODEL, "%s: the model computes no numbers", s->v->model_path);
    if (sampler)
        *out = llama_sampler_sample(sampler, s->feed.ctx, -1);
    return RAP_OK;
}

static rap_status say(stream *out, const session *s, llama_token token, rap_err *err)
{
    char small[256], *text = small;
    int32_t len = llama_token_to_piece(s->v->tokens.vocab, token, small, sizeof small, 0, false);

    if (len < 0) {
        text = mem_array((size_t)-len, 1);
        if (!text)
            return err_memory(err, "writing an answer");
        len = llama_token_to_piece(s->v->tokens.vocab, token, text, -len, 0, false);
    }
    if (len > 0)
        stream_add(out, text, (size_t)len);
    if (text != small)
        free(text);
    return RAP_OK;
}

static rap_status speak(session *s, const session_turn *turn, stream *out, session_answer *answer,
                        double start, rap_err *err)
{
    int limit = turn->max_tokens > 0 ? turn->max_tokens : DEFAULT_ANSWER;
    struct llama_sampler *sampler = new_sampler(turn);
    rap_status status = RAP_OK;

    while (!status && answer->answer_tokens < limit && !out->stopped) {
        llama_token token = 0;

        if (s->has_pending) {
            if (s->feed.at.cells >= s->v->context)
                break;
            status = feed_tokens(&s->feed, &s->pending, 1, true, err);
            s->has_pending = status != RAP_OK;
        }
        if (!status)
            status = next_token(&token, s, sampler, err);
        if (!status && answer->answer_tokens == 0)
            answer->first_token_ms = clock_ms() - start;
        if (status || llama_vocab_is_eog(s->v->tokens.vocab, token))
            break;
        s->pending = token;
        s->has_pending = true;
        answer->answer_tokens++;
        status = say(out, s, token, err);
    }
    if (sampler)
        llama_sampler_free(sampler);
    return status;
}

/* ---- a turn ---- */

static rap_status take_text(session_answer *out, stream *text, rap_err *err)
{
    stream_end(text);
    if (buf_failed(&text->text) || buf_failed(&text->raw))
        return err_memory(err, "writing an answer");
    out->text = mem_string(buf_text(&text->text));
    return out->text ? RAP_OK : err_memory(err, "writing an answer");
}

/* As it was before the turn; where the model cannot go back, the conversation starts anew. */
static void undo(session *s, const session *before)
{
    if (feed_rewind(&s->feed, before->feed.at)) {
        s->has_pending = before->has_pending;
        s->pending = before->pending;
        return;
    }
    s->has_pending = false;
    s->turns = 0;
}

rap_status session_ask(session *s, const session_turn *turn, session_answer *out, rap_err *err)
{
    double start = clock_ms();
    session before = *s;
    stream text;
    plan p;
    rap_status status = plan_init(&p, s, turn, err);

    *out = (session_answer){ .text = NULL };
    stream_init(&text, turn->on_token, turn->payload);
    if (!status)
        status = feed_plan(s, &p, out, err);
    if (!status) {
        out->dropped = turn->concepts - p.kept;
        status = speak(s, turn, &text, out, start, err);
    }
    if (!status)
        status = take_text(out, &text, err);
    if (status) {
        undo(s, &before);
        session_answer_release(out);
    } else {
        s->turns++;
    }
    plan_release(&p);
    stream_release(&text);
    return status;
}
