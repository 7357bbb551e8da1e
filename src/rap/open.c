/* open.c: opening and closing a handle. The verbs stand in files of their own:
 *
 *     remember.c   picture + name + info ──► concept store; correct.c says what a photo does not show;
 *                  transfer.c imports and exports whole stores
 *     retrieve.c   photo ──► regions ──► visual features ──► nearest concepts;  text ──► names
 *     ask.c        photo + question + the concepts found ──► answer, streamed; chat.c holds conversations
 *
 * models.c lends models from the engine when they are first needed, picture.c reads pictures, view.c embeds
 * them, matches.c holds what was found, records.c serves the calls that only touch the store, draw.c, embed.c,
 * convert.c and describe.c the rest. */
#include "rap/environment.h"
#include "rap/handle.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the store ---- */

static char *default_store_path(void)
{
    const char *given = getenv("RAP_STORE");

    return given && *given ? mem_string(given) : path_user_data("store.db");
}

/* How much the store may keep of what is only cached. */
static void limit_tokens(rap *r)
{
    long mib = r->options.token_cache_mib;

    if (mib == 0)
        mib = environment_token_cache_mib();
    if (mib != 0)
        store_limit_tokens(r->store, mib < 0 ? 0 : (int64_t)mib << 20);
}

/* May a file be written, and what SQLite puts beside it? */
static bool may_write(const char *path, const char *folder)
{
    return access(path, W_OK) == 0 && access(folder, W_OK | X_OK) == 0;
}

/* For a handle that changes nothing but may keep what it computed. `read_only`: what it came to. A store that was
 * named cannot be in a folder that is not there; the user's own folder may still be to come. */
static rap_status open_to_read(rap *r, int *read_only, const char *path, const char *folder)
{
    rap_status status = RAP_E_IO;

    if (r->options.store && *r->options.store && !file_is_folder(folder))
        return err_set(&r->err, RAP_E_NOT_FOUND, "%s: its folder is not there", path);
    if (r->options.read_only == RAP_STORE_CACHE && file_exists(path) && may_write(path, folder))
        status = store_open(&r->store, path, 0, &r->err);
    *read_only = status != RAP_OK;
    if (status == RAP_E_IO) { /* it can be read, perhaps */
        err_clear(&r->err);
        status = store_open(&r->store, path, 1, &r->err);
    }
    return status == RAP_E_NOT_FOUND ? store_open_empty(&r->store, path, &r->err) : status;
}

static rap_status open_to_change(rap *r, const char *path, const char *folder)
{
    rap_err why = { 0 };
    rap_status status = file_make_folders(folder, &why);

    if (status != RAP_OK)
        return err_set(&r->err, status, "%s: its folder cannot be made: %s", path, why.text);
    return store_open(&r->store, path, 0, &r->err);
}

static rap_status open_in(rap *r, const char *path, const char *folder)
{
    int read_only = r->options.read_only == RAP_STORE_READ;
    rap_status status;

    if (r->options.read_only == RAP_STORE_CHANGE)
        status = open_to_change(r, path, folder);
    else if (read_only)
        status = store_open(&r->store, path, 1, &r->err);
    else
        status = open_to_read(r, &read_only, path, folder);
    r->options.read_only = read_only; /* from here on: is nothing written? */
    return status;
}

static rap_status open_store(rap *r, const char *given)
{
    char *path = given && *given ? mem_string(given) : default_store_path();
    char *folder = path ? path_folder(path) : NULL;
    rap_status status;

    if (r->options.read_only == RAP_STORE_EMPTY)
        status = store_open_empty(&r->store, "no store", &r->err);
    else if (!folder)
        status = err_set(&r->err, RAP_E_NOT_FOUND,
                         "no place for the store: name one, or set RAP_STORE or HOME");
    else
        status = open_in(r, path, folder);
    if (status == RAP_OK)
        limit_tokens(r);
    free(folder);
    free(path);
    return status;
}

/* ---- the engine ---- */

static rap_status open_own_engine(rap *r)
{
    const rap_engine_options o = { .profile = r->options.profile,
                                   .threads = r->options.threads,
                                   .profile_layers = r->options.profile_layers };

    return engine_open(&r->engine, &o, &r->err);
}

static rap_status share_engine(rap *r, rap_engine *given)
{
    const rap_err *why = engine_failure(given);

    if (why->status != RAP_OK)
        return err_set(&r->err, why->status, "%s", why->text);
    if (r->options.profile)
        return err_set(&r->err, RAP_E_ARGUMENT,
                       "a handle on an engine takes the engine's profile, not one of its own");
    r->engine = engine_share(given);
    return RAP_OK;
}

static rap_status open_engine(rap *r)
{
    int asked = r->options.threads;
    rap_status status;

    if (asked < 0 || asked > 1024)
        return err_set(&r->err, RAP_E_LIMIT, "%d threads: 1 to 1024 make sense, 0 means all",
                       asked);
    status = r->options.engine ? share_engine(r, r->options.engine) : open_own_engine(r);
    if (status == RAP_OK)
        r->threads = asked > 0 ? asked : engine_threads(r->engine);
    return status;
}

/* ---- the handle ---- */

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
    if (r->options.policy != RAP_POLICY_DEFAULT && r->options.policy != RAP_POLICY_PAPER)
        return err_set(&r->err, RAP_E_ARGUMENT, "no retrieval policy has the number %d",
                       (int)r->options.policy);
    if (r->options.read_only < RAP_STORE_CHANGE || r->options.read_only > RAP_STORE_EMPTY)
        return err_set(&r->err, RAP_E_ARGUMENT, "no use of a store has the number %d",
                       r->options.read_only);
    status = environment_check(&r->err);
    if (status == RAP_OK)
        status = open_engine(r);
    if (status == RAP_OK)
        status = open_store(r, r->options.store);
    r->options.profile = r->options.store = NULL;
    return status;
}

void rap_close(rap *r)
{
    if (!r)
        return;
    retriever_free(r->retriever);
    names_free(r->names);
    store_close(r->store);
    engine_close(r->engine);
    free(r);
}
