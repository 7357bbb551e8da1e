/* chat.c: a conversation. Each question retrieves the concepts that are new to the conversation, shows them with their
 * pictures (turn.c), and reports what the answer rests on. */
#include "rap/given.h"
#include "rap/matches.h"
#include "rap/models.h"
#include "rap/name_list.h"
#include "rap/photograph.h"
#include "rap/picture.h"
#include "rap/query.h"
#include "rap/retrieve.h"
#include "rap/shelf.h"
#include "rap/turn.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"
#include "generate/generator.h"

#include <math.h>
#include <stdlib.h>

struct rap_chat {
    rap *r;
    conversation *talk; /* NULL until the first question */
    image photo;
    bool has_photo;
    bool is_new;        /* the photo is shown with the next question */
    bool is_photograph; /* and the profile understands drawings only */
    bool looked;        /* at the photo: `seen` holds, while the store stays as it was */
    int64_t looked_at;  /* generation of the store */
    sighting seen;
    int recognised; /* something in the photo */
    given given;
};

/* ---- opening, closing ---- */

static void drop_photo(rap_chat *chat)
{
    sighting_release(&chat->seen);
    image_release(&chat->photo);
    chat->seen = (sighting){ .count = 0 };
    chat->has_photo = chat->is_new = chat->looked = chat->is_photograph = false;
}

static rap_status set_photo(rap_chat *chat, const rap_image *source)
{
    rap *r = chat->r;
    picture shown = { 0 };
    rap_status status = picture_open(&shown, source, &r->err);

    if (status != RAP_OK)
        return status;
    drop_photo(chat);
    chat->photo = shown.pixels; /* moved; the bytes are no longer needed */
    shown.pixels = (image){ 0 };
    picture_close(&shown);
    chat->has_photo = chat->is_new = true;
    chat->is_photograph = photograph_is_foreign(r, &chat->photo);
    return RAP_OK;
}

rap_status rap_chat_open(rap_chat **out, rap *r, const rap_image *source)
{
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
    if (image_given(source))
        status = set_photo(chat, source);
    if (status == RAP_OK)
        *out = chat;
    else
        rap_chat_close(chat);
    return status;
}

rap_status rap_chat_image(rap_chat *chat, const rap_image *source)
{
    if (!chat || !rap_ready(chat->r))
        return RAP_E_ARGUMENT;
    if (image_given(source))
        return set_photo(chat, source);
    drop_photo(chat);
    return RAP_OK;
}

void rap_chat_restart(rap_chat *chat)
{
    if (!chat)
        return;
    conversation_close(chat->talk);
    chat->talk = NULL;
    given_release(&chat->given);
    chat->is_new = chat->has_photo;
}

void rap_chat_close(rap_chat *chat)
{
    if (!chat)
        return;
    conversation_close(chat->talk);
    sighting_release(&chat->seen);
    image_release(&chat->photo);
    given_release(&chat->given);
    free(chat);
}

/* ---- the concepts of a turn ---- */

/* Searches the photo, once as long as the store stays as it is. */
static rap_status look(rap_chat *chat)
{
    rap *r = chat->r;
    int64_t now = store_generation(r->store);
    rap_matches *any = NULL;
    rap_status status;

    if (chat->looked && now == chat->looked_at) {
        chat->seen.detect_ms = chat->seen.embed_ms = chat->seen.search_ms = 0; /* this time */
        return RAP_OK;
    }
    sighting_release(&chat->seen);
    chat->seen = (sighting){ .count = 0 };
    chat->looked = false;
    status = retrieve_look(r, &chat->photo, r->options.policy, &chat->seen);
    if (status == RAP_OK)
        status = retrieve_matches(r, &chat->seen, NULL, 1, &any);
    if (status != RAP_OK)
        return status;
    chat->recognised = any->count > 0;
    rap_matches_free(any);
    chat->looked = true;
    chat->looked_at = now;
    return RAP_OK;
}

