/* What counts as a correct answer. */
#include "eval/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_are_whole_words_in_any_case(void **state)
{
    json_t *all = json_pack("[s, s, s, s]", "bo", "mia", "my-mug", "rex");
    json_t *truth = json_pack("[s, s]", "bo", "my-mug");
    metrics_counts c = { 0, 0, 0 };

    metrics_add_names(&c, "<Bo> and <rex> are on the board.", all, truth);
    assert_int_equal(c.hit, 1);
    assert_int_equal(c.extra, 1);
    assert_int_equal(c.missed, 1);
    metrics_add_names(&c, "A boat.", all, truth);
    assert_int_equal(c.hit, 1);
    assert_int_equal(c.extra, 1);
    assert_int_equal(c.missed, 3);
    assert_float_equal(metrics_precision(c), 0.5, 1e-9);
    assert_float_equal(metrics_recall(c), 0.25, 1e-9);
    assert_float_equal(metrics_f1(c), 1.0 / 3.0, 1e-9);
    json_decref(all);
    json_decref(truth);
}

static void names_are_compared_folded_and_only_text_counts(void **state)
{
    json_t *all = json_pack("[s, s, i]", "Jos\u00E9", "<bo>", 5);
    json_t *truth = json_pack("[s, i, s]", "Jose\u0301", 1, "Bo");
    metrics_counts c = { 0, 0, 0 };

    metrics_add_names(&c, "<bo>, JOSE\u0301 and 5", all, truth);
    assert_int_equal(c.hit, 2);
    assert_int_equal(c.extra, 0);
    assert_int_equal(c.missed, 0);
    json_decref(all);
    json_decref(truth);
}

static void empty_counts_are_zero_not_nan(void **state)
{
    metrics_counts c = { 0, 0, 0 };

    assert_float_equal(metrics_precision(c), 0, 0);
    assert_float_equal(metrics_recall(c), 0, 0);
    assert_float_equal(metrics_f1(c), 0, 0);
}

static void the_first_yes_or_no_counts(void **state)
{
    assert_int_equal(metrics_yes_no("Yes."), 1);
    assert_int_equal(metrics_yes_no("no, it is not"), 0);
    assert_int_equal(metrics_yes_no("No. Yes would be wrong."), 0);
    assert_int_equal(metrics_yes_no("Nobody knows"), -1);
    assert_int_equal(metrics_yes_no(""), -1);
}

static void open_answers_must_equal(void **state)
{
    assert_true(metrics_answer(" The Red hat. ", "a red hat", NULL));
    assert_true(metrics_answer("cheese", "cheese", NULL));
    assert_false(metrics_answer("cheese and bread", "cheese", NULL));
    assert_false(metrics_answer("", "cheese", NULL));
    assert_false(metrics_answer("anything", "", NULL));
}

static void an_option_may_be_named_in_a_sentence(void **state)
{
    json_t *options = json_pack("[s, s, s]", "red", "blue", "dark blue");

    assert_true(metrics_answer("It is red.", "red", options));
    assert_false(metrics_answer("It is red or blue.", "red", options));
    assert_false(metrics_answer("It is green.", "red", options));
    json_decref(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_whole_words_in_any_case),
        cmocka_unit_test(names_are_compared_folded_and_only_text_counts),
        cmocka_unit_test(empty_counts_are_zero_not_nan),
        cmocka_unit_test(the_first_yes_or_no_counts),
        cmocka_unit_test(open_answers_must_equal),
        cmocka_unit_test(an_option_may_be_named_in_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
