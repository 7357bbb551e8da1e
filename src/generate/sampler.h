/* sampler.h: chooses the next token. */
#ifndef RAP_GENERATE_SAMPLER_H
#define RAP_GENERATE_SAMPLER_H

#include "base/err.h"
#include "generate/turn.h"

#include <llama.h>

typedef struct sampler {
    struct llama_sampler *chain; /* NULL: the likeliest token */
} sampler;

void sampler_init(sampler *out, const sampling *s, const struct llama_vocab *vocab);
void sampler_release(sampler *s);

/* From the last logits of `ctx`. RAP_E_MODEL when they are no numbers: such weights mean nothing; `name` is what the
 * error calls the model. */
rap_status sampler_next(llama_token *out, sampler *s, struct llama_context *ctx, const char *name,
                        rap_err *err);

#endif
