/* chat.c: a conversation. A turn retrieves the concepts, gets their pictures (as image tokens from the store's cache, or
 * encoded once and cached there; for an endpoint as pixels), and generates the answer. */
#include "rap/matches.h"
#include "rap/models.h"
#include "rap/picture.h"
#include "rap/retrieve.h"
#include "rap/shelf.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/threads.h"
#include "generate/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rap_chat {
    rap *r;
    conversation *talk; /* NULL until the first question */
    image photo;
    int has_photo, looked, turns;
    sighting seen;  /* of the photo: detected and embedded once per conversation */
    int64_t *given; /* [given_count] concepts that are already in the conversation */
    size_t given_count;
};

/* ---- the conversation ---- */

rap_status rap_chat_open(rap_chat **out, rap *r, const rap_image *source)
{
    picture shown = { 0 };
    rap_chat *chat;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out)
        return RAP_E_ARGUMENT;
    status = models_profile(r);
    if (status != RAP_OK)
        return status;
    chat = mem_array(1, sizeof *chat);
    if (!chat)
        return err_memory(&r->err, "starting a conversation");
    chat->r = r;
    chat->has_photo = image_given(source);
    if (chat->has_photo)
        status = picture_open(&shown, source, &r->err);
    if (status != RAP_OK) {
        free(chat);
        return status;
    }
    chat->photo = shown.pixels; /* moved; the bytes are no longer needed */
    shown.pixels = (image){ 0 };
    picture_close(&shown);
    *out = chat;
    return RAP_OK;
}

void rap_chat_close(rap_chat *chat)
{
    if (!chat)
        return;
    conversation_close(chat->talk);
    sighting_release(&chat->seen);
    image_release(&chat->photo);
    free(chat->given);
    free(chat);
}

/* ---- the concepts of a turn ---- */

/* The concepts of this turn: in the first those found in the photo and the question; in later ones those that the
 * question names and that are not in the conversation yet. */
static rap_status choose(rap_chat *chat, const rap_query *query, rap_matches **out)
{
    static const char *const no_names[] = { NULL };
    rap *r = chat->r;
    const char *const *only = query->no_memory ? no_names : query->only;
    int first = chat->turns == 0;
    rap_status status = RAP_OK;

    if (only) {
        status = retrieve_only(r, only, out);
    } else {
        if (first && chat->has_photo && !chat->looked) {
            status = retrieve_look(r, &chat->photo, r->options.policy, &chat->seen);
            chat->looked = status == RAP_OK;
        }
        if (status == RAP_OK)
            status = retrieve_matches(r, first && chat->has_photo ? &chat->seen : NULL,
                                      query->question, query->limit, out);
    }
    if (status == RAP_OK)
        matches_without(*out, chat->given, chat->given_count);
    return status;
}

/* Records the concepts of the turn, so that they are not given again. */
static rap_status note_given(rap_chat *chat, const rap_matches *m)
{
    int64_t *more = realloc(chat->given, (chat->given_count + m->count + 1) * sizeof *more);

    if (!more)
        return err_memory(&chat->r->err, "continuing a conversation");
    chat->given = more;
    for (size_t i = 0; i < m->count; i++)
        chat->given[chat->given_count++] = m->match[i].id;
    chat->turns++;
    return RAP_OK;
}

/* ---- the concepts' pictures ---- */

typedef struct shown_concept { /* the memory behind one session_picture: one or the other */
    image pixels;
    float *tokens;
    size_t floats;
} shown_concept;

/* The name under which the tokens of this model and these crops are cached. */
static void cache_key(char *out, size_t size, const rap *r)
{
    snprintf(out, size, "%.160s crop %d %.3f", generator_fingerprint(r->generator),
             r->profile->crop.square, (double)r->profile->crop.margin);
}

static rap_status crop_picture(image *out, rap *r, const store_picture *avatar)
{
    image whole = { 0 };
    rap_status status =
        image_decode(&whole, avatar->bytes, avatar->size, "a stored picture", &r->err);

    if (status == RAP_OK)
        status = embed_crop_box(out, &whole, avatar->box, &r->profile->crop, &r->err);
    image_release(&whole);
    return status;
}

static rap_status encode_picture(shown_concept *out, rap *r, const store_picture *avatar,
                                 const char *key, int *encoded)
{
    image cropped = { 0 };
    rap_status status = crop_picture(&cropped, r, avatar);

    if (status != RAP_OK)
        return status;
    status = generator_encode(r->generator, &cropped, &out->tokens, &out->floats, &r->err);
    image_release(&cropped);
    if (status != RAP_OK)
        return status;
    ++*encoded;
    /* A cache that cannot be written (disk full, store busy) only costs time. */
    if (r->options.store_use == RAP_STORE_CHANGE && *key != ' ')
        store_put_tokens(r->store, avatar->view_id, key, out->tokens, out->floats, NULL);
    return RAP_OK;
}

