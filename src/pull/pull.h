/* pull.h: makes a profile from its recipe: gets the files from the hub or its cache, and assembles the folder.
 *
 * Reading order: recipe.h (what to download), hub.h (URLs and cache paths), net/http.h (one request), fetch.h (one
 * file), assemble.h (the profile's folder), then pull.c, which reads like `rap pull`. */
#ifndef RAP_PULL_PULL_H
#define RAP_PULL_PULL_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum pull_event {
    PULL_BYTES,   /* done of total bytes of `file` (total −1: not known) */
    PULL_FETCHED, /* `file` is complete; total bytes, of which done came over the network */
    PULL_REUSED,  /* `file` was in the cache */
    PULL_RETRY,   /* `text` is the reason */
    PULL_WAIT,    /* another process downloads `file` */
    PULL_STEP     /* `text`: "converting", "checking"; `file` is made from the downloads */
} pull_event;

/* Non-zero: stop; the next run resumes. */
typedef int pull_on_event(pull_event event, const char *file, const char *text, int64_t done,
                          int64_t total, void *payload);
typedef int pull_cancelled(void *payload);

typedef struct pull_options {
    const char *recipe; /* a name, or the path of a recipe's file */
    bool offline;       /* only what is in the cache */
    bool force;         /* make the profile again even if it exists, and ask the hub again */
    long stall_seconds; /* 30: a transfer that is silent this long is retried */
    int retries;        /* 5: in a row, without progress */
    long retry_ms;      /* 1000: the first pause, each further one twice as long */
    pull_on_event *on_event;   /* NULL: silent */
    pull_cancelled *cancelled; /* NULL: never; asked often, must be quick */
    void *payload;
} pull_options;
#define PULL_OPTIONS_INIT { NULL, false, false, 30, 5, 1000, NULL, NULL, NULL }

/* Returns what it did, or with dry_run what it would do: name, profile (the folder), state ("done": nothing was to do,
 * "made", "to do"), bytes, files [{file, url, bytes, here}]; json_decref() it. dry_run uses no network. */
rap_status pull_run(json_t **out, const pull_options *options, bool dry_run, rap_err *err);

/* All recipes: name, description, license, bytes (at_least: some sizes are unknown), profile (null: not made).
 * on_broken gets the error of a recipe that cannot be read. */
typedef void pull_on_broken(const char *why);
rap_status pull_list(json_t **out, pull_on_broken *on_broken, rap_err *err);

#endif
