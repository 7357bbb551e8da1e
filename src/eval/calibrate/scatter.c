/* scatter.c: the within-class scatter: the directions in which pictures of one concept differ.
 *
 * Each picture's difference from the mean of its concept's pictures is a sample; the principal components of all samples
 * are the axes of the scatter. Along axis i, of variance l, a vector is scaled by √(m / (l + m)), where m is the mean
 * variance of all axes: whitening with shrinkage halfway to a sphere, so that few samples do no harm. judge.h subtracts
 * products of rows, so a row is its axis times √(l / (l + m)). */
#include "eval/calibrate/calibrate.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 60 };
#define ENOUGH 1e-6 /* the share of the variance that a round must add for another one */

/* ---- the concept of a region ---- */

/* The known concept whose object this region matches; −1: none, or several. */
static int concept_at(const calibrate_gallery *v, int photo, int region)
{
    const calibrate_photo *p = &v->set->photo[photo];
    int concept = -1, objects = 0;

    for (int i = 0; i < p->objects; i++)
        if (calibrate_is_at(v, photo, region - v->seen->first[photo], &p->object[i])) {
            concept = p->object[i].concept;
            objects++;
        }
    return objects == 1 ? concept : -1;
}

static int *concepts_shown(const calibrate_gallery *v)
{
    const calibrate_features *s = v->seen;
    int *shown = mem_array((size_t)s->regions + 1, sizeof *shown);

    for (int i = 0; shown && i < s->photos; i++)
        for (int k = s->first[i]; k < s->first[i + 1]; k++)
            shown[k] = concept_at(v, i, k);
    return shown;
}

static int fold_of(int concept)
{
    return concept % CALIBRATE_FOLDS;
}

/* ---- the samples ---- */

typedef struct scatter {
    double *sum;        /* [dim, dim] of the samples' products */
    double *mean, *off; /* [dim] of one concept; of one picture */
    double *turned;     /* [dim, CALIBRATE_AXES] scratch */
    int dim;
} scatter;

static void scatter_close(scatter *s)
{
    free(s->sum);
    free(s->mean);
    free(s->off);
    free(s->turned);
}

static rap_status scatter_open(scatter *s, int dim, rap_err *err)
{
    size_t d = (size_t)dim;

    *s = (scatter){ .sum = mem_array(d * d, sizeof *s->sum),
                    .mean = mem_array(d, sizeof *s->mean),
                    .off = mem_array(d, sizeof *s->off),
                    .turned = mem_array(CALIBRATE_AXES * d, sizeof *s->turned),
                    .dim = dim };
    return s->sum && s->mean && s->off && s->turned ? RAP_OK : err_memory(err, "calibrating");
}

static void add_to_mean(scatter *s, const float *x)
{
    for (int i = 0; i < s->dim; i++)
        s->mean[i] += (double)x[i];
}

/* of: the number of the concept's pictures. */
static void add_sample(scatter *s, const float *x, int of)
{
    size_t dim = (size_t)s->dim;
    double weight = (double)of / (of - 1);

    for (size_t i = 0; i < dim; i++)
        s->off[i] = (double)x[i] - s->mean[i] / of;
    for (size_t i = 0; i < dim; i++)
        for (size_t k = 0; k <= i; k++)
            s->sum[i * dim + k] += weight * s->off[i] * s->off[k];
}

static void add_concept(scatter *s, const calibrate_gallery *v, const int *shown, int concept)
{
    size_t dim = (size_t)v->dim;
    const float *own = v->concept + (size_t) concept * dim;
    int pictures = 1;

    memset(s->mean, 0, dim * sizeof *s->mean);
    add_to_mean(s, own);
    for (int i = 0; i < v->seen->regions; i++)
        if (shown[i] == concept) {
            add_to_mean(s, v->region + (size_t)i * dim);
            pictures++;
        }
    if (pictures < 2)
        return;
    add_sample(s, own, pictures);
    for (int i = 0; i < v->seen->regions; i++)
        if (shown[i] == concept)
            add_sample(s, v->region + (size_t)i * dim, pictures);
}

/* ---- its axes ---- */

/* out [CALIBRATE_AXES, dim] = axes · the samples' products. */
static void multiply(float *out, const float *axes, void *payload)
{
    const scatter *s = payload;
    size_t dim = (size_t)s->dim;

    for (size_t i = 0; i < dim; i++)
        for (size_t a = 0; a < CALIBRATE_AXES; a++)
            s->turned[i * CALIBRATE_AXES + a] = (double)axes[a * dim + i];
    for (size_t k = 0; k < dim; k++) {
        const double *row = s->sum + k * dim;
        double at[CALIBRATE_AXES] = { 0 };

        for (size_t i = 0; i < dim; i++)
            for (size_t a = 0; a < CALIBRATE_AXES; a++)
                at[a] += row[i] * s->turned[i * CALIBRATE_AXES + a];
        for (size_t a = 0; a < CALIBRATE_AXES; a++)
            out[a * dim + k] = (float)at[a];
    }
}

