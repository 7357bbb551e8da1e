/* test_measure.c: one photo and many, both policies, larger stores (src/eval/calibrate/measure.c, growth.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"

static const calibrate_settings standard = { .judge = { .threshold = 0.8f }, .limit = 3 };
static const calibrate_settings paper = { .policy = RAP_POLICY_PAPER, .limit = 3 };

static void a_photo_finds_its_thing_unless_it_is_left_out(void **state)
{
    made m;
    calibrate_gallery v;
    calibrate_match found[CALIBRATE_MATCHES];
    int count = 0;

    made_open(&m, 0, 12, 0, 0.2f);
    assert_int_equal(calibrate_gallery_open(&v, &m.set, &m.seen, 1, NULL, NULL, 0, NULL), RAP_OK);
    assert_int_equal(calibrate_matches(found, &count, &v, 8, &standard, 0, NULL), RAP_OK);
    assert_int_equal(count, 1);
    assert_int_equal(found[0].id, 2);
    assert_true(found[0].score < 0.5f);
    assert_int_equal(calibrate_matches(found, &count, &v, 8, &standard, 1, NULL), RAP_OK);
    assert_int_equal(count, 0);
    assert_int_equal(calibrate_matches(found, &count, &v, 8, &paper, 1, NULL), RAP_OK);
    assert_int_equal(count, 2); /* never silent */
    assert_int_not_equal(found[0].id, 2);
    calibrate_gallery_close(&v);
    made_close(&m);
}

static void numbers_of_both_policies(void **state)
{
    made m;
    calibrate_gallery v;
    calibrate_scores s;

    made_open(&m, 0, 12, 0, 0.2f);
    assert_int_equal(calibrate_gallery_open(&v, &m.set, &m.seen, 1, NULL, NULL, 0, NULL), RAP_OK);
    assert_int_equal(calibrate_measure(&s, &v, &standard, NULL), RAP_OK);
    assert_true(s.recall1 == 1 && s.recall == 1 && s.recall_open == 1 && s.false_positives == 0);
    assert_int_equal(s.objects, 48);
    assert_int_equal(s.photos, 48);
    assert_int_equal(calibrate_measure(&s, &v, &paper, NULL), RAP_OK);
    assert_true(s.recall1 == 1 && s.recall2 == 1 && s.false_positives == 1);
    calibrate_gallery_close(&v);
    made_close(&m);
}

static void a_twin_is_marked(void **state)
{
    made m;
    calibrate_gallery v;
    calibrate_scores s;
    calibrate_settings settings = standard;

    made_open(&m, 0, 12, 0, 0.2f);
    memcpy(m.seen.concept + 3 * MADE_DIM, m.seen.concept + 2 * MADE_DIM, MADE_DIM * sizeof(float));
    settings.ambiguity = 0.03f;
    assert_int_equal(calibrate_gallery_open(&v, &m.set, &m.seen, 1, NULL, NULL, 0, NULL), RAP_OK);
    assert_int_equal(calibrate_measure(&s, &v, &settings, NULL), RAP_OK);
    assert_true(s.marked > 0.08 && s.marked < 0.17); /* of 12 concepts two, at most */
    calibrate_gallery_close(&v);
    made_close(&m);
}

static void a_store_grows_by_distractors(void **state)
{
    made m, more;
    calibrate_fit settings = { .crops = 1, .threshold = 0.8f };
    calibrate_vectors far = { .count = 100, .dim = MADE_DIM };
    calibrate_report report;
    rap_err err = { 0 };

    made_open(&m, 0, 20, 0, 0.2f);
    made_open(&more, 500, 100, 0, 0.2f);
    far.data = more.seen.concept;
    assert_int_equal(calibrate_grow(&report, &m.set, &m.seen, &settings, 3, &far, 1, NULL), RAP_OK);
    assert_int_equal(report.concepts, 20);
    assert_int_equal(report.steps, 2); /* for a thousand there are too few */
    assert_int_equal(report.step[0].concepts, 10);
    assert_int_equal(report.step[0].standard.objects, 40);
    assert_int_equal(report.step[0].standard.photos, 80);
    assert_int_equal(report.step[1].concepts, 100);
    assert_int_equal(report.step[1].standard.objects, 80);
    assert_true(report.step[1].standard.recall > 0.9);
    assert_true(report.step[1].paper.false_positives == 1);
    far.dim = MADE_DIM + 1;
    assert_int_equal(calibrate_grow(&report, &m.set, &m.seen, &settings, 3, &far, 1, &err),
                     RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "25"));
    settings.center = m.seen.concept;
    settings.dim = 7;
    assert_int_equal(calibrate_grow(&report, &m.set, &m.seen, &settings, 3, NULL, 0, &err),
                     RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "7 numbers"));
    made_close(&more);
    made_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_photo_finds_its_thing_unless_it_is_left_out),
        cmocka_unit_test(numbers_of_both_policies),
        cmocka_unit_test(a_twin_is_marked),
        cmocka_unit_test(a_store_grows_by_distractors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
