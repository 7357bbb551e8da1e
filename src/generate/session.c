/* session.c: one conversation with a local model.
 *
 * Reading order: prefill of a turn's plan, then generate, then session_ask, which undoes the turn if it fails. The
 * KV cache keeps the whole conversation, so a later turn only evaluates what is new. */
#include "generate/session.h"

#include "base/mem.h"
#include "base/threads.h"
#include "generate/decoder.h"
#include "generate/plan.h"
#include "generate/sampler.h"
#include "generate/stream.h"

#include <stdlib.h>

struct session {
    vlm *v;
    decoder decoder;
    int turns;
    bool has_pending; /* the answer's last token was generated but not decoded */
    llama_token pending;
    bool lost; /* a failed turn could not be undone: the conversation before it is gone */
};

rap_status session_open(session **out, vlm *v, rap_err *err)
{
    session *s = mem_array(1, sizeof *s);
    rap_status status;

    *out = NULL;
    if (!s)
        return err_memory(err, "opening a conversation");
    s->v = v;
    status = decoder_init(&s->decoder, v, err);
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
    decoder_release(&s->decoder);
    free(s);
}

void session_answer_release(session_answer *a)
{
    free(a->text);
    *a = (session_answer){ .text = NULL };
}

/* ---- prefill ---- */

/* Steps [from, to) of a plan, which are all in run i, whose first step is number `first`. */
static rap_status prefill_part(session *s, const plan *p, size_t i, size_t first, size_t from,
                               size_t to, session_answer *out, rap_err *err)
{
    const token_run *run = &p->tokens.run[i];

    if (from >= to)
        return RAP_OK;
    if (run->picture < 0)
        return decoder_prefill(&s->decoder, p->tokens.token + run->from + (from - first), to - from,
                               to == p->steps.count, err);
    out->images_encoded += p->picture[run->picture].rows == NULL;
    return decoder_prefill_picture(&s->decoder, &p->picture[run->picture], err);
}

/* The steps from `done` on. Stops once at `keep` (0: nowhere), to keep what has been evaluated there. */
static rap_status prefill_rest(session *s, const plan *p, size_t done, size_t keep,
                               const prefix_shelf *shelf, session_answer *out, rap_err *err)
{
    size_t first = 0, next;
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < p->tokens.runs; i++, first = next) {
        size_t from = done > first ? done : first;
        bool stops;

        next = first + (p->tokens.run[i].picture < 0 ? p->tokens.run[i].count : 1);
        stops = keep > from && keep <= next;
        if (stops) {
            status = prefill_part(s, p, i, first, from, keep, out, err);
            if (!status)
                decoder_keep(&s->decoder, &p->steps, keep, shelf);
            from = keep;
        }
        if (!status)
            status = prefill_part(s, p, i, first, from, next, out, err);
    }
    return status;
}

/* The first turn begins where an earlier conversation began alike. */
static rap_status prefill_first(session *s, const plan *p, const prefix_shelf *shelf,
                                session_answer *out, rap_err *err)
{
    size_t done = 0, keep = p->memory;
    rap_status status =
        decoder_resume(&done, &s->decoder, &p->steps, p->memory, p->cells, shelf, err);

    if (status)
        return status;
    out->kept_tokens = s->decoder.cells;
    if (keep <= done || decoder_has_kept(&s->decoder, &p->steps, keep))
        keep = 0;
    status = prefill_rest(s, p, done, keep, shelf, out, err);
    return status ? status : decoder_note(&s->decoder, &p->steps, err);
}

static rap_status prefill(session *s, const session_turn *turn, const plan *p, session_answer *out,
                          rap_err *err)
{
    rap_status status;

    if (s->turns == 0) {
        status = prefill_first(s, p, turn->shelf, out, err);
    } else {
        status = decoder_reserve(&s->decoder, s->decoder.cells + p->cells, err);
        if (!status)
            status = prefill_rest(s, p, 0, 0, NULL, out, err);
    }
    if (status)
        return status;
    out->prompt_tokens = p->cells;
    s->has_pending = false;
    return RAP_OK;
}

/* ---- generating ---- */

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

/* Decodes the last generated token, so that the next one can be sampled. */
static rap_status decode_pending(session *s, rap_err *err)
{
    rap_status status = decoder_reserve(&s->decoder, s->decoder.cells + 1, err);

    if (!status)
        status = decoder_prefill(&s->decoder, &s->pending, 1, true, err);
    s->has_pending = status != RAP_OK;
    return status;
}

static rap_status stopped(rap_err *err)
{
    return err_set(err, RAP_E_CANCELLED, "stopped before the answer began");
}

