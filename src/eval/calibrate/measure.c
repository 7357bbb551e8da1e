/* measure.c: what one way of judging finds in one photo of a set, then in all of them. */
#include "eval/calibrate/trust.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PLACES = 256 }; /* known things in one photo */

/* ---- what is remembered ---- */

/* The mean direction of the first `cuts` of each place: out [count, dim]. */
static void mix(float *out, const float *each, int count, const trust_seen *s, int cuts)
{
    size_t dim = (size_t)s->dim;

    for (size_t i = 0; i < (size_t)count; i++) {
        for (size_t c = 0; c < (size_t)cuts; c++)
            embed_add_direction(out + i * dim, each + (i * (size_t)s->cuts + c) * dim, s->dim);
        for (size_t k = 0; k < dim; k++)
            out[i * dim + k] /= (float)cuts;
    }
}

static rap_status make_index(trust_view *v, rap_err *err)
{
    size_t dim = (size_t)v->dim, room = (size_t)v->set->things + (size_t)v->more_count, count = 0;
    float *data = mem_array(room * dim + 1, sizeof *data);
    int64_t *id = mem_array(room + 1, sizeof *id);
    rap_status status = data && id ? RAP_OK : err_memory(err, "measuring retrieval");

    for (int i = 0; status == RAP_OK && i < v->set->things; i++)
        if (v->stored[i]) {
            memcpy(data + count * dim, v->thing + (size_t)i * dim, dim * sizeof *data);
            id[count++] = i;
        }
    for (int i = 0; status == RAP_OK && i < v->more_count; i++) {
        memcpy(data + count * dim, v->more->data + (size_t)i * dim, dim * sizeof *data);
        id[count++] = v->set->things + i;
    }
    if (status == RAP_OK)
        status = search_index_new(&v->index, data, id, count, v->dim, err);
    free(data);
    free(id);
    return status;
}

rap_status trust_view_open(trust_view *out, const trust_set *set, const trust_seen *seen, int cuts,
                           const char *stored, const trust_vectors *more, int more_count,
                           rap_err *err)
{
    size_t dim = (size_t)seen->dim;

    *out = (trust_view){ .set = set, .seen = seen, .dim = seen->dim };
    if (more && more_count > 0) {
        out->more = more;
        out->more_count = more_count < more->count ? more_count : more->count;
    }
    out->thing = mem_array((size_t)seen->things * dim + 1, sizeof *out->thing);
    out->region = mem_array((size_t)seen->regions * dim + 1, sizeof *out->region);
    out->stored = mem_array((size_t)seen->things + 1, 1);
    if (!out->thing || !out->region || !out->stored)
        return err_memory(err, "measuring retrieval");
    if (stored)
        memcpy(out->stored, stored, (size_t)seen->things);
    else
        memset(out->stored, 1, (size_t)seen->things);
    mix(out->thing, seen->thing, seen->things, seen, cuts);
    mix(out->region, seen->region, seen->regions, seen, cuts);
    return make_index(out, err);
}

void trust_view_close(trust_view *v)
{
    free(v->thing);
    free(v->region);
    free(v->stored);
    search_index_free(v->index);
    memset(v, 0, sizeof *v);
}

/* ---- one photo ---- */

typedef struct hidden { /* what counts as never remembered */
    int64_t id[MOST_PLACES];
    int count;
} hidden;

static int is_hidden(const hidden *h, int64_t id)
{
    for (int i = 0; i < h->count; i++)
        if (h->id[i] == id)
            return 1;
    return 0;
}

static void hide(hidden *h, int64_t id)
{
    if (id >= 0 && h->count < MOST_PLACES && !is_hidden(h, id))
        h->id[h->count++] = id;
}

static const float *vector_of(const trust_view *v, int64_t id)
{
    size_t i = (size_t)id, things = (size_t)v->set->things;

    return i < things ? v->thing + i * (size_t)v->dim
                      : v->more->data + (i - things) * (size_t)v->dim;
}

