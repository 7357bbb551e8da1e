/* verify.c: how well the profile's language model verifies matches (rap_verify()), and the threshold for it.
 *
 * Candidates are what retrieval would report without a threshold, in each photo once with all concepts in the store and
 * once without those that it shows; each is judged once. The threshold is the one at which as large a share of the right
 * ones falls below as of the wrong ones stays above. Then the measures of retrieval are taken with and without it. */
#include "base/file.h"
#include "base/mem.h"
#include "base/temp.h"
#include "base/threads.h"
#include "engine/engine.h"
#include "eval/calibrate/calibrate_inside.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate { /* a concept that may be at a region of a photo */
    int photo, region, concept;
    bool left_out; /* tested without the photo's own concepts */
    bool right;
    float score;
    float probability; /* as judged */
} candidate;

typedef struct trial {
    const calibrate_set *set;
    const calibrate_features *seen;
    const calibrate_models *models;
    calibrate_gallery gallery;
    calibrate_settings settings;
    candidate *
        candidate; /* [count], by photo; in each the best first, those left out behind the others */
    size_t count;
} trial;

/* ---- candidates ---- */

static bool is_right(const trial *t, int photo, const calibrate_match *m)
{
    const calibrate_photo *p = &t->set->photo[photo];

    for (int i = 0; i < p->objects; i++)
        if (p->object[i].concept == m->id &&
            calibrate_is_at(&t->gallery, photo, m->region, &p->object[i]))
            return true;
    return false;
}

static rap_status gather_photo(trial *t, int photo, bool left_out, rap_err *err)
{
    calibrate_match m[CALIBRATE_MATCHES];
    candidate *more;
    int count = 0;
    rap_status status =
        calibrate_matches(m, &count, &t->gallery, photo, &t->settings, left_out, err);

    if (status != RAP_OK || count == 0)
        return status;
    more = realloc(t->candidate, (t->count + (size_t)count) * sizeof *more);
    if (!more)
        return err_memory(err, "calibrating");
    t->candidate = more;
    for (int i = 0; i < count; i++)
        t->candidate[t->count++] = (candidate){ .photo = photo,
                                                .region = t->seen->first[photo] + m[i].region,
                                                .concept = m[i].id,
                                                .left_out = left_out,
                                                .right = is_right(t, photo, &m[i]),
                                                .score = m[i].score };
    return RAP_OK;
}

static rap_status gather(trial *t, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < t->set->photos; i++) {
        status = gather_photo(t, i, false, err);
        if (status == RAP_OK)
            status = gather_photo(t, i, true, err);
    }
    return status;
}

/* ---- judging ---- */

static rap_status judge_one(candidate *c, const trial *t, rap *r, rap_err *err)
{
    const rap_image photo = { .path = t->set->photo[c->photo].picture };
    rap_box box = t->seen->box[c->region];
    rap_status status =
        rap_verify(&c->probability, r, t->set->concept[c->concept].name, &photo, box);

    return status == RAP_OK ? status : err_set(err, status, "%s", rap_error(r));
}

static rap_status judge_all(double *out_ms, trial *t, rap *r, rap_err *err)
{
    const calibrate_models *m = t->models;
    double start = clock_ms();
    rap_status status = RAP_OK;

    for (size_t i = 0; status == RAP_OK && i < t->count; i++) {
        status = judge_one(&t->candidate[i], t, r, err);
        if (status == RAP_OK && m->on_progress &&
            m->on_progress("verifying", i + 1, t->count, m->payload))
            status = err_set(err, RAP_E_CANCELLED, "calibrating was cancelled");
    }
    *out_ms = t->count ? (clock_ms() - start) / (double)t->count : 0;
    return status;
}

/* Judges with a temporary store that holds the set's concepts. */
static rap_status judge_in(double *out_ms, trial *t, const char *folder, rap_err *err)
{
    rap_options o = RAP_OPTIONS_INIT;
    rap_engine *engine = NULL;
    rap *r = NULL;
    char *path = path_join(folder, "store.db");
    rap_status status =
        path ? calibrate_engine(&engine, t->models, err) : err_memory(err, "calibrating");

    if (status == RAP_OK)
        status = calibrate_fill_store(engine, t->set, path, err);
    if (status == RAP_OK) {
        o.engine = engine;
        o.store = path;
        status = rap_open(&r, &o);
        if (status != RAP_OK)
            err_set(err, status, "%s", r ? rap_error(r) : "out of memory");
    }
    if (status == RAP_OK)
        status = judge_all(out_ms, t, r, err);
    rap_close(r);
    engine_close(engine);
    free(path);
    return status;
}

/* ---- the threshold ---- */

static double area(const trial *t)
{
    double above = 0, pairs = 0;

    for (size_t i = 0; i < t->count; i++)
        for (size_t k = 0; t->candidate[i].right && k < t->count; k++) {
            float a = t->candidate[i].probability, b = t->candidate[k].probability;

            if (t->candidate[k].right)
                continue;
            above += a > b ? 1 : a == b ? 0.5 : 0;
            pairs++;
        }
    return pairs > 0 ? above / pairs : 0;
}

