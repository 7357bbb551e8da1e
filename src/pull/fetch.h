/* fetch.h: one file of a repository, from the hub into the cache.
 *
 * fetch_find() looks in the cache, fetch_ask() asks the hub for size, checksum and commit, fetch_get()
 * downloads the file if it is missing. A blob gets its name only after its checksum was compared, so a file
 * with that name is complete and correct; until then it is ETAG.incomplete, which any later run resumes. */
#ifndef RAP_PULL_FETCH_H
#define RAP_PULL_FETCH_H

#include "net/http.h"
#include "pull/hub.h"

typedef enum fetch_event {
    FETCH_BYTES, /* done of total */
    FETCH_RETRY, /* retrying; `text` is the reason */
    FETCH_WAIT,  /* another process downloads it */
    FETCH_CHECK  /* the checksum is computed */
} fetch_event;

/* Non-zero: stop. */
typedef int fetch_on_event(fetch_event event, const char *text, int64_t done, int64_t total,
                           void *payload);

typedef struct fetch_settings {
    const hub *hub;
    http *http;  /* NULL when offline */
    long stall_seconds; /* a transfer that is silent this long is retried */
    int retries; /* in a row without progress */
    long retry_ms; /* the first pause; each further one is twice as long */
    fetch_on_event *on_event;
    void *payload;
} fetch_settings;

typedef struct fetch {
    const recipe_source *source;
    const recipe_file *file;
    char commit[41];
    char etag[128]; /* the blob's name; "" until it was asked for */
    int64_t bytes;  /* −1: not known */
    int64_t have;   /* bytes that are already in the cache */
    bool here;      /* whole, in the cache: nothing to do */
    char *path;     /* snapshots/COMMIT/PATH, once it is in the cache */
} fetch;

void fetch_release(fetch *f);

/* Fills `here` and `path` from the cache. The size and checksum must match the recipe or, if it has neither, the name of
 * the blob. */
rap_status fetch_find(fetch *f, const hub *h, rap_err *err);
/* Asks the hub about the file in `commit`, or, if that is "", in the current state of the recipe's revision. */
rap_status fetch_ask(fetch *f, const fetch_settings *set, const char *commit, rap_err *err);
rap_status fetch_get(fetch *f, const fetch_settings *set, rap_err *err);

#endif
