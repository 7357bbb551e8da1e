/* look.c: a retriever for a store, from the vision models and the profile's settings. */
#include "engine/engine.h"

/* A center or scatter of another dimension was calibrated for another encoder. */
static rap_status check_calibration(const profile *p, const encoder *e, rap_err *err)
{
    int dim = encoder_dim(e), center = p->center && p->center_dim != dim;

    if (!center && (!p->scatter || p->scatter_dim == dim))
        return RAP_OK;
    return err_set(err, RAP_E_FORMAT,
                   "%s: \"retrieval.%s\" has %d numbers, but the encoder makes %d: it was "
                   "calibrated for another encoder; run `rap calibrate`",
                   p->file, center ? "center" : "spread", center ? p->center_dim : p->scatter_dim,
                   dim);
}

static judge_settings judgement(const profile *p)
{
    return (judge_settings){ .center = p->center,
                             .scatter = p->scatter,
                             .axes = p->axes,
                             .crowding = p->crowding,
                             .threshold = p->threshold };
}

rap_status engine_retriever(retriever **out, rap_engine *e, const engine_retriever_options *options,
                            rap_err *err)
{
    retriever_options o = { .store = options->store,
                            .read_only = options->read_only,
                            .threads = options->threads,
                            .on_progress = options->on_progress,
                            .payload = options->payload };
    const profile *p = NULL;
    rap_status status = engine_profile(&p, e, err);

    *out = NULL;
    if (status == RAP_OK)
        status = engine_encoder(&o.encoder, &o.maker, e, err);
    if (status == RAP_OK && !options->uncalibrated)
        status = check_calibration(p, o.encoder, err);
    if (status == RAP_OK)
        status = engine_detector(&o.detector, &o.texts, e, err);
    if (status != RAP_OK)
        return status;
    o.crop = p->crop;
    o.judge = options->uncalibrated ? (judge_settings){ .threshold = 2 } : judgement(p);
    o.detect = (detect_settings){ .confidence = p->detector_confidence,
                                  .iou = p->detector_iou,
                                  .max_regions = p->max_regions,
                                  .extra = p->extra_vocabulary,
                                  .read_only = options->read_only };
    return retriever_new(out, &o, err);
}
