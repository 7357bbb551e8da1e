/* test_judge.c: scores and a concept's own threshold (src/retrieve/judge.c). */
#include "retrieve/judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DIM = 3 };

/* A unit vector at this angle (radians) in the first two coordinates: distances are 2·sin(angle/2). */
static void at(float *out, double angle)
{
    out[0] = (float)cos(angle);
    out[1] = (float)sin(angle);
    out[2] = 0;
}

static float apart(double angle)
{
    return (float)(2 * sin(angle / 2));
}

static void near_to(float got, float want)
{
    assert_true(fabsf(got - want) < 1e-5f);
}

static void without_settings_it_is_the_distance(void **state)
{
    judge_settings s = { .threshold = 0.8f };
    float view[DIM], seen[DIM], longer[DIM] = { 5, 0, 0 };
    store_evidence known = { .views = 1, .view = view };

    at(view, 0);
    at(seen, 0.5);
    near_to(judge_score(&s, seen, &known, INFINITY, DIM), apart(0.5));
    near_to(judge_distance(&s, longer, seen, DIM), apart(0.5));
}

static void a_center_is_taken_away(void **state)
{
    const float center[DIM] = { 0.9f, 0, 0 };
    judge_settings s = { .center = center, .threshold = 0.8f };
    const float a[DIM] = { 0.95f, 0.3f, 0 }, b[DIM] = { 0.95f, -0.3f, 0 };
    judge_settings plain = { .threshold = 0.8f };

    assert_true(judge_distance(&s, a, b, DIM) > 1.5f * judge_distance(&plain, a, b, DIM));
}

static void what_lies_along_the_scatter_counts_less(void **state)
{
    const float whole[2 * DIM] = { 0, 1, 0, 0, 0, 0 }, half[DIM] = { 0, 0.5f, 0 };
    judge_settings s = { .scatter = whole, .axes = 2, .threshold = 0.8f };
    const float a[DIM] = { 0.8f, 0.6f, 0 }, b[DIM] = { 0.8f, -0.6f, 0 }, c[DIM] = { 0.8f, 0, 0.6f };
    judge_settings plain = { .threshold = 0.8f };

    near_to(judge_distance(&s, a, b, DIM), 0);
    assert_true(judge_distance(&s, a, c, DIM) > 0.6f);
    s.scatter = half;
    s.axes = 1;
    assert_true(judge_distance(&s, a, b, DIM) < judge_distance(&plain, a, b, DIM) - 0.01f);
    near_to(judge_distance(&s, a, a, DIM), 0);
    s.scatter = whole;
    near_to(judge_distance(&s, whole, b, DIM), 2); /* nothing is left of it */
}

static void a_crowd_asks_for_more(void **state)
{
    judge_settings s = { .crowding = 1, .threshold = 0 };
    float view[DIM], seen[DIM];
    store_evidence known = { .views = 1, .view = view };

    at(view, 0);
    at(seen, 0.5);
    assert_true(judge_score(&s, seen, &known, 0.3f, DIM) >
                judge_score(&s, seen, &known, 1.2f, DIM));
}

static void what_is_nearer_to_a_refusal_is_out(void **state)
{
    judge_settings s = { .threshold = 2 };
    float view[DIM], refusal[DIM], seen[DIM];
    store_evidence known = { .views = 1, .refusals = 1, .view = view, .refusal = refusal };

    at(view, 0);
    at(refusal, 1);
    at(seen, 0.6);
    assert_true(isinf(judge_score(&s, seen, &known, INFINITY, DIM)));
    at(seen, 0.4);
    near_to(judge_score(&s, seen, &known, INFINITY, DIM), apart(0.4));
}

static void a_close_refusal_lowers_the_threshold_within_bounds(void **state)
{
    judge_settings s = { .threshold = 0.8f };
    float view[DIM], refusal[DIM];
    store_evidence known = { .views = 1, .refusals = 1, .view = view, .refusal = refusal };

    at(view, 0);
    at(refusal, 0.75);
    near_to(judge_shift(&s, &known, INFINITY, DIM), 0.8f - (apart(0.75) - 0.01f));
    at(refusal, 0.1);
    near_to(judge_shift(&s, &known, INFINITY, DIM), JUDGE_STRICTER);
    at(refusal, 3);
    near_to(judge_shift(&s, &known, INFINITY, DIM), 0);
}

static void views_far_apart_raise_it_within_bounds(void **state)
{
    judge_settings s = { .threshold = 0.8f };
    float view[2 * DIM];
    store_evidence known = { .views = 2, .view = view };

    at(view, 0);
    at(view + DIM, 0.5);
    near_to(judge_shift(&s, &known, INFINITY, DIM), 0);
    at(view + DIM, 0.88);
    near_to(judge_shift(&s, &known, INFINITY, DIM), 0.8f - apart(0.88));
    at(view + DIM, 2);
    near_to(judge_shift(&s, &known, INFINITY, DIM), -JUDGE_LOOSER);
    s.threshold = 2; /* nothing is rejected: nothing to move */
    near_to(judge_shift(&s, &known, INFINITY, DIM), 0);
}

static void a_threshold_of_ones_own_decides_but_does_not_order(void **state)
{
    judge_settings s = { .threshold = 0.8f };
    float view[2 * DIM], refusal[DIM], seen[DIM];
    store_evidence two = { .views = 2, .view = view };
    store_evidence refused = { .views = 1, .refusals = 1, .view = view, .refusal = refusal };

    at(view, 0);
    at(view + DIM, -1);
    at(seen, 0.4);
    near_to(judge_score(&s, seen, &two, INFINITY, DIM), apart(0.4));
    at(seen, 0.88); /* beyond 0.8, within what the views allow */
    near_to(judge_score(&s, seen, &two, INFINITY, DIM), 0.8f);
    at(refusal, -0.72);
    at(seen, 0.75); /* within 0.8, as far as what was refused */
    assert_true(isinf(judge_score(&s, seen, &refused, INFINITY, DIM)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_settings_it_is_the_distance),
        cmocka_unit_test(a_center_is_taken_away),
        cmocka_unit_test(what_lies_along_the_scatter_counts_less),
        cmocka_unit_test(a_crowd_asks_for_more),
        cmocka_unit_test(what_is_nearer_to_a_refusal_is_out),
        cmocka_unit_test(a_close_refusal_lowers_the_threshold_within_bounds),
        cmocka_unit_test(views_far_apart_raise_it_within_bounds),
        cmocka_unit_test(a_threshold_of_ones_own_decides_but_does_not_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
