/* verify.c: see verify.h. */
#include "rap/verify.h"
#include "rap/matches.h"
#include "rap/models.h"
#include "rap/picture.h"
#include "rap/shown.h"

#include "base/mem.h"
#include "base/threads.h"
#include "generate/describe.h"

#include <stdbool.h>
#include <stdlib.h>

int verify_is_on(const rap *r)
{
    return r->options.verify > 0 || (r->options.verify == 0 && r->profile->verify);
}

/* ---- one judgement ---- */

static rap_status need_judge(rap *r)
{
    rap_status status = models_generator(r);

    if (status == RAP_OK && !generator_judges(r->generator))
        return err_set(
            &r->err, RAP_E_UNSUPPORTED,
            "an endpoint tells no probabilities: leave --verify out, or use a model in this "
            "process");
    if (status == RAP_OK && !generator_has_vision(r->generator))
        return err_set(
            &r->err, RAP_E_UNSUPPORTED,
            "profile %s has no mmproj: its language model sees no pictures to verify (see %s)",
            r->profile->name, r->profile->file);
    return status;
}

/* Asks whether the crop is the concept, in a conversation of its own. */
static rap_status judge(double *out, rap *r, const image *crop, const prompt_concept *concept,
                        const shown_concept *avatar)
{
    const choice between = { "Yes", "No" };
    const session_picture photo = { .pixels = crop }, looks = shown_picture(avatar);
    char *question = describe_name(r->profile->verify_question, concept->name);
    const session_turn turn = { .query = &photo,
                                .concept = concept,
                                .concept_picture = &looks,
                                .concepts = 1,
                                .question = question,
                                .max_tokens = 1 };
    conversation *talk = NULL;
    rap_status status = question ? conversation_open(&talk, r->generator, &r->err)
                                 : err_memory(&r->err, "verifying a match");

    if (status == RAP_OK)
        status = conversation_judge(talk, &turn, &between, out, &r->err);
    conversation_close(talk);
    free(question);
    return status;
}

static rap_status verify_box(float *out, rap *r, const image *photo, rap_box box, int64_t id,
                             const char *name, const char *info)
{
    const prompt_concept concept = { name, info, 1 };
    shown_concept avatar = { .tokens = NULL };
    image crop = { 0 };
    int encoded = 0;
    double probability = 0;
    rap_status status = need_judge(r);

    if (status == RAP_OK)
        status = embed_crop_box(&crop, photo, box, &r->profile->crop, &r->err);
    if (status == RAP_OK)
        status = shown_open(&avatar, r, id, &encoded);
    if (status == RAP_OK)
        status = judge(&probability, r, &crop, &concept, &avatar);
    shown_release(&avatar);
    image_release(&crop);
    *out = (float)probability;
    return status;
}

/* ---- all matches ---- */

/* A look-alike whose rival was denied is certain. */
static void settle_ambiguous(rap_matches *m)
{
    for (size_t i = 0; i < m->count; i++) {
        int mates = 0;

        for (size_t k = 0; k < m->count; k++)
            mates += m->match[k].ambiguous == m->match[i].ambiguous;
        if (mates == 1)
            m->match[i].ambiguous = 0;
    }
}

static bool same_box(rap_box a, rap_box b)
{
    return a.x == b.x && a.y == b.y && a.w == b.w && a.h == b.h;
}

/* From what was said of this photo before; else asks. */
static rap_status find_verdict(float *out, rap *r, const sighting *seen, const rap_match *match)
{
    sighting_verdicts *v = seen->verdicts;
    rap_status status;

    for (int i = 0; i < v->count; i++)
        if (v->item[i].id == match->id && same_box(v->item[i].box, match->box)) {
            *out = v->item[i].probability;
            return RAP_OK;
        }
    status = verify_box(out, r, seen->photo, match->box, match->id, match->name, match->info);
    if (status == RAP_E_NOT_FOUND) { /* meanwhile forgotten by another process */
        err_clear(&r->err);
        *out = 0;
        status = RAP_OK;
    }
    if (status == RAP_OK && v->count < SIGHTING_VERDICTS) {
        v->item[v->count].id = match->id;
        v->item[v->count].box = match->box;
        v->item[v->count++].probability = *out;
    }
    return status;
}

/* Judges one match, unless the text names it. */
static rap_status judge_match(bool *out_accepted, rap *r, const sighting *seen, rap_match *match)
{
    float probability = 0;
    rap_status status = RAP_OK;

    *out_accepted = match->reason == RAP_REASON_NAME;
    if (*out_accepted)
        return RAP_OK;
    status = find_verdict(&probability, r, seen, match);
    match->verified = probability;
    *out_accepted = probability >= r->profile->verify_threshold;
    return status;
}

rap_status verify_matches(rap *r, const sighting *seen, rap_matches *m, int limit)
{
    double start = clock_ms();
    bool *accepted = mem_array(m->count + 1, sizeof *accepted);
    size_t judged = 0;
    int kept = 0;
    rap_status status = accepted ? RAP_OK : err_memory(&r->err, "verifying matches");

    for (; status == RAP_OK && judged < m->count && kept < limit; judged++) {
        status = judge_match(&accepted[judged], r, seen, &m->match[judged]);
        kept += accepted[judged];
    }
    if (status == RAP_OK)
        status = matches_split(m, accepted, judged, &r->err);
    if (status == RAP_OK)
        settle_ambiguous(m);
    m->verify_ms = clock_ms() - start;
    free(accepted);
    return status;
}

/* ---- the call ---- */

rap_status rap_verify(float *out, rap *r, const char *name, const rap_image *source, rap_box box)
{
    picture photo = { .bytes = NULL };
    rap_record *record = NULL;
    rap_status status;

    if (out)
        *out = 0;
    if (!rap_ready(r) || !out || !name)
        return RAP_E_ARGUMENT;
    if (!image_given(source))
        return err_set(&r->err, RAP_E_ARGUMENT, "rap_verify() needs a picture");
    status = need_judge(r);
    if (status == RAP_OK)
        status = store_find(r->store, name, &record, &r->err);
    if (status == RAP_OK)
        status = picture_open(&photo, source, &r->err);
    if (status == RAP_OK)
        status = picture_fit_box(&box, &photo.pixels, &r->err);
    if (status == RAP_OK)
        status = verify_box(out, r, &photo.pixels, box, record->id, record->name, record->info);
    picture_close(&photo);
    store_record_free(record);
    return status;
}