static rap_status generate(session *s, const session_turn *turn, stream *out,
                           session_answer *answer, double start, rap_err *err)
{
    int limit = plan_answer_limit(turn);
    bool stop = false;
    rap_status status = RAP_OK;
    sampler chooser;

    sampler_init(&chooser, &turn->sampling, s->v->tokens.vocab);
    answer->finish = RAP_FINISH_LENGTH;
    while (!status && answer->answer_tokens < limit && !out->stopped &&
           !(stop = session_turn_stopped(turn))) {
        llama_token token = 0;

        if (s->has_pending && s->decoder.cells >= s->v->context)
            break;
        if (s->has_pending)
            status = decode_pending(s, err);
        if (!status)
            status = sampler_next(&token, &chooser, s->decoder.ctx, s->v->model_path, err);
        if (!status && answer->answer_tokens == 0)
            answer->first_token_ms = clock_ms() - start;
        if (!status && llama_vocab_is_eog(s->v->tokens.vocab, token)) {
            answer->finish = RAP_FINISH_STOP;
            break;
        }
        if (status)
            break;
        s->pending = token;
        s->has_pending = true;
        answer->answer_tokens++;
        status = say(out, s, token, err);
    }
    if (out->stopped || stop)
        answer->finish = RAP_FINISH_LISTENER;
    sampler_release(&chooser);
    return !status && stop && out->text.len == 0 ? stopped(err) : status;
}

/* ---- a turn ---- */

bool session_turn_stopped(const session_turn *turn)
{
    return turn->stop && turn->stop(turn->payload);
}

static bool is_stopped(void *turn)
{
    return session_turn_stopped(turn);
}

static rap_status take_text(session_answer *out, stream *text, rap_err *err)
{
    stream_end(text);
    if (buf_failed(&text->text) || buf_failed(&text->raw))
        return err_memory(err, "writing an answer");
    out->text = mem_string(buf_text(&text->text));
    return out->text ? RAP_OK : err_memory(err, "writing an answer");
}

/* Restores the state before the turn. */
static void undo(session *s, const plan_place *before, const decoder_mark *mark)
{
    s->has_pending = before->has_pending;
    s->pending = before->pending;
    s->lost = !decoder_rewind(&s->decoder, mark);
}

static rap_status lost(const session *s, rap_err *err)
{
    return err_set(err, RAP_E_MODEL,
                   "%s: what was said is lost with the turn that failed; start a new conversation",
                   s->v->model_path);
}

static rap_status run_turn(session *s, const plan *p, const session_turn *turn, double start,
                           session_answer *out, rap_err *err)
{
    stream text;
    rap_status status;

    stream_init(&text, turn->on_token, turn->payload);
    decoder_stop_when(&s->decoder, is_stopped, (void *)turn);
    status = prefill(s, turn, p, out, err);
    decoder_stop_when(&s->decoder, NULL, NULL);
    if (status && session_turn_stopped(turn))
        status = stopped(err);
    if (!status)
        status = generate(s, turn, &text, out, start, err);
    if (!status)
        status = take_text(out, &text, err);
    stream_release(&text);
    out->dropped = turn->concepts - p->kept;
    out->pictures_dropped = p->pictures_dropped;
    return status;
}

rap_status session_judge(session *s, const session_turn *turn, const choice *between, double *out,
                         rap_err *err)
{
    const plan_place at = { .v = s->v,
                            .turns = s->turns,
                            .cells = s->decoder.cells,
                            .has_pending = s->has_pending,
                            .pending = s->pending };
    session_answer unsaid = { .text = NULL };
    decoder_mark mark = { .state = NULL };
    plan p = { .picture = NULL };
    rap_status status = RAP_OK;

    *out = 0;
    if (s->lost)
        return lost(s, err);
    status = plan_init(&p, &at, turn, err);
    if (!status && (p.kept < turn->concepts || p.pictures_dropped))
        status = err_set(err, RAP_E_LIMIT, "%s: what is to be judged does not fit into its context",
                         s->v->model_path);
    if (!status)
        status = decoder_mark_init(&mark, &s->decoder, err);
    if (!status) {
        status = prefill(s, turn, &p, &unsaid, err);
        if (!status)
            status = choice_weigh(out, between, s->decoder.ctx, s->v->model_path, err);
        undo(s, &at, &mark);
    }
    decoder_mark_release(&mark);
    plan_release(&p);
    return status;
}

rap_status session_ask(session *s, const session_turn *turn, session_answer *out, rap_err *err)
{
    double start = clock_ms();
    const plan_place at = { .v = s->v,
                            .turns = s->turns,
                            .cells = s->decoder.cells,
                            .has_pending = s->has_pending,
                            .pending = s->pending };
    decoder_mark mark = { .state = NULL };
    plan p = { .picture = NULL };
    rap_status status;

    *out = (session_answer){ .text = NULL };
    if (s->lost)
        return lost(s, err);
    status = plan_init(&p, &at, turn, err);
    if (!status)
        status = decoder_mark_init(&mark, &s->decoder, err);
    if (!status) {
        status = run_turn(s, &p, turn, start, out, err);
        if (status)
            undo(s, &at, &mark);
    }
    if (status)
        session_answer_release(out);
    else
        s->turns++;
    decoder_mark_release(&mark);
    plan_release(&p);
    return status;
}
