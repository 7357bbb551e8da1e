/* test_fit.c: the threshold and the settings that are found hold for other concepts (src/eval/calibrate/fit.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"

static void a_threshold_holds_for_things_it_never_saw(void **state)
{
    made learnt, other;
    calibrate_fit fit = { 0 };

    made_open(&learnt, 0, 30, 0, 0.45f);
    made_open(&other, 1000, 30, 0, 0.45f);
    assert_int_equal(calibrate_fit_find(&fit, &learnt.set, &learnt.seen, 3, 1, NULL, NULL), RAP_OK);
    assert_true(fit.recall > 0.9 && fit.false_positives < 0.1);
    assert_int_equal(fit.objects, 120);
    assert_int_equal(fit.photos, 120);
    assert_int_equal(calibrate_fit_check(&fit, &other.set, &other.seen, 3, NULL), RAP_OK);
    assert_true(fit.recall > 0.85);
    assert_true(fit.false_positives < 0.15);
    calibrate_fit_release(&fit);
    made_close(&learnt);
    made_close(&other);
}

/* Only threshold and center are made anew where the settings shall stay. */
static void a_shared_direction_is_taken_away(void **state)
{
    made m;
    float any[MADE_DIM] = { 0 };
    calibrate_fit with = { .crops = 1, .center = any, .dim = MADE_DIM }, without = { .crops = 1 };
    calibrate_fit fit = { 0 }, plain = { 0 };
    double length = 0;

    made_open(&m, 50, 30, 3, 0.45f);
    assert_int_equal(calibrate_fit_find(&fit, &m.set, &m.seen, 3, 1, &with, NULL), RAP_OK);
    assert_non_null(fit.center);
    for (int i = 0; i < fit.dim; i++)
        length += (double)fit.center[i] * fit.center[i];
    assert_true(fit.center[0] > 0.5f && length <= 1);
    assert_int_equal(calibrate_fit_find(&plain, &m.set, &m.seen, 3, 1, &without, NULL), RAP_OK);
    assert_null(plain.center);
    assert_true(plain.crowding == 0 && plain.crops == 1);
    assert_true(plain.threshold < fit.threshold); /* without the shared direction all is farther */
    calibrate_fit_release(&fit);
    calibrate_fit_release(&plain);
    made_close(&m);
}

/* Every picture is of another brightness, say: far apart along one axis, whatever it shows. concept: −1 for all. */
static void make_differ(made *m, int axis, int concept)
{
    uint32_t seed = 5;

    for (int i = 0; i < m->seen.regions; i++) {
        float *x = m->seen.region + i * MADE_DIM;

        if (concept < 0 || m->set.photo[i].object->concept == concept)
            x[axis] += 1.5f * made_noise(&seed);
        made_unit(x);
    }
}

static int longest(const float *row)
{
    int most = 0;

    for (int i = 0; i < MADE_DIM; i++)
        if (fabsf(row[i]) > fabsf(row[most]))
            most = i;
    return most;
}

static void where_pictures_of_one_thing_differ_counts_less(void **state)
{
    float any[1] = { 0 };
    calibrate_fit plain = { .crops = 1 },
                  keep = { .crops = 1, .scatter = any, .axes = 1, .dim = 1 };
    calibrate_fit without = { 0 }, with = { 0 };
    made learnt, other;

    made_open(&learnt, 0, 30, 0, 0.3f);
    made_open(&other, 1000, 30, 0, 0.3f);
    make_differ(&learnt, 3, -1);
    make_differ(&other, 3, -1);
    assert_int_equal(calibrate_fit_find(&without, &learnt.set, &learnt.seen, 3, 1, &plain, NULL),
                     RAP_OK);
    assert_int_equal(calibrate_fit_find(&with, &learnt.set, &learnt.seen, 3, 1, &keep, NULL),
                     RAP_OK);
    assert_null(without.scatter);
    assert_int_equal(with.axes, CALIBRATE_AXES);
    assert_int_equal(longest(with.scatter), 3);
    assert_true(fabsf(with.scatter[3]) > 0.7f && fabsf(with.scatter[3]) < 1);
    assert_int_equal(calibrate_fit_check(&without, &other.set, &other.seen, 3, NULL), RAP_OK);
    assert_int_equal(calibrate_fit_check(&with, &other.set, &other.seen, 3, NULL), RAP_OK);
    assert_true(with.recall - with.false_positives >
                without.recall - without.false_positives + 0.02);
    calibrate_fit_release(&without);
    calibrate_fit_release(&with);
    made_close(&learnt);
    made_close(&other);
}

