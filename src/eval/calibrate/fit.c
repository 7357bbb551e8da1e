/* fit.c: finds the settings that separate known concepts from unknown ones best, and the threshold.
 *
 * Under each setting every known concept in a photo has a score, and every photo, tested without its concepts, has a
 * best score. Which known concepts count does not depend on the setting: those that the encoder's plain features find
 * without a threshold. The error of a setting is its equal error rate: the share of known concepts missed, at the
 * threshold where as large a share of the photos has a false positive. The final threshold is in the middle of the range
 * in which both shares are within 5 %, or, if there is none, where they are equal. A center is computed for each photo
 * without the concepts in it, and a scatter for each comparison without either side, so that nothing is tested on data
 * it was fitted to. */
#include "base/mem.h"
#include "eval/calibrate/calibrate_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float crowdings[] = { 0, 0.5f, 1 };
enum { CROWDINGS = sizeof crowdings / sizeof *crowdings };
#define FIT_GOAL 0.05
#define FIT_AMBIGUITY 0.03f /* the default of profiles: docs/notes/trust.md */

/* ---- scores of one setting ---- */

typedef struct samples {
    float *known;   /* [known_count] the score at which a concept is found; INFINITY: never */
    float *unknown; /* [unknown_count] INFINITY: nothing is found at any threshold */
    int known_count, unknown_count;
    char *counts; /* [objects] 1: a known concept that plain features find */
    int objects;
} samples;

static void samples_close(samples *s)
{
    free(s->known);
    free(s->unknown);
    free(s->counts);
}

static float score_of(const calibrate_match *m, int count, int concept)
{
    for (int i = 0; i < count; i++)
        if (m[i].id == concept)
            return m[i].score;
    return INFINITY;
}

static rap_status sample_photo(samples *s, const calibrate_gallery *v, int photo,
                               const char *counts, const calibrate_settings *settings, rap_err *err)
{
    const calibrate_photo *p = &v->set->photo[photo];
    calibrate_match m[CALIBRATE_MATCHES];
    int count = 0;
    rap_status status = calibrate_matches(m, &count, v, photo, settings, 0, err);

    for (int i = 0; status == RAP_OK && i < p->objects; i++)
        if (counts[i])
            s->known[s->known_count++] = score_of(
                m, count < settings->limit ? count : settings->limit, p->object[i].concept);
    if (status == RAP_OK)
        status = calibrate_matches(m, &count, v, photo, settings, 1, err);
    if (status == RAP_OK)
        s->unknown[s->unknown_count++] = count > 0 ? m[0].score : INFINITY;
    return status;
}

/* centers: [photos, dim], or NULL for that of the settings. */
static rap_status sample_all(samples *s, const calibrate_gallery *v,
                             const calibrate_settings *settings, const float *centers, rap_err *err)
{
    calibrate_settings open = *settings;
    const char *counts = s->counts;
    rap_status status = RAP_OK;

    open.judge.threshold = 2;
    open.ambiguity = 0;
    s->known_count = s->unknown_count = 0;
    for (int i = 0; status == RAP_OK && i < v->set->photos; i++) {
        if (centers)
            open.judge.center = centers + (size_t)i * (size_t)v->dim;
        status = sample_photo(s, v, i, counts, &open, err);
        counts += v->set->photo[i].objects;
    }
    return status;
}

/* Keeps in `counts` only the known concepts that plain features find. */
static rap_status keep_found(samples *s, const calibrate_set *set, const calibrate_features *seen,
                             int k, rap_err *err)
{
    const calibrate_settings plain = { .policy = RAP_POLICY_DEFAULT, .limit = k };
    calibrate_gallery v = { 0 };
    rap_status status = calibrate_gallery_open(&v, set, seen, 1, NULL, NULL, 0, err);
    int room = 0, known = 0;

    for (int i = 0; i < set->photos; i++)
        for (int n = 0; n < set->photo[i].objects; n++, room++)
    s->objects += s->counts[room] = set->photo[i].object[n].concept >= 0;
    if (status == RAP_OK)
        status = sample_all(s, &v, &plain, NULL, err);
    for (int i = 0; status == RAP_OK && i < room; i++)
        if (s->counts[i])
            s->counts[i] = isfinite(s->known[known++]) != 0;
    calibrate_gallery_close(&v);
    return status;
}

