/* measure.c: the matches in one photo of a set under given settings, then the scores over all photos. */
#include "eval/calibrate/calibrate.h"

#include "base/mem.h"
#include "base/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OBJECTS = 256 }; /* known concepts in one photo */

/* ---- the gallery ---- */

/* The mean direction of the first `crops` of each object: out [count, dim]. */
static void mix(float *out, const float *each, int count, const calibrate_features *s, int crops)
{
    size_t dim = (size_t)s->dim;

    for (size_t i = 0; i < (size_t)count; i++) {
        for (size_t c = 0; c < (size_t)crops; c++)
            embed_add_direction(out + i * dim, each + (i * (size_t)s->crops + c) * dim, s->dim);
        for (size_t k = 0; k < dim; k++)
            out[i * dim + k] /= (float)crops;
    }
}

static rap_status make_index(calibrate_gallery *v, rap_err *err)
{
    size_t dim = (size_t)v->dim, room = (size_t)v->set->concepts + (size_t)v->more_count, count = 0;
    float *data = mem_array(room * dim + 1, sizeof *data);
    int64_t *id = mem_array(room + 1, sizeof *id);
    rap_status status = data && id ? RAP_OK : err_memory(err, "measuring retrieval");

    for (int i = 0; status == RAP_OK && i < v->set->concepts; i++)
        if (v->stored[i]) {
            memcpy(data + count * dim, v->concept + (size_t)i * dim, dim * sizeof *data);
            id[count++] = i;
        }
    for (int i = 0; status == RAP_OK && i < v->more_count; i++) {
        memcpy(data + count * dim, v->more->data + (size_t)i * dim, dim * sizeof *data);
        id[count++] = v->set->concepts + i;
    }
    if (status == RAP_OK)
        status = search_index_new(&v->index, data, id, count, v->dim, err);
    free(data);
    free(id);
    return status;
}

rap_status calibrate_gallery_open(calibrate_gallery *out, const calibrate_set *set,
                                  const calibrate_features *seen, int crops, const char *stored,
                                  const calibrate_vectors *more, int more_count, rap_err *err)
{
    size_t dim = (size_t)seen->dim;

    *out = (calibrate_gallery){ .set = set, .seen = seen, .dim = seen->dim };
    if (more && more_count > 0) {
        out->more = more;
        out->more_count = more_count < more->count ? more_count : more->count;
    }
    out->concept = mem_array((size_t)seen->concepts * dim + 1, sizeof *out->concept);
    out->region = mem_array((size_t)seen->regions * dim + 1, sizeof *out->region);
    out->stored = mem_array((size_t)seen->concepts + 1, 1);
    if (!out->concept || !out->region || !out->stored)
        return err_memory(err, "measuring retrieval");
    if (stored)
        memcpy(out->stored, stored, (size_t)seen->concepts);
    else
        memset(out->stored, 1, (size_t)seen->concepts);
    mix(out->concept, seen->concept, seen->concepts, seen, crops);
    mix(out->region, seen->region, seen->regions, seen, crops);
    return make_index(out, err);
}

void calibrate_gallery_close(calibrate_gallery *v)
{
    free(v->concept);
    free(v->region);
    free(v->stored);
    search_index_free(v->index);
    memset(v, 0, sizeof *v);
}

/* ---- one photo ---- */

typedef struct hidden { /* the concepts to leave out */
    int64_t id[MOST_OBJECTS];
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
    if (id >= 0 && h->count < MOST_OBJECTS && !is_hidden(h, id))
        h->id[h->count++] = id;
}

static const float *vector_of(const calibrate_gallery *v, int64_t id)
{
    size_t i = (size_t)id, concepts = (size_t)v->set->concepts;

    return i < concepts ? v->concept + i * (size_t)v->dim
                        : v->more->data + (i - concepts) * (size_t)v->dim;
}

/* The RANK_HITS nearest that are not hidden; out [RANK_HITS], unused entries id −1. */
static rap_status nearest(search_hit *out, const calibrate_gallery *v, const float *feature,
                          const hidden *h, rap_err *err)
{
    search_hit hit[MOST_OBJECTS + RANK_HITS + 1];
    int want = RANK_HITS + h->count, kept = 0;
    rap_status status = search_nearest(v->index, feature, 1, want, 1, hit, err);

    for (int i = 0; i < RANK_HITS; i++)
        out[i] = (search_hit){ -1, INFINITY };
    for (int i = 0; status == RAP_OK && i < want && kept < RANK_HITS && hit[i].id >= 0; i++)
        if (!is_hidden(h, hit[i].id))
            out[kept++] = hit[i];
    return status;
}

/* The distance of the concept's nearest neighbour, as in retrieve/judge.c. */
static rap_status neighbour(float *out, const calibrate_gallery *v, const judge_settings *s,
                            int64_t id, const hidden *h, rap_err *err)
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

static rap_status judge_region(float *out, const calibrate_gallery *v,
                               const calibrate_settings *settings, int region,
                               const search_hit *hit, const hidden *h, rap_err *err)
{
    const float *feature = v->region + (size_t)region * (size_t)v->dim;
    judge_settings s = settings->judge;
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < RANK_HITS; i++) {
        store_evidence known = { .views = 1 };
        float near = INFINITY;

        out[i] = INFINITY;
        if (hit[i].id < 0)
            continue;
        known.view = (float *)vector_of(v, hit[i].id);
        if (settings->folds) {
            s.scatter = calibrate_folds_between(settings->folds, region, (int)hit[i].id);
            s.axes = CALIBRATE_AXES;
        }
        status = neighbour(&near, v, &s, hit[i].id, h, err);
        out[i] = judge_score(&s, feature, &known, near, v->dim);
    }
    return status;
}

