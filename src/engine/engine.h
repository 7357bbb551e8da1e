/* engine.h: the weights of a profile's models, opened once and used by every handle that shares them.
 *
 * A model is opened by the first call that needs it; whoever needs it meanwhile waits. Once open it stays until
 * the engine's last owner closes it. What is lent is borrowed from the engine. */
#ifndef RAP_ENGINE_ENGINE_H
#define RAP_ENGINE_ENGINE_H

#include "engine/profile.h"
#include "generate/vlm.h"
#include "retrieve/retriever.h"
#include "vision/yolo_world.h"

/* Opens no model. Where no profile was asked for, none need be there: engine_profile() then says why. */
rap_status engine_open(rap_engine **out, const rap_engine_options *options, rap_err *err);
rap_engine *engine_share(rap_engine *e); /* one owner more */
void engine_close(rap_engine *e);        /* one owner less; NULL-safe */

/* An engine that knows only why it could not be opened. */
rap_engine *engine_failed(const rap_err *why);
const rap_err *engine_failure(const rap_engine *e); /* status RAP_OK: it was opened */

rap_status engine_profile(const profile **out, const rap_engine *e, rap_err *err);
int engine_threads(const rap_engine *e); /* at most, for one call */

/* The encoder of pictures, and what vectors it makes under the profile's crops are called. */
rap_status engine_encoder(encoder **out, const char **out_maker, rap_engine *e, rap_err *err);
/* One more encoder of the same kind, to run beside it: encoder_close() it. */
rap_status engine_encoder_more(encoder **out, rap_engine *e, rap_err *err);
/* The detector, and whose text tower reads its vocabulary; both NULL where the profile has no detector. */
rap_status engine_detector(yolo_world **out, encoder **out_texts, rap_engine *e, rap_err *err);

typedef struct engine_retriever_options {
    store *store;           /* borrowed */
    int read_only, threads; /* threads: of a search */
    int uncalibrated;       /* without the profile's threshold and what else its calibration found */
    rap_on_progress *on_progress;
    void *payload;
} engine_retriever_options;

/* What looks with these models into a store: retriever_free() it before both. RAP_E_FORMAT when the profile was
 * calibrated with another encoder. */
rap_status engine_retriever(retriever **out, rap_engine *e, const engine_retriever_options *options,
                            rap_err *err);

rap_status engine_vlm(vlm **out, rap_engine *e, rap_err *err);
/* All that the profile has. */
rap_status engine_load(rap_engine *e, rap_err *err);

/* The layers' times of all models that are open, as text: free(). RAP_E_ARGUMENT unless they are timed. */
rap_status engine_report(char **out, rap_engine *e, rap_err *err);

#endif
