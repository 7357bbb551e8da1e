/* cache.c: what is kept to save time: how much, where, and away with it. */
#include "rap/handle.h"

#include "base/file.h"
#include "base/mem.h"
#include "nn/nn.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *rap_cache_text(rap_cache kind)
{
    switch (kind) {
    case RAP_CACHE_WEIGHTS:
        return "weights";
    case RAP_CACHE_TOKENS:
        return "tokens";
    case RAP_CACHE_PREFIXES:
        return "prefixes";
    default:
        return "unknown";
    }
}

/* ---- packed weights ---- */

/* Counts the packed weights, or removes them. */
static rap_status walk_weights(rap_cache_use *out, const char *folder, int clear, rap_err *err)
{
    DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;
    rap_status status = RAP_OK;

    while (dir && status == RAP_OK && (entry = readdir(dir)) != NULL) {
        struct stat info;
        char *path;

        if (strcmp(path_extension(entry->d_name), "pack") != 0)
            continue;
        path = path_join(folder, entry->d_name);
        if (!path)
            status = err_memory(err, "looking at packed weights");
        else if (clear && unlink(path) != 0 && errno != ENOENT)
            status = err_set(err, RAP_E_IO, "%s: cannot be removed: %s", path, strerror(errno));
        else if (!clear && lstat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            out->items++;
            out->bytes += info.st_size;
        }
        free(path);
    }
    if (dir)
        closedir(dir);
    return status;
}

static rap_status weights(rap_cache_use *out, rap *r, int clear)
{
    char *folder = nn_cache_folder();
    rap_status status = walk_weights(out, folder, clear, &r->err);

    if (out)
        out->place = folder;
    else
        free(folder);
    return status;
}

/* ---- the store's ---- */

static char *store_place(const rap *r)
{
    return r->options.store_use == RAP_STORE_EMPTY ? NULL : mem_string(store_path(r->store));
}

rap_status rap_cache_look(rap_cache_use *out, rap *r, rap_cache kind)
{
    store_kept kept = { 0, 0 };
    rap_status status;

    if (!out)
        return RAP_E_ARGUMENT;
    *out = (rap_cache_use){ 0, 0, NULL };
    if (!rap_ready(r))
        return RAP_E_ARGUMENT;
    if (kind == RAP_CACHE_WEIGHTS)
        return weights(out, r, 0);
    if (kind != RAP_CACHE_TOKENS && kind != RAP_CACHE_PREFIXES)
        return err_set(&r->err, RAP_E_ARGUMENT, "unknown cache %d", (int)kind);
    if (kind == RAP_CACHE_TOKENS)
        status = store_count_tokens(r->store, &kept, &r->err);
    else
        status = store_count_prefixes(r->store, &kept, &r->err);
    *out = (rap_cache_use){ kept.items, kept.bytes, NULL };
    out->place = kind == RAP_CACHE_TOKENS ? store_place(r) : store_prefix_folder(r->store);
    return status;
}

rap_status rap_cache_clear(rap *r, rap_cache kind)
{
    store_kept kept = { 0, 0 };
    rap_status status;

    if (!rap_ready(r))
        return RAP_E_ARGUMENT;
    switch (kind) {
    case RAP_CACHE_WEIGHTS:
        return weights(NULL, r, 1);
    case RAP_CACHE_TOKENS: /* an empty store that is only read has nothing to clear */
        status = store_count_tokens(r->store, &kept, &r->err);
        return status == RAP_OK && kept.items > 0 ? store_clear_tokens(r->store, &r->err) : status;
    case RAP_CACHE_PREFIXES:
        engine_forget(r->engine);
        return store_clear_prefixes(r->store, &r->err);
    default:
        return err_set(&r->err, RAP_E_ARGUMENT, "unknown cache %d", (int)kind);
    }
}
