/* hub.h: the URLs of a model hub's files, and their paths in the cache that its tools share.
 *
 * The cache is the hub's own, so files that another tool has downloaded are not downloaded again:
 *
 *     <cache>/models--OWNER--NAME/blobs/ETAG               the bytes
 *                                 refs/REVISION            the commit of a branch or tag
 *                                 snapshots/COMMIT/PATH    a relative link to ../../blobs/ETAG
 *     <cache>/.locks/models--OWNER--NAME/ETAG.lock         held while a blob is written
 */
#ifndef RAP_PULL_HUB_H
#define RAP_PULL_HUB_H

#include "pull/recipe.h"

typedef struct hub {
    char *endpoint; /* "https://huggingface.co", without a slash at its end */
    char *cache;
    char *token; /* NULL: none */
    bool offline;
} hub;

/* From the environment: RAP_MIRROR, HF_ENDPOINT; HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME; HF_TOKEN or the
 * file that HF_TOKEN_PATH or HF_HOME names; HF_HUB_OFFLINE. */
rap_status hub_open(hub *out, bool offline, rap_err *err);
void hub_release(hub *h);

/* All of these are free()d by the caller and NULL when memory ran out. */
char *hub_url(const hub *h, const recipe_source *s, const char *revision, const char *path);
char *hub_repository(const hub *h, const recipe_source *s); /* <cache>/models--OWNER--NAME */
char *hub_snapshot(const hub *h, const recipe_source *s, const char *commit);
char *hub_blob(const hub *h, const recipe_source *s, const char *etag);
char *hub_lock(const hub *h, const recipe_source *s, const char *etag);

bool hub_is_commit(const char *text); /* 40 lower-case hex digits */

/* The commit of the source's revision according to the cache; "" if unknown. */
void hub_cached_commit(char out[41], const hub *h, const recipe_source *s);

/* Links snapshots/COMMIT/PATH to the blob, and writes COMMIT to refs/REVISION. */
rap_status hub_link(const hub *h, const recipe_source *s, const char *commit, const char *path,
                    const char *etag, rap_err *err);

/* Holds a lock file (created if missing) until hub_unlock(); RAP_E_BUSY if another process holds it. */
rap_status hub_try_lock(int *out, const char *path, rap_err *err);
void hub_unlock(int fd);

#endif