/* The RANK_HITS nearest that are not hidden; out [RANK_HITS], unused entries id −1. */
static rap_status nearest(search_hit *out, const trust_view *v, const float *feature,
                          const hidden *h, rap_err *err)
{
    search_hit hit[MOST_PLACES + RANK_HITS + 1];
    int want = RANK_HITS + h->count, kept = 0;
    rap_status status = search_nearest(v->index, feature, 1, want, 1, hit, err);

    for (int i = 0; i < RANK_HITS; i++)
        out[i] = (search_hit){ -1, INFINITY };
    for (int i = 0; status == RAP_OK && i < want && kept < RANK_HITS && hit[i].id >= 0; i++)
        if (!is_hidden(h, hit[i].id))
            out[kept++] = hit[i];
    return status;
}

/* How far the concept's nearest neighbour is, as retrieve/judge.c finds it. */
static rap_status neighbour(float *out, const trust_view *v, const judge_settings *s, int64_t id,
                            const hidden *h, rap_err *err)
{
    hidden other = *h;
    search_hit hit[RANK_HITS];
    const float *mine = vector_of(v, id);
    rap_status status;

    *out = INFINITY;
    if (!(s->crowding > 0))
        return RAP_OK;
    hide(&other, id);
    status = nearest(hit, v, mine, &other, err);
    if (status == RAP_OK && hit[0].id >= 0)
        *out = judge_distance(s, mine, vector_of(v, hit[0].id), v->dim);
    return status;
}

static rap_status judge_region(float *out, const trust_view *v, const trust_way *way, int region,
                               const search_hit *hit, const hidden *h, rap_err *err)
{
    const float *feature = v->region + (size_t)region * (size_t)v->dim;
    judge_settings s = way->judge;
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < RANK_HITS; i++) {
        store_evidence known = { .views = 1 };
        float near = INFINITY;

        out[i] = INFINITY;
        if (hit[i].id < 0)
            continue;
        known.view = (float *)vector_of(v, hit[i].id);
        if (way->folds) {
            s.spread = trust_folds_between(way->folds, region, (int)hit[i].id);
            s.spreads = TRUST_SPREADS;
        }
        status = neighbour(&near, v, &s, hit[i].id, h, err);
        out[i] = judge_score(&s, feature, &known, near, v->dim);
    }
    return status;
}

static void hide_known(hidden *h, const trust_photo *p)
{
    for (int i = 0; i < p->places; i++)
        hide(h, p->place[i].thing);
}

/* Ranks what was judged; the scores are taken over from there. */
static rap_status rank(trust_match *out, int *out_count, const rank_region *region, int regions,
                       const trust_way *way, rap_err *err)
{
    rank_input in = { .region = region,
                      .region_count = regions,
                      .policy = way->policy,
                      .limit = TRUST_MATCHES,
                      .threshold = way->judge.threshold >= 2 ? INFINITY : way->judge.threshold,
                      .ambiguity = way->ambiguity };
    rank_result result[TRUST_MATCHES];
    rap_status status = rank_matches(result, out_count, &in, err);

    for (int i = 0; status == RAP_OK && i < *out_count; i++) {
        const rank_region *at = &region[result[i].region];
        int hit = 0;

        while (hit + 1 < at->hits && at->hit[hit].id != result[i].id)
            hit++;
        out[i] =
            (trust_match){ (int)result[i].id, at->score ? at->score[hit] : at->hit[hit].distance,
                           result[i].region, result[i].ambiguous };
    }
    return status;
}

rap_status trust_matches(trust_match *out, int *out_count, const trust_view *v, int photo,
                         const trust_way *way, int left_out, rap_err *err)
{
    const trust_seen *s = v->seen;
    int from = s->first[photo], count = s->first[photo + 1] - from;
    rank_region *region = mem_array((size_t)count, sizeof *region);
    search_hit *hit = mem_array((size_t)count * RANK_HITS, sizeof *hit);
    float *score = mem_array((size_t)count * RANK_HITS, sizeof *score);
    hidden h = { .count = 0 };
    rap_status status = region && hit && score ? RAP_OK : err_memory(err, "measuring retrieval");

    *out_count = 0;
    if (left_out)
        hide_known(&h, &v->set->photo[photo]);
    for (int i = 0; status == RAP_OK && i < count; i++) {
        const float *feature = v->region + (size_t)(from + i) * (size_t)v->dim;
        search_hit *mine = hit + i * RANK_HITS;

        region[i] = (rank_region){ s->box[from + i], s->whole[from + i], mine, NULL, RANK_HITS };
        status = nearest(mine, v, feature, &h, err);
        if (status == RAP_OK && way->policy == RAP_POLICY_DEFAULT) {
            region[i].score = score + i * RANK_HITS;
            status = judge_region(score + i * RANK_HITS, v, way, from + i, mine, &h, err);
        }
    }
    if (status == RAP_OK)
        status = rank(out, out_count, region, count, way, err);
    free(region);
    free(hit);
    free(score);
    return status;
}