static rap_status samples_open(samples *out, const calibrate_set *set,
                               const calibrate_features *seen, int k, rap_err *err)
{
    size_t objects = 0;

    for (int i = 0; i < set->photos; i++)
        objects += (size_t)set->photo[i].objects;
    *out = (samples){ .known = mem_array(objects + 1, sizeof(float)),
                      .unknown = mem_array((size_t)set->photos + 1, sizeof(float)),
                      .counts = mem_array(objects + 1, 1) };
    return out->known && out->unknown && out->counts ? keep_found(out, set, seen, k, err)
                                                     : err_memory(err, "calibrating");
}

/* ---- centers ---- */

static void add(double *sum, const float *x, double sign, int dim)
{
    for (int i = 0; i < dim; i++)
        sum[i] += sign * (double)x[i];
}

static int shares_concept(const calibrate_photo *a, const calibrate_photo *b)
{
    for (int i = 0; i < a->objects; i++)
        for (int k = 0; k < b->objects; k++)
            if (a->object[i].concept >= 0 && a->object[i].concept == b->object[k].concept)
                return 1;
    return a == b;
}

/* The mean of all features except those that show a concept of this photo (−1: of all). */
static void center_without(float *out, const calibrate_gallery *v, int photo, double *sum)
{
    const calibrate_features *s = v->seen;
    const calibrate_photo *p = photo >= 0 ? &v->set->photo[photo] : NULL;
    size_t dim = (size_t)v->dim;
    int n = 0;

    memset(sum, 0, dim * sizeof *sum);
    for (int i = 0; i < v->set->concepts; i++) {
        int mine = 0;

        for (int k = 0; p && k < p->objects; k++)
        mine |= p->object[k].concept == i;
        if (!mine) {
            add(sum, v->concept + (size_t)i * dim, 1, v->dim);
            n++;
        }
    }
    for (int i = 0; i < v->set->photos; i++) {
        if (p && shares_concept(p, &v->set->photo[i]))
            continue;
        for (int k = s->first[i]; k < s->first[i + 1]; k++, n++)
            add(sum, v->region + (size_t)k * dim, 1, v->dim);
    }
    for (size_t i = 0; i < dim; i++)
        out[i] = n ? (float)(sum[i] / n) : 0;
}

static rap_status make_centers(float **out, const calibrate_gallery *v, rap_err *err)
{
    size_t dim = (size_t)v->dim;
    double *sum = mem_array(dim, sizeof *sum);

    *out = mem_array((size_t)v->set->photos * dim + 1, sizeof **out);
    for (int i = 0; sum && *out && i < v->set->photos; i++)
        center_without(*out + (size_t)i * dim, v, i, sum);
    free(sum);
    return sum && *out ? RAP_OK : err_memory(err, "calibrating");
}

/* ---- the threshold ---- */

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* How many scores are within the limit; INFINITY: how many are finite. */
static int up_to(const float *sorted, int count, float limit)
{
    int n = 0;

    while (n < count && sorted[n] <= limit && isfinite(sorted[n]))
        n++;
    return n;
}

typedef struct balance {
    float threshold;
    double error, recall, false_positives;
} balance;

static balance at_threshold(const samples *s, float t) /* sorted */
{
    balance b = { .threshold = t };

    b.recall = s->known_count ? (double)up_to(s->known, s->known_count, t) / s->known_count : 0;
    b.false_positives =
        s->unknown_count ? (double)up_to(s->unknown, s->unknown_count, t) / s->unknown_count : 0;
    b.error = fmax(1 - b.recall, b.false_positives);
    return b;
}

/* Rounded as in profile.json, so that a score within it stays within. */
static float rounded_up(float threshold)
{
    return (float)(ceil((double)threshold * 1e4) / 1e4);
}

/* The middle of the range in which both shares are within FIT_GOAL or, if there is none, within `error`. found: the
 * number of finite scores, at least one. */
