/* retrieve.c: photo and text ──► the concepts in them, as rap_matches. */
#include "rap/retrieve.h"
#include "rap/matches.h"
#include "rap/models.h"
#include "rap/photograph.h"
#include "rap/picture.h"
#include "rap/verify.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* ---- searching and ranking ---- */

static rap_status add_results(rap *r, rap_matches *m, const rank_result *result, int count)
{
    rap_status status = RAP_OK;

    for (int i = 0; status == RAP_OK && i < count; i++) {
        rap_record *record = NULL;

        status = store_find_id(r->store, result[i].id, &record, &r->err);
        if (status == RAP_OK)
            status = matches_add(m, record, &result[i], &r->err);
        else if (status == RAP_E_NOT_FOUND) { /* meanwhile forgotten by another process */
            err_clear(&r->err);
            status = RAP_OK;
        }
        rap_record_free(record);
    }
    return status;
}

rap_status retrieve_look(rap *r, const image *photo, rap_policy policy, sighting *out)
{
    rap_status status = models_retriever(r);

    if (status == RAP_OK)
        status = retriever_look(r->retriever, photo, policy, out, &r->err);
    if (status == RAP_OK && verify_is_on(r))
        status = sighting_keep(out, photo, &r->err);
    return status;
}

rap_status retrieve_named(rap *r, const char *text, rap_policy policy, int64_t **out,
                          int *out_count)
{
    int64_t now;

    *out = NULL;
    *out_count = 0;
    if (!text || !*text)
        return RAP_OK;
    now = store_generation(r->store);
    if (!r->names || r->names_generation != now) {
        names *fresh = NULL;
        rap_status status = names_load(&fresh, r->store, &r->err);

        if (status != RAP_OK)
            return status;
        names_free(r->names);
        r->names = fresh;
        r->names_generation = now;
    }
    return names_find(r->names, text, policy, out, out_count, &r->err);
}

/* The regions as rank.h takes them; free(). */
static rank_region *rank_regions(const sighting *seen)
{
    rank_region *region = mem_array(seen ? (size_t)seen->count : 0, sizeof *region);

    for (int i = 0; region && seen && i < seen->count; i++)
        region[i] = (rank_region){ .box = seen->region[i].box,
                                   .whole = i == seen->whole,
                                   .hit = seen->hit + i * RANK_HITS,
                                   .score = seen->score ? seen->score + i * RANK_HITS : NULL,
                                   .hits = RANK_HITS };
    return region;
}

/* Where candidates may fall away, there are more to begin with. */
static int most_candidates(const rap *r, const sighting *seen, int limit)
{
    int wanted = limit ? limit : r->profile->k;

    return verify_is_on(r) && seen ? wanted + seen->count * RANK_HITS : wanted;
}

rap_status retrieve_matches(rap *r, const sighting *seen, const char *text, int limit,
                            rap_matches **out)
{
    rank_input in = { .policy = r->options.policy,
                      .threshold = r->profile->threshold,
                      .ambiguity = r->profile->ambiguity,
                      .limit = most_candidates(r, seen, limit),
                      .region_count = seen ? seen->count : 0 };
    rank_result *result = NULL;
    rank_region *region = NULL;
    int64_t *named = NULL;
    int count = 0;
    rap_status status;

    if (limit < 0 || limit > 100000)
        return err_set(&r->err, RAP_E_LIMIT, "the limit of matches must be 0 to 100000, got %d",
                       limit);
    status = retrieve_named(r, text, r->options.policy, &named, &in.named_count);
    in.named = named;
    in.region = region = rank_regions(seen);
    result = mem_array((size_t)rank_capacity(&in), sizeof *result);
    if (status == RAP_OK)
        status = region && result ? rank_matches(result, &count, &in, &r->err)
                                  : err_memory(&r->err, "ranking matches");
    if (status == RAP_OK)
        status = matches_new(out, seen, count, &r->err);
    if (status == RAP_OK)
        status = add_results(r, *out, result, count);
    if (status == RAP_OK && seen && verify_is_on(r))
        status = verify_matches(r, seen, *out, limit ? limit : r->profile->k);
    if (status != RAP_OK) {
        rap_matches_free(*out);
        *out = NULL;
    }
    free(named);
    free(region);
    free(result);
    return status;
}

rap_status retrieve_only(rap *r, const char *const *wanted, rap_matches **out)
{
    rank_result by_name = { .distance = NAN, .region = -1, .reason = RAP_REASON_NAME };
    size_t count = 0;
    rap_status status;

    while (wanted[count])
        count++;
    if (count > 1000)
        return err_set(&r->err, RAP_E_LIMIT, "at most 1000 names can be asked about, got %zu",
                       count);
    status = matches_new(out, NULL, (int)count, &r->err);
    for (size_t i = 0; status == RAP_OK && i < count; i++) {
        rap_record *record = NULL;

        status = store_find(r->store, wanted[i], &record, &r->err);
        if (status == RAP_OK)
            status = matches_add(*out, record, &by_name, &r->err);
        rap_record_free(record);
    }
    if (status != RAP_OK) {
        rap_matches_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- the call ---- */

rap_status rap_retrieve(rap_matches **out, rap *r, const rap_image *photo, const char *text,
                        int limit)
{
    picture shown = { 0 };
    sighting seen = { 0 };
    int given = image_given(photo);
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !out)
        return RAP_E_ARGUMENT;
    status = models_profile(r);
    if (status == RAP_OK && given)
        status = picture_open(&shown, photo, &r->err);
    if (status == RAP_OK && given)
        status = retrieve_look(r, &shown.pixels, r->options.policy, &seen);
    if (status == RAP_OK)
        status = retrieve_matches(r, given ? &seen : NULL, text, limit, out);
    if (status == RAP_OK && given && photograph_is_foreign(r, &shown.pixels))
        photograph_note(r);
    sighting_release(&seen);
    picture_close(&shown);
    return status;
}