static rap_status to_scatter(float *out, scatter *s, rap_err *err)
{
    size_t dim = (size_t)s->dim;
    float *next = mem_array(CALIBRATE_AXES * dim, sizeof *next);
    double mean = 0;

    if (!next)
        return err_memory(err, "calibrating");
    vector_principal_axes(out, next, CALIBRATE_AXES, s->dim, ROUNDS, ENOUGH, multiply, s);
    for (size_t i = 0; i < dim; i++)
        mean += s->sum[i * dim + i] / (double)dim;
    for (size_t a = 0; a < CALIBRATE_AXES; a++) {
        float *axis = out + a * dim;
        double variance = vector_dot(axis, next + a * dim, s->dim);
        double part = variance > 0 ? sqrt(variance / (variance + mean)) : 0;

        for (size_t i = 0; i < dim; i++)
            axis[i] = (float)(part * axis[i]);
    }
    free(next);
    return RAP_OK;
}

static rap_status make_scatter(float *out, const calibrate_gallery *v, const int *shown, int a,
                               int b, rap_err *err)
{
    scatter s;
    rap_status status = scatter_open(&s, v->dim, err);
    size_t dim = (size_t)v->dim;

    for (int i = 0; status == RAP_OK && i < v->set->concepts; i++)
        if (fold_of(i) != a && fold_of(i) != b)
            add_concept(&s, v, shown, i);
    for (size_t i = 0; status == RAP_OK && i < dim; i++)
        for (size_t k = 0; k < i; k++)
            s.sum[k * dim + i] = s.sum[i * dim + k];
    if (status == RAP_OK)
        status = to_scatter(out, &s, err);
    scatter_close(&s);
    return status;
}

rap_status calibrate_scatter(float *out, const calibrate_gallery *v, int a, int b, rap_err *err)
{
    int *shown = concepts_shown(v);
    rap_status status =
        shown ? make_scatter(out, v, shown, a, b, err) : err_memory(err, "calibrating");

    free(shown);
    return status;
}

/* ---- for each pair of folds ---- */

struct calibrate_folds {
    float *scatter; /* [CALIBRATE_FOLDS, CALIBRATE_FOLDS, CALIBRATE_AXES, dim] */
    int *fold;      /* [regions] */
    size_t each;    /* floats in one scatter */
};

/* A region without a known concept contributes to no scatter; its fold is that of its photo. */
static void deal_out(calibrate_folds *f, const calibrate_gallery *v, const int *shown)
{
    const calibrate_features *s = v->seen;

    for (int i = 0; i < s->photos; i++)
        for (int k = s->first[i]; k < s->first[i + 1]; k++)
            f->fold[k] = fold_of(shown[k] >= 0 ? shown[k] : i);
}

static rap_status make_folds(calibrate_folds *f, const calibrate_gallery *v, const int *shown,
                             rap_err *err)
{
    rap_status status = RAP_OK;

    deal_out(f, v, shown);
    for (int a = 0; status == RAP_OK && a < CALIBRATE_FOLDS; a++)
        for (int b = a; status == RAP_OK && b < CALIBRATE_FOLDS; b++) {
            float *one = f->scatter + (size_t)(a * CALIBRATE_FOLDS + b) * f->each;

            status = make_scatter(one, v, shown, a, b, err);
            memcpy(f->scatter + (size_t)(b * CALIBRATE_FOLDS + a) * f->each, one,
                   f->each * sizeof *one);
        }
    return status;
}

rap_status calibrate_folds_open(calibrate_folds **out, const calibrate_gallery *v, rap_err *err)
{
    calibrate_folds *f = mem_array(1, sizeof *f);
    int *shown = concepts_shown(v);
    rap_status status = f && shown ? RAP_OK : err_memory(err, "calibrating");

    *out = f;
    if (status == RAP_OK) {
        f->each = CALIBRATE_AXES * (size_t)v->dim;
        f->scatter =
            mem_array((size_t)CALIBRATE_FOLDS * CALIBRATE_FOLDS * f->each, sizeof *f->scatter);
        f->fold = mem_array((size_t)v->seen->regions + 1, sizeof *f->fold);
        status =
            f->scatter && f->fold ? make_folds(f, v, shown, err) : err_memory(err, "calibrating");
    }
    free(shown);
    return status;
}

const float *calibrate_folds_between(const calibrate_folds *f, int region, int concept)
{
    return f->scatter + (size_t)(f->fold[region] * CALIBRATE_FOLDS + fold_of(concept)) * f->each;
}

void calibrate_folds_close(calibrate_folds *f)
{
    if (!f)
        return;
    free(f->scatter);
    free(f->fold);
    free(f);
}
