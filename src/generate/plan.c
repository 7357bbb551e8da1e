/* plan.c: a turn's plan.
 *
 * Reading order: pictures, tokens, steps, then plan_fit: if the context or the concepts' budget is too short, it drops
 * pictures before texts, and of each the least certain first (concepts are sorted best first). */
#include "generate/plan.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ANSWER = 256 };

int plan_answer_limit(const session_turn *turn)
{
    return turn->max_tokens > 0 ? turn->max_tokens : DEFAULT_ANSWER;
}

void plan_release(plan *p)
{
    for (int i = 0; p->picture && i <= p->concepts; i++)
        picture_release(&p->picture[i]);
    free(p->picture);
    free(p->concept);
    free(p->order);
    token_list_release(&p->tokens);
    prefix_release(&p->steps);
    *p = (plan){ .picture = NULL };
}

static bool is_given(const session_picture *source)
{
    return source && (source->pixels || source->tokens);
}

/* A text-only model gets concepts without their pictures. */
static rap_status plan_pictures(plan *p, vlm *v, const session_turn *turn, rap_err *err)
{
    size_t concepts = (size_t)turn->concepts;
    rap_status status = RAP_OK;

    p->picture = mem_array(concepts + 1, sizeof *p->picture);
    p->concept = mem_array(concepts + 1, sizeof *p->concept);
    p->order = mem_array(concepts + 1, sizeof *p->order);
    if (!p->picture || !p->concept || !p->order)
        return err_memory(err, "planning a turn");
    p->concepts = turn->concepts;
    p->place = turn->place;
    p->has_query = is_given(turn->query);
    if (p->has_query)
        status = picture_init(&p->picture[0], v, turn->query, err);
    for (size_t i = 0; !status && i < concepts; i++) {
        const session_picture *source = turn->concept_picture ? &turn->concept_picture[i] : NULL;

        p->concept[i] = turn->concept[i];
        p->concept[i].has_image = v->mtmd && is_given(source);
        if (p->concept[i].has_image)
            status = picture_init(&p->picture[i + 1], v, source, err);
    }
    return status;
}

/* Some templates write the BOS token themselves. */
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

static rap_status plan_tokens(token_list *out, const plan_place *at, const prompt *text,
                              rap_err *err)
{
    const struct llama_vocab *vocab = at->v->tokens.vocab;
    llama_token begin = llama_vocab_bos(vocab);
    bool begins = at->turns == 0 && llama_vocab_get_add_bos(vocab) && begin != LLAMA_TOKEN_NULL;
    rap_status status = RAP_OK;

    token_list_release(out);
    if (at->has_pending)
        status = token_list_add(out, at->pending, err);
    if (!status && begins)
        status = token_list_add(out, begin, err);
    if (!status)
        status = tokenize_prompt(out, &at->v->tokens, text, err);
    if (!status && begins)
        drop_second_begin(out, begin);
    return status;
}

/* The prompt with the first `kept` concepts. */
static rap_status build_prompt(prompt *out, plan *p, const plan_place *at, const char *question,
                               int kept, rap_err *err)
{
    const prompt_style *turns = &at->v->style.turns;
    prompt_concept *shown = mem_array((size_t)kept + 1, sizeof *shown);
    rap_status status;

    if (!shown)
        return err_memory(err, "planning a turn");
    prompt_order(p->order, turns, p->concept, p->place, kept);
    for (int i = 0; i < kept; i++)
    shown[i] = p->concept[p->order[i]];
    status = prompt_build(out, turns, p->has_query, shown, kept, question, at->turns == 0, err);
    free(shown);
    return status;
}

static rap_status plan_prompt(plan *p, const plan_place *at, const char *question, int kept,
                              rap_err *err)
{
    prompt text;
    rap_status status = build_prompt(&text, p, at, question, kept, err);

    if (status)
        return status;
    status = plan_tokens(&p->tokens, at, &text, err);
    p->kept = kept;
    p->cells = (int)p->tokens.count;
    for (size_t i = 0; i < p->tokens.runs; i++) {
        token_run *run = &p->tokens.run[i];

        if (run->picture > 0)
            run->picture = p->order[run->picture - 1] + 1;
        if (run->picture >= 0)
            p->cells += p->picture[run->picture].cells;
    }
    prompt_release(&text);
    return status;
}

/* ---- steps ---- */

#define PICTURE_BIT ((uint64_t)1 << 63)

static prefix_step picture_step(const picture *shown)
{
    prefix_step step = { .cells = shown->cells, .positions = shown->positions };

    if (shown->rows)
        step.id = PICTURE_BIT | hash_fast(shown->rows, shown->row_floats * sizeof(float),
                                          2 + (uint64_t)shown->first);
    return step;
}

