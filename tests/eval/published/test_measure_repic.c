/* The names that RePIC's scripts count, on small files and on the published captions. */
#include "eval/published/made.h"
#include "eval/published/measure_repic.h"

static repic_counts count(const char *text, bool whole)
{
    list l = made_list(text, "made");
    const char **answer = list_answers(&l);
    repic_counts c;

    assert_int_equal(measure_repic(&c, &l, answer, whole ? NAME_WHOLE : repic_rule(&l), NULL),
                     RAP_OK);
    free(answer);
    list_release(&l);
    return c;
}

static void assert_counts(repic_counts c, int hits, int misses, int targets)
{
    assert_int_equal(c.hits, hits);
    assert_int_equal(c.misses, misses);
    assert_int_equal(c.targets, targets);
}

static void a_target_is_a_hit_or_a_miss_or_none(void **state)
{
    repic_counts c = count("[[\"1\", [\"<Bo>\", \"<Mia>\"], \"Bo is alone.\"],"
                           " [\"2\", [\"<Bo>\", \"<Rex>\"], \"<Mia> is here, with nobody.\"],"
                           " [\"3\", [\"<Bo>\", \"<Mia>\"], \"Two dogs.\"]]",
                           false);

    assert_counts(c, 1, 2, 6);
    assert_float_equal(repic_precision(c), 1.0 / 3, 1e-9);
    assert_float_equal(repic_recall(c), 1.0 / 6, 1e-9);
    assert_float_equal(repic_f1(c), 2.0 / 9, 1e-9);
}

static void punctuation_and_end_marks_go_and_brackets_do_not_matter(void **state)
{
    assert_counts(count("[[\"1\", [\"<Bo>\", \"Mia\"], \"(<Bo>), 'Mia'!</s>\"]]", false), 2, 0, 2);
    assert_counts(count("[[\"1\", [\"<Bo>\", \"<Mia>\"], \"Bo's Mia-\"]]", false), 1, 0, 2);
    assert_counts(count("[[\"1\", [\"<Bo>\", \"<Mia>\"], \"Bo\\u00a0Mia\\u3000x\"]]", false), 2, 0,
                  2);
    assert_counts(count("[[\"1\", [\"<Bo>\", \"<Mia>\"], \"\"]]", false), 0, 0, 2);
}

static void case_counts_in_files_of_two_only(void **state)
{
    assert_counts(count("[[\"1\", [\"<Bo>\", \"<Mia>\"], \"bo and MIA\"]]", false), 0, 0, 2);
    assert_counts(count("[[\"1\", [\"<Bo>\"], \"bo and MIA\"]]", false), 1, 0, 1);
    assert_counts(
        count("[[\"1\", [\"<Bo>\", \"<Mia>\", \"\\u00c9va\"], \"bo, MIA, \\u00e9VA\"]]", false), 3,
        0, 3);
}

/* Spellings are different concepts for a miss where there are several targets, not where there is one. */
static void spellings_of_a_target_are_as_in_the_scripts(void **state)
{
    assert_counts(count("[[\"1\", [\"<bo>\", \"<x>\", \"<y>\"], \"bo\"],"
                        " [\"2\", [\"<Bo>\", \"<x>\", \"<y>\"], \"none\"]]",
                        false),
                  1, 2, 6);
    assert_counts(count("[[\"1\", [\"<bo>\"], \"bo\"], [\"2\", [\"<Bo>\"], \"bo\"]]", false), 2, 0,
                  2);
}

static void names_of_several_words_need_the_other_rule(void **state)
{
    const char *text =
        "[[\"1\", [\"<black widow>\", \"<thor>\", \"<hulk>\"], \"<Black Widow>, Thor\"]]";

    assert_counts(count(text, false), 1, 0, 3);
    assert_counts(count(text, true), 2, 0, 3);
}

static void assert_percent(const char *file, double precision, double recall, double f1)
{
    char name[64], *path;
    list l;
    const char **answer;
    repic_counts c;
    rap_err err = { 0 };

    snprintf(name, sizeof name, "repic/%s.json", file);
    if (!(path = made_published(name)))
        return;
    if (list_read(&l, path, NULL, &err) != RAP_OK)
        fail_msg("%s", err.text);
    answer = list_answers(&l);
    assert_int_equal(measure_repic(&c, &l, answer, repic_rule(&l), &err), RAP_OK);
    assert_float_equal(100 * repic_precision(c), precision, 0.05);
    assert_float_equal(100 * repic_recall(c), recall, 0.05);
    assert_float_equal(100 * repic_f1(c), f1, 0.05);
    free(answer);
    free(path);
    list_release(&l);
}

static void the_published_captions_have_the_published_scores(void **state)
{
    assert_percent("two-rap-llava", 100, 93.9, 96.9);
    assert_percent("two-zero-shot", 100, 75.0, 85.7);
    assert_percent("two-repic", 100, 98.8, 99.4);
    assert_percent("four-rap-llava", 52.9, 4.3, 7.9);
    assert_percent("four-zero-shot", 73.3, 22.9, 34.8);
    assert_percent("four-repic", 88.0, 59.5, 71.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_a_hit_or_a_miss_or_none),
        cmocka_unit_test(punctuation_and_end_marks_go_and_brackets_do_not_matter),
        cmocka_unit_test(case_counts_in_files_of_two_only),
        cmocka_unit_test(spellings_of_a_target_are_as_in_the_scripts),
        cmocka_unit_test(names_of_several_words_need_the_other_rule),
        cmocka_unit_test(the_published_captions_have_the_published_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
