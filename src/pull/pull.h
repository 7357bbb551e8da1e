/* pull.h: a profile by its name: its recipe, the files from the hub or its cache, the folder.
 *
 * Reading order: recipe.h (what is wanted), hub.h (where things are), http.h (one request), fetch.h (one
 * file), assemble.h (the profile's folder), then pull.c, which reads like `rap pull`. */
#ifndef RAP_PULL_PULL_H
#define RAP_PULL_PULL_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum pull_event {
    PULL_BYTES,   /* done of total bytes of `file` (total −1: not known) */
    PULL_FETCHED, /* `file` is whole; total bytes, of which done came over the network */
    PULL_REUSED,  /* `file` was in the cache */
    PULL_RETRY,   /* `text` says why */
    PULL_WAIT,    /* another process downloads `file` */
    PULL_STEP     /* `text`: "converting", "checking"; `file` is made of what was downloaded */
} pull_event;

/* Non-zero: stop; what is there stays, and the next run goes on from it. */
typedef int pull_on_event(pull_event event, const char *file, const char *text, int64_t done,
                          int64_t total, void *payload);
typedef int pull_cancelled(void *payload);

typedef struct pull_options {
    const char *recipe; /* a name, or the path of a recipe's file */
    bool offline;       /* only what is in the cache */
    bool force;         /* make the profile again even when it is there, and ask the hub again */
    long stall_seconds; /* 30: a transfer this long without bytes is given up and tried again */
    int retries;        /* 5: in a row, without progress */
    long retry_ms;      /* 1000: the first pause, each further one twice as long */
    pull_on_event *on_event;   /* NULL: silent */
    pull_cancelled *cancelled; /* NULL: never; asked often, must be quick */
    void *payload;
} pull_options;
#define PULL_OPTIONS_INIT { NULL, false, false, 30, 5, 1000, NULL, NULL, NULL }

/* What it did, or with dry_run what it would do, as an object: name, profile (the folder), state ("done" when
 * nothing was to do, "made", "to do"), bytes, files [{file, url, bytes, here}], free with json_decref().
 * dry_run asks no network. */
rap_status pull_run(json_t **out, const pull_options *options, bool dry_run, rap_err *err);

/* Every recipe: name, description, license, bytes (at_least: some file's size is not known), profile (null:
 * not made). Of a recipe that cannot be read on_broken hears why. */
typedef void pull_on_broken(const char *why);
rap_status pull_list(json_t **out, pull_on_broken *on_broken, rap_err *err);

#endif
