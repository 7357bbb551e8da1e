/* feed.h: the decoder's memory: puts tokens and pictures into it, and takes them out again. */
#ifndef RAP_GENERATE_FEED_H
#define RAP_GENERATE_FEED_H

#include "generate/picture.h"

/* A place in the conversation: positions and cells differ only for pictures with positions in two
 * dimensions. */
typedef struct feed_mark {
    llama_pos position;
    int cells;
} feed_mark;

typedef struct feed {
    vlm *v;
    struct llama_context *ctx;
    llama_batch batch; /* token batch, reused */
    int batch_size;
    feed_mark at;
} feed;

rap_status feed_init(feed *out, vlm *v, rap_err *err);
void feed_release(feed *f); /* NULL-safe fields */

/* want_logits: the last token's logits can be read afterwards with llama_get_logits_ith(ctx, −1). */
rap_status feed_tokens(feed *f, const llama_token *token, size_t count, bool want_logits,
                       rap_err *err);
rap_status feed_picture(feed *f, const picture *p, rap_err *err);

/* Forgets everything after `mark`. False when this model cannot (the memory is then empty). */
bool feed_rewind(feed *f, feed_mark mark);

#endif
