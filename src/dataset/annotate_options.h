/* annotate_options.h: what a person asks for (annotate.h). */
#ifndef RAP_DATASET_ANNOTATE_OPTIONS_H
#define RAP_DATASET_ANNOTATE_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>

typedef struct annotate_options {
    const char *folder;   /* of a built data set, or one that an earlier task wrote */
    const char *endpoint; /* may be NULL for a replay and a dry run */
    const char *profile;  /* NULL; else its language model answers instead of an endpoint */
    int threads;          /* of that model; 0: all */
    const char *model;    /* as the endpoint calls it; not with a profile */
    const char *task;     /* "describe", "caption", "qa", "verify" */
    const char *prompts;  /* NULL: the installed ones */
    int parallel;         /* requests in flight; 0: 4, or 1 with a profile */
    int per_minute;       /* 0: no limit */
    int side;             /* of a picture, pixels; 0: 768 */
    int max_tokens;       /* of an answer; 0: 1024 */
    int attempts;         /* after the first; 0: 4; negative: none */
    long first_pause_ms;  /* 0: a second */
    long silence_seconds; /* 0: 120 */
    bool dry_run;         /* counts, sends and writes nothing */
    bool replay;          /* sends nothing: the answers that are there are checked and applied */
    rap_on_progress *on_progress;
    void *payload;
} annotate_options;

#endif
