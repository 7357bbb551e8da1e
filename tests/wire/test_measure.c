/* test_measure.c: measurements as JSON, also of nothing, where a share is no number (src/wire/measure.c). */
#include "wire/measure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const json_t *at(const json_t *object, const char *one, const char *two)
{
    return json_object_get(json_object_get(object, one), two);
}

static void an_evaluation(void **state)
{
    eval_report report = {
        .memory = { .caption_f1 = 0.5, .caption_f1_of = { [3] = NAN, [4] = 0.75 }, .vqa = NAN },
        .counts = { .captions = 3 }
    };
    json_t *out = wire_eval(&report);

    assert_non_null(out);
    assert_true(json_real_value(at(out, "caption", "f1")) == 0.5);
    assert_true(json_real_value(json_object_get(at(out, "caption", "f1_of"), "4")) == 0.75);
    assert_true(json_is_null(json_object_get(at(out, "caption", "f1_of"), "3")));
    assert_true(json_is_null(at(out, "vqa", "accuracy")));
    assert_int_equal(json_integer_value(at(out, "items", "caption")), 3);
    assert_true(json_is_object(at(out, "baseline", "detection")));
    assert_null(json_object_get(out, "open_set")); /* it was not asked for */
    json_decref(out);
    report.open_set.standard.photos = 2;
    out = wire_eval(&report);
    assert_true(json_is_array(at(out, "open_set", "growth")));
    json_decref(out);
}

static void a_calibration(void **state)
{
    calibrate_set set = { .concepts = 14 };
    calibrate_fit before = { .crops = 1, .recall = NAN }, after = { .crops = 3, .inner = 0.08f };
    json_t *out = wire_calibration(&set, &before, &after, NULL, NULL);

    assert_non_null(out);
    assert_int_equal(json_integer_value(json_object_get(out, "concepts")), 14);
    assert_true(json_is_null(at(out, "before", "recall")));
    assert_true(json_real_value(at(out, "before", "inner_crop")) == 0);
    assert_int_equal(json_integer_value(at(out, "after", "inner_crop_count")), 2);
    assert_true(json_is_null(json_object_get(out, "written")));
    json_decref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluation),
        cmocka_unit_test(a_calibration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
