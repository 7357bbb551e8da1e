/* Names over all captions. */
#include "eval/published/made.h"
#include "eval/published/measure_names.h"

static void names_count_once_a_caption_and_over_all_captions(void **state)
{
    list l =
        made_list("[[\"1\", [\"<bo>\", \"<Black Widow>\"], \"bo and Bo with the black  widow\"],"
                  " [\"2\", [\"<mia>\", \"<mia>\"], \"Bo, rex and a boat.\"]]",
                  "made");
    json_t *known = json_pack("[s, s, s, s]", "<bo>", "<black widow>", "Mia", "rex");
    const char **answer = list_answers(&l);
    metrics_counts c;

    assert_int_equal(measure_names(&c, &l, answer, known, NULL), RAP_OK);
    assert_int_equal(c.hit, 2);
    assert_int_equal(c.extra, 2);
    assert_int_equal(c.missed, 1);
    assert_float_equal(metrics_precision(c), 0.5, 1e-9);
    assert_float_equal(metrics_recall(c), 2.0 / 3, 1e-9);
    assert_float_equal(metrics_f1(c), 4.0 / 7, 1e-9);
    answer[0] = NULL;
    assert_int_equal(measure_names(&c, &l, answer, known, NULL), RAP_OK);
    assert_int_equal(c.hit, 0);
    assert_int_equal(c.missed, 3);
    free(answer);
    json_decref(known);
    list_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count_once_a_caption_and_over_all_captions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