static rap_status add_steps(plan *p, rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t i = 0; !status && i < p->tokens.runs; i++) {
        const token_run *run = &p->tokens.run[i];

        if (run->picture >= 0)
            status = prefix_add(&p->steps, picture_step(&p->picture[run->picture]), err);
        for (size_t k = 0; !status && k < run->count; k++) {
            uint64_t token = (uint64_t)p->tokens.token[run->from + k];

            status = prefix_add(&p->steps, (prefix_step){ token + 1, 1, 1 }, err);
        }
    }
    return status;
}

/* Steps in which two prompts of the same pictures agree. */
static size_t same_steps(const token_list *a, const token_list *b)
{
    size_t same = 0;

    for (size_t i = 0; i < a->runs && i < b->runs; i++) {
        const token_run *x = &a->run[i], *y = &b->run[i];

        if (x->picture != y->picture)
            break;
        same += x->picture >= 0;
        for (size_t k = 0; k < x->count && k < y->count; k++) {
            if (a->token[x->from + k] != b->token[y->from + k])
                return same;
            same++;
        }
        if (x->count != y->count)
            break;
    }
    return same;
}

/* How much of the prompt stays whatever is asked: tokens may join the memory's last letters with the question's first. */
static rap_status find_memory(plan *p, const plan_place *at, const char *question, rap_err *err)
{
    token_list whole = { .token = NULL }, start = { .token = NULL };
    prompt text;
    rap_status status = build_prompt(&text, p, at, question, p->kept, err);

    if (status)
        return status;
    if (text.memory > 0)
        status = plan_tokens(&whole, at, &text, err);
    if (!status && text.memory > 0) {
        size_t count = text.count;

        text.count = text.memory;
        status = plan_tokens(&start, at, &text, err);
        text.count = count;
        p->memory = same_steps(&whole, &start);
    }
    token_list_release(&whole);
    token_list_release(&start);
    prompt_release(&text);
    return status;
}

/* ---- what fits ---- */

/* Tokens reserved for the answer: as many as requested, but at most an eighth of the context. */
static int answer_room(const plan_place *at, const session_turn *turn)
{
    int wanted = plan_answer_limit(turn), share = at->v->context / 8;

    return wanted < share ? wanted : share > 0 ? share : 1;
}

/* Drops the picture of the last concept that has one. False if none has. */
static bool drop_picture(plan *p)
{
    for (int i = p->kept - 1; i >= 0; i--)
        if (p->concept[i].has_image) {
            p->concept[i].has_image = 0;
            return true;
        }
    return false;
}

/* Leaves out pictures, then concepts, until the prompt takes at most `room`. */
static rap_status plan_drop(plan *p, const plan_place *at, const char *question, int room,
                            rap_err *err)
{
    rap_status status = RAP_OK;

    for (int kept = p->concepts; !status; kept -= !drop_picture(p)) {
        status = plan_prompt(p, at, question, kept, err);
        if (kept == 0 || p->cells <= room)
            break;
    }
    for (int i = 0; i < p->kept; i++)
    p->pictures_dropped += p->picture[i + 1].chunks && !p->concept[i].has_image;
    return status;
}

static rap_status plan_fit(plan *p, const plan_place *at, const session_turn *turn, rap_err *err)
{
    int room = at->v->context - at->cells - answer_room(at, turn);
    rap_status status = plan_prompt(p, at, turn->question, 0, err);

    if (status)
        return status;
    if (p->cells > room)
        return err_set(
            err, RAP_E_LIMIT,
            "the question takes %d tokens, and %d of this model's context of %d are left%s",
            p->cells, room > 0 ? room : 0, at->v->context,
            at->turns ? "; start a new conversation" : "");
    if (turn->concept_budget > 0 && turn->concept_budget < room - p->cells)
        room = p->cells + turn->concept_budget;
    return plan_drop(p, at, turn->question, room, err);
}

rap_status plan_init(plan *out, const plan_place *at, const session_turn *turn, rap_err *err)
{
    rap_status status;

    *out = (plan){ .picture = NULL };
    if (!turn->question || !*turn->question)
        return err_set(err, RAP_E_ARGUMENT, "the question is empty");
    if (turn->concepts < 0 || (turn->concepts > 0 && !turn->concept))
        return err_set(err, RAP_E_ARGUMENT, "a turn with %d concepts", turn->concepts);
    status = plan_pictures(out, at->v, turn, err);
    if (!status)
        status = plan_fit(out, at, turn, err);
    if (!status && (out->tokens.runs == 0 || out->tokens.run[out->tokens.runs - 1].picture >= 0))
        status = err_set(err, RAP_E_ARGUMENT, "the question has no text");
    if (!status)
        status = add_steps(out, err);
    if (!status && at->turns == 0 && out->kept > 0)
        status = find_memory(out, at, turn->question, err);
    return status;
}