static float middle(const samples *s, double error, int found)
{
    double allowed = fmax(error, FIT_GOAL) + 1e-9;
    int missed = (int)(allowed * s->known_count), invented = (int)(allowed * s->unknown_count);
    int edge = s->known_count - 1 - missed;
    float low, high = s->known[found - 1];

    low = s->known[edge < 0 ? 0 : edge < found ? edge : found - 1];
    if (invented < s->unknown_count && isfinite(s->unknown[invented]))
        high = s->unknown[invented];
    return fminf(1.99f, low < high ? (low + high) / 2 : low);
}

static balance balanced(samples *s)
{
    balance best = { .error = 1 };
    int found;

    qsort(s->known, (size_t)s->known_count, sizeof *s->known, ascending);
    qsort(s->unknown, (size_t)s->unknown_count, sizeof *s->unknown, ascending);
    found = up_to(s->known, s->known_count, INFINITY);
    for (int i = 0; i < s->known_count + s->unknown_count; i++) {
        float t = i < s->known_count ? s->known[i] : s->unknown[i - s->known_count];

        if (isfinite(t))
            best.error = fmin(best.error, at_threshold(s, t).error);
    }
    if (found > 0) {
        double error = best.error;

        best = at_threshold(s, rounded_up(middle(s, error, found)));
        best.error = error;
    }
    return best;
}

/* ---- the search ---- */

typedef struct candidate {
    int crops, centered, scatter;
    float crowding;
    balance at;
} candidate;

enum { CANDIDATES = CALIBRATE_CROPS * 4 * CROWDINGS };

typedef struct search_run {
    const calibrate_set *set;
    const calibrate_features *seen;
    samples samples;
    const calibrate_fit
        *keep; /* NULL, or settings of which only threshold, center and scatter are fitted */
    int k;
    candidate tried[CANDIDATES];
    int count;
} search_run;

static rap_status try_one(search_run *run, const calibrate_gallery *v, const float *centers,
                          const calibrate_folds *folds, const candidate *c, rap_err *err)
{
    const calibrate_settings settings = { .judge = { .crowding = c->crowding },
                                          .folds = c->scatter ? folds : NULL,
                                          .policy = RAP_POLICY_DEFAULT,
                                          .limit = run->k };
    rap_status status = sample_all(&run->samples, v, &settings, c->centered ? centers : NULL, err);

    if (status != RAP_OK)
        return status;
    run->tried[run->count] = *c;
    run->tried[run->count++].at = balanced(&run->samples);
    return RAP_OK;
}

static int is_sought(const search_run *run, const candidate *c)
{
    const calibrate_fit *keep = run->keep;

    return !keep || (c->crowding == keep->crowding && c->centered == (keep->center != NULL) &&
                     c->scatter == (keep->scatter != NULL));
}

static rap_status try_crops(search_run *run, int crops, rap_err *err)
{
    calibrate_gallery v = { 0 };
    float *centers = NULL;
    calibrate_folds *folds = NULL;
    rap_status status = calibrate_gallery_open(&v, run->set, run->seen, crops, NULL, NULL, 0, err);

    if (status == RAP_OK)
        status = make_centers(&centers, &v, err);
    if (status == RAP_OK && (!run->keep || run->keep->scatter))
        status = calibrate_folds_open(&folds, &v, err);
    for (int i = 0; status == RAP_OK && i < 4 * CROWDINGS; i++) {
        const candidate c = {
            .crops = crops, .centered = i % 2, .scatter = i / 2 % 2, .crowding = crowdings[i / 4]
        };

        if (is_sought(run, &c))
            status = try_one(run, &v, centers, folds, &c, err);
    }
    if (status == RAP_OK && run->keep && run->count == 0) { /* further settings to try */
        const candidate c = { .crops = crops,
                              .centered = run->keep->center != NULL,
                              .scatter = run->keep->scatter != NULL,
                              .crowding = run->keep->crowding };

        status = try_one(run, &v, centers, folds, &c, err);
    }
    calibrate_folds_close(folds);
    free(centers);
    calibrate_gallery_close(&v);
    return status;
}

/* Preference: crowding, then a center, then fewer crops (which cost time), then no scatter, then the smaller error. */
static int is_preferred(const candidate *a, const candidate *b)
{
    if (a->crowding != b->crowding)
        return a->crowding > b->crowding;
    if (a->centered != b->centered)
        return a->centered > b->centered;
    if (a->crops != b->crops)
        return a->crops < b->crops;
    if (a->scatter != b->scatter)
        return a->scatter < b->scatter;
    return a->at.error < b->at.error;
}

