/* clip_tokenizer.h: CLIP's byte-pair tokenizer, from the merges in a GGUF.
 *
 * Ids: 256 byte symbols, the same 256 at the end of a word, one per merge, then start and end of
 * text. Text is data: unlike in the reference, "<|endoftext|>" written in a text is tokenized as the
 * characters it consists of. In everything else the ids are the reference's. */
#ifndef RAP_VISION_CLIP_TOKENIZER_H
#define RAP_VISION_CLIP_TOKENIZER_H

#include "base/err.h"
#include "formats/gguf_file.h"

typedef struct clip_tokenizer clip_tokenizer;

/* Reads "tokenizer.merges"; `vocabulary` is the number of rows of the token table. Keeps nothing of g. */
rap_status clip_tokenizer_new(clip_tokenizer **out, const gguf_file *g, int64_t vocabulary,
                              rap_err *err);
void clip_tokenizer_free(clip_tokenizer *t); /* NULL-safe */

/* Start, the text's tokens, end; truncated so that at most `context` stand in out [context], the last of
 * them the end; the rest is 0. *out_count is the number without the zeros. */
rap_status clip_tokenizer_encode(const clip_tokenizer *t, const char *text, int context,
                                 int32_t *out, int *out_count, rap_err *err);

#endif
