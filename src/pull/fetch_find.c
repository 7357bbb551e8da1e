/* fetch_find.c: looks for a file in the cache (fetch.h). */
#include "pull/fetch_inside.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void fetch_release(fetch *f)
{
    free(f->path);
    f->path = NULL;
}

int64_t fetch_size(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (int64_t)info.st_size : -1;
}

static bool has_sha256(const char *path, const char *want)
{
    char digest[65];

    return file_sha256(digest, path, NULL) == RAP_OK && strcmp(digest, want) == 0;
}

/* Does a blob have the checksum that is its name? True for names that are no checksum. */
static bool is_as_named(const char *path, const char *name)
{
    char digest[41];

    if (strlen(name) == 64)
        return has_sha256(path, name);
    return strlen(name) != 40 ||
           (fetch_git_name(digest, path, NULL) == RAP_OK && strcmp(digest, name) == 0);
}

/* Is this the recipe's file? Blobs of large files are named by their SHA-256, so most need not be read. If the recipe
 * has neither size nor checksum, the bytes must match the name. */
static bool is_wanted(const fetch *f, const char *path)
{
    int64_t bytes = fetch_size(path);
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

bool fetch_is_whole(const fetch *f, const char *blob)
{
    int64_t bytes = fetch_size(blob);

    return bytes >= 0 && (f->bytes < 0 || bytes == f->bytes) && is_wanted(f, blob);
}

char *fetch_link(const fetch *f, const hub *h)
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
    path = fetch_link(f, h);
    if (!path)
        return err_memory(err, "searching the cache");
    if (!is_wanted(f, path)) {
        free(path);
        return RAP_OK;
    }
    free(f->path);
    f->path = path;
    f->here = true;
    f->bytes = f->have = fetch_size(path);
    return RAP_OK;
}
