/* test_rank.c: both policies on tables of hits (src/retrieve/rank.c). */
#include "retrieve/rank.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_REGIONS = 3, MAX_OUT = 6 };

typedef struct rank_case {
    const char *what;
    rap_policy policy;
    int limit;
    float threshold, ambiguity;
    int regions, whole; /* whole: index of the whole photo, −1: none */
    search_hit hit[MAX_REGIONS][RANK_HITS];
    int named_count;
    int64_t named[3];
    int count; /* expected */
    struct {
        int64_t id;
        int region;
        rap_reason reason;
        int ambiguous;
    } want[MAX_OUT];
} rank_case;

#define NONE         \
    {                \
        -1, INFINITY \
    }

static const rank_case cases[] = {
    { .what = "paper: two of each region, by distance, filled to K",
      .policy = RAP_POLICY_PAPER,
      .limit = 3,
      .threshold = 0.1f, /* must not matter */
      .regions = 2,
      .whole = -1,
      .hit = { { { 1, 0.5f }, { 2, 0.9f } }, { { 3, 0.4f }, { 1, 0.6f } } },
      .count = 3,
      .want = { { 3, 1, RAP_REASON_REGION, 0 },
                { 1, 0, RAP_REASON_REGION, 0 },
                { 2, 0, RAP_REASON_REGION, 0 } } },
    { .what = "paper: K cuts",
      .policy = RAP_POLICY_PAPER,
      .limit = 1,
      .regions = 2,
      .whole = -1,
      .hit = { { { 1, 0.5f }, { 2, 0.9f } }, { { 3, 0.4f }, { 1, 0.6f } } },
      .count = 1,
      .want = { { 3, 1, RAP_REASON_REGION, 0 } } },
    { .what = "paper: names first, more of them than K stay, and leave no room",
      .policy = RAP_POLICY_PAPER,
      .limit = 2,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.5f }, { 2, 0.9f } } },
      .named_count = 3,
      .named = { 7, 8, 9 },
      .count = 3,
      .want = { { 7, -1, RAP_REASON_NAME, 0 },
                { 8, -1, RAP_REASON_NAME, 0 },
                { 9, -1, RAP_REASON_NAME, 0 } } },
    { .what = "paper: a named concept keeps its place and is not repeated",
      .policy = RAP_POLICY_PAPER,
      .limit = 2,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.5f }, { 2, 0.9f } } },
      .named_count = 1,
      .named = { 1 },
      .count = 2,
      .want = { { 1, -1, RAP_REASON_NAME, 0 }, { 2, 0, RAP_REASON_REGION, 0 } } },
    { .what = "paper: no region, no name: nothing",
      .policy = RAP_POLICY_PAPER,
      .limit = 2,
      .whole = -1 },
    { .what = "paper: one region, two far strangers are still taken",
      .policy = RAP_POLICY_PAPER,
      .limit = 2,
      .regions = 1,
      .whole = 0,
      .hit = { { { 1, 1.9f }, { 2, 1.95f } } },
      .count = 2,
      .want = { { 1, 0, RAP_REASON_WHOLE, 0 }, { 2, 0, RAP_REASON_WHOLE, 0 } } },
    { .what = "default: one identity a region, the nearest",
      .limit = 3,
      .threshold = 1,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.5f }, { 2, 0.51f } } },
      .count = 1,
      .want = { { 1, 0, RAP_REASON_REGION, 0 } } },
    { .what = "default: one place for an identity, its best region",
      .limit = 3,
      .threshold = 1,
      .regions = 3,
      .whole = 2,
      .hit = { { { 1, 0.5f }, { 2, 0.9f } },
               { { 1, 0.3f }, { 2, 0.9f } },
               { { 1, 0.4f }, { 3, 0.6f } } },
      .count = 1,
      .want = { { 1, 1, RAP_REASON_REGION, 0 } } },
    { .what = "default: twins, each seen in its own region",
      .limit = 3,
      .threshold = 1,
      .regions = 2,
      .whole = -1,
      .hit = { { { 1, 0.30f }, { 2, 0.31f } }, { { 2, 0.29f }, { 1, 0.32f } } },
      .count = 2,
      .want = { { 2, 1, RAP_REASON_REGION, 0 }, { 1, 0, RAP_REASON_REGION, 0 } } },
    { .what = "default: at the threshold is known",
      .limit = 3,
      .threshold = 0.5f,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.5f }, NONE } },
      .count = 1,
      .want = { { 1, 0, RAP_REASON_REGION, 0 } } },
    { .what = "default: just beyond it is not",
      .limit = 3,
      .threshold = 0.5f,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.50001f }, NONE } } },
    { .what = "default: a tie goes to the region, not to the whole photo",
      .limit = 3,
      .threshold = 1,
      .regions = 2,
      .whole = 0,
      .hit = { { { 1, 0.5f }, NONE }, { { 1, 0.5f }, NONE } },
      .count = 1,
      .want = { { 1, 1, RAP_REASON_REGION, 0 } } },
    { .what = "default: the whole photo says so",
      .limit = 3,
      .threshold = 1,
      .regions = 1,
      .whole = 0,
      .hit = { { { 4, 0.2f }, NONE } },
      .count = 1,
      .want = { { 4, 0, RAP_REASON_WHOLE, 0 } } },
    { .what = "default: a named concept that is seen learns its region, and comes first",
      .limit = 3,
      .threshold = 1,
      .regions = 2,
      .whole = -1,
      .hit = { { { 1, 0.2f }, NONE }, { { 2, 0.6f }, NONE } },
      .named_count = 1,
      .named = { 2 },
      .count = 2,
      .want = { { 2, 1, RAP_REASON_NAME, 0 }, { 1, 0, RAP_REASON_REGION, 0 } } },
    { .what = "default: names count towards K; the same name twice is once",
      .limit = 2,
      .threshold = 1,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.2f }, NONE } },
      .named_count = 3,
      .named = { 5, 5, 6 },
      .count = 2,
      .want = { { 5, -1, RAP_REASON_NAME, 0 }, { 6, -1, RAP_REASON_NAME, 0 } } },
    { .what = "default: look-alikes are both given, marked",
      .limit = 3,
      .threshold = 1,
      .ambiguity = 0.05f,
      .regions = 2,
      .whole = -1,
      .hit = { { { 1, 0.50f }, { 2, 0.53f } }, { { 3, 0.4f }, { 1, 0.9f } } },
      .count = 3,
      .want = { { 3, 1, RAP_REASON_REGION, 0 },
                { 1, 0, RAP_REASON_REGION, 2 },
                { 2, 0, RAP_REASON_REGION, 2 } } },
    { .what = "default: a look-alike with a place of its own is no rival",
      .limit = 3,
      .threshold = 1,
      .ambiguity = 0.05f,
      .regions = 2,
      .whole = -1,
      .hit = { { { 1, 0.30f }, { 2, 0.31f } }, { { 2, 0.20f }, { 3, 0.9f } } },
      .count = 2,
      .want = { { 2, 1, RAP_REASON_REGION, 0 }, { 1, 0, RAP_REASON_REGION, 0 } } },
    { .what = "default: a rival beyond the threshold is none",
      .limit = 3,
      .threshold = 0.5f,
      .ambiguity = 0.05f,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.49f }, { 2, 0.51f } } },
      .count = 1,
      .want = { { 1, 0, RAP_REASON_REGION, 0 } } },
    { .what = "paper: nothing is ever ambiguous",
      .policy = RAP_POLICY_PAPER,
      .limit = 2,
      .ambiguity = 0.5f,
      .regions = 1,
      .whole = -1,
      .hit = { { { 1, 0.49f }, { 2, 0.51f } } },
      .count = 2,
      .want = { { 1, 0, RAP_REASON_REGION, 0 }, { 2, 0, RAP_REASON_REGION, 0 } } },
    { .what = "default: an empty store gives hits of nobody",
      .limit = 3,
      .threshold = 2,
      .regions = 1,
      .whole = 0,
      .hit = { { NONE, NONE } } },
};

