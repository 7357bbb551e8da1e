/* generator_remote.c: the generator, then a turn: the prompt and its pictures become a message, the reply an answer. */
#include "remote/generator_remote.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/threads.h"
#include "generate/stream.h"
#include "remote/transcript.h"

#include <stdlib.h>
#include <string.h>

typedef struct remote {
    generator base;
    generator_remote_options set; /* its texts are the fields below */
    char *url, *model, *system;
    char *name; /* model and address */
} remote;

typedef struct remote_conversation {
    conversation base;
    remote *r;
    chat *chat;
    transcript said;
    int turns;
    const session_turn *turn; /* the present one; NULL between turns */
} remote_conversation;

/* ---- the generator ---- */

static void remote_close(generator *g)
{
    remote *r = (remote *)g;

    free(r->url);
    free(r->model);
    free(r->system);
    free(r->name);
    free(r);
}

/* A model that takes no pictures says so itself. */
static bool remote_has_vision(const generator *g)
{
    (void)g;
    return true;
}

static const char *remote_fingerprint(generator *g)
{
    return ((remote *)g)->name;
}

static void close_conversation(conversation *c)
{
    remote_conversation *k = (remote_conversation *)c;

    chat_close(k->chat);
    transcript_release(&k->said);
    free(k);
}

static int is_stopped(void *payload)
{
    const remote_conversation *k = payload;

    return k->turn && session_turn_stopped(k->turn);
}

static void on_pause(const char *why, long pause_ms, bool asked, void *payload)
{
    const remote_conversation *k = payload;

    (void)asked;
    if (k->turn && k->turn->on_wait)
        k->turn->on_wait(why, (double)pause_ms / 1000, k->turn->payload);
}

static rap_status open_conversation(conversation **out, generator *g, rap_err *err)
{
    endpoint_settings settings = ((remote *)g)->set.endpoint;
    remote_conversation *k = mem_array(1, sizeof *k);
    rap_status status;

    *out = NULL;
    if (!k)
        return err_memory(err, "opening a conversation");
    k->base.kind = g->kind;
    k->r = (remote *)g;
    settings.cancelled = is_stopped;
    settings.on_pause = on_pause;
    settings.payload = k;
    status = chat_open(&k->chat, &settings, err);
    if (status == RAP_OK && *k->r->system)
        status = transcript_add_text(&k->said, "system", k->r->system, err);
    if (status == RAP_OK)
        *out = &k->base;
    else
        close_conversation(&k->base);
    return status;
}

/* ---- the question ---- */

static rap_status check_turn(const remote *r, const session_turn *turn, rap_err *err)
{
    const sampling *s = &turn->sampling;
    const char *what = turn->concept_budget > 0                           ? "concept budget"
                       : s->top_k != 0                                    ? "top-k"
                       : s->repeat_penalty != 0 && s->repeat_penalty != 1 ? "repeat penalty"
                                                                          : NULL;

    if (!turn->question || !*turn->question)
        return err_set(err, RAP_E_ARGUMENT, "the question is empty");
    return what ? err_set(err, RAP_E_UNSUPPORTED, "%s: a chat endpoint has no %s; leave it out",
                          r->url, what)
                : RAP_OK;
}

static rap_status add_picture(remote_picture *out, const session_picture *from, int side,
                              const char *name, rap_err *err)
{
    if (!from->pixels)
        return err_set(err, RAP_E_ARGUMENT, "%s: an endpoint takes pictures, not tokens", name);
    return remote_picture_make(out, from->pixels, side, REMOTE_QUALITY, name, err);
}

typedef struct question {    /* the memory behind a prompt */
    prompt_concept *concept; /* in the order of the prompt */
    remote_picture *picture; /* [1 + concepts]: the photo, then likewise */
    int *order;
} question;