static void hide_known(hidden *h, const calibrate_photo *p)
{
    for (int i = 0; i < p->objects; i++)
        hide(h, p->object[i].concept);
}

/* Ranks the judged hits; takes their scores. */
static rap_status rank(calibrate_match *out, int *out_count, const rank_region *region, int regions,
                       const calibrate_settings *settings, rap_err *err)
{
    rank_input in = { .region = region,
                      .region_count = regions,
                      .policy = settings->policy,
                      .limit = CALIBRATE_MATCHES,
                      .threshold =
                          settings->judge.threshold >= 2 ? INFINITY : settings->judge.threshold,
                      .ambiguity = settings->ambiguity };
    rank_result result[CALIBRATE_MATCHES];
    rap_status status = rank_matches(result, out_count, &in, err);

    for (int i = 0; status == RAP_OK && i < *out_count; i++) {
        const rank_region *at = &region[result[i].region];
        int hit = 0;

        while (hit + 1 < at->hits && at->hit[hit].id != result[i].id)
            hit++;
        out[i] = (calibrate_match){ (int)result[i].id,
                                    at->score ? at->score[hit] : at->hit[hit].distance,
                                    result[i].region, result[i].ambiguous };
    }
    return status;
}

rap_status calibrate_matches(calibrate_match *out, int *out_count, const calibrate_gallery *v,
                             int photo, const calibrate_settings *settings, int left_out,
                             rap_err *err)
{
    const calibrate_features *s = v->seen;
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
        if (status == RAP_OK && settings->policy == RAP_POLICY_DEFAULT) {
            region[i].score = score + i * RANK_HITS;
            status = judge_region(score + i * RANK_HITS, v, settings, from + i, mine, &h, err);
        }
    }
    if (status == RAP_OK)
        status = rank(out, out_count, region, count, settings, err);
    free(region);
    free(hit);
    free(score);
    return status;
}

/* ---- all photos ---- */

typedef struct tally {
    int objects, first, second, found, open, marked, photos, invented;
} tally;

int calibrate_is_at(const calibrate_gallery *v, int photo, int region,
                    const calibrate_object *object)
{
    rap_box box = v->seen->box[v->seen->first[photo] + region];

    return box.w <= 0 || object->box.w <= 0 || box_iou(box, object->box) >= 0.5f;
}

static void add_object(tally *t, const calibrate_gallery *v, int photo,
                       const calibrate_object *object, const calibrate_match *m, int count,
                       int limit)
{
    int rank = 0, found = 0;

    t->objects++;
    for (int i = 0; i < count && !found; i++)
        if (calibrate_is_at(v, photo, m[i].region, object)) {
            found = m[i].id == object->concept;
            t->marked += found && m[i].ambiguous;
            rank += !found;
        }
    t->first += found && rank == 0;
    t->second += found && rank <= 1;
    for (int i = 0; i < count && i < limit; i++)
        if (m[i].id == object->concept) {
            t->found++;
            break;
        }
}

static int is_known(const calibrate_gallery *v, const calibrate_object *object)
{
    return object->concept >= 0 && v->stored[object->concept];
}

static rap_status add_known(tally *t, const calibrate_gallery *v, int photo,
                            const calibrate_settings *settings, rap_err *err)
{
    const calibrate_photo *p = &v->set->photo[photo];
    calibrate_match m[CALIBRATE_MATCHES];
    int count = 0;
    calibrate_settings open = *settings;
    rap_status status = calibrate_matches(m, &count, v, photo, settings, 0, err);

    for (int i = 0; status == RAP_OK && i < p->objects; i++)
        if (is_known(v, &p->object[i]))
            add_object(t, v, photo, &p->object[i], m, count, settings->limit);
    open.judge.threshold = 2;
    if (status == RAP_OK)
        status = calibrate_matches(m, &count, v, photo, &open, 0, err);
    for (int i = 0; status == RAP_OK && i < p->objects; i++)
        for (int k = 0; is_known(v, &p->object[i]) && k < count && k < settings->limit; k++)
            if (m[k].id == p->object[i].concept) {
                t->open++;
                break;
            }
    return status;
}

static rap_status add_photo(tally *t, const calibrate_gallery *v, int photo,
                            const calibrate_settings *settings, rap_err *err)
{
    const calibrate_photo *p = &v->set->photo[photo];
    calibrate_match m[CALIBRATE_MATCHES];
    int known = 0, count = 0;
    rap_status status = RAP_OK;

    for (int i = 0; i < p->objects; i++)
        known += is_known(v, &p->object[i]);
    if (known > 0)
        status = add_known(t, v, photo, settings, err);
    if (status == RAP_OK)
        status = calibrate_matches(m, &count, v, photo, settings, 1, err);
    t->photos++;
    t->invented += count > 0;
    return status;
}

static double share(int part, int whole)
{
    return whole > 0 ? (double)part / whole : 0;
}

rap_status calibrate_measure(calibrate_scores *out, const calibrate_gallery *v,
                             const calibrate_settings *settings, rap_err *err)
{
    tally t = { 0 };
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < v->set->photos; i++)
        status = add_photo(&t, v, i, settings, err);
    *out = (calibrate_scores){ .recall1 = share(t.first, t.objects),
                               .recall2 = share(t.second, t.objects),
                               .recall = share(t.found, t.objects),
                               .recall_open = share(t.open, t.objects),
                               .false_positives = share(t.invented, t.photos),
                               .marked = share(t.marked, t.objects),
                               .objects = t.objects,
                               .photos = t.photos };
    return status;
}
