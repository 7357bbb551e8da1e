/* open.c: opening and closing a handle. Each verb has a file of its own:
 *
 *     remember.c   picture + name + info ──► concept store; correct.c stores corrections; transfer.c imports and
 *                  exports whole stores
 *     retrieve.c   photo ──► regions ──► visual features ──► nearest concepts;  text ──► names
 *     ask.c        photo + question + the concepts found ──► answer, streamed; chat.c holds conversations
 *
 * models.c borrows models from the engine, picture.c reads pictures, view.c embeds them, matches.c builds the list of
 * matches, records.c has the calls that only use the store; draw.c, embed.c, convert.c and describe.c the rest. */
#include "rap/environment.h"
#include "rap/handle.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the store ---- */

static char *default_store_path(void)
{
    const char *given = getenv("RAP_STORE");

    return given && *given ? mem_string(given) : path_user_data("store.db");
}

/* Limits the image tokens that are cached in the store. */
static void limit_tokens(rap *r)
{
    long mib = r->options.token_cache_mib;

    if (mib == 0)
        mib = environment_token_cache_mib();
    if (mib != 0)
        store_limit_tokens(r->store, mib < 0 ? 0 : (int64_t)mib << 20);
}

/* Are the file and its folder writable? SQLite creates further files there. */
static bool may_write(const char *path, const char *folder)
{
    return access(path, W_OK) == 0 && access(folder, W_OK | X_OK) == 0;
}

/* For a handle that makes no changes but may cache in the store. Sets `read_only` to what was possible. The folder of a
 * store that was named must exist; that of the default store may not exist yet. */
static rap_status open_to_read(rap *r, int *read_only, const char *path, const char *folder)
{
    rap_status status = RAP_E_IO;

    if (r->options.store && *r->options.store && !file_is_folder(folder))
        return err_set(&r->err, RAP_E_NOT_FOUND, "%s: no such folder: %s", path, folder);
    if (r->options.store_use == RAP_STORE_CACHE && file_exists(path) && may_write(path, folder))
        status = store_open(&r->store, path, 0, &r->err);
    *read_only = status != RAP_OK;
    if (status == RAP_E_IO) { /* perhaps it can still be read */
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
        return err_set(&r->err, status, "%s: cannot create its folder: %s", path, why.text);
    return store_open(&r->store, path, 0, &r->err);
}

static rap_status open_in(rap *r, const char *path, const char *folder)
{
    int read_only = r->options.store_use == RAP_STORE_READ;
    rap_status status;

    if (r->options.store_use == RAP_STORE_CHANGE)
        status = open_to_change(r, path, folder);
    else if (read_only)
        status = store_open(&r->store, path, 1, &r->err);
    else
        status = open_to_read(r, &read_only, path, folder);
    /* From here on: may the store be written? */
    r->options.store_use = read_only ? RAP_STORE_READ : RAP_STORE_CHANGE;
    return status;
}

static rap_status open_store(rap *r, const char *given)
{
    errno = 0; /* so that ENOMEM is of these calls */
    char *path = given && *given ? mem_string(given) : default_store_path();
    char *folder = path ? path_folder(path) : NULL;
    rap_status status;

    if (r->options.store_use == RAP_STORE_EMPTY)
        status = store_open_empty(&r->store, "no store", &r->err);
    else if (!folder && errno == ENOMEM)
        status = err_memory(&r->err, "finding the store");
    else if (!folder)
        status = err_set(&r->err, RAP_E_NOT_FOUND,
                         "no path for the store: give one (--store), or set RAP_STORE or HOME");
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
                                   .profile_layers = r->options.profile_layers,
                                   .vision = r->options.vision,
                                   .endpoint = r->options.endpoint,
                                   .model = r->options.model,
                                   .lora = r->options.lora };

    return engine_open(&r->engine, &o, &r->err);
}

static rap_status share_engine(rap *r, rap_engine *given)
{
    const rap_err *why = engine_failure(given);
    const char *own = r->options.profile    ? "profile"
                      : r->options.vision   ? "vision"
                      : r->options.endpoint ? "endpoint"
                      : r->options.model    ? "model"
                      : r->options.lora     ? "lora"
                                            : NULL;

    if (why->status != RAP_OK)
        return err_set(&r->err, why->status, "%s", why->text);
    if (own)
        return err_set(&r->err, RAP_E_ARGUMENT,
                       "options.%s must be NULL with options.engine: the engine has its own", own);
    r->engine = engine_share(given);
    return RAP_OK;
}

static rap_status open_engine(rap *r)
{
    int asked = r->options.threads;
    rap_status status;

    if (asked < 0 || asked > 1024)
        return err_set(&r->err, RAP_E_LIMIT,
                       "the number of threads must be 1 to 1024, or 0 for all, got %d", asked);
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
        return err_set(&r->err, RAP_E_ARGUMENT, "unknown retrieval policy %d",
                       (int)r->options.policy);
    if (r->options.store_use < RAP_STORE_CHANGE || r->options.store_use > RAP_STORE_EMPTY)
        return err_set(&r->err, RAP_E_ARGUMENT, "unknown rap_store_use %d", r->options.store_use);
    status = environment_check(&r->err);
    if (status == RAP_OK)
        status = open_engine(r);
    if (status == RAP_OK)
        status = open_store(r, r->options.store);
    r->options.profile = r->options.store = r->options.vision = NULL;
    r->options.endpoint = r->options.model = NULL;
    r->options.lora = NULL;
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
