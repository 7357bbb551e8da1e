/* annotate_local.c: see annotate_local.h. */
#include "dataset/annotate_local.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/threads.h"
#include "engine/engine.h"
#include "generate/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct annotate_local {
    rap_engine *engine;
    generator *g; /* the engine's */
    char name[320];
};

static rap_status open_model(annotate_local *l, const char *name, int threads, rap_err *err)
{
    rap_engine_options options = RAP_ENGINE_OPTIONS_INIT;
    const profile *p = NULL;
    rap_status status;

    options.profile = name;
    options.threads = threads;
    status = engine_open(&l->engine, &options, err);
    if (status == RAP_OK)
        status = engine_profile(&p, l->engine, err);
    if (status == RAP_OK)
        status = engine_generator(&l->g, l->engine, err);
    if (status == RAP_OK && !generator_has_vision(l->g))
        status = err_set(err, RAP_E_UNSUPPORTED,
                         "profile %s has no mmproj: annotating needs a model that sees pictures",
                         p->name);
    if (status == RAP_OK)
        snprintf(l->name, sizeof l->name, "%.100s %.200s", p->name, generator_fingerprint(l->g));
    return status;
}

rap_status annotate_local_open(annotate_local **out, const char *folder, int threads, rap_err *err)
{
    annotate_local *l = mem_array(1, sizeof *l);
    rap_status status =
        l ? open_model(l, folder, threads, err) : err_memory(err, "opening a model");

    *out = status == RAP_OK ? l : NULL;
    if (status != RAP_OK)
        annotate_local_close(l);
    return status;
}

void annotate_local_close(annotate_local *l)
{
    if (!l)
        return;
    engine_close(l->engine);
    free(l);
}

const char *annotate_local_name(const annotate_local *l)
{
    return l->name;
}

/* ---- one question ---- */

typedef struct shown { /* the memory behind a turn */
    image pixels[SAMPLE_CONCEPTS + 1];
    session_picture picture[SAMPLE_CONCEPTS + 1];
    prompt_concept concept[SAMPLE_CONCEPTS + 1];
    int pictures;
} shown;

static rap_status load(shown *s, const annotate_unit *unit, const remote_picture *picture,
                       rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < unit->pictures; i++) {
        status = image_decode(&s->pixels[i], picture[i].jpeg.data, picture[i].jpeg.len,
                              unit->picture[i], err);
        s->picture[i] = (session_picture){ .pixels = &s->pixels[i] };
        s->concept[i] = (prompt_concept){ unit->shown[i], "", 1 };
        s->pictures = i + 1;
    }
    return status;
}

static int go_on(const char *text, size_t len, void *payload)
{
    const atomic_bool *stop = payload;

    (void)text, (void)len;
    return *stop;
}

/* As a service's text is taken: no control characters but line breaks and tabs. */
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t')
            *text = ' ';
}

static rap_status take(chat_reply *out, annotate_local *l, session_answer *a, rap_err *err)
{
    if (a->finish == RAP_FINISH_LISTENER)
        return err_set(err, RAP_E_CANCELLED, "cancelled");
    if (!text_is_utf8(a->text))
        return err_set(err, RAP_E_FORMAT, "%s: the answer is not UTF-8", l->name);
    out->text = a->text;
    a->text = NULL;
    clean(out->text);
    snprintf(out->finish, sizeof out->finish, "%s", rap_finish_text(a->finish));
    snprintf(out->model, sizeof out->model, "%.127s", l->name);
    out->prompt_tokens = a->prompt_tokens;
    out->answer_tokens = a->answer_tokens;
    return RAP_OK;
}

rap_status annotate_local_ask(chat_reply *out, annotate_local *l, const annotate_unit *unit,
                              const remote_picture *picture, int max_tokens,
                              const atomic_bool *stop, rap_err *err)
{
    shown *s = mem_array(1, sizeof *s);
    int photo = unit->pictures > 0 && !unit->shown[0];
    double start = clock_ms();
    conversation *talk = NULL;
    session_answer a = { 0 };
    rap_status status = s ? load(s, unit, picture, err) : err_memory(err, "asking a model");

    *out = (chat_reply){ .text = NULL };
    if (status == RAP_OK)
        status = conversation_open(&talk, l->g, err);
    if (status == RAP_OK) {
        session_turn turn = { .query = photo ? &s->picture[0] : NULL,
                              .concept = s->concept + photo,
                              .concept_picture = s->picture + photo,
                              .concepts = s->pictures - photo,
                              .question = buf_text(&unit->prompt),
                              .max_tokens = max_tokens,
                              .on_token = go_on,
                              .payload = (void *)stop };

        status = conversation_ask(talk, &turn, &a, err);
    }
    if (status == RAP_OK)
        status = take(out, l, &a, err);
    out->ms = clock_ms() - start;
    session_answer_release(&a);
    conversation_close(talk);
    for (int i = 0; s && i < s->pictures; i++)
        image_release(&s->pixels[i]);
    free(s);
    return status;
}
