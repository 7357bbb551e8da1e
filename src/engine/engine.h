/* engine.h: the weights of a profile's models, opened once and used by every handle that shares them.
 *
 * A model is opened by the first call that needs it; other threads that need it wait. It stays open until the
 * last owner closes the engine. Pointers returned here are borrowed from the engine. */
#ifndef RAP_ENGINE_ENGINE_H
#define RAP_ENGINE_ENGINE_H

#include "engine/profile.h"
#include "generate/generator.h"
#include "generate/vlm.h"
#include "retrieve/retriever.h"
#include "vision/yolo_world.h"

/* Opens no model. If no profile was named and none is found, opening succeeds; engine_profile() then returns the
 * error. */
rap_status engine_open(rap_engine **out, const rap_engine_options *options, rap_err *err);
rap_engine *engine_share(rap_engine *e); /* adds an owner */
void engine_close(rap_engine *e);        /* removes an owner, the last one frees the engine; NULL-safe */

/* An engine that holds only the error of opening it. */
rap_engine *engine_failed(const rap_err *why);
const rap_err *engine_failure(const rap_engine *e); /* status RAP_OK: opened */

rap_status engine_profile(const profile **out, const rap_engine *e, rap_err *err);
int engine_threads(const rap_engine *e); /* at most, for one call */

/* The image encoder, and the name of the vectors that it makes with the profile's crops (embed_maker). */
rap_status engine_encoder(encoder **out, const char **out_maker, rap_engine *e, rap_err *err);
/* A second instance of the encoder, to run in parallel: encoder_close() it. */
rap_status engine_encoder_more(encoder **out, rap_engine *e, rap_err *err);
/* The detector, and the encoder whose text tower embeds its vocabulary; both NULL if the profile has no detector. */
rap_status engine_detector(yolo_world **out, encoder **out_texts, rap_engine *e, rap_err *err);

typedef struct engine_retriever_options {
    store *store;           /* borrowed */
    int read_only, threads; /* threads: of a search */
    int uncalibrated;       /* without the profile's threshold and other calibrated settings */
    rap_on_progress *on_progress;
    void *payload;
} engine_retriever_options;

/* A retriever with these models on a store: retriever_free() it before closing either. RAP_E_FORMAT when the profile
 * was calibrated for another encoder. */
rap_status engine_retriever(retriever **out, rap_engine *e, const engine_retriever_options *options,
                            rap_err *err);

/* How the profile's language model is opened: its files, adapters (in `lora`, which must stay) and settings. The other
 * fields of *out are left as they are. */
void engine_language(vlm_options *out, vlm_lora lora[VLM_LORAS], const profile *p);

/* What answers questions. */
rap_status engine_generator(generator **out, rap_engine *e, rap_err *err);
/* A concept was changed or forgotten: drops what closed conversations left behind in memory. */
void engine_forget(rap_engine *e);
/* Opens every model that the profile has. */
rap_status engine_load(rap_engine *e, rap_err *err);

/* The layer times of all open models, as text: free(). RAP_E_ARGUMENT unless layers are timed. */
rap_status engine_report(char **out, rap_engine *e, rap_err *err);

#endif
