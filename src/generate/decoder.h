/* decoder.h: the decoder and its memory (the KV cache) of one conversation: prefill, decode, and going back. */
#ifndef RAP_GENERATE_DECODER_H
#define RAP_GENERATE_DECODER_H

#include "generate/picture.h"

/* A place in the conversation: positions and cells differ only for pictures with positions in two dimensions. */
typedef struct decoder_mark {
    llama_pos position;
    int cells;
    uint8_t *state; /* of a model that cannot forget its last tokens; NULL: it can, or nothing was said yet */
    size_t state_size;
} decoder_mark;

typedef struct decoder {
    vlm *v;
    struct llama_context *ctx;
    llama_batch batch; /* token batch, reused */
    int batch_size;
    llama_pos position; /* of the next token             */
    int cells;          /* used in the KV cache          */
    prefix prefix;      /* what the first turn put there  */
    bool is_kept;       /* its memory of concepts is kept already */
    unsigned since;     /* vlm_take_spare()               */
    bool (*stop)(void *payload); /* NULL, or asked while a batch is evaluated */
    void *stop_payload;
} decoder;

rap_status decoder_init(decoder *out, vlm *v, rap_err *err);
void decoder_release(decoder *d); /* NULL-safe fields */

/* Makes room for `cells` in all; what is in memory stays. RAP_E_LIMIT: more than vlm_context(). */
rap_status decoder_reserve(decoder *d, int cells, rap_err *err);

/* A conversation begins with `steps`, of which the first `memory` depend on its concepts alone and take `cells` in all:
 * makes room for them, and evaluates none that an earlier conversation did: in the KV cache, in memory, or on the
 * `shelf` (NULL: none). *out: how many; never all of them, because the last one gives the logits. */
rap_status decoder_resume(size_t *out, decoder *d, const prefix *steps, size_t memory, int cells,
                          const prefix_shelf *shelf, rap_err *err);
/* Whether these first `count` steps are kept already. */
bool decoder_has_kept(decoder *d, const prefix *steps, size_t count);
/* Exactly the first `count` steps have been evaluated, and depend on concepts alone: keeps them for later conversations. */
void decoder_keep(decoder *d, const prefix *steps, size_t count, const prefix_shelf *shelf);
/* All steps have been evaluated, which the next conversation may resume. */
rap_status decoder_note(decoder *d, const prefix *steps, rap_err *err);

/* want_logits: the last token's logits can be read afterwards with llama_get_logits_ith(ctx, −1). */
rap_status decoder_prefill(decoder *d, const llama_token *token, size_t count, bool want_logits,
                           rap_err *err);
rap_status decoder_prefill_picture(decoder *d, const picture *p, rap_err *err);

/* From now on a prefill for which `stop` (NULL: never) says true fails. Asked often, on the CPU. */
void decoder_stop_when(decoder *d, bool (*stop)(void *payload), void *payload);

/* Saves the current state of the conversation. Release it with decoder_mark_release(). */
rap_status decoder_mark_init(decoder_mark *out, decoder *d, rap_err *err);
void decoder_mark_release(decoder_mark *m);

/* Forgets everything after `mark`. False when that failed (the memory is then empty). */
bool decoder_rewind(decoder *d, const decoder_mark *mark);

#endif