static void check(const rank_case *c)
{
    rank_region region[MAX_REGIONS] = { 0 };
    rank_result out[MAX_OUT];
    int count = -1;
    rank_input in = { .named = c->named,
                      .named_count = c->named_count,
                      .region = region,
                      .region_count = c->regions,
                      .policy = c->policy,
                      .limit = c->limit,
                      .threshold = c->threshold,
                      .ambiguity = c->ambiguity };

    for (int i = 0; i < c->regions; i++)
        region[i] = (rank_region){ .whole = i == c->whole, .hit = c->hit[i], .hits = RANK_HITS };
    print_message("%s\n", c->what);
    assert_true(rank_capacity(&in) <= MAX_OUT);
    assert_int_equal(rank_matches(out, &count, &in, NULL), RAP_OK);
    assert_int_equal(count, c->count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(out[i].id, c->want[i].id);
        assert_int_equal(out[i].region, c->want[i].region);
        assert_int_equal(out[i].reason, c->want[i].reason);
        assert_int_equal(out[i].ambiguous, c->want[i].ambiguous);
        assert_int_equal(isnan(out[i].distance) != 0, out[i].region < 0);
    }
}

/* What the threshold and the order go by is the score where there is one. */
static void scores_overrule_distances(void **state)
{
    const search_hit hit[RANK_HITS] = { { 1, 0.5f }, { 2, 0.6f } };
    const float vetoed[RANK_HITS] = { INFINITY, 0.7f }, both[RANK_HITS] = { INFINITY, 1.1f };
    rank_region region = { .hit = hit, .score = vetoed, .hits = RANK_HITS };
    rank_input in = { .region = &region, .region_count = 1, .limit = 3, .threshold = 1 };
    rank_result out[MAX_OUT];
    int count = -1;

    assert_int_equal(rank_matches(out, &count, &in, NULL), RAP_OK);
    assert_int_equal(count, 1);
    assert_int_equal(out[0].id, 2);
    assert_true(out[0].distance == 0.6f);
    region.score = both;
    assert_int_equal(rank_matches(out, &count, &in, NULL), RAP_OK);
    assert_int_equal(count, 0);
    in.policy = RAP_POLICY_PAPER;
    assert_int_equal(rank_matches(out, &count, &in, NULL), RAP_OK);
    assert_int_equal(count, 2);
    assert_int_equal(out[0].id, 1);
}

/* Crowding may make a score larger than any distance; what a correction refuses stays out all the same. */
static void without_a_threshold_only_a_refusal_rejects(void **state)
{
    static const search_hit hit[RANK_HITS] = { { 1, 1.9f }, { 2, 1.95f } };
    static const float crowded[RANK_HITS] = { INFINITY, 2.04f };
    rank_region region = { .hit = hit, .hits = RANK_HITS, .score = crowded };
    rank_input in = { .region = &region, .region_count = 1, .limit = 3, .ambiguity = 1 };
    rank_result out[MAX_OUT];
    int count = -1;

    for (int i = 0; i < 2; i++) {
        in.threshold = i ? INFINITY : 2;
        assert_int_equal(rank_matches(out, &count, &in, NULL), RAP_OK);
        assert_int_equal(count, 1);
        assert_int_equal(out[0].id, 2);
    }
}

static void every_case(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case), cmocka_unit_test(scores_overrule_distances),
        cmocka_unit_test(without_a_threshold_only_a_refusal_rejects)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
