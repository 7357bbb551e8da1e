/* rank.c: candidates are (region, concept, distance), sorted by score; each policy picks its matches from them. The
 * threshold is applied here. */
#include "retrieve/rank.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    int64_t id;
    float distance, score;
    int region, order, whole;
    int64_t rival; /* the concept as good at the same region; −1: none */
    float rival_distance;
} candidate;

int rank_capacity(const rank_input *in)
{
    int names = in->policy == RAP_POLICY_PAPER ? in->named_count : 0;

    return names > in->limit ? names : in->limit;
}

/* By score; if equal, a region before the whole photo, then in the order found. */
static int compare(const void *left, const void *right)
{
    const candidate *a = left, *b = right;

    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    if (a->whole != b->whole)
        return a->whole - b->whole;
    return a->order - b->order;
}

/* The paper's candidates: every hit of every region. */
static int collect_all(candidate *out, const rank_input *in)
{
    int count = 0;

    for (int r = 0; r < in->region_count; r++) {
        const rank_region *region = &in->region[r];

        for (int i = 0; i < region->hits && i < RANK_HITS && region->hit[i].id >= 0; i++) {
            float distance = region->hit[i].distance;

            out[count] = (candidate){ .id = region->hit[i].id,
                                      .distance = distance,
                                      .score = distance,
                                      .region = r,
                                      .order = count,
                                      .whole = region->whole,
                                      .rival = -1 };
            count++;
        }
    }
    qsort(out, (size_t)count, sizeof *out, compare);
    return count;
}

static float score_of(const rank_region *region, int hit)
{
    return region->score ? region->score[hit] : region->hit[hit].distance;
}

/* A score of INFINITY (rejected by a correction) exceeds every threshold. */
static int is_known(const rank_input *in, float score)
{
    return isfinite(score) && (in->threshold >= 2 || score <= in->threshold);
}

/* The hit with the best score other than `but`; −1: none. */
static int best_hit(const rank_region *region, int but)
{
    int best = -1;

    for (int i = 0; i < region->hits && region->hit[i].id >= 0; i++)
        if (i != but && (best < 0 || score_of(region, i) < score_of(region, best)))
            best = i;
    return best;
}

/* The default policy's candidates: the best of every region within the threshold, with its rival. */
static int collect_best(candidate *out, const rank_input *in)
{
    int count = 0;

    for (int r = 0; r < in->region_count; r++) {
        const rank_region *region = &in->region[r];
        int best = best_hit(region, -1), second = best_hit(region, best);
        candidate c = { .region = r, .order = count, .whole = region->whole, .rival = -1 };

        if (best < 0 || !is_known(in, score_of(region, best)))
            continue;
        c.id = region->hit[best].id;
        c.distance = region->hit[best].distance;
        c.score = score_of(region, best);
        if (in->ambiguity > 0 && second >= 0 && is_known(in, score_of(region, second)) &&
            score_of(region, second) - c.score <= in->ambiguity) {
            c.rival = region->hit[second].id;
            c.rival_distance = region->hit[second].distance;
        }
        out[count++] = c;
    }
    qsort(out, (size_t)count, sizeof *out, compare);
    return count;
}

static rank_result *find(rank_result *out, int count, int64_t id)
{
    for (int i = 0; i < count; i++)
        if (out[i].id == id)
            return &out[i];
    return NULL;
}

static int add_names(rank_result *out, const rank_input *in, int room)
{
    int count = 0;

    for (int i = 0; i < in->named_count && count < room; i++)
        if (!find(out, count, in->named[i]))
            out[count++] = (rank_result){
                .id = in->named[i], .distance = NAN, .region = -1, .reason = RAP_REASON_NAME
            };
    return count;
}

/* Gives a concept that was named the box of its best region, if it was found there too. */
static void place_names(rank_result *out, int count, const candidate *c, int candidates)
{
    for (int i = 0; i < candidates; i++) {
        rank_result *named = find(out, count, c[i].id);

        if (named && named->region < 0) {
            named->region = c[i].region;
            named->distance = c[i].distance;
        }
    }
}

static int is_candidate(const candidate *c, int candidates, int64_t id)
{
    for (int i = 0; i < candidates; i++)
        if (c[i].id == id)
            return 1;
    return 0;
}

/* Adds the rival after its concept, unless it has a better region of its own or there is no room. */
static int add_rival(rank_result *out, int count, int limit, const candidate *c, int candidates,
                     int i)
{
    rank_result *first = find(out, count, c[i].id);

    if (count == limit || c[i].rival < 0 || find(out, count, c[i].rival) ||
        is_candidate(c, candidates, c[i].rival))
        return count;
    first->ambiguous = i + 1;
    out[count] = *first;
    out[count].id = c[i].rival;
    out[count].distance = c[i].rival_distance;
    return count + 1;
}

static int fill(rank_result *out, int count, int limit, const candidate *c, int candidates)
{
    for (int i = 0; i < candidates && count < limit; i++) {
        if (find(out, count, c[i].id))
            continue;
        out[count++] = (rank_result){ .id = c[i].id,
                                      .distance = c[i].distance,
                                      .region = c[i].region,
                                      .reason = c[i].whole ? RAP_REASON_WHOLE : RAP_REASON_REGION };
        count = add_rival(out, count, limit, c, candidates, i);
    }
    return count;
}

rap_status rank_matches(rank_result *out, int *out_count, const rank_input *in, rap_err *err)
{
    int paper = in->policy == RAP_POLICY_PAPER;
    candidate *c = mem_array((size_t)in->region_count * RANK_HITS + 1, sizeof *c);
    int candidates, count;

    *out_count = 0;
    if (!c)
        return err_memory(err, "ranking matches");
    candidates = paper ? collect_all(c, in) : collect_best(c, in);
    count = add_names(out, in, rank_capacity(in));
    if (!paper)
        place_names(out, count, c, candidates);
    *out_count = fill(out, count, in->limit, c, candidates);
    free(c);
    return RAP_OK;
}
