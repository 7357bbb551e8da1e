/* annotate_local.h: the language model of a profile answers what a chat endpoint would be asked. The photo is the query
 * picture and the pictures of concepts stand in front of the question, as in every prompt of a RAP model. */
#ifndef RAP_DATASET_ANNOTATE_LOCAL_H
#define RAP_DATASET_ANNOTATE_LOCAL_H

#include "dataset/annotate_task.h"
#include "remote/chat.h"
#include "remote/picture.h"

#include <stdatomic.h>

typedef struct annotate_local annotate_local;

/* RAP_E_UNSUPPORTED: the profile's model sees no pictures. */
rap_status annotate_local_open(annotate_local **out, const char *profile, int threads, rap_err *err);
void annotate_local_close(annotate_local *l); /* NULL-safe */

/* What tells one model's answers from another's, borrowed. */
const char *annotate_local_name(const annotate_local *l);

/* From any thread. picture: [unit->pictures]. `*stop` ends the answer: RAP_E_CANCELLED. Release `out` in any case. */
rap_status annotate_local_ask(chat_reply *out, annotate_local *l, const annotate_unit *unit,
                              const remote_picture *picture, int max_tokens,
                              const atomic_bool *stop, rap_err *err);

#endif
