/* hub.c: settings, names of files, links, locks. */
#include "pull/hub.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_ENDPOINT "https://huggingface.co"

/* ---- settings ---- */

static const char *setting(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* $HF_HOME, else the user's cache folder. */
static char *hub_home(void)
{
    const char *home = setting("HF_HOME"), *cache = setting("XDG_CACHE_HOME");
    buf path = BUF_INIT;

    if (home)
        return mem_string(home);
    if (cache && *cache == '/')
        return path_join(cache, "huggingface");
    if (!setting("HOME"))
        return NULL;
    buf_printf(&path, "%s/.cache/huggingface", setting("HOME"));
    return buf_detach(&path);
}

static char *read_token(const char *home)
{
    const char *given = setting("HF_TOKEN"), *named = setting("HF_TOKEN_PATH");
    char *path, *text = NULL;
    size_t size = 0;

    if (given)
        return mem_string(given);
    path = named ? mem_string(named) : home ? path_join(home, "token") : NULL;
    if (path && file_read(&text, &size, path, 4096, NULL) == RAP_OK) {
        size_t mark = file_kind_mark(text, size);
        memmove(text, text + mark, size - mark + 1);
        text[strcspn(text, "\r\n \t")] = '\0';
    }
    free(path);
    if (text && !*text) {
        free(text);
        text = NULL;
    }
    return text;
}

static bool is_set(const char *name)
{
    const char *value = setting(name);

    return value && (!strcmp(value, "1") || !strcasecmp(value, "true") ||
                     !strcasecmp(value, "yes") || !strcasecmp(value, "on"));
}

static rap_status read_endpoint(hub *out, rap_err *err)
{
    const char *variable = setting("RAP_MIRROR") ? "RAP_MIRROR" : "HF_ENDPOINT";
    const char *value = setting(variable);

    value = value ? value : DEFAULT_ENDPOINT;
    if (strncmp(value, "https://", 8) != 0 && strncmp(value, "http://", 7) != 0)
        return err_set(err, RAP_E_ARGUMENT, "%s is '%s': expected a URL (https://…)", variable,
                       value);
    out->endpoint = mem_string(value);
    if (!out->endpoint)
        return err_memory(err, "opening the hub");
    for (size_t len = strlen(out->endpoint); len && out->endpoint[len - 1] == '/';)
        out->endpoint[--len] = '\0';
    return RAP_OK;
}

rap_status hub_open(hub *out, bool offline, rap_err *err)
{
    char *home = hub_home();
    const char *cache = setting("HF_HUB_CACHE");
    rap_status status;

    *out = (hub){ .offline = offline || is_set("HF_HUB_OFFLINE") };
    status = read_endpoint(out, err);
    if (status == RAP_OK && !cache && !home)
        status = err_set(err, RAP_E_ARGUMENT, "no folder for downloads: set HF_HOME or HOME");
    if (status == RAP_OK) {
        out->cache = cache ? mem_string(cache) : path_join(home, "hub");
        out->token = read_token(home);
        if (!out->cache)
            status = err_memory(err, "opening the hub");
    }
    free(home);
    if (status != RAP_OK)
        hub_release(out);
    return status;
}

void hub_release(hub *h)
{
    free(h->endpoint);
    free(h->cache);
    free(h->token);
    *h = (hub){ NULL, NULL, NULL, false };
}

/* ---- names ---- */

char *hub_url(const hub *h, const recipe_source *s, const char *revision, const char *path)
{
    buf url = BUF_INIT;

    buf_printf(&url, "%s/%s/resolve/%s/%s", h->endpoint, s->hub, revision, path);
    return buf_detach(&url);
}

/* "models--OWNER--NAME" */
static void add_folder_name(buf *b, const recipe_source *s)
{
    buf_puts(b, "models--");
    for (const char *at = s->hub; *at; at++)
        if (*at == '/')
            buf_puts(b, "--");
        else
            buf_putc(b, *at);
}

char *hub_repository(const hub *h, const recipe_source *s)
{
    buf path = BUF_INIT;

    buf_printf(&path, "%s/", h->cache);
    add_folder_name(&path, s);
    return buf_detach(&path);
}

static char *inside_repository(const hub *h, const recipe_source *s, const char *folder,
                               const char *name)
{
    char *repository = hub_repository(h, s);
    buf path = BUF_INIT;

    if (!repository)
        return NULL;
    buf_printf(&path, "%s/%s/%s", repository, folder, name);
    free(repository);
    return buf_detach(&path);
}

char *hub_snapshot(const hub *h, const recipe_source *s, const char *commit)
{
    return inside_repository(h, s, "snapshots", commit);
}

char *hub_blob(const hub *h, const recipe_source *s, const char *etag)
{
    return inside_repository(h, s, "blobs", etag);
}

char *hub_lock(const hub *h, const recipe_source *s, const char *etag)
{
    buf path = BUF_INIT;

    buf_printf(&path, "%s/.locks/", h->cache);
    add_folder_name(&path, s);
    buf_printf(&path, "/%s.lock", etag);
    return buf_detach(&path);
}

bool hub_is_commit(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

void hub_cached_commit(char out[41], const hub *h, const recipe_source *s)
{
    char *path, *text = NULL;
    size_t size = 0;

    out[0] = '\0';
    if (hub_is_commit(s->revision)) {
        memcpy(out, s->revision, 41);
        return;
    }
    path = inside_repository(h, s, "refs", s->revision);
    if (path && file_read(&text, &size, path, 256, NULL) == RAP_OK) {
        text[strcspn(text, "\r\n ")] = '\0';
        if (hub_is_commit(text))
            memcpy(out, text, 41);
    }
    free(text);
    free(path);
}

/* ---- links ---- */

static rap_status make_folder_of(const char *path, rap_err *err)
{
    char *folder = path_folder(path);
    rap_status status = folder ? file_make_folders(folder, err) : err_memory(err, "linking a file");

    free(folder);
    return status;
}

/* Replaces a link atomically, so that other processes never see it missing. */
static rap_status replace_link(const char *target, const char *path, rap_err *err)
{
    char *temporary = NULL;
    rap_status status = RAP_OK;

    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return err_memory(err, "linking a file");
    unlink(temporary);
    if (symlink(target, temporary) != 0 || rename(temporary, path) != 0) {
        status = err_set(err, RAP_E_IO, "%s: cannot create the link: %m", path);
        unlink(temporary);
    }
    free(temporary);
    return status;
}

static rap_status link_snapshot(const hub *h, const recipe_source *s, const char *commit,
                                const char *path, const char *etag, rap_err *err)
{
    char *snapshot = hub_snapshot(h, s, commit);
    char *link = snapshot ? path_join(snapshot, path) : NULL;
    buf target = BUF_INIT;
    rap_status status = link ? make_folder_of(link, err) : err_memory(err, "linking a file");

    buf_puts(&target, "../../");
    for (const char *at = path; *at; at++)
        if (*at == '/')
            buf_puts(&target, "../");
    buf_printf(&target, "blobs/%s", etag);
    if (status == RAP_OK)
        status = buf_failed(&target) ? err_memory(err, "linking a file")
                                     : replace_link(buf_text(&target), link, err);
    buf_release(&target);
    free(link);
    free(snapshot);
    return status;
}

static rap_status write_ref(const hub *h, const recipe_source *s, const char *commit, rap_err *err)
{
    char known[41], *path;
    rap_status status;

    hub_cached_commit(known, h, s);
    if (strcmp(known, commit) == 0 || hub_is_commit(s->revision))
        return RAP_OK;
    path = inside_repository(h, s, "refs", s->revision);
    status = path ? make_folder_of(path, err) : err_memory(err, "linking a file");
    if (status == RAP_OK)
        status = file_write(path, commit, strlen(commit), err);
    free(path);
    return status;
}

rap_status hub_link(const hub *h, const recipe_source *s, const char *commit, const char *path,
                    const char *etag, rap_err *err)
{
    rap_status status = link_snapshot(h, s, commit, path, etag, err);

    return status == RAP_OK ? write_ref(h, s, commit, err) : status;
}

/* ---- locks ---- */

rap_status hub_try_lock(int *out, const char *path, rap_err *err)
{
    rap_status status = make_folder_of(path, err);
    int fd;

    *out = -1;
    if (status != RAP_OK)
        return status;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, RAP_E_IO, "%s: cannot create the lock file: %m", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? err_set(err, RAP_E_BUSY, "%s: locked by another process", path)
                     : err_set(err, RAP_E_IO, "%s: cannot lock: %m", path);
        close(fd);
        return status;
    }
    *out = fd;
    return RAP_OK;
}

void hub_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