/* The picture's tokens, cached or encoded now. */
static rap_status get_tokens(shown_concept *out, rap *r, const store_picture *avatar, int *encoded)
{
    char key[256];
    int found = 0;
    rap_status status = RAP_OK;

    cache_key(key, sizeof key, r);
    if (*key != ' ')
        status = store_get_tokens(r->store, avatar->view_id, key, &out->tokens, &out->floats,
                                  &found, &r->err);
    if (found && !generator_fits(r->generator, out->tokens, out->floats)) {
        free(out->tokens); /* damaged: as if it were not there */
        out->tokens = NULL;
        found = 0;
    }
    if (status == RAP_OK && !found)
        status = encode_picture(out, r, avatar, key, encoded);
    return status;
}

static rap_status show_concept(shown_concept *out, rap *r, int64_t id, int *encoded)
{
    store_picture avatar = { 0 };
    rap_status status = store_avatar(r->store, id, &avatar, &r->err);

    if (status == RAP_OK)
        status = generator_encodes(r->generator) ? get_tokens(out, r, &avatar, encoded)
                                                 : crop_picture(&out->pixels, r, &avatar);
    store_picture_release(&avatar);
    return status;
}

/* ---- one turn ---- */

typedef struct turn { /* everything a session_turn borrows */
    prompt_concept *concept;
    session_picture *picture;
    shown_concept *shown;
    size_t count;
    int encoded;
} turn;

static rap_status prepare(turn *t, rap *r, const rap_matches *m, int no_avatars)
{
    int vision = generator_has_vision(r->generator) && !no_avatars;
    rap_status status = RAP_OK;

    t->count = m->count;
    t->concept = mem_array(m->count, sizeof *t->concept);
    t->picture = mem_array(m->count, sizeof *t->picture);
    t->shown = mem_array(m->count, sizeof *t->shown);
    if (!t->concept || !t->picture || !t->shown)
        return err_memory(&r->err, "preparing a question");
    for (size_t i = 0; status == RAP_OK && i < m->count; i++) {
        shown_concept *shown = &t->shown[i];

        if (vision)
            status = show_concept(shown, r, m->match[i].id, &t->encoded);
        t->concept[i] = (prompt_concept){ m->match[i].name, m->match[i].info, vision };
        t->picture[i] = (session_picture){ shown->pixels.rgb ? &shown->pixels : NULL, shown->tokens,
                                           shown->floats };
    }
    return status;
}

static void release(turn *t)
{
    for (size_t i = 0; t->shown && i < t->count; i++) {
        image_release(&t->shown[i].pixels);
        free(t->shown[i].tokens);
    }
    free(t->concept);
    free(t->picture);
    free(t->shown);
}

static rap_status open_talk(rap_chat *chat)
{
    rap *r = chat->r;
    rap_status status = models_generator(r);

    if (status == RAP_OK && chat->has_photo && !generator_has_vision(r->generator))
        return err_set(&r->err, RAP_E_UNSUPPORTED,
                       "profile %s has no mmproj: asking about a picture needs one (see %s)",
                       r->profile->name, r->profile->file);
    if (status == RAP_OK && !chat->talk)
        status = conversation_open(&chat->talk, r->generator, &r->err);
    return status;
}

/* Runs the turn. `start`: the time of the question, by clock_ms(). */
static rap_status generate(rap_chat *chat, const rap_query *query, const rap_matches *m,
                           rap_on_token *on_token, void *payload, double start, session_answer *out)
{
    session_picture photo = { .pixels = &chat->photo };
    const prefix_shelf *kept = NULL;
    shelf later = { .store = NULL };
    turn t = { 0 };
    rap_status status = shelf_init(&later, &kept, chat->r, m);

    if (status == RAP_OK)
        status = prepare(&t, chat->r, m, query->no_avatars);

    if (status == RAP_OK) {
        session_turn ask = { .query = chat->has_photo && chat->turns == 0 ? &photo : NULL,
                             .concept = t.concept,
                             .concept_picture = t.picture,
                             .concepts = (int)t.count,
                             .question = query->question,
                             .max_tokens = query->max_tokens ? query->max_tokens : 256,
                             .concept_budget = query->concept_budget,
                             .sampling = { .temperature = query->temperature,
                                           .top_p = query->top_p,
                                           .top_k = query->top_k,
                                           .repeat_penalty = query->repeat_penalty,
                                           .seed = query->seed },
                             .shelf = kept,
                             .on_token = on_token,
                             .payload = payload };

        double asked = clock_ms();

        status = conversation_ask(chat->talk, &ask, out, &chat->r->err);
        out->first_token_ms += asked - start;
        out->images_encoded += t.encoded;
    }
    shelf_release(&later);
    release(&t);
    return status;
}