/* Adds those that were edited since they were given, and are not among the matches anyway. */
static rap_status add_edited(rap_chat *chat, rap_matches *m)
{
    static const rank_result edited = { .distance = NAN,
                                        .region = -1,
                                        .reason = RAP_REASON_EDITED };
    const given *g = &chat->given;
    rap_status status = matches_grow(m, g->count, &chat->r->err);

    for (size_t i = 0; status == RAP_OK && i < g->count; i++) {
        rap_record *record = NULL;
        size_t j = 0;

        while (j < m->count && m->match[j].id != g->item[i].id)
            j++;
        if (!g->item[i].edited || j < m->count)
            continue;
        status = store_find_id(chat->r->store, g->item[i].id, &record, &chat->r->err);
        if (status == RAP_OK)
            status = matches_add(m, record, &edited, &chat->r->err);
        store_record_free(record);
    }
    return status;
}

/* Takes off the matches those that keep their place in the conversation: their names are *out. */
static rap_status take_given(rap_chat *chat, rap_matches *m, const char ***out)
{
    bool *keep = mem_array(m->count, sizeof *keep);
    const char **name = mem_array(m->count, sizeof *name);
    size_t count = 0;

    for (size_t i = 0; keep && name && i < m->count; i++) {
        const given_concept *before = given_find(&chat->given, m->match[i].id);

        keep[i] = !before || before->edited;
        if (!keep[i])
            name[count++] = m->match[i].name;
    }
    if (keep && name)
        *out = name_list_new(name, count);
    if (*out)
        matches_keep(m, keep);
    free(keep);
    free(name);
    return *out ? RAP_OK : err_memory(&chat->r->err, "continuing a conversation");
}

static rap_status search(rap_chat *chat, const rap_query *query, rap_answer *a)
{
    rap_status status = chat->has_photo ? look(chat) : RAP_OK;

    if (status == RAP_OK)
        status = retrieve_matches(chat->r, chat->has_photo ? &chat->seen : NULL, query->question,
                                  query->limit, &a->matches);
    if (status == RAP_OK && chat->has_photo)
        a->recognised = chat->recognised;
    return status;
}

static rap_status choose(rap_chat *chat, const rap_query *query, rap_answer *a)
{
    static const char *const no_names[] = { NULL };
    const char *const *only = query->no_memory ? no_names : query->only;
    const char **already = NULL;
    rap_status status = given_review(&chat->given, chat->r);

    a->recognised = -1;
    if (status == RAP_OK)
        status = only ? retrieve_only(chat->r, only, &a->matches) : search(chat, query, a);
    if (status == RAP_OK)
        status = take_given(chat, a->matches, &already);
    a->already_given = already;
    if (status == RAP_OK && !only)
        status = add_edited(chat, a->matches);
    if (status != RAP_OK)
        return status;
    a->edited = only ? name_list_new(NULL, 0) : given_edited(&chat->given);
    a->forgotten = given_forgotten(&chat->given);
    return a->edited && a->forgotten ? RAP_OK
                                     : err_memory(&chat->r->err, "continuing a conversation");
}

/* ---- one turn ---- */

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
static rap_status generate(rap_chat *chat, const rap_query *query, const turn *t,
                           const prefix_shelf *kept, rap_on_token *on_token, void *payload,
                           double start, session_answer *out)
{
    const session_picture photo = { .pixels = &chat->photo };
    const session_turn ask = { .query = chat->is_new ? &photo : NULL,
                               .concept = t->concept,
                               .concept_picture = t->picture,
                               .concepts = (int)t->count,
                               .place = t->place,
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
                               .payload = payload,
                               .stop = query->stop,
                               .on_wait = query->on_wait };
    double asked = clock_ms();
    rap_status status = conversation_ask(chat->talk, &ask, out, &chat->r->err);

    out->first_token_ms += asked - start;
    out->images_encoded += t->encoded;
    return status;
}

/* Takes the text out of `reply`. */
static void take_reply(rap_answer *a, session_answer *reply)
{
    a->text = reply->text;
    a->kept_tokens = reply->kept_tokens;
    a->finish = reply->finish;
    a->prompt_tokens = reply->prompt_tokens;
    a->answer_tokens = reply->answer_tokens;
    a->images_encoded = reply->images_encoded;
    a->first_token_ms = reply->first_token_ms;
    reply->text = NULL;
}

