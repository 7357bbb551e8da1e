/* models.c: opens each model when it is first needed. It stays open as long as the engine. */
#include "engine/engine_inside.h"

#include "base/buf.h"
#include "generate/generator_local.h"
#include "remote/generator_remote.h"

#include <stdlib.h>
#include <string.h>

/* ---- precision ---- */

rap_status engine_precision(precision *out, const char *name)
{
    static const struct {
        const char *name;
        precision value;
    } known[] = { { "auto", PRECISION_AUTO },
                  { "f32", PRECISION_F32 },
                  { "bf16", PRECISION_BF16 },
                  { "int8", PRECISION_INT8 } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].value;
            return RAP_OK;
        }
    return RAP_E_ARGUMENT;
}

rap_status engine_vision(vlm_vision *out, const char *name)
{
    static const char *const names[] = {
        [VLM_VISION_AUTO] = "auto", [VLM_VISION_OWN] = "own", [VLM_VISION_MTMD] = "mtmd"
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (vlm_vision)i;
            return RAP_OK;
        }
    return RAP_E_ARGUMENT;
}

/* The engine's option, else $RAP_PRECISION, else the profile's setting. f32 is for comparing with a reference, int8
 * for speed. */
static rap_status wanted_precision(precision *out, const rap_engine *e, rap_err *err)
{
    const char *set = getenv("RAP_PRECISION");

    if (e->has_precision) {
        *out = e->precision;
        return RAP_OK;
    }
    if (engine_precision(out, set && *set ? set : e->profile->precision) == RAP_OK)
        return RAP_OK;
    return err_set(err, RAP_E_ARGUMENT,
                   "RAP_PRECISION is '%.40s': expected auto, f32, bf16 or int8", set);
}

/* ---- vision models: under the lock `vision` ---- */

static rap_status open_encoder(rap_engine *e, rap_err *err)
{
    const profile *p = NULL;
    precision wanted = PRECISION_AUTO;
    rap_status status = engine_profile(&p, e, err);

    if (status != RAP_OK || e->encoder)
        return status;
    status = wanted_precision(&wanted, e, err);
    if (status == RAP_OK)
        status = profile_need(p, &p->encoder, "encoder", "embedding a picture", err);
    if (status == RAP_OK)
        status = encoder_open(&e->encoder, p->encoder.path, e->model_threads, wanted, err);
    if (status != RAP_OK)
        return status;
    embed_maker(e->maker, e->encoder, &p->crop);
    if (e->profile_layers)
        encoder_profile(e->encoder);
    return RAP_OK;
}

/* With an encoder without a text tower, the profile must name a CLIP that embeds the detector's vocabulary. */
static rap_status open_texts(rap_engine *e, precision wanted, rap_err *err)
{
    const profile_file *file = &e->profile->text_encoder;
    rap_status status;

    if (e->texts || !file->path)
        return RAP_OK;
    status = profile_need(e->profile, file, "text_encoder", "finding regions", err);
    if (status == RAP_OK)
        status = encoder_open_text(&e->texts, file->path, e->model_threads, wanted, err);
    if (status == RAP_OK && e->profile_layers)
        encoder_profile(e->texts);
    return status;
}

static rap_status open_detector(rap_engine *e, rap_err *err)
{
    const profile_file *file = &e->profile->detector;
    precision wanted = PRECISION_AUTO;
    rap_status status;

    if (e->detector || !file->path)
        return RAP_OK;
    status = wanted_precision(&wanted, e, err);
    if (status == RAP_OK)
        status = profile_need(e->profile, file, "detector", "finding regions", err);
    if (status == RAP_OK)
        status = open_texts(e, wanted, err);
    if (status == RAP_OK)
        status = yolo_world_open(&e->detector, file->path, e->model_threads, wanted, err);
    if (status == RAP_OK && e->profile_layers)
        yolo_world_profile(e->detector);
    return status;
}

