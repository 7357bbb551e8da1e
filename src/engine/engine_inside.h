/* engine_inside.h: the fields of an engine, for lifetime.c and models.c. */
#ifndef RAP_ENGINE_ENGINE_INSIDE_H
#define RAP_ENGINE_ENGINE_INSIDE_H

#include "engine/engine.h"
#include "generate/vlm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct rap_engine {
    atomic_int owners;
    rap_err failure; /* of opening */
    profile *profile; /* NULL: none was found; profile_err has the reason */
    rap_err profile_err;
    int threads, model_threads; /* upper limit; 0: chosen for each model */
    bool profile_layers, has_precision;
    precision precision; /* valid if has_precision */
    bool has_tower, has_lora; /* the options name them */
    vlm_vision tower; /* valid if has_tower: what encodes pictures for a local `generator` */
    char *endpoint, *model; /* of the options; NULL: the profile's */
    rap_on_progress *on_progress;
    void *payload;
    pthread_mutex_t vision, language; /* the models below are NULL until first needed */
    encoder *encoder;
    encoder *texts;          /* for the detector's vocabulary; NULL: `encoder` */
    char maker[EMBED_MAKER]; /* embed_maker() of the encoder, once it is open */
    yolo_world *detector;
    generator *generator;
};

/* RAP_E_ARGUMENT for an unknown word. */
rap_status engine_precision(precision *out, const char *name);
rap_status engine_vision(vlm_vision *out, const char *name);
void engine_models_close(rap_engine *e);

#endif
