/* annotate_ask.h: threads that ask a chat endpoint and keep what it answers. */
#ifndef RAP_DATASET_ANNOTATE_ASK_H
#define RAP_DATASET_ANNOTATE_ASK_H

#include "dataset/annotate_local.h"
#include "dataset/annotate_options.h"
#include "dataset/annotate_task.h"

typedef struct annotate_asker annotate_asker;

typedef struct annotate_asked { /* so far */
    uint64_t asked, failed, bad;
    uint64_t prompt_tokens, answer_tokens, pictures, picture_bytes;
    char first_failure[1024];
} annotate_asked;

/* `images`: the folder of pictures. local: NULL, or the model that is asked instead of the endpoint. Everything is borrowed
 * until annotate_asker_close(). */
rap_status annotate_asker_open(annotate_asker **out, const annotate_options *options,
                               const annotate_task *task, const char *images, annotate_log *log,
                               annotate_local *local, rap_err *err);

/* Hands a request over, which is copied; waits a moment where many are waiting already. `*out_taken` false: come again.
 * A failure that makes all further requests useless is reported here. */
rap_status annotate_asker_add(bool *out_taken, annotate_asker *a, const annotate_unit *unit,
                              const char *id, rap_err *err);
/* Waits a moment for what is under way; `*out_idle`: nothing is. */
rap_status annotate_asker_wait(bool *out_idle, annotate_asker *a, rap_err *err);
void annotate_asker_count(annotate_asked *out, annotate_asker *a);

/* Stops what is under way and waits for it. NULL-safe. */
void annotate_asker_close(annotate_asker *a);

/* What a unit's pictures weigh as they are sent. */
rap_status annotate_measure(uint64_t *bytes, uint64_t *tokens, const annotate_task *task,
                            const annotate_unit *unit, const char *images, rap_err *err);

#endif
