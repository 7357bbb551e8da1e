/* fetch.h: one file of a repository, from the hub into the cache.
 *
 * fetch_find() looks into the cache, fetch_ask() asks the hub what the file is (size, checksum, commit),
 * fetch_get() downloads what is missing. A blob gets its name only after its checksum was compared, so a
 * name in the cache means whole and right bytes; until then it is ETAG.incomplete, from which any later
 * run goes on. */
#ifndef RAP_PULL_FETCH_H
#define RAP_PULL_FETCH_H

#include "net/http.h"
#include "pull/hub.h"

typedef enum fetch_event {
    FETCH_BYTES, /* done of total */
    FETCH_RETRY, /* `text` says why; it is asked again */
    FETCH_WAIT,  /* another process downloads it */
    FETCH_CHECK  /* the checksum is computed */
} fetch_event;

/* Non-zero: stop. */
typedef int fetch_on_event(fetch_event event, const char *text, int64_t done, int64_t total,
                           void *payload);

typedef struct fetch_settings {
    const hub *hub;
    http *http;  /* NULL when offline */
    long stall_seconds; /* a transfer this long without bytes is given up and tried again */
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
    int64_t have;   /* bytes that are here already */
    bool here;      /* whole, in the cache: nothing to do */
    char *path;     /* snapshots/COMMIT/PATH, once it is here */
} fetch;

void fetch_release(fetch *f);

/* Fills `here` and `path` from the cache; what the cache has under another size or checksum is not it, nor,
 * where the recipe says neither, bytes that are not those of the blob's name. */
rap_status fetch_find(fetch *f, const hub *h, rap_err *err);
/* Asks what the file is in `commit`, or, where that is "", in the recipe's revision as it is now. */
rap_status fetch_ask(fetch *f, const fetch_settings *set, const char *commit, rap_err *err);
rap_status fetch_get(fetch *f, const fetch_settings *set, rap_err *err);

#endif