/* ---- all photos ---- */

typedef struct tally {
    int places, first, second, found, open, marked, photos, invented;
} tally;

int trust_is_at(const trust_view *v, int photo, int region, const trust_place *place)
{
    rap_box box = v->seen->box[v->seen->first[photo] + region];

    return box.w <= 0 || place->box.w <= 0 || box_iou(box, place->box) >= 0.5f;
}

static void add_place(tally *t, const trust_view *v, int photo, const trust_place *place,
                      const trust_match *m, int count, int limit)
{
    int rank = 0, found = 0;

    t->places++;
    for (int i = 0; i < count && !found; i++)
        if (trust_is_at(v, photo, m[i].region, place)) {
            found = m[i].id == place->thing;
            t->marked += found && m[i].ambiguous;
            rank += !found;
        }
    t->first += found && rank == 0;
    t->second += found && rank <= 1;
    for (int i = 0; i < count && i < limit; i++)
        if (m[i].id == place->thing) {
            t->found++;
            break;
        }
}

static int is_known(const trust_view *v, const trust_place *place)
{
    return place->thing >= 0 && v->stored[place->thing];
}

static rap_status add_known(tally *t, const trust_view *v, int photo, const trust_way *way,
                            rap_err *err)
{
    const trust_photo *p = &v->set->photo[photo];
    trust_match m[TRUST_MATCHES];
    int count = 0;
    trust_way open = *way;
    rap_status status = trust_matches(m, &count, v, photo, way, 0, err);

    for (int i = 0; status == RAP_OK && i < p->places; i++)
        if (is_known(v, &p->place[i]))
            add_place(t, v, photo, &p->place[i], m, count, way->limit);
    open.judge.threshold = 2;
    if (status == RAP_OK)
        status = trust_matches(m, &count, v, photo, &open, 0, err);
    for (int i = 0; status == RAP_OK && i < p->places; i++)
        for (int k = 0; is_known(v, &p->place[i]) && k < count && k < way->limit; k++)
            if (m[k].id == p->place[i].thing) {
                t->open++;
                break;
            }
    return status;
}

static rap_status add_photo(tally *t, const trust_view *v, int photo, const trust_way *way,
                            rap_err *err)
{
    const trust_photo *p = &v->set->photo[photo];
    trust_match m[TRUST_MATCHES];
    int known = 0, count = 0;
    rap_status status = RAP_OK;

    for (int i = 0; i < p->places; i++)
        known += is_known(v, &p->place[i]);
    if (known > 0)
        status = add_known(t, v, photo, way, err);
    if (status == RAP_OK)
        status = trust_matches(m, &count, v, photo, way, 1, err);
    t->photos++;
    t->invented += count > 0;
    return status;
}

static double share(int part, int whole)
{
    return whole > 0 ? (double)part / whole : 0;
}

rap_status trust_measure(trust_scores *out, const trust_view *v, const trust_way *way, rap_err *err)
{
    tally t = { 0 };
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < v->set->photos; i++)
        status = add_photo(&t, v, i, way, err);
    *out = (trust_scores){ .recall1 = share(t.first, t.places),
                           .recall2 = share(t.second, t.places),
                           .recall = share(t.found, t.places),
                           .recall_open = share(t.open, t.places),
                           .false_positives = share(t.invented, t.photos),
                           .marked = share(t.marked, t.places),
                           .places = t.places,
                           .photos = t.photos };
    return status;
}
