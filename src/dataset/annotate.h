/* annotate.h: a built data set, annotated by a model behind a chat endpoint (annotate_task.h: what is asked).
 *
 *     train.json ──► requests ──► annotations.jsonl, every reply with its prompt ──► checked ──► annotated-TASK/
 *
 * Reading order: annotate_task.h, annotate_check.h (which replies are good), annotate_log.h (the side file),
 * annotate_pace.h, annotate_local.h (a profile's model instead of an endpoint), annotate_ask.h (threads that ask),
 * annotate.c. */
#ifndef RAP_DATASET_ANNOTATE_H
#define RAP_DATASET_ANNOTATE_H

#include "dataset/annotate_options.h"
#include "dataset/annotate_task.h"

typedef struct annotate_result {
    uint64_t requests;  /* that the samples give rise to, each once */
    uint64_t known;     /* of them answered by earlier runs */
    uint64_t asked;     /* answered in this run */
    uint64_t failed;    /* not answered: the server or a picture */
    uint64_t fault[FAULT_COUNT]; /* bad replies in the side file, of this task */
    uint64_t prompt_tokens, answer_tokens; /* of this run, as the server counts; of a dry run estimated, at most */
    uint64_t pictures, picture_bytes; /* that this run sent; of a dry run those that it would */
    uint64_t measured;  /* dry run: requests whose pictures were encoded to estimate the rest */
    uint64_t same, changed, dropped, denied; /* samples: untouched, with an answer, without one, disagreed with */
    char first_failure[1024], first_fault[512], out[512]; /* out: the folder that was written */
} annotate_result;

/* Interrupted or stopped by the server, the answers so far are kept, and the same call goes on from there. */
rap_status annotate(annotate_result *out, const annotate_options *options, rap_err *err);

#endif