static rap_status check_query(rap *r, const rap_query *query)
{
    if (!query->question || !*query->question)
        return err_set(&r->err, RAP_E_ARGUMENT, "the question is empty");
    if (!text_is_utf8(query->question))
        return err_set(&r->err, RAP_E_ARGUMENT, "the question is not valid UTF-8");
    if (query->max_tokens < 0 || query->max_tokens > 1 << 20)
        return err_set(&r->err, RAP_E_LIMIT, "max_tokens must be 0 to 1048576, got %d",
                       query->max_tokens);
    if (!(query->temperature >= 0 && query->temperature <= 100))
        return err_set(&r->err, RAP_E_ARGUMENT, "the temperature must be 0 to 100, got %g",
                       (double)query->temperature);
    if (!(query->top_p >= 0 && query->top_p <= 1))
        return err_set(&r->err, RAP_E_ARGUMENT, "a top-p of %g is not between 0 and 1",
                       (double)query->top_p);
    if (!(query->repeat_penalty >= 0 && query->repeat_penalty <= 100))
        return err_set(&r->err, RAP_E_ARGUMENT, "a repeat penalty of %g makes no sense",
                       (double)query->repeat_penalty);
    if (query->concept_budget < 0)
        return err_set(&r->err, RAP_E_ARGUMENT, "a budget of %d tokens makes no sense",
                       query->concept_budget);
    if (image_given(&query->image))
        return err_set(&r->err, RAP_E_ARGUMENT,
                       "a conversation has one picture, that of rap_chat_open(); open another one");
    return RAP_OK;
}

const char *rap_finish_text(rap_finish finish)
{
    switch (finish) {
    case RAP_FINISH_STOP:
        return "stop";
    case RAP_FINISH_LENGTH:
        return "length";
    case RAP_FINISH_LISTENER:
        return "listener";
    }
    return "unknown";
}

/* Takes the text out of `reply`, the matches and the unknown names. */
static rap_answer *make_answer(session_answer *reply, rap_matches *matches, const char **unknown)
{
    rap_answer *answer = mem_array(1, sizeof *answer);

    if (!answer)
        return NULL;
    answer->text = reply->text;
    answer->matches = matches;
    answer->unknown = unknown;
    answer->dropped = reply->dropped;
    answer->pictures_dropped = reply->pictures_dropped;
    answer->kept_tokens = reply->kept_tokens;
    answer->finish = reply->finish;
    answer->prompt_tokens = reply->prompt_tokens;
    answer->answer_tokens = reply->answer_tokens;
    answer->images_encoded = reply->images_encoded;
    answer->first_token_ms = reply->first_token_ms;
    reply->text = NULL;
    return answer;
}

rap_status rap_chat_ask(rap_answer **out, rap_chat *chat, const rap_query *query,
                        rap_on_token *on_token, void *payload)
{
    double start = clock_ms(), opened, retrieved;
    session_answer reply = { 0 };
    rap_matches *matches = NULL;
    const char **unknown = NULL;
    rap_status status;

    if (out)
        *out = NULL;
    if (!chat || !rap_ready(chat->r) || !query)
        return RAP_E_ARGUMENT;
    status = check_query(chat->r, query);
    if (status == RAP_OK)
        status = rap_unknown(&unknown, chat->r, query->no_memory ? "" : query->question);
    if (status == RAP_OK)
        status = open_talk(chat);
    opened = clock_ms();
    if (status == RAP_OK)
        status = choose(chat, query, &matches);
    retrieved = clock_ms();
    if (status == RAP_OK)
        status = generate(chat, query, matches, on_token, payload, start, &reply);
    if (status == RAP_OK) {
        matches_cut(matches, matches->count - (size_t)reply.dropped);
        status = note_given(chat, matches);
    }
    if (status == RAP_OK && out) {
        *out = make_answer(&reply, matches, unknown);
        if (!*out) {
            status = err_memory(&chat->r->err, "keeping an answer");
        } else {
            matches = NULL; /* handed on */
            unknown = NULL;
            (*out)->retrieve_ms = retrieved - opened;
            (*out)->total_ms = clock_ms() - start;
        }
    }
    session_answer_release(&reply);
    rap_matches_free(matches);
    free(unknown);
    return status;
}

void rap_answer_free(rap_answer *answer)
{
    if (!answer)
        return;
    free((char *)answer->text);
    rap_matches_free(answer->matches);
    free((void *)answer->unknown);
    free(answer);
}