rap_status engine_encoder(encoder **out, const char **out_maker, rap_engine *e, rap_err *err)
{
    rap_status status;

    pthread_mutex_lock(&e->vision);
    status = open_encoder(e, err);
    *out = status == RAP_OK ? e->encoder : NULL;
    *out_maker = e->maker;
    pthread_mutex_unlock(&e->vision);
    return status;
}

rap_status engine_encoder_more(encoder **out, rap_engine *e, rap_err *err)
{
    precision wanted = PRECISION_AUTO;
    encoder *first = NULL;
    const char *maker;
    rap_status status = engine_encoder(&first, &maker, e, err);

    *out = NULL;
    if (status == RAP_OK)
        status = wanted_precision(&wanted, e, err);
    return status == RAP_OK
               ? encoder_open(out, e->profile->encoder.path, encoder_threads(first), wanted, err)
               : status;
}

rap_status engine_detector(yolo_world **out, encoder **out_texts, rap_engine *e, rap_err *err)
{
    rap_status status;

    pthread_mutex_lock(&e->vision);
    status = open_encoder(e, err);
    if (status == RAP_OK)
        status = open_detector(e, err);
    *out = status == RAP_OK ? e->detector : NULL;
    *out_texts = *out ? e->texts ? e->texts : e->encoder : NULL;
    pthread_mutex_unlock(&e->vision);
    return status;
}

/* ---- the language model: under the lock `language` ---- */

static bool is_remote(const rap_engine *e)
{
    return e->endpoint || (e->profile && e->profile->endpoint);
}

static rap_status open_remote(rap_engine *e, rap_err *err)
{
    const profile *p = e->profile;
    const generator_remote_options o = { .endpoint = { .url =
                                                           e->endpoint ? e->endpoint : p->endpoint,
                                                       .silence_seconds = p->timeout },
                                         .model = e->model ? e->model : p->model,
                                         .system = p->turns.system,
                                         .memory_first = p->turns.memory_first,
                                         .photo_side = p->photo_side,
                                         .concept_side = p->concept_side };

    if (!o.model || !*o.model)
        return err_set(err, RAP_E_ARGUMENT, "%s: which model? Name it with --model",
                       o.endpoint.url);
    if (e->has_tower)
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: an endpoint encodes pictures itself; leave --vision out",
                       o.endpoint.url);
    if (e->has_lora)
        return err_set(err, RAP_E_ARGUMENT,
                       "%s: an endpoint has adapters of its own; leave --lora out", o.endpoint.url);
    return generator_open_remote(&e->generator, &o, err);
}

void engine_language(vlm_options *out, vlm_lora lora[VLM_LORAS], const profile *p)
{
    for (int i = 0; i < p->loras; i++)
        lora[i] = (vlm_lora){ p->lora[i].path, p->lora_scale[i] };
    out->model = p->llm.path;
    out->mmproj = p->mmproj.path;
    out->lora = lora;
    out->loras = (size_t)p->loras;
    out->context = p->context;
    out->image_tokens = p->image_tokens;
    out->concept_tokens = p->concept_tokens;
    out->gpu_layers = p->gpu_layers;
    out->model_sha256 = *p->llm.sha256 ? p->llm.sha256 : NULL;
    out->mmproj_sha256 = *p->mmproj.sha256 ? p->mmproj.sha256 : NULL;
    out->style = p->style;
    out->turns = p->turns;
}

static rap_status open_local(rap_engine *e, rap_err *err)
{
    vlm_options o = { .threads = e->threads };
    vlm_lora lora[VLM_LORAS];
    const profile *p = e->profile;
    rap_status status;

    if (!p->llm.path)
        return err_set(err, RAP_E_UNSUPPORTED,
                       "profile %s has no language model: `rap ask` needs llm and mmproj (see %s), "
                       "or an --endpoint",
                       p->name, p->file);
    status = profile_need(p, &p->llm, "llm", "`rap ask`", err);
    if (status == RAP_OK && p->mmproj.path)
        status = profile_need(p, &p->mmproj, "mmproj", "`rap ask`", err);
    for (int i = 0; status == RAP_OK && i < p->loras; i++)
        status = profile_need(p, &p->lora[i], "lora", "`rap ask`", err);
    if (status == RAP_OK)
        status = wanted_precision(&o.precision, e, err);
    if (status != RAP_OK)
        return status;
    o.vision = e->tower;
    if (!e->has_tower)
        engine_vision(&o.vision, p->vision); /* profile_open() has checked it */
    engine_language(&o, lora, p);
    return generator_open_local(&e->generator, &o, err);
}