static rap_status run_turn(rap_chat *chat, const rap_query *query, rap_on_token *on_token,
                           void *payload, double start, rap_answer *a)
{
    session_answer reply = { 0 };
    turn t = { .count = 0 };
    const prefix_shelf *kept = NULL;
    shelf later = { .store = NULL };
    rap_err *err = &chat->r->err;
    rap_status status = shelf_init(&later, &kept, chat->r, a->matches);

    if (status == RAP_OK)
        status = turn_init(&t, chat->r, a->matches, query->no_avatars);
    if (status == RAP_OK)
        status = generate(chat, query, &t, kept, on_token, payload, start, &reply);
    if (status == RAP_OK) {
        chat->is_new = false;
        take_reply(a, &reply);
        status = turn_settle(&t, a->matches, &reply, a, err);
    }
    if (status == RAP_OK)
        status = given_note(&chat->given, a->matches, t.view_id, err);
    session_answer_release(&reply);
    turn_release(&t);
    shelf_release(&later);
    return status;
}

/* ---- the calls ---- */

static rap_status name_models(const rap *r, rap_answer *a, rap_err *err)
{
    a->profile = mem_string(r->profile->name);
    a->model = mem_string(generator_encodes(r->generator) ? path_base(r->profile->llm.path)
                                                          : generator_fingerprint(r->generator));
    return a->profile && a->model ? RAP_OK : err_memory(err, "keeping an answer");
}

static rap_status ask(rap_chat *chat, const rap_query *query, rap_on_token *on_token, void *payload,
                      rap_answer *a)
{
    double start = clock_ms(), opened;
    const char **unknown = NULL, **used = NULL;
    rap *r = chat->r;
    rap_status status = query_check(query, &r->err);

    if (status == RAP_OK && image_given(&query->image))
        status = set_photo(chat, &query->image);
    if (status == RAP_OK)
        status = rap_unknown(&unknown, r, query->no_memory ? "" : query->question);
    a->unknown = unknown;
    if (status == RAP_OK)
        status = open_talk(chat);
    opened = clock_ms();
    if (status == RAP_OK)
        status = choose(chat, query, a);
    a->retrieve_ms = clock_ms() - opened;
    if (status == RAP_OK)
        status = run_turn(chat, query, on_token, payload, start, a);
    if (status == RAP_OK)
        status = given_named(&used, &chat->given, r, a->text);
    a->used = used;
    if (status == RAP_OK)
        status = name_models(r, a, &r->err);
    if (status == RAP_OK && chat->is_photograph)
        photograph_note(r);
    a->total_ms = clock_ms() - start;
    return status;
}

rap_status rap_chat_ask(rap_answer **out, rap_chat *chat, const rap_query *query,
                        rap_on_token *on_token, void *payload)
{
    rap_answer *a;
    rap_status status;

    if (out)
        *out = NULL;
    if (!chat || !rap_ready(chat->r) || !query)
        return RAP_E_ARGUMENT;
    a = mem_array(1, sizeof *a);
    status =
        a ? ask(chat, query, on_token, payload, a) : err_memory(&chat->r->err, "keeping an answer");
    if (status == RAP_OK && out)
        *out = a;
    else
        rap_answer_free(a);
    return status;
}

rap_status rap_chat_see(rap_matches **out, rap_chat *chat, int limit)
{
    rap_status status;

    if (out)
        *out = NULL;
    if (!chat || !rap_ready(chat->r) || !out)
        return RAP_E_ARGUMENT;
    if (!chat->has_photo)
        return err_set(&chat->r->err, RAP_E_NOT_FOUND, "the conversation has no photo");
    status = look(chat);
    if (status == RAP_OK)
        status = retrieve_matches(chat->r, &chat->seen, NULL, limit, out);
    if (status == RAP_OK && chat->is_photograph)
        photograph_note(chat->r);
    return status;
}
