/* school.c: see school.h. */
#include "train/concept/school.h"

#include "generate/vlm_inside.h"
#include "train/base_adapters.h"

#include <stdio.h>

static rap_status open_language(school *s, const school_options *o, rap_err *err)
{
    const profile *p = s->profile;
    vlm_options v = { .threads = o->threads };
    vlm_lora worn[VLM_LORAS];
    rap_status status = profile_need(p, &p->llm, "llm", "learning a concept", err);

    if (status)
        return status;
    engine_language(&v, worn, p);
    if (o->adapter && v.loras == VLM_LORAS)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: names %d adapters, no further one has room",
                       p->file, VLM_LORAS);
    if (o->adapter)
        worn[v.loras++] = (vlm_lora){ o->adapter, 1 };
    status = vlm_open(&s->vlm, &v, err);
    if (status)
        return status;
    s->width = s->vlm->width;
    if (s->vlm->mtmd &&
        (mtmd_decode_use_non_causal(s->vlm->mtmd, NULL) || mtmd_decode_use_mrope(s->vlm->mtmd)))
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: its pictures are not read like text, one row after the other; nothing "
                       "is learnt for such models",
                       p->mmproj.path);
    return RAP_OK;
}

static rap_status open_vision(school *s, const school_options *o, rap_err *err)
{
    const engine_retriever_options r = { .store = s->store,
                                         .read_only = o->read_only,
                                         .threads = o->threads,
                                         .on_progress = o->on_progress,
                                         .payload = o->payload };
    rap_status status = engine_encoder(&s->encoder, &s->maker, s->engine, err);

    return status ? status : engine_retriever(&s->retriever, s->engine, &r, err);
}

rap_status school_open(school *out, const school_options *o, rap_err *err)
{
    const rap_engine_options e = { .profile = o->profile, .threads = o->threads, .lora = o->lora };
    char adapters[65] = "";
    rap_status status;

    *out = (school){ .engine = NULL };
    status = engine_open(&out->engine, &e, err);
    if (!status)
        status = engine_profile(&out->profile, out->engine, err);
    if (!status)
        status = store_open(&out->store, o->store, o->read_only, err);
    if (!status && !o->plain)
        status = open_vision(out, o, err);
    if (!status && !o->plain)
        status = open_language(out, o, err);
    if (!status && !o->plain)
        status = base_adapters_name(adapters, out->profile, err);
    if (!status && !o->plain)
        snprintf(out->model, sizeof out->model, "%.100s %.64s%s%.64s", out->maker,
                 vlm_fingerprint(out->vlm), *adapters ? " " : "", adapters);
    if (status)
        school_close(out);
    return status;
}

void school_close(school *s)
{
    retriever_free(s->retriever);
    vlm_close(s->vlm);
    if (s->store)
        store_close(s->store);
    engine_close(s->engine);
    *s = (school){ .engine = NULL };
}
