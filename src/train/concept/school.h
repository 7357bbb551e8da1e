/* school.h: the models and the store that learning concepts, and asking about learnt ones, take. */
#ifndef RAP_TRAIN_CONCEPT_SCHOOL_H
#define RAP_TRAIN_CONCEPT_SCHOOL_H

#include "engine/engine.h"
#include "generate/vlm.h"
#include "remember/learnt.h"

typedef struct school {
    rap_engine *engine;
    const profile *profile; /* of the engine */
    store *store;
    retriever *retriever;
    encoder *encoder; /* of the engine */
    const char *maker;
    vlm *vlm;
    int width;       /* numbers of a row */
    char model[256]; /* names all of them: the key of what was learnt */
} school;

typedef struct school_options {
    const char *profile, *store;
    const char *const *lora; /* as in rap_engine_options */
    int threads;
    bool read_only;
    const char *adapter; /* NULL; else an adapter that the language model gets on top of the profile's */
    bool plain; /* only the store and the profile's paths: no model */
    rap_on_progress *on_progress;
    void *payload;
} school_options;

/* Models whose pictures are not read like text, one row after the other, are refused. */
rap_status school_open(school *out, const school_options *o, rap_err *err);
void school_close(school *s); /* NULL-safe fields */

#endif
