/* Recognition: the mean of two accuracies, and positives that are listed twice. */
#include "eval/published/made.h"
#include "eval/published/measure_weighted.h"

#define ROW(type, right, answer)                                                              \
    "{\"image\": \"1.png\", \"question\": \"<image>\\nIs <bo> here?\", \"concept\": \"bo\", " \
    "\"type\": \"" type "\", \"correct_answer\": " right ", \"answer\": \"" answer "\"}"

static void positives_and_negatives_weigh_the_same(void **state)
{
    list l = made_list(
        "[" ROW("positive", "true", "Yes.") "," ROW("negative", "true", "Yes") "," ROW(
            "negative", "false", "No") "," ROW("negative", "false",
                                               "yes") "," ROW("negative", "false", "a dog") "]",
        "made");
    const char **answer = list_answers(&l);
    weighted_counts c = measure_weighted(&l, answer, false);

    assert_string_equal(list_text(list_item(&l, 0), "question"), "Is <bo> here?");
    assert_float_equal(weighted_positive(c), 1.0, 1e-9);
    assert_float_equal(weighted_negative(c), 0.5, 1e-9);
    assert_float_equal(weighted_accuracy(c), 0.75, 1e-9);
    assert_int_equal(c.listed_twice, 1);
    c = measure_weighted(&l, answer, true);
    assert_int_equal(c.asked[0], 3);
    assert_float_equal(weighted_negative(c), 1.0 / 3, 1e-9);
    assert_float_equal(weighted_accuracy(c), 2.0 / 3, 1e-9);
    free(answer);
    list_release(&l);
}

static void the_published_list_has_positives_twice(void **state)
{
    char *path = made_published("rap-official/recognition_test_head.json");
    list l;
    const char **answer;
    weighted_counts c;

    if (!path)
        return;
    assert_int_equal(list_read(&l, path, NULL, NULL), RAP_OK);
    assert_int_equal(l.kind, LIST_RECOGNITION);
    assert_false(l.answered);
    answer = list_answers(&l);
    for (size_t i = 0; i < list_count(&l); i++)
        answer[i] = "No";
    c = measure_weighted(&l, answer, false);
    assert_int_equal(c.asked[0], 390);
    assert_int_equal(c.asked[1], 10);
    assert_int_equal(c.listed_twice, 10);
    assert_float_equal(weighted_accuracy(c), 380.0 / 390 / 2, 1e-9);
    assert_float_equal(weighted_accuracy(measure_weighted(&l, answer, true)), 0.5, 1e-9);
    free(answer);
    free(path);
    list_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positives_and_negatives_weigh_the_same),
        cmocka_unit_test(the_published_list_has_positives_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
