/* engine_inside.h: what an engine is made of, for lifetime.c and models.c. */
#ifndef RAP_ENGINE_ENGINE_INSIDE_H
#define RAP_ENGINE_ENGINE_INSIDE_H

#include "engine/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct rap_engine {
    atomic_int owners;
    rap_err failure; /* of opening */
    profile *profile; /* NULL: none was found, and profile_err says why */
    rap_err profile_err;
    int threads, model_threads; /* at most; as asked for, 0: as many as suit each model */
    bool profile_layers, has_precision;
    precision precision; /* with has_precision */
    rap_on_progress *on_progress;
    void *payload;
    pthread_mutex_t vision, language; /* of the models below: NULL until first needed */
    encoder *encoder;
    encoder *texts;          /* of the detector's names; NULL: those of `encoder` */
    char maker[EMBED_MAKER]; /* of vectors, once the encoder is open */
    yolo_world *detector;
    vlm *vlm;
};

/* RAP_E_ARGUMENT when the word means none. */
rap_status engine_precision(precision *out, const char *name);
void engine_models_close(rap_engine *e);

#endif