static rap_status fill(question *q, const remote *r, const prompt_style *style,
                       const session_turn *turn, rap_err *err)
{
    rap_status status = RAP_OK;

    prompt_order(q->order, style, turn->concept, turn->place, turn->concepts);
    if (turn->query)
        status = add_picture(&q->picture[0], turn->query, r->set.photo_side, "the photo", err);
    for (int i = 0; status == RAP_OK && i < turn->concepts; i++) {
        int from = q->order[i];
        const session_picture *shown = turn->concept_picture ? &turn->concept_picture[from] : NULL;

        q->concept[i] = turn->concept[from];
        q->concept[i].has_image = shown && (shown->pixels || shown->tokens);
        if (q->concept[i].has_image)
            status = add_picture(&q->picture[i + 1], shown, r->set.concept_side, q->concept[i].name,
                                 err);
    }
    return status;
}

/* The endpoint's own template puts marks around the turn, so the prompt has none. */
static rap_status add_question(remote_conversation *k, const session_turn *turn, rap_err *err)
{
    const prompt_style style = { "", "", "", .system = "", .memory_first = k->r->set.memory_first };
    size_t concepts = (size_t)turn->concepts;
    question q = { mem_array(concepts + 1, sizeof *q.concept),
                   mem_array(concepts + 1, sizeof *q.picture),
                   mem_array(concepts + 1, sizeof *q.order) };
    bool ready = q.concept && q.picture && q.order;
    prompt p = { 0 };
    rap_status status =
        ready ? fill(&q, k->r, &style, turn, err) : err_memory(err, "asking an endpoint");

    if (status == RAP_OK)
        status = prompt_build(&p, &style, turn->query != NULL, q.concept, turn->concepts,
                              turn->question, k->turns == 0, err);
    if (status == RAP_OK)
        status = transcript_add_prompt(&k->said, &p, q.picture, err);
    prompt_release(&p);
    for (size_t i = 0; q.picture && i <= concepts; i++)
        remote_picture_release(&q.picture[i]);
    free(q.concept);
    free(q.picture);
    free(q.order);
    return status;
}

/* ---- the answer ---- */

typedef struct listening {
    stream text;
    double start, first_ms; /* first_ms < 0: nothing came yet */
} listening;

static int hear(const char *text, size_t size, void *payload)
{
    listening *l = payload;

    if (l->first_ms < 0)
        l->first_ms = clock_ms() - l->start;
    stream_add(&l->text, text, size);
    return l->text.stopped || buf_failed(&l->text.text);
}

static rap_status take_answer(session_answer *out, const remote *r, listening *l,
                              const chat_reply *reply, rap_err *err)
{
    bool full = strcmp(reply->finish, "length") == 0;

    stream_end(&l->text);
    if (buf_failed(&l->text.text) || buf_failed(&l->text.raw))
        return err_memory(err, "reading an answer");
    if (l->text.text.len == 0)
        return err_set(err, RAP_E_FORMAT, "%s: the answer of %s is empty%s", r->url, r->model,
                       full ? "; allow it more tokens" : "");
    out->text = mem_string(buf_text(&l->text.text));
    out->finish = l->text.stopped ? RAP_FINISH_LISTENER
                  : full          ? RAP_FINISH_LENGTH
                                  : RAP_FINISH_STOP;
    out->prompt_tokens = reply->prompt_tokens;
    out->answer_tokens = reply->answer_tokens;
    out->first_token_ms = l->first_ms < 0 ? clock_ms() - l->start : l->first_ms;
    return out->text ? RAP_OK : err_memory(err, "reading an answer");
}