/* Concept 7, in the third of five folds, differs in a settings of its own. */
static void a_pair_is_judged_by_the_spread_of_others(void **state)
{
    made m;
    calibrate_gallery v;
    calibrate_folds *folds = NULL;

    made_open(&m, 0, 20, 0, 0.02f);
    make_differ(&m, 3, 7);
    assert_int_equal(calibrate_gallery_open(&v, &m.set, &m.seen, 1, NULL, NULL, 0, NULL), RAP_OK);
    assert_int_equal(calibrate_folds_open(&folds, &v, NULL), RAP_OK);
    assert_int_equal(longest(calibrate_folds_between(folds, 0, 1)), 3);
    assert_true(fabsf(calibrate_folds_between(folds, 0, 1)[3]) > 0.7f);
    for (int i = 0; i < m.seen.regions; i++)
        for (int t = 2; t < 20;
             t += CALIBRATE_FOLDS) { /* what is seen, or compared with, is of its fold */
            assert_true(fabsf(calibrate_folds_between(folds, i, t)[3]) < 0.7f);
            assert_true(fabsf(calibrate_folds_between(folds, t * MADE_PHOTOS, i / MADE_PHOTOS)[3]) <
                        0.7f);
        }
    calibrate_folds_close(folds);
    calibrate_gallery_close(&v);
    made_close(&m);
}

static void without_a_threshold_everything_is_given(void **state)
{
    made m;
    calibrate_fit open = { .crops = 1, .threshold = 2 };

    made_open(&m, 0, 10, 0, 0.3f);
    assert_int_equal(calibrate_fit_check(&open, &m.set, &m.seen, 3, NULL), RAP_OK);
    assert_true(open.recall == 1 && open.false_positives == 1);
    made_close(&m);
}

/* Settings that make the wrong one win are not better for it: what plain features find stays what is asked for. */
static void what_settings_misname_is_missed(void **state)
{
    made m;
    float away[MADE_DIM];
    calibrate_fit plain = { .crops = 1, .threshold = 2 }, bad = plain;

    made_open(&m, 0, 10, 0, 0.3f);
    for (int i = 0; i < MADE_DIM; i++) /* nothing is left of the first concept but chance */
    away[i] = m.seen.concept[i] * 0.999f;
    bad.center = away;
    bad.dim = MADE_DIM;
    assert_int_equal(calibrate_fit_check(&plain, &m.set, &m.seen, 3, NULL), RAP_OK);
    assert_int_equal(plain.objects, 40);
    assert_int_equal(plain.open, 40);
    assert_int_equal(calibrate_fit_check(&bad, &m.set, &m.seen, 3, NULL), RAP_OK);
    assert_int_equal(bad.open, 40);
    assert_true(bad.recall < 1);
    made_close(&m);
}

/* One photo shows another concept than it says: the first is wrong, and the second is not right either. */
static void a_misnamed_place_counts_whoever_is_second(void **state)
{
    made m;
    calibrate_fit fit = { 0 }, plain = { .crops = 1, .ambiguity = 0.03f };

    made_open(&m, 0, 10, 0, 0.2f);
    memcpy(m.seen.region, m.seen.concept + 5 * MADE_DIM, MADE_DIM * sizeof(float));
    assert_int_equal(calibrate_fit_find(&fit, &m.set, &m.seen, 3, 1, &plain, NULL), RAP_OK);
    assert_int_equal(fit.open, 39);
    assert_float_equal(fit.misnamed, 1.0 / 40, 1e-6);
    assert_true(fit.caught == 0);
    calibrate_fit_release(&fit);
    made_close(&m);
}

/* No threshold helps where what is known looks like everything else: any answer but one from nowhere. */
static void things_that_all_look_alike_have_a_threshold(void **state)
{
    made m;
    calibrate_fit fit = { 0 }, plain = { .crops = 1 };

    made_open(&m, 0, 2, 0, 0.3f);
    memcpy(m.seen.concept + MADE_DIM, m.seen.concept, MADE_DIM * sizeof(float));
    for (int i = 1; i < m.seen.regions; i++)
        memcpy(m.seen.region + i * MADE_DIM, m.seen.region, MADE_DIM * sizeof(float));
    assert_int_equal(calibrate_fit_find(&fit, &m.set, &m.seen, 3, 1, &plain, NULL), RAP_OK);
    assert_true(fit.threshold > 0 && fit.threshold < 2);
    assert_true(fit.recall == 1 && fit.false_positives == 1);
    calibrate_fit_release(&fit);
    made_close(&m);
}

static void settings_of_more_cuts_than_were_taken_are_refused(void **state)
{
    made m;
    calibrate_fit fit = { 0 }, keep = { .crops = 3 };
    rap_err err = { 0 };

    made_open(&m, 0, 4, 0, 0.3f);
    assert_int_equal(calibrate_fit_find(&fit, &m.set, &m.seen, 3, 3, &keep, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "crops"));
    made_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_threshold_holds_for_things_it_never_saw),
        cmocka_unit_test(a_shared_direction_is_taken_away),
        cmocka_unit_test(where_pictures_of_one_thing_differ_counts_less),
        cmocka_unit_test(a_pair_is_judged_by_the_spread_of_others),
        cmocka_unit_test(without_a_threshold_everything_is_given),
        cmocka_unit_test(what_settings_misname_is_missed),
        cmocka_unit_test(a_misnamed_place_counts_whoever_is_second),
        cmocka_unit_test(things_that_all_look_alike_have_a_threshold),
        cmocka_unit_test(settings_of_more_cuts_than_were_taken_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
