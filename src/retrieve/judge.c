/* judge.c: distances, one score, a concept's own shift, then all hits of a photo. */
#include "retrieve/judge.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one score ---- */

/* The coordinate of a unit vector along one axis of the scatter, relative to the center. */
static double along(const float *row, const judge_settings *s, const float *a, double unit, int dim)
{
    double sum = 0;

    for (int i = 0; i < dim; i++)
        sum += row[i] * (a[i] * unit - (s->center ? (double)s->center[i] : 0));
    return sum;
}

/* Normalises, subtracts the center, shrinks along the scatter, and normalises again. */
float judge_distance(const judge_settings *s, const float *a, const float *b, int dim)
{
    double na = vector_unit_scale(a, dim), nb = vector_unit_scale(b, dim);
    double ab = 0, ca = 0, cb = 0, dot;

    for (int i = 0; i < dim; i++) {
        double c = s->center ? (double)s->center[i] : 0, x = a[i] * na - c, y = b[i] * nb - c;

        ab += x * y;
        ca += x * x;
        cb += y * y;
    }
    for (int i = 0; i < s->axes; i++) {
        const float *row = s->scatter + (size_t)i * (size_t)dim;
        double x = along(row, s, a, na, dim), y = along(row, s, b, nb, dim);

        ab -= x * y;
        ca -= x * x;
        cb -= y * y;
    }
    if (!(ca > 0) || !(cb > 0))
        return 2;
    dot = ab / sqrt(ca * cb);
    return (float)sqrt(fmax(0, 2 - 2 * fmin(1, fmax(-1, dot))));
}

static float nearest(const judge_settings *s, const float *feature, const float *rows, size_t count,
                     size_t but, int dim)
{
    float best = INFINITY;

    for (size_t i = 0; i < count; i++)
        if (i != but)
            best = fminf(best, judge_distance(s, feature, rows + i * (size_t)dim, dim));
    return best;
}

/* How much nearer than unrelated concepts (√2) the nearest neighbour is; 0 without one. */
static float crowd(const judge_settings *s, float near)
{
    const float unlike = 1.41421356f;

    return s->crowding > 0 && near < unlike ? s->crowding * (unlike - near) : 0;
}

float judge_shift(const judge_settings *s, const store_evidence *known, float near, int dim)
{
    float limit = s->threshold, apart = 0, off = crowd(s, near);

    if (s->threshold >= 2 || (known->views < 2 && known->refusals == 0))
        return 0;
    for (size_t i = 0; known->views > 1 && i < known->views; i++)
        apart = fmaxf(apart,
                      nearest(s, known->view + i * (size_t)dim, known->view, known->views, i, dim));
    if (known->views > 1 && apart + off > limit)
        limit = fminf(apart + off, limit + JUDGE_LOOSER);
    for (size_t i = 0; i < known->refusals; i++) {
        float there = nearest(s, known->refusal + i * (size_t)dim, known->view, known->views,
                              known->views, dim);

        limit = fminf(limit, there + off - 0.01f);
    }
    return s->threshold - fmaxf(limit, s->threshold - JUDGE_STRICTER);
}

float judge_score(const judge_settings *s, const float *feature, const store_evidence *known,
                  float near, int dim)
{
    float distance = nearest(s, feature, known->view, known->views, known->views, dim);
    float score = distance + crowd(s, near);

    if (nearest(s, feature, known->refusal, known->refusals, known->refusals, dim) < distance)
        return INFINITY;
    /* A concept's own threshold decides whether it is recognised, not its rank: the order stays that of the distance. */
    if (s->threshold < 2 && score + judge_shift(s, known, near, dim) > s->threshold)
        return score > s->threshold ? score : INFINITY;
    return s->threshold < 2 ? fminf(score, s->threshold) : score;
}

/* ---- all hits ---- */

typedef struct suspect { /* a concept that was hit */
    int64_t id;
    store_evidence known;
    float near;
} suspect;

typedef struct suspects {
    suspect *list;
    int count;
} suspects;

static suspect *find(const suspects *all, int64_t id)
{
    for (int i = 0; i < all->count; i++)
        if (all->list[i].id == id)
            return &all->list[i];
    return NULL;
}

static rap_status gather(suspects *all, const judge_case *c, rap_err *err)
{
    rap_status status = RAP_OK;

    all->list = mem_array((size_t)c->count * (size_t)c->per + 1, sizeof *all->list);
    if (!all->list)
        return err_memory(err, "judging hits");
    for (int i = 0; status == RAP_OK && i < c->count * c->per; i++) {
        suspect *next = &all->list[all->count];

        if (c->hit[i].id < 0 || find(all, c->hit[i].id))
            continue;
        *next = (suspect){ .id = c->hit[i].id, .near = INFINITY };
        status = store_load_evidence(c->store, next->id, c->maker, c->dim, &next->known, err);
        all->count += status == RAP_OK;
    }
    return status;
}

/* The distance of this concept's avatar to the nearest other concept, under the settings. hit: two. */
static rap_status find_neighbour(suspect *one, const search_hit *hit, const judge_case *c,
                                 rap_err *err)
{
    store_evidence other = { 0 };
    rap_status status = RAP_OK;

    for (int i = 0; i < 2; i++) {
        if (hit[i].id < 0 || hit[i].id == one->id)
            continue;
        status = store_load_evidence(c->store, hit[i].id, c->maker, c->dim, &other, err);
        if (status == RAP_OK)
            one->near =
                nearest(c->settings, one->known.view, other.view, other.views, other.views, c->dim);
        store_evidence_release(&other);
        break;
    }
    return status;
}

/* One search for all hits, so that a large store is scanned once. */
static rap_status find_neighbours(suspects *all, const judge_case *c, rap_err *err)
{
    size_t dim = (size_t)c->dim, floats;
    float *avatar = NULL;
    search_hit *hit = mem_array(2 * (size_t)all->count + 1, sizeof *hit);
    rap_status status = RAP_OK;

    if (!hit || !mem_mul(&floats, (size_t)all->count, dim) ||
        !(avatar = mem_array(floats + 1, sizeof *avatar)))
        status = err_memory(err, "judging hits");
    for (int i = 0; status == RAP_OK && i < all->count; i++)
        if (all->list[i].known.views > 0) /* else zeros, which match nothing */
            memcpy(avatar + (size_t)i * dim, all->list[i].known.view, dim * sizeof *avatar);
    if (status == RAP_OK)
        status = search_nearest(c->index, avatar, all->count, 2, c->threads, hit, err);
    for (int i = 0; status == RAP_OK && i < all->count; i++)
        status = find_neighbour(&all->list[i], hit + 2 * i, c, err);
    free(avatar);
    free(hit);
    return status;
}

rap_status judge_hits(float *out, const judge_case *c, rap_err *err)
{
    suspects all = { NULL, 0 };
    rap_status status = gather(&all, c, err);

    if (status == RAP_OK && c->settings->crowding > 0)
        status = find_neighbours(&all, c, err);
    for (int i = 0; status == RAP_OK && i < c->count * c->per; i++) {
        const suspect *one = find(&all, c->hit[i].id);

        out[i] = INFINITY;
        if (one && one->known.views > 0)
            out[i] = judge_score(c->settings, c->feature + (size_t)(i / c->per) * (size_t)c->dim,
                                 &one->known, one->near, c->dim);
    }
    for (int i = 0; i < all.count; i++)
        store_evidence_release(&all.list[i].known);
    free(all.list);
    return status;
}