/* Without a listener nothing is handed on before the end, so an answer that is cut off is asked for again. */
static rap_status send(session_answer *out, remote_conversation *k, const session_turn *turn,
                       double start, rap_err *err)
{
    double temperature = (double)turn->sampling.temperature, top_p = (double)turn->sampling.top_p;
    int64_t seed = turn->sampling.seed;
    bool sampled = temperature > 0;
    listening l = { .start = start, .first_ms = -1 };
    const chat_request request = { .model = k->r->model,
                                   .message = k->said.message,
                                   .messages = k->said.count,
                                   .max_tokens = turn->max_tokens,
                                   .temperature = &temperature,
                                   .top_p = sampled && top_p > 0 ? &top_p : NULL,
                                   .seed = sampled ? &seed : NULL,
                                   .stream = true,
                                   .on_text = turn->on_token ? hear : NULL,
                                   .payload = &l };
    chat_reply reply;
    rap_status status;

    stream_init(&l.text, turn->on_token, turn->payload);
    status = chat_ask(&reply, k->chat, &request, err);
    if (status == RAP_OK && !turn->on_token)
        stream_add(&l.text, reply.text, strlen(reply.text));
    l.text.stopped |= status == RAP_E_CANCELLED && l.text.text.len > 0;
    if (status == RAP_E_CANCELLED && l.text.stopped) {
        err_clear(err);
        status = RAP_OK;
    }
    if (status == RAP_OK)
        status = take_answer(out, k->r, &l, &reply, err);
    stream_release(&l.text);
    chat_reply_release(&reply);
    return status;
}

static rap_status ask(conversation *c, const session_turn *turn, session_answer *out, rap_err *err)
{
    remote_conversation *k = (remote_conversation *)c;
    size_t before = k->said.count;
    double start = clock_ms();
    rap_status status = check_turn(k->r, turn, err);

    *out = (session_answer){ .text = NULL };
    k->turn = turn;
    if (status == RAP_OK)
        status = add_question(k, turn, err);
    if (status == RAP_OK)
        status = send(out, k, turn, start, err);
    if (status == RAP_OK)
        status = transcript_add_text(&k->said, "assistant", out->text, err);
    if (status == RAP_OK) {
        k->turns++;
    } else {
        transcript_shorten(&k->said, before);
        session_answer_release(out);
    }
    k->turn = NULL;
    return status;
}

/* ---- opening ---- */

static const generator_kind kind = { .close = remote_close,
                                     .has_vision = remote_has_vision,
                                     .fingerprint = remote_fingerprint,
                                     .open_conversation = open_conversation,
                                     .close_conversation = close_conversation,
                                     .ask = ask };

static rap_status copy(remote *r, const generator_remote_options *from, rap_err *err)
{
    buf name = BUF_INIT;

    r->set = *from;
    r->url = mem_string(from->endpoint.url);
    r->model = mem_string(from->model);
    r->system = mem_string(from->system ? from->system : "");
    buf_printf(&name, "%s at %s", from->model, from->endpoint.url);
    r->name = buf_detach(&name);
    if (!r->url || !r->model || !r->system || !r->name)
        return err_memory(err, "opening an endpoint");
    r->set.endpoint.url = r->url;
    r->set.model = r->set.system = NULL;
    r->set.photo_side = from->photo_side > 0 ? from->photo_side : REMOTE_PHOTO_SIDE;
    r->set.concept_side = from->concept_side > 0 ? from->concept_side : REMOTE_CONCEPT_SIDE;
    return RAP_OK;
}

/* An address or key that cannot be used is found now. */
static rap_status check(const remote *r, rap_err *err)
{
    chat *c = NULL;
    rap_status status = chat_open(&c, &r->set.endpoint, err);

    chat_close(c);
    return status;
}

rap_status generator_open_remote(generator **out, const generator_remote_options *options,
                                 rap_err *err)
{
    remote *r = mem_array(1, sizeof *r);
    rap_status status = r ? copy(r, options, err) : err_memory(err, "opening an endpoint");

    *out = NULL;
    if (status == RAP_OK)
        status = check(r, err);
    if (status == RAP_OK) {
        r->base.kind = &kind;
        *out = &r->base;
    } else if (r) {
        remote_close(&r->base);
    }
    return status;
}
