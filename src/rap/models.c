/* models.c: a model is opened by the first call that needs it and stays open with the handle. */
#include "rap/inside.h"

#include <stdlib.h>
#include <string.h>

rap_status models_profile(rap *r)
{
    if (r->profile)
        return RAP_OK;
    return err_set(&r->err, r->profile_err.status, "%s", r->profile_err.text);
}

/* $RAP_PRECISION, else the profile's: f32 is for comparing with a reference, int8 for speed. */
static precision wanted_precision(const rap *r)
{
    const char *set = getenv("RAP_PRECISION");
    const char *name = set && *set ? set : r->profile->precision;

    if (strcmp(name, "f32") == 0)
        return PRECISION_F32;
    if (strcmp(name, "int8") == 0)
        return PRECISION_INT8;
    return strcmp(name, "bf16") == 0 ? PRECISION_BF16 : PRECISION_AUTO;
}

rap_status models_encoder(rap *r)
{
    rap_status status = models_profile(r);

    if (status != RAP_OK || r->encoder)
        return status;
    status =
        profile_need(r->profile, &r->profile->encoder, "encoder", "looking at a picture", &r->err);
    if (status == RAP_OK)
        status = encoder_open(&r->encoder, r->profile->encoder.path, r->options.threads,
                              wanted_precision(r), &r->err);
    if (status != RAP_OK)
        return status;
    embed_maker(r->maker, r->encoder, &r->profile->crop);
    if (r->options.profile_layers)
        encoder_profile(r->encoder);
    return RAP_OK;
}

rap_status models_encoder_like(encoder **out, rap *r)
{
    return encoder_open(out, r->profile->encoder.path, encoder_threads(r->encoder),
                        wanted_precision(r), &r->err);
}

/* An encoder without a text tower needs a CLIP beside it for the detector's names. */
static rap_status open_texts(rap *r)
{
    const profile_file *file = &r->profile->text_encoder;
    rap_status status;

    if (r->texts || !file->path)
        return RAP_OK;
    status = profile_need(r->profile, file, "text_encoder", "finding regions", &r->err);
    if (status == RAP_OK)
        status = encoder_open_text(&r->texts, file->path, r->options.threads, wanted_precision(r),
                                   &r->err);
    if (status == RAP_OK && r->options.profile_layers)
        encoder_profile(r->texts);
    return status;
}

static rap_status open_detector(rap *r)
{
    rap_status status;

    if (r->detector || !r->profile->detector.path)
        return RAP_OK;
    status =
        profile_need(r->profile, &r->profile->detector, "detector", "finding regions", &r->err);
    if (status == RAP_OK)
        status = open_texts(r);
    if (status == RAP_OK)
        status = yolo_world_open(&r->detector, r->profile->detector.path, r->options.threads,
                                 wanted_precision(r), &r->err);
    if (status == RAP_OK && r->options.profile_layers)
        yolo_world_profile(r->detector);
    return status;
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
    rap_status status = models_encoder(r);

    if (status != RAP_OK || r->retriever)
        return status;
    status = check_calibration(r);
    if (status == RAP_OK)
        status = open_detector(r);
    if (status != RAP_OK)
        return status;
    o.encoder = r->encoder;
    o.texts = r->texts ? r->texts : r->encoder;
    o.detector = r->detector;
    o.maker = r->maker;
    o.crop = r->profile->crop;
    o.judge = (judge_settings){ .center = r->profile->center,
                                .spread = r->profile->spread,
                                .spreads = r->profile->spreads,
                                .crowding = r->profile->crowding,
                                .threshold = r->profile->threshold };
    o.detect = (detect_settings){ .confidence = r->profile->detector_confidence,
                                  .iou = r->profile->detector_iou,
                                  .max_regions = r->profile->max_regions,
                                  .extra = r->profile->extra_vocabulary,
                                  .read_only = r->options.read_only };
    return retriever_new(&r->retriever, &o, &r->err);
}

rap_status models_vlm(rap *r)
{
    vlm_options o = { .threads = r->threads };
    vlm_lora lora = { .scale = 1 };
    const profile *p = r->profile;
    rap_status status = models_profile(r);

    if (status != RAP_OK || r->vlm)
        return status;
    if (!p->llm.path)
        return err_set(&r->err, RAP_E_UNSUPPORTED,
                       "profile %s has no language model: `rap ask` needs llm and mmproj (see %s)",
                       p->name, p->file);
    status = profile_need(p, &p->llm, "llm", "`rap ask`", &r->err);
    if (status == RAP_OK && p->mmproj.path)
        status = profile_need(p, &p->mmproj, "mmproj", "`rap ask`", &r->err);
    if (status == RAP_OK && p->lora.path)
        status = profile_need(p, &p->lora, "lora", "`rap ask`", &r->err);
    if (status != RAP_OK)
        return status;
    o.model = p->llm.path;
    o.mmproj = p->mmproj.path;
    lora.path = p->lora.path;
    o.lora = &lora;
    o.loras = p->lora.path != NULL;
    o.model_sha256 = *p->llm.sha256 ? p->llm.sha256 : NULL;
    o.mmproj_sha256 = *p->mmproj.sha256 ? p->mmproj.sha256 : NULL;
    o.style = p->style;
    o.turns = p->turns;
    return vlm_open(&r->vlm, &o, &r->err);
}

void models_close(rap *r)
{
    retriever_free(r->retriever);
    vlm_close(r->vlm);
    yolo_world_close(r->detector);
    encoder_close(r->texts);
    encoder_close(r->encoder);
}
