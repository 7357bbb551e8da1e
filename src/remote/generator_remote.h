/* generator_remote.h: a model behind a chat endpoint as a generator. Pictures go out as JPEGs, no larger than said. */
#ifndef RAP_REMOTE_GENERATOR_REMOTE_H
#define RAP_REMOTE_GENERATOR_REMOTE_H

#include "generate/generator.h"
#include "remote/endpoint.h"

enum { REMOTE_PHOTO_SIDE = 1024, REMOTE_CONCEPT_SIDE = 512, REMOTE_QUALITY = 90 };

typedef struct generator_remote_options { /* texts are copied */
    endpoint_settings endpoint;
    const char *model;
    const char *system;           /* NULL or "": none; the first message */
    int memory_first;             /* as in prompt_style */
    int photo_side, concept_side; /* of a picture's longer side in pixels, at most; 0: the values above */
} generator_remote_options;

/* Connects to nothing yet. Its conversations leave out what a chat endpoint has no word for: a turn with top_k,
 * repeat_penalty or concept_budget is RAP_E_UNSUPPORTED. Tokens that the server does not count are -1. */
rap_status generator_open_remote(generator **out, const generator_remote_options *options,
                                 rap_err *err);

#endif
