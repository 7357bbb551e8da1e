/* rap.c: the facade. One figure says what the library does, and this file reads like it:
 *
 *     remember   picture + name + info ──► concept store
 *     retrieve   photo ──► regions ──► visual features ──► nearest concepts;  text ──► names
 *     generate   photo + question + the concepts found ──► answer, streamed
 *
 * rap_profile.c finds the model files, rap_models.c opens them when they are first needed,
 * rap_remember.c, rap_retrieve.c and rap_ask.c hold the three verbs' details, rap_records.c what
 * only touches the store, rap_plumbing.c the rest. */
#include "rap_inside.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- the handle ---- */

static char *default_store_path(void)
{
    const char *given = getenv("RAP_STORE");

    return given && *given ? mem_string(given) : path_user_data("store.db");
}

/* How much the store may keep of what is only cached. */
static rap_status limit_tokens(rap *r)
{
    const char *set = getenv("RAP_TOKEN_CACHE_MIB");
    long mib = r->options.token_cache_mib;
    char *end = NULL;

    if (mib == 0 && set && *set) {
        mib = strtol(set, &end, 10);
        if (*end || mib < 0 || mib > INT_MAX)
            return err_set(&r->err, RAP_E_ARGUMENT,
                           "RAP_TOKEN_CACHE_MIB is '%s': a number of MiB is wanted", set);
        mib = mib ? mib : -1;
    }
    if (mib != 0)
        store_limit_tokens(r->store, mib < 0 ? 0 : (int64_t)mib << 20);
    return RAP_OK;
}

static rap_status open_store(rap *r, const char *given)
{
    char *path = given && *given ? mem_string(given) : default_store_path();
    char *folder = path ? path_folder(path) : NULL;
    rap_status status = RAP_OK;
    rap_err why = { 0 };

    if (!folder)
        status = err_set(&r->err, RAP_E_NOT_FOUND,
                         "no place for the store: name one, or set RAP_STORE or HOME");
    else if (!r->options.read_only && (status = file_make_folders(folder, &why)) != RAP_OK)
        err_set(&r->err, status, "%s: its folder cannot be made: %s", path, why.text);
    if (status == RAP_OK)
        status = store_open(&r->store, path, r->options.read_only, &r->err);
    if (status == RAP_OK)
        status = limit_tokens(r);
    free(folder);
    free(path);
    return status;
}

/* A profile that was asked for must be there; the search for a default one may fail until a model is
 * needed, so that what is remembered can always be listed. */
static rap_status open_profile(rap *r, const char *given)
{
    const char *set = getenv("RAP_PROFILE");
    rap_status status = profile_open(&r->profile, given, &r->profile_err);

    if (status == RAP_OK || (!given && !(set && *set)))
        return RAP_OK;
    return err_set(&r->err, status, "%s", r->profile_err.text);
}

rap_status rap_open(rap **out, const rap_options *options)
{
    static const rap_options defaults = RAP_OPTIONS_INIT;
    rap *r;
    rap_status status;

    if (!out)
        return RAP_E_ARGUMENT;
    *out = r = mem_array(1, sizeof *r);
    if (!r)
        return RAP_E_MEMORY;
    r->options = options ? *options : defaults;
    r->threads = r->options.threads > 0 ? r->options.threads : threads_available();
    if (r->options.threads < 0 || r->options.threads > 1024)
        return err_set(&r->err, RAP_E_LIMIT, "%d threads: 1 to 1024 make sense, 0 means all",
                       r->options.threads);
    if (r->options.policy != RAP_POLICY_DEFAULT && r->options.policy != RAP_POLICY_PAPER)
        return err_set(&r->err, RAP_E_ARGUMENT, "no retrieval policy has the number %d",
                       (int)r->options.policy);
    status = open_profile(r, r->options.profile);
    if (status == RAP_OK)
        status = open_store(r, r->options.store);
    r->options.profile = r->options.store = NULL;
    return status;
}

void rap_close(rap *r)
{
    if (!r)
        return;
    models_close(r);
    names_free(r->names);
    store_close(r->store);
    profile_close(r->profile);
    free(r);
}

const char *rap_error(const rap *r)
{
    return r ? r->err.text : "out of memory";
}

int rap_ready(rap *r)
{
    if (!r || !r->store) /* the reason why opening failed stays readable */
        return 0;
    err_clear(&r->err);
    return 1;
}

void rap_free(void *memory)
{
    free(memory);
}

/* ---- remember: picture + name + info → store ---- */

static rap_status remember(rap *r, const rap_concept *concept, int64_t *out_id)
{
    store_concept texts = { concept->name, concept->category, concept->info, concept->aliases };
    seen_view seen = { 0 };
    rap_status status = view_open(&seen, r, &concept->image, concept->box);

    if (status == RAP_OK)
        status = store_add(r->store, out_id, &texts, &seen.view, &seen.vector, &r->err);
    view_close(&seen);
    return status;
}

rap_status rap_remember(rap *r, const rap_concept *concept, int64_t *out_id)
{
    int64_t id = 0;
    rap_status status;

    if (!rap_ready(r) || !concept)
        return RAP_E_ARGUMENT;
    if (!image_given(&concept->image))
        return err_set(&r->err, RAP_E_ARGUMENT, "remembering needs a picture");
    status = remember(r, concept, &id);
    if (out_id)
        *out_id = status == RAP_OK ? id : 0;
    return status;
}

/* ---- retrieve: photo and text → concepts ---- */

rap_status rap_retrieve(rap *r, const rap_image *photo, const char *text, int limit,
                        rap_matches **out)
{
    picture shown = { 0 };
    sighting seen = { 0 };
    int given = image_given(photo);
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out)
        return RAP_E_ARGUMENT;
    status = models_profile(r);
    if (status == RAP_OK && given)
        status = picture_open(&shown, photo, &r->err);
    if (status == RAP_OK && given)
        status = retrieve_look(r, &shown.pixels, &seen);
    if (status == RAP_OK)
        status = retrieve_matches(r, given ? &seen : NULL, text, limit, out);
    sighting_release(&seen);
    picture_close(&shown);
    return status;
}

/* ---- generate: photo + question + concepts → answer ---- */

rap_status rap_ask(rap *r, const rap_query *query, rap_on_token *on_token, void *payload,
                   rap_answer **out)
{
    rap_chat *chat = NULL;
    rap_query question;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !query)
        return RAP_E_ARGUMENT;
    status = rap_chat_open(&chat, r, image_given(&query->image) ? &query->image : NULL);
    if (status == RAP_OK) {
        question = *query;
        question.image = (rap_image)RAP_IMAGE_INIT; /* the chat has it */
        status = rap_chat_ask(chat, &question, on_token, payload, out);
    }
    rap_chat_close(chat);
    return status;
}
