/* fetch_ask.c: asks the hub for a file's size, checksum and commit (fetch.h). */
#include "pull/fetch_inside.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For a renamed repository the hub redirects to another path of its own. A redirection to another host leads to the
 * bytes; the headers that we need came with that reply. */
static rap_status head_on_hub(const fetch_settings *set, const char *url, http_reply *reply,
                              rap_err *err)
{
    char *at = mem_string(url), *next;
    rap_status status = at ? RAP_OK : err_memory(err, "asking the hub");

    for (int hop = 0; status == RAP_OK; hop++) {
        http_request ask = fetch_request(set, at);

        ask.whole_seconds = ask.connect_seconds + ask.silence_seconds;
        status = http_head(reply, set->http, &ask, err);
        if (status != RAP_OK || reply->code < 300 || !*reply->location)
            break;
        next = http_resolve(at, reply->location);
        if (!next || !http_same_host(at, next) || *reply->linked_etag) {
            free(next);
            break;
        }
        free(at);
        at = next;
        if (hop >= FETCH_REDIRECTS)
            status = err_set(err, RAP_E_IO, "%s: redirected more than %d times", url,
                             (int)FETCH_REDIRECTS);
    }
    free(at);
    return status;
}

static rap_status use_commit(fetch *f, const char *revision, const http_reply *reply,
                             const char *url, rap_err *err)
{
    if (hub_is_commit(revision))
        memcpy(f->commit, revision, 41);
    else if (hub_is_commit(reply->commit))
        memcpy(f->commit, reply->commit, 41);
    else
        return err_set(err, RAP_E_FORMAT,
                       "%s: the reply has no commit (X-Repo-Commit): is this a model hub?", url);
    return RAP_OK;
}

/* The blob's name and size from the hub, compared with the recipe. A plain mirror that sends neither is enough if the
 * recipe has both. */
static rap_status use_reply(fetch *f, const http_reply *reply, const char *url, rap_err *err)
{
    bool linked = *reply->linked_etag != '\0', plain = reply->code < 300;
    const char *etag = linked ? reply->linked_etag : plain && !reply->weak ? reply->etag : "";
    int64_t bytes = reply->linked_size >= 0 ? reply->linked_size : plain ? reply->length : -1;
    const recipe_file *file = f->file;

    if (file->bytes >= 0 && bytes >= 0 && bytes != file->bytes)
        return err_set(err, RAP_E_FORMAT,
                       "%s: the server has %" PRId64 " bytes, the recipe says %" PRId64, url, bytes,
                       file->bytes);
    if (*file->sha256 && strlen(etag) == 64 && strcmp(etag, file->sha256) != 0)
        return err_set(err, RAP_E_FORMAT,
                       "%s: the server has another file (SHA-256 %s) than the recipe (%s)", url,
                       etag, file->sha256);
    if ((strlen(etag) != 64 && strlen(etag) != 40) ||
        (*file->sha256 && !hub_is_commit(reply->commit)))
        etag = file->sha256;
    if (!*etag)
        return err_set(err, RAP_E_FORMAT,
                       "%s: neither the server nor the recipe has a checksum, so the file is "
                       "not downloaded",
                       url);
    f->bytes = file->bytes >= 0 ? file->bytes : bytes;
    if (f->bytes > RECIPE_FILE_LIMIT)
        return err_set(err, RAP_E_LIMIT, "%s: a size of %" PRId64 " bytes is over the limit", url,
                       f->bytes);
    snprintf(f->etag, sizeof f->etag, "%s", etag);
    return RAP_OK;
}

static rap_status count_here(fetch *f, const hub *h, rap_err *err)
{
    char *blob = hub_blob(h, f->source, f->etag), *part = NULL;
    int64_t some;

    if (!blob || asprintf(&part, "%s.incomplete", blob) < 0) {
        free(blob);
        return err_memory(err, "searching the cache");
    }
    some = fetch_size(part);
    f->have = fetch_is_whole(f, blob) ? fetch_size(blob) : some > 0 ? some : 0;
    free(blob);
    free(part);
    return RAP_OK;
}

rap_status fetch_ask(fetch *f, const fetch_settings *set, const char *commit, rap_err *err)
{
    const char *revision = *commit ? commit : f->source->revision;
    char *url = hub_url(set->hub, f->source, revision, f->file->path);
    rap_err own = { 0 };
    http_reply reply;
    rap_status status;

    err = err ? err : &own;
    if (!url)
        return err_memory(err, "asking the hub");
    fetch_release(f); /* of another commit, perhaps */
    f->here = false;
    f->bytes = f->file->bytes;
    for (int attempt = 0;; attempt++) {
        status = head_on_hub(set, url, &reply, err);
        if (status == RAP_OK || (status = fetch_again(set, attempt, url, &reply, err)) != RAP_OK)
            break;
    }
    if (status == RAP_OK)
        status = use_reply(f, &reply, url, err);
    if (status == RAP_OK)
        status = use_commit(f, revision, &reply, url, err);
    if (status == RAP_OK)
        status = count_here(f, set->hub, err);
    free(url);
    return status;
}