static void at_threshold(calibrate_verified *v, const trial *t, float threshold)
{
    int kept = 0, passed = 0;

    v->right = v->wrong = 0;
    for (size_t i = 0; i < t->count; i++) {
        const candidate *c = &t->candidate[i];

        v->right += c->right;
        v->wrong += !c->right;
        kept += c->right && c->probability >= threshold;
        passed += !c->right && c->probability >= threshold;
    }
    v->threshold = threshold;
    v->kept = v->right ? (double)kept / v->right : 0;
    v->passed = v->wrong ? (double)passed / v->wrong : 0;
}

/* As in profile.json, not above the value itself. */
static float rounded_down(float x)
{
    return (float)(floor((double)x * 1e4) / 1e4);
}

/* Negative: `a` is the better one. By the larger of both errors, then by their sum. */
static double compare(const calibrate_verified *a, const calibrate_verified *b)
{
    double worst = fmax(1 - a->kept, a->passed) - fmax(1 - b->kept, b->passed);

    return worst != 0 ? worst : (a->passed - a->kept) - (b->passed - b->kept);
}

/* The middle of the best thresholds, if it is as good as they are. */
static void choose_threshold(calibrate_verified *out, const trial *t)
{
    calibrate_verified low = { .passed = 2 }, high = low;

    for (size_t i = 0; i < t->count; i++) {
        calibrate_verified v = *out;
        double against;

        at_threshold(&v, t, rounded_down(t->candidate[i].probability));
        against = compare(&v, &low);
        if (against < 0)
            low = high = v;
        else if (against == 0 && v.threshold < low.threshold)
            low = v;
        else if (against == 0 && v.threshold > high.threshold)
            high = v;
    }
    at_threshold(out, t, rounded_down((low.threshold + high.threshold) / 2));
    if (t->count > 0 && compare(out, &low) != 0)
        at_threshold(out, t, low.threshold);
}

/* ---- what it changes ---- */

/* The first `limit` candidates of one test of a photo that retrieval and, with `verify`, the model accept. */
typedef struct accepted {
    const candidate *item[CALIBRATE_MATCHES];
    int count;
} accepted;

static accepted accept(const trial *t, int photo, bool left_out, float score, float probability)
{
    accepted a = { .count = 0 };

    for (size_t i = 0; i < t->count && a.count < t->settings.limit; i++) {
        const candidate *c = &t->candidate[i];

        if (c->photo == photo && c->left_out == left_out && c->score <= score &&
            c->probability >= probability)
            a.item[a.count++] = c;
    }
    return a;
}

static bool holds(const accepted *a, int concept)
{
    for (int i = 0; i < a->count; i++)
        if (a->item[i]->concept == concept)
            return true;
    return false;
}

static calibrate_effect measure(const trial *t, float score, float probability)
{
    int objects = 0, found = 0, invented = 0;
    calibrate_effect out = { .recall = 0 };

    for (int i = 0; i < t->set->photos; i++) {
        const calibrate_photo *p = &t->set->photo[i];
        accepted known = accept(t, i, false, score, probability);

        for (int k = 0; k < p->objects; k++) {
            objects += p->object[k].concept >= 0;
            found += p->object[k].concept >= 0 && holds(&known, p->object[k].concept);
        }
        invented += accept(t, i, true, score, probability).count > 0;
    }
    out.recall = objects ? (double)found / objects : 0;
    out.false_positives = t->set->photos ? (double)invented / t->set->photos : 0;
    return out;
}

static void measure_all(calibrate_verified *out, const trial *t, float threshold)
{
    float score = threshold >= 2 ? INFINITY : threshold;

    out->before = measure(t, score, -1);
    out->after = measure(t, score, out->threshold);
    out->open_before = measure(t, INFINITY, -1);
    out->open_after = measure(t, INFINITY, out->threshold);
}

/* ---- all ---- */

rap_status calibrate_verify(calibrate_verified *out, const calibrate_set *set,
                            const calibrate_features *seen, const calibrate_fit *fit, int k,
                            const calibrate_models *models, rap_err *err)
{
    trial t = { .set = set, .seen = seen, .models = models };
    temp folder = TEMP_INIT;
    rap_status status =
        calibrate_gallery_open(&t.gallery, set, seen, fit->crops, NULL, NULL, 0, err);

    memset(out, 0, sizeof *out);
    t.settings = (calibrate_settings){ .judge = calibrate_fit_judge(fit),
                                       .policy = RAP_POLICY_DEFAULT,
                                       .limit = k < CALIBRATE_MATCHES ? k : CALIBRATE_MATCHES };
    t.settings.judge.threshold = 2;
    if (status == RAP_OK)
        status = gather(&t, err);
    if (status == RAP_OK)
        status = temp_folder_anywhere(&folder, "rap-calibrate", err);
    if (status == RAP_OK)
        status = judge_in(&out->milliseconds, &t, folder.path, err);
    if (status == RAP_OK) {
        out->area = area(&t);
        choose_threshold(out, &t);
        measure_all(out, &t, fit->threshold);
    }
    calibrate_gallery_close(&t.gallery);
    temp_remove(&folder);
    free(t.candidate);
    return status;
}
