/* quantise.h: a language model's GGUF in fewer bits, by llama.cpp's own quantiser. */
#ifndef RAP_GENERATE_QUANTISE_H
#define RAP_GENERATE_QUANTISE_H

#include "base/err.h"

/* Writes `in` (f32, f16 or bf16) as `type` ("q4_k_m", "q6_k", …) over the file `out`, which errors call `name`; one
 * tensor at a time is in memory. `on_progress` (NULL: silent) counts tensors; llama.cpp cannot be stopped between them. */
rap_status quantise(const char *in, const char *out, const char *name, const char *type,
                    rap_on_progress *on_progress, void *payload, rap_err *err);

#endif