static rap_status open_generator(rap_engine *e, rap_err *err)
{
    const profile *p = NULL;
    rap_status status = engine_profile(&p, e, err);

    if (status != RAP_OK || e->generator)
        return status;
    return is_remote(e) ? open_remote(e, err) : open_local(e, err);
}

rap_status engine_generator(generator **out, rap_engine *e, rap_err *err)
{
    rap_status status;

    pthread_mutex_lock(&e->language);
    status = open_generator(e, err);
    *out = status == RAP_OK ? e->generator : NULL;
    pthread_mutex_unlock(&e->language);
    return status;
}

void engine_forget(rap_engine *e)
{
    pthread_mutex_lock(&e->language);
    if (e->generator)
        generator_forget(e->generator);
    pthread_mutex_unlock(&e->language);
}

/* ---- all models ---- */

static rap_status tell(const rap_engine *e, uint64_t done, uint64_t total, rap_err *err)
{
    if (e->on_progress && e->on_progress("loading models", done, total, e->payload))
        return err_set(err, RAP_E_CANCELLED, "loading the models was cancelled");
    return RAP_OK;
}

rap_status engine_load(rap_engine *e, rap_err *err)
{
    yolo_world *detector;
    encoder *first, *texts;
    const char *maker;
    generator *language;
    rap_status status = engine_encoder(&first, &maker, e, err);

    if (status == RAP_OK)
        status = tell(e, 1, 3, err);
    if (status == RAP_OK)
        status = engine_detector(&detector, &texts, e, err);
    if (status == RAP_OK)
        status = tell(e, 2, 3, err);
    if (status == RAP_OK && (is_remote(e) || e->profile->llm.path))
        status = engine_generator(&language, e, err);
    return status == RAP_OK ? tell(e, 3, 3, err) : status;
}

void engine_models_close(rap_engine *e)
{
    generator_close(e->generator);
    yolo_world_close(e->detector);
    encoder_close(e->texts);
    encoder_close(e->encoder);
}

/* ---- layer times ---- */

/* Adds a title and `text`, which is freed. */
static void add_part(buf *b, const char *title, const profile_file *file, char *text)
{
    if (*text)
        buf_printf(b, "%s %s\n%s\n", title, file->path, text);
    free(text);
}

static rap_status report(buf *b, rap_engine *e, rap_err *err)
{
    char *text = NULL;
    rap_status status = RAP_OK;

    if (e->detector && (status = yolo_world_report(e->detector, &text, err)) == RAP_OK)
        add_part(b, "detector", &e->profile->detector, text);
    if (status == RAP_OK && e->encoder &&
        (status = encoder_report(e->encoder, &text, err)) == RAP_OK)
        add_part(b, "encoder", &e->profile->encoder, text);
    if (status == RAP_OK && e->texts && (status = encoder_report(e->texts, &text, err)) == RAP_OK)
        add_part(b, "encoder of names", &e->profile->text_encoder, text);
    return status;
}

rap_status engine_report(char **out, rap_engine *e, rap_err *err)
{
    buf b = BUF_INIT;
    rap_status status;

    *out = NULL;
    if (!e->profile_layers)
        return err_set(err, RAP_E_ARGUMENT, "no layer times: open the handle with profile_layers");
    pthread_mutex_lock(&e->vision);
    status = report(&b, e, err);
    pthread_mutex_unlock(&e->vision);
    if (status == RAP_OK && !(*out = buf_detach(&b)))
        status = err_memory(err, "a profile");
    buf_release(&b);
    return status;
}
