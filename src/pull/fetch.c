/* fetch.c: what is here, what the hub has, and the order of the steps between. The transfer itself is in
 * fetch_body.c. */
#include "pull/fetch.h"

#include "base/file.h"
#include "base/mem.h"
#include "pull/fetch_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HUB_REDIRECTS = 10 };

void fetch_release(fetch *f)
{
    free(f->path);
    f->path = NULL;
}

/* ---- the cache ---- */

static int64_t size_of(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (int64_t)info.st_size : -1;
}

static bool has_sha256(const char *path, const char *want)
{
    char digest[65];

    return file_sha256(digest, path, NULL) == RAP_OK && strcmp(digest, want) == 0;
}

/* Has a blob the bytes that its name says? A name of another kind says nothing. */
static bool is_as_named(const char *path, const char *name)
{
    char digest[41];

    if (strlen(name) == 64)
        return has_sha256(path, name);
    return strlen(name) != 40 ||
           (fetch_git_name(digest, path, NULL) == RAP_OK && strcmp(digest, name) == 0);
}

/* Is this the file that the recipe means? A blob of large files is named by its SHA-256, so that most need
 * not be read. Where the recipe says neither size nor checksum, the bytes must be those of the name. */
static bool is_wanted(const fetch *f, const char *path)
{
    int64_t bytes = size_of(path);
    char *real;
    bool wanted = true;

    if (bytes < 0 || (f->file->bytes >= 0 && bytes != f->file->bytes))
        return false;
    if (f->file->bytes >= 0 && !*f->file->sha256)
        return true;
    real = realpath(path, NULL);
    if (*f->file->sha256)
        wanted = (real && strcmp(path_base(real), f->file->sha256) == 0) ||
                 has_sha256(path, f->file->sha256);
    else if (real)
        wanted = is_as_named(path, path_base(real));
    free(real);
    return wanted;
}

/* Is the blob there, as the hub and the recipe describe it? */
static bool is_whole(const fetch *f, const char *blob)
{
    int64_t bytes = size_of(blob);

    return bytes >= 0 && (f->bytes < 0 || bytes == f->bytes) && is_wanted(f, blob);
}

static char *link_path(const fetch *f, const hub *h)
{
    char *snapshot = hub_snapshot(h, f->source, f->commit);
    char *path = snapshot ? path_join(snapshot, f->file->path) : NULL;

    free(snapshot);
    return path;
}

rap_status fetch_find(fetch *f, const hub *h, rap_err *err)
{
    char *path;

    hub_cached_commit(f->commit, h, f->source);
    f->bytes = f->file->bytes;
    if (!*f->commit)
        return RAP_OK;
    path = link_path(f, h);
    if (!path)
        return err_memory(err, "looking into the cache");
    if (!is_wanted(f, path)) {
        free(path);
        return RAP_OK;
    }
    free(f->path);
    f->path = path;
    f->here = true;
    f->bytes = f->have = size_of(path);
    return RAP_OK;
}

/* ---- trying again ---- */

static int tell(const fetch_settings *set, fetch_event event, const char *text, int64_t done,
                int64_t total)
{
    return set->on_event ? set->on_event(event, text, done, total, set->payload) : 0;
}

rap_status fetch_pause(const fetch_settings *set, long milliseconds, rap_err *err)
{
    for (long slept = 0; slept < milliseconds; slept += 50) {
        struct timespec nap = { 0, 50 * 1000000L };

        nanosleep(&nap, NULL);
        if (tell(set, FETCH_WAIT, NULL, 0, 0))
            return err_set(err, RAP_E_CANCELLED, "stopped; the same command goes on from here");
    }
    return RAP_OK;
}

/* Twice as long each time, at most half a minute; what the server asks for, at most two. */
static long pause_before(const fetch_settings *set, int attempt, const http_reply *reply)
{
    long pause = set->retry_ms << (attempt < 12 ? attempt : 12);

    pause = pause > 30000 ? 30000 : pause;
    if (reply->retry_after > 0)
        pause = reply->retry_after > 120 ? 120000 : reply->retry_after * 1000;
    return pause;
}

rap_status fetch_again(const fetch_settings *set, int attempt, const http_reply *reply,
                       rap_err *err)
{
    char why[1024];
    rap_status status = err->status;

    if (!reply->again || attempt >= set->retries)
        return status;
    snprintf(why, sizeof why, "%s", err->text);
    if (tell(set, FETCH_RETRY, why, 0, 0))
        return err_set(err, RAP_E_CANCELLED, "stopped; the same command goes on from here");
    status = fetch_pause(set, pause_before(set, attempt, reply), err);
    if (status == RAP_OK)
        err_clear(err);
    return status;
}

