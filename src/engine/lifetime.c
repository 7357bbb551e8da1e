/* lifetime.c: opening, sharing and closing an engine; models.c opens its models. */
#include "engine/engine_inside.h"

#include "base/mem.h"
#include "base/threads.h"

#include <stdlib.h>
#include <string.h>

rap_engine *engine_failed(const rap_err *why)
{
    rap_engine *e = mem_array(1, sizeof *e);

    if (!e)
        return NULL;
    atomic_init(&e->owners, 1);
    pthread_mutex_init(&e->vision, NULL);
    pthread_mutex_init(&e->language, NULL);
    if (why)
        e->failure = *why;
    return e;
}

const rap_err *engine_failure(const rap_engine *e)
{
    return &e->failure;
}

/* A profile that was named must exist. Without a name, finding none is an error only when a model is needed, so that
 * the store can always be listed. */
static rap_status open_profile(rap_engine *e, const char *given, const char *const *lora,
                               rap_err *err)
{
    const char *set = getenv("RAP_PROFILE");
    rap_status status = profile_open(&e->profile, given, &e->profile_err);

    if (status == RAP_OK)
        return profile_wear(e->profile, lora, err);
    if (!given && !(set && *set))
        return RAP_OK;
    return err_set(err, status, "%s", e->profile_err.text);
}

static rap_status open_with(rap_engine *e, const rap_engine_options *o, rap_err *err)
{
    if (o->threads < 0 || o->threads > 1024)
        return err_set(err, RAP_E_LIMIT,
                       "the number of threads must be 1 to 1024, or 0 for all, got %d", o->threads);
    if (o->precision && engine_precision(&e->precision, o->precision) != RAP_OK)
        return err_set(err, RAP_E_ARGUMENT,
                       "the precision must be auto, f32, bf16 or int8, got '%.40s'", o->precision);
    e->has_precision = o->precision != NULL;
    if (o->vision && engine_vision(&e->tower, o->vision) != RAP_OK)
        return err_set(err, RAP_E_ARGUMENT, "vision must be auto, own or mtmd, got '%.40s'",
                       o->vision);
    e->has_tower = o->vision != NULL;
    if (o->model && !o->endpoint)
        return err_set(err, RAP_E_ARGUMENT, "the model %s needs an endpoint (--endpoint)",
                       o->model);
    e->endpoint = mem_string(o->endpoint);
    e->model = mem_string(o->model);
    if ((o->endpoint && !e->endpoint) || (o->model && !e->model))
        return err_memory(err, "opening an engine");
    e->model_threads = o->threads;
    e->threads = o->threads > 0 ? o->threads : threads_available();
    e->profile_layers = o->profile_layers != 0;
    e->on_progress = o->on_progress;
    e->payload = o->payload;
    e->has_lora = o->lora != NULL;
    return open_profile(e, o->profile, o->lora, err);
}

rap_status engine_open(rap_engine **out, const rap_engine_options *options, rap_err *err)
{
    rap_engine *e = engine_failed(NULL);
    rap_status status = e ? open_with(e, options, err) : err_memory(err, "opening an engine");

    *out = status == RAP_OK ? e : NULL;
    if (status != RAP_OK)
        engine_close(e);
    return status;
}

rap_engine *engine_share(rap_engine *e)
{
    atomic_fetch_add(&e->owners, 1);
    return e;
}

void engine_close(rap_engine *e)
{
    if (!e || atomic_fetch_sub(&e->owners, 1) > 1)
        return;
    engine_models_close(e);
    profile_close(e->profile);
    free(e->endpoint);
    free(e->model);
    pthread_mutex_destroy(&e->vision);
    pthread_mutex_destroy(&e->language);
    free(e);
}

rap_status engine_profile(const profile **out, const rap_engine *e, rap_err *err)
{
    *out = e->profile;
    return e->profile ? RAP_OK : err_set(err, e->profile_err.status, "%s", e->profile_err.text);
}

int engine_threads(const rap_engine *e)
{
    return e->threads;
}
