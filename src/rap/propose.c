/* propose.c: an info line and a category for a picture, in the models' words. Nothing is stored. */
#include "rap/models.h"
#include "rap/picture.h"
#include "rap/shown.h"

#include "base/text_fold.h"
#include "generate/describe.h"
#include "retrieve/kind.h"

#include <stdlib.h>

enum { ANSWER = 128 }; /* tokens at most */

/* ---- the picture ---- */

typedef struct subject { /* what is looked at */
    picture picture;     /* of the caller's */
    image stored;        /* or the avatar */
    rap_box box;
} subject;

static rap_status open_given(subject *out, rap *r, const rap_image *source, rap_box box)
{
    rap_status status = picture_open(&out->picture, source, &r->err);

    out->box = box;
    return status == RAP_OK ? picture_fit_box(&out->box, &out->picture.pixels, &r->err) : status;
}

static rap_status open_avatar(subject *out, rap *r, const char *name)
{
    rap_record *record = NULL;
    store_picture avatar = { 0 };
    rap_status status = store_find(r->store, name, &record, &r->err);

    if (status == RAP_OK)
        status = store_avatar(r->store, record->id, &avatar, &r->err);
    if (status == RAP_OK)
        status = image_decode(&out->stored, avatar.bytes, avatar.size, "a stored picture", &r->err);
    out->box = avatar.box;
    store_picture_release(&avatar);
    store_record_free(record);
    return status;
}

static rap_status subject_open(subject *out, rap *r, const char *name, const rap_image *source,
                               rap_box box)
{
    return image_given(source) ? open_given(out, r, source, box) : open_avatar(out, r, name);
}

static const image *subject_pixels(const subject *s)
{
    return s->stored.rgb ? &s->stored : &s->picture.pixels;
}

static void subject_release(subject *s)
{
    picture_close(&s->picture);
    image_release(&s->stored);
}

/* ---- a category ---- */

static rap_status name_kind(char **out, rap *r, const subject *s)
{
    const kind_case c = { .photo = subject_pixels(s),
                          .box = s->box,
                          .crop = &r->profile->crop,
                          .store = r->store,
                          .extra = r->profile->extra_vocabulary,
                          .read_only = r->options.store_use != RAP_STORE_CHANGE,
                          .on_progress = r->options.on_progress,
                          .payload = r->options.payload };
    yolo_world *detector = NULL;
    encoder *texts = NULL;
    rap_status status = models_encoder(r);

    if (status == RAP_OK && encoder_has_text(r->encoder))
        return kind_by_text(out, &c, r->encoder, &r->err);
    if (status == RAP_OK)
        status = engine_detector(&detector, &texts, r->engine, &r->err);
    if (status == RAP_OK && (!detector || !encoder_has_text(texts)))
        status = err_set(&r->err, RAP_E_UNSUPPORTED,
                         "%s knows no words, and profile %s has no detector: a category cannot be "
                         "proposed, so give it",
                         encoder_name(r->encoder), r->profile->name);
    return status == RAP_OK ? kind_by_detector(out, &c, detector, texts, &r->err) : status;
}

rap_status rap_propose_category(char **out, rap *r, const char *name, const rap_image *source,
                                rap_box box)
{
    subject s = { .stored = { 0 } };
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out || !name)
        return RAP_E_ARGUMENT;
    status = models_encoder(r);
    if (status == RAP_OK)
        status = subject_open(&s, r, name, source, box);
    if (status == RAP_OK)
        status = name_kind(out, r, &s);
    subject_release(&s);
    return status;
}

/* ---- an info line ---- */

typedef struct asking {
    rap *r;
    const char *name;
    shown_concept shown;
} asking;

/* One question about the picture, in a conversation of its own, which begins like the last one. */
static rap_status ask(char **out, const char *question, void *payload, rap_err *err)
{
    asking *a = payload;
    const prompt_concept concept = { a->name, "", 1 };
    const session_picture looks = shown_picture(&a->shown);
    const session_turn turn = { .concept = &concept,
                                .concept_picture = &looks,
                                .concepts = 1,
                                .question = question,
                                .max_tokens = ANSWER };
    session_answer answer = { .text = NULL };
    conversation *talk = NULL;
    rap_status status = conversation_open(&talk, a->r->generator, err);

    if (status == RAP_OK)
        status = conversation_ask(talk, &turn, &answer, err);
    if (status == RAP_OK && (answer.dropped || answer.pictures_dropped))
        status =
            err_set(err, RAP_E_LIMIT,
                    "the picture does not fit into the model's context: it cannot be described");
    *out = answer.text;
    answer.text = NULL;
    conversation_close(talk);
    session_answer_release(&answer);
    return status;
}

static rap_status need_eyes(rap *r)
{
    rap_status status = models_generator(r);

    if (status == RAP_OK && !generator_has_vision(r->generator))
        return err_set(
            &r->err, RAP_E_UNSUPPORTED,
            "profile %s has no mmproj: its language model sees no picture to describe (see %s)",
            r->profile->name, r->profile->file);
    return status;
}

/* The kind in the words of the encoder, if it has words; NULL: not known. */
static rap_status guess_kind(char **out, rap *r, const subject *s)
{
    rap_status status = models_encoder(r);

    *out = NULL;
    return status == RAP_OK && encoder_has_text(r->encoder) ? name_kind(out, r, s) : status;
}

rap_status rap_propose_info(char **out, rap *r, const char *name, const char *category,
                            const rap_image *source, rap_box box)
{
    asking a = { .r = r };
    subject s = { .stored = { 0 } };
    char *plain = NULL, *guess = NULL;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out || !name)
        return RAP_E_ARGUMENT;
    status = need_eyes(r);
    if (status == RAP_OK)
        status = subject_open(&s, r, name, source, box);
    if (status == RAP_OK && !(plain = text_plain_name(name)))
        status = err_memory(&r->err, "describing a concept");
    if (status == RAP_OK && (!category || !*category))
        status = guess_kind(&guess, r, &s);
    if (status == RAP_OK)
        status = shown_open_image(&a.shown, r, subject_pixels(&s), s.box);
    a.name = plain;
    if (status == RAP_OK)
        status = describe_write(out, r->profile->describe, plain, guess ? guess : category, ask, &a,
                                &r->err);
    shown_release(&a.shown);
    subject_release(&s);
    free(plain);
    free(guess);
    return status;
}
