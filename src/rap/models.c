/* models.c: the engine's models, and the retriever that looks with them into the handle's store. */
#include "rap/models.h"

rap_status models_profile(rap *r)
{
    return r->profile ? RAP_OK : engine_profile(&r->profile, r->engine, &r->err);
}

rap_status models_encoder(rap *r)
{
    rap_status status = models_profile(r);

    if (status != RAP_OK || r->encoder)
        return status;
    return engine_encoder(&r->encoder, &r->maker, r->engine, &r->err);
}

rap_status models_vlm(rap *r)
{
    rap_status status = models_profile(r);

    if (status != RAP_OK || r->vlm)
        return status;
    return engine_vlm(&r->vlm, r->engine, &r->err);
}

/* Vectors of another size belong to another encoder, and so do the settings beside them. */
static rap_status check_calibration(rap *r)
{
    const profile *p = r->profile;
    int dim = encoder_dim(r->encoder), center = p->center && p->center_dim != dim;

    if (!center && (!p->spread || p->spread_dim == dim))
        return RAP_OK;
    return err_set(&r->err, RAP_E_FORMAT,
                   "%s: \"retrieval.%s\" has %d numbers, but the encoder makes %d: it was "
                   "calibrated with another one",
                   p->file, center ? "center" : "spread", center ? p->center_dim : p->spread_dim,
                   dim);
}

rap_status models_retriever(rap *r)
{
    retriever_options o = { .store = r->store,
                            .read_only = r->options.read_only,
                            .threads = r->threads,
                            .on_progress = r->options.on_progress,
                            .payload = r->options.payload };
    const profile *p;
    rap_status status = models_encoder(r);

    if (status != RAP_OK || r->retriever)
        return status;
    status = check_calibration(r);
    if (status == RAP_OK)
        status = engine_detector(&o.detector, &o.texts, r->engine, &r->err);
    if (status != RAP_OK)
        return status;
    p = r->profile;
    o.encoder = r->encoder;
    o.maker = r->maker;
    o.crop = p->crop;
    o.judge = (judge_settings){ .center = p->center,
                                .spread = p->spread,
                                .spreads = p->spreads,
                                .crowding = p->crowding,
                                .threshold = p->threshold };
    o.detect = (detect_settings){ .confidence = p->detector_confidence,
                                  .iou = p->detector_iou,
                                  .max_regions = p->max_regions,
                                  .extra = p->extra_vocabulary,
                                  .read_only = r->options.read_only };
    return retriever_new(&r->retriever, &o, &r->err);
}
