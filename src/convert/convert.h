/* convert.h: a published checkpoint becomes our GGUF.
 *
 * The kind is recognised by the names of the tensors: OpenAI's CLIP, or a plain ViT as timm names it.
 * Every tensor must have the shape its neighbours imply, and none may be left over that means
 * something: a model that is only nearly of these kinds is refused, not half converted. */
#ifndef RAP_CONVERT_CONVERT_H
#define RAP_CONVERT_CONVERT_H

#include "base/err.h"

/* vocab (NULL: none) is the BPE merges file of a CLIP, plain or gzip; needed when it has a text
 * tower. The output is written atomically. */
rap_status convert_file(const char *in, const char *out, const char *vocab, rap_err *err);

#endif