/* ---- the hub ---- */

/* A hub redirects a repository that was renamed with a path of its own; a path elsewhere is where the
 * bytes lie, and the headers wanted came with that reply. */
static rap_status head_on_hub(const fetch_settings *set, const char *url, http_reply *reply,
                              rap_err *err)
{
    char *at = mem_string(url), *next;
    rap_status status = at ? RAP_OK : err_memory(err, "asking the hub");

    for (int hop = 0; status == RAP_OK; hop++) {
        status = http_head(set->http, at, reply, err);
        if (status != RAP_OK || reply->code < 300 || !*reply->location)
            break;
        next = http_resolve(at, reply->location);
        if (!next || !http_same_host(at, next) || *reply->linked_etag) {
            free(next);
            break;
        }
        free(at);
        at = next;
        if (hop >= HUB_REDIRECTS)
            status = err_set(err, RAP_E_IO, "%s: redirected more than %d times", url,
                             (int)HUB_REDIRECTS);
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
                       "%s: the answer names no commit (X-Repo-Commit): is this a model hub?", url);
    return RAP_OK;
}

/* The blob's name and size: the hub's, compared with the recipe's. A plain mirror that says nothing will do
 * where the recipe says everything. */
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
                       "%s: neither the server nor the recipe gives a checksum; nothing is "
                       "downloaded unchecked",
                       url);
    f->bytes = file->bytes >= 0 ? file->bytes : bytes;
    if (f->bytes > RECIPE_FILE_LIMIT)
        return err_set(err, RAP_E_LIMIT, "%s: %" PRId64 " bytes are more than any model has", url,
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
        return err_memory(err, "looking into the cache");
    }
    some = size_of(part);
    f->have = is_whole(f, blob) ? size_of(blob) : some > 0 ? some : 0;
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
        if (status == RAP_OK || fetch_again(set, attempt, &reply, err) != RAP_OK)
            break;
    }
    status = status == RAP_OK ? RAP_OK : err->status;
    if (status == RAP_OK)
        status = use_reply(f, &reply, url, err);
    if (status == RAP_OK)
        status = use_commit(f, revision, &reply, url, err);
    if (status == RAP_OK)
        status = count_here(f, set->hub, err);
    free(url);
    return status;
}

/* ---- the steps ---- */

/* Waits as long as another process writes this blob. */
static rap_status take_lock(int *out, const fetch *f, const fetch_settings *set, rap_err *err)
{
    char *path = hub_lock(set->hub, f->source, f->etag);
    rap_status status = path ? RAP_OK : err_memory(err, "locking a download");
    bool told = false;

    while (status == RAP_OK) {
        status = hub_try_lock(out, path, err);
        if (status != RAP_E_BUSY)
            break;
        if (!told && tell(set, FETCH_WAIT, "another process is downloading it", 0, 0))
            status = err_set(err, RAP_E_CANCELLED, "stopped; the same command goes on from here");
        told = true;
        if (status == RAP_E_BUSY)
            status = fetch_pause(set, 200, err);
    }
    free(path);
    if (status == RAP_OK)
        err_clear(err);
    return status;
}

/* With the lock held: another process may have finished it meanwhile. */
static rap_status get_locked(fetch *f, const fetch_settings *set, rap_err *err)
{
    char *blob = hub_blob(set->hub, f->source, f->etag);
    char *folder = blob ? path_folder(blob) : NULL;
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "downloading");

    if (status == RAP_OK && !is_whole(f, blob))
        status = fetch_body(f, set, blob, err);
    if (status == RAP_OK)
        status = hub_link(set->hub, f->source, f->commit, f->file->path, f->etag, err);
    free(folder);
    free(blob);
    return status;
}

rap_status fetch_get(fetch *f, const fetch_settings *set, rap_err *err)
{
    rap_err own = { 0 };
    int lock = -1;
    rap_status status;

    if (f->here)
        return RAP_OK;
    err = err ? err : &own;
    status = take_lock(&lock, f, set, err);
    if (status == RAP_OK)
        status = get_locked(f, set, err);
    hub_unlock(lock);
    if (status != RAP_OK)
        return status;
    free(f->path);
    f->path = link_path(f, set->hub);
    if (!f->path)
        return err_memory(err, "downloading");
    f->here = true;
    f->bytes = f->have = size_of(f->path);
    return RAP_OK;
}
