/* choice.h: which of two words a model would say next, as a probability: softmax over both, nothing is sampled. */
#ifndef RAP_GENERATE_CHOICE_H
#define RAP_GENERATE_CHOICE_H

#include "base/err.h"

typedef struct choice {
    const char *yes, *no; /* "Yes", "No": also meant with another case of letters or a space in front */
} choice;

struct llama_context;

/* The probability of `yes`, from the last logits of `ctx`; `name` is what an error calls the model. RAP_E_UNSUPPORTED:
 * both words begin with the same token. */
rap_status choice_weigh(double *out, const choice *between, struct llama_context *ctx,
                        const char *name, rap_err *err);

#endif