static const candidate *choose(const search_run *run)
{
    const candidate *best = NULL;
    double least = 2, n = run->samples.unknown_count, bound;

    for (int i = 0; i < run->count; i++)
        least = fmin(least, run->tried[i].at.error);
    bound = fmax(least, 1 / n);
    bound = least + sqrt(bound * (1 - bound) / n); /* one standard error */
    for (int i = 0; i < run->count; i++)
        if (run->tried[i].at.error <= bound && (!best || is_preferred(&run->tried[i], best)))
            best = &run->tried[i];
    return best;
}

/* ---- look-alikes ---- */

typedef struct confusions {
    int right, wrong, caught; /* caught: wrong ones with the right one as a second candidate */
    float ambiguity;
} confusions;

/* An object without a box may be anywhere, so a match that is right for another object of the photo is not wrong. */
static int is_elsewhere(const calibrate_photo *p, const calibrate_object *object, int concept)
{
    for (int i = 0; object->box.w <= 0 && i < p->objects; i++)
        if (p->object[i].concept == concept && concept != object->concept)
            return 1;
    return 0;
}

/* The first match at the object, and its second candidate. */
static void add_object(confusions *c, const calibrate_gallery *v, int photo,
                       const calibrate_object *object, const calibrate_match *m, int count)
{
    for (int i = 0; i < count; i++) {
        int paired = i + 1 < count && m[i].ambiguous && m[i + 1].ambiguous == m[i].ambiguous;

        if (!calibrate_is_at(v, photo, m[i].region, object) ||
            is_elsewhere(&v->set->photo[photo], object, m[i].id))
            continue;
        c->right += m[i].id == object->concept;
        c->wrong += m[i].id != object->concept;
        c->caught +=
            paired && m[i + 1].id == object->concept && m[i + 1].score - m[i].score <= c->ambiguity;
        return;
    }
}

/* Counts the misnamed objects, and those of them whose second candidate is right. */
static rap_status count_misnamed(calibrate_fit *fit, const calibrate_gallery *v,
                                 calibrate_settings settings, rap_err *err)
{
    confusions c = { .ambiguity = fit->ambiguity };
    rap_status status = RAP_OK;

    settings.ambiguity = 2; /* all within the threshold */
    for (int i = 0; status == RAP_OK && i < v->set->photos; i++) {
        const calibrate_photo *p = &v->set->photo[i];
        calibrate_match m[CALIBRATE_MATCHES];
        int count = 0;

        status = calibrate_matches(m, &count, v, i, &settings, 0, err);
        for (int k = 0; status == RAP_OK && k < p->objects; k++)
            if (p->object[k].concept >= 0)
                add_object(&c, v, i, &p->object[k], m, count);
    }
    fit->misnamed = c.right + c.wrong ? (double)c.wrong / (c.right + c.wrong) : 0;
    fit->caught = c.wrong ? (double)c.caught / c.wrong : 0;
    return status;
}

/* ---- fitting ---- */

static rap_status finish(calibrate_fit *out, const search_run *run, const candidate *best,
                         rap_err *err)
{
    calibrate_gallery v = { 0 };
    calibrate_settings settings = { .policy = RAP_POLICY_DEFAULT, .limit = run->k };
    double *sum = mem_array((size_t)run->seen->dim, sizeof *sum);
    rap_status status = sum ? RAP_OK : err_memory(err, "calibrating");

    out->crops = best->crops;
    out->ambiguity = run->keep ? run->keep->ambiguity : FIT_AMBIGUITY;
    out->inner = best->crops > 1 ? run->seen->inner : 0;
    out->threshold = best->at.threshold;
    out->crowding = best->crowding;
    out->dim = run->seen->dim;
    out->recall = best->at.recall;
    out->false_positives = best->at.false_positives;
    if (status == RAP_OK)
        status = calibrate_gallery_open(&v, run->set, run->seen, best->crops, NULL, NULL, 0, err);
    if (status == RAP_OK && best->centered) {
        out->center = mem_array((size_t)out->dim, sizeof *out->center);
        if (out->center)
            center_without(out->center, &v, -1, sum);
        else
            status = err_memory(err, "calibrating");
    }
    if (status == RAP_OK && best->scatter) {
        out->axes = CALIBRATE_AXES;
        out->scatter = mem_array((size_t)CALIBRATE_AXES * (size_t)out->dim, sizeof *out->scatter);
        status = out->scatter ? calibrate_scatter(out->scatter, &v, -1, -1, err)
                              : err_memory(err, "calibrating");
    }
    settings.judge = calibrate_fit_judge(out);
    if (status == RAP_OK)
        status = count_misnamed(out, &v, settings, err);
    calibrate_gallery_close(&v);
    free(sum);
    return status;
}

