/* clip_tokenizer.h: CLIP's byte-pair tokenizer, from the merges in a GGUF.
 *
 * Ids: 256 byte symbols, the same 256 at the end of a word, one per merge, then start and end of text. Text
 * is data: unlike in the reference, "<|endoftext|>" in a text is tokenized as plain characters. Otherwise
 * the ids equal the reference's. */
#ifndef RAP_VISION_CLIP_TOKENIZER_H
#define RAP_VISION_CLIP_TOKENIZER_H

#include "base/err.h"
#include "formats/gguf_file.h"

typedef struct clip_tokenizer clip_tokenizer;

/* Reads "tokenizer.merges"; `vocabulary` is the number of rows of the token table. Does not keep g. */
rap_status clip_tokenizer_new(clip_tokenizer **out, const gguf_file *g, int64_t vocabulary,
                              rap_err *err);
void clip_tokenizer_free(clip_tokenizer *t); /* NULL-safe */

/* Writes start, the text's tokens and end to out [context], truncated so that the end token always fits; the
 * rest is 0. *out_count is the number of tokens without the zeros. */
rap_status clip_tokenizer_encode(const clip_tokenizer *t, const char *text, int context,
                                 int32_t *out, int *out_count, rap_err *err);

#endif
