/* rank.c: candidates are (region, concept, distance) in order of distance; each policy then walks them. */
#include "retrieve/rank.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    int64_t id;
    float distance;
    int region, order, whole;
} candidate;

int rank_capacity(const rank_input *in)
{
    int names = in->policy == RAP_POLICY_PAPER ? in->named_count : 0;

    return names > in->limit ? names : in->limit;
}

/* By distance; of equals a region before the whole photo, then as found. */
static int compare(const void *left, const void *right)
{
    const candidate *a = left, *b = right;

    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    if (a->whole != b->whole)
        return a->whole - b->whole;
    return a->order - b->order;
}

/* The `depth` nearest of every region within `threshold`, sorted. */
static int collect(candidate *out, const rank_input *in, int depth, float threshold)
{
    int count = 0;

    for (int r = 0; r < in->region_count; r++) {
        const rank_region *region = &in->region[r];

        for (int i = 0; i < region->hits && i < depth && region->hit[i].id >= 0; i++) {
            if (!(region->hit[i].distance <= threshold))
                break;
            out[count] = (candidate){ .id = region->hit[i].id,
                                      .distance = region->hit[i].distance,
                                      .region = r,
                                      .order = count,
                                      .whole = region->whole };
            count++;
        }
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

/* A named concept that is seen as well learns where; the best region comes first. */
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

static int fill(rank_result *out, int count, int limit, const candidate *c, int candidates)
{
    for (int i = 0; i < candidates && count < limit; i++)
        if (!find(out, count, c[i].id))
            out[count++] =
                (rank_result){ .id = c[i].id,
                               .distance = c[i].distance,
                               .region = c[i].region,
                               .reason = c[i].whole ? RAP_REASON_WHOLE : RAP_REASON_REGION };
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
    candidates = collect(c, in, paper ? RANK_HITS : 1, paper ? INFINITY : in->threshold);
    count = add_names(out, in, rank_capacity(in));
    if (!paper)
        place_names(out, count, c, candidates);
    *out_count = fill(out, count, in->limit, c, candidates);
    free(c);
    return RAP_OK;
}