rap_status calibrate_fit_find(calibrate_fit *out, const calibrate_set *set,
                              const calibrate_features *seen, int k, int crops,
                              const calibrate_fit *keep, rap_err *err)
{
    search_run *run = mem_array(1, sizeof *run);
    const candidate *best;
    rap_status status;

    memset(out, 0, sizeof *out);
    if (!run)
        return err_memory(err, "calibrating");
    run->set = set;
    run->seen = seen;
    run->keep = keep;
    run->k = k;
    status = samples_open(&run->samples, set, seen, k, err);
    for (int i = 1; status == RAP_OK && i <= crops && i <= seen->crops; i++)
        if (!keep || i == keep->crops)
            status = try_crops(run, i, err);
    if (status == RAP_OK && run->count == 0)
        status = err_set(err, RAP_E_ARGUMENT,
                         "the profile has more crops per region than were computed");
    best = status == RAP_OK ? choose(run) : NULL;
    if (status == RAP_OK && !(best->at.recall > 0))
        status =
            err_set(err, RAP_E_FORMAT,
                    "%s: no concept was found in any photo: do the photos show them?", set->folder);
    if (status == RAP_OK) {
        out->tried = run->count;
        out->objects = run->samples.objects;
        out->open = run->samples.known_count;
        out->photos = run->samples.unknown_count;
        status = finish(out, run, best, err);
    }
    samples_close(&run->samples);
    free(run);
    if (status != RAP_OK)
        calibrate_fit_release(out);
    return status;
}

judge_settings calibrate_fit_judge(const calibrate_fit *f)
{
    return (judge_settings){ .center = f->center,
                             .scatter = f->scatter,
                             .axes = f->axes,
                             .crowding = f->crowding,
                             .threshold = f->threshold };
}

rap_status calibrate_fit_fits(const calibrate_fit *f, const calibrate_features *seen, rap_err *err)
{
    if ((!f->center && !f->scatter) || f->dim == seen->dim)
        return RAP_OK;
    return err_set(err, RAP_E_FORMAT,
                   "the profile's \"retrieval.%s\" has %d numbers, but the encoder makes %d: run "
                   "'rap calibrate' for this encoder",
                   f->center ? "center" : "spread", f->dim, seen->dim);
}

rap_status calibrate_fit_check(calibrate_fit *fit, const calibrate_set *set,
                               const calibrate_features *seen, int k, rap_err *err)
{
    calibrate_settings settings = { .policy = RAP_POLICY_DEFAULT, .limit = k };
    calibrate_gallery v = { 0 };
    samples s = { 0 };
    rap_status status = calibrate_fit_fits(fit, seen, err);

    if (status == RAP_OK)
        status = samples_open(&s, set, seen, k, err);
    settings.judge = calibrate_fit_judge(fit);
    if (status == RAP_OK)
        status = calibrate_gallery_open(&v, set, seen, fit->crops, NULL, NULL, 0, err);
    if (status == RAP_OK)
        status = sample_all(&s, &v, &settings, NULL, err);
    if (status == RAP_OK) {
        balance b;

        balanced(&s); /* sorts */
        b = at_threshold(&s, fit->threshold >= 2 ? INFINITY : fit->threshold);
        fit->recall = b.recall;
        fit->false_positives = b.false_positives;
        fit->objects = s.objects;
        fit->open = s.known_count;
        fit->photos = s.unknown_count;
    }
    calibrate_gallery_close(&v);
    samples_close(&s);
    return status;
}

void calibrate_fit_release(calibrate_fit *fit)
{
    free(fit->center);
    free(fit->scatter);
    memset(fit, 0, sizeof *fit);
}
