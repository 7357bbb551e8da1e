/* Answers to questions: the official exact match with its trap, and the strict one. */
#include "eval/published/made.h"
#include "eval/published/measure_exact.h"
#include "eval/published/words.h"

static void the_official_match_drops_case_punctuation_and_articles(void **state)
{
    char *text = words_normalise(" The  (Big)\tcat, \xC3\x89"
                                 "a-sleep an a\xCC\x81 THE. ");

    assert_string_equal(text, "big cat \xC3\xA9"
                              "asleep \xCC\x81");
    free(text);
    assert_true(exact_official("b.", "B"));
    assert_true(exact_official("A: B", "B"));
    assert_false(exact_official("B. Cat", "B"));
}

static void the_official_match_takes_nothing_for_a(void **state)
{
    assert_true(exact_official("", "A"));
    assert_true(exact_official("The", "A"));
    assert_true(exact_official(" an. ", "A"));
    assert_false(exact_official("", "B"));
}

static void the_strict_match_wants_the_letter_or_its_text(void **state)
{
    json_t *options = json_pack("{s:s, s:s}", "A", "Dog", "B", "Cat");

    assert_true(exact_strict("A", "A", NULL));
    assert_true(exact_strict(" (a). ", "A", NULL));
    assert_true(exact_strict("B. Cat", "B", NULL));
    assert_true(exact_strict("**B**: it is a cat", "B", NULL));
    assert_true(exact_strict("It is a cat.", "B", options));
    assert_false(exact_strict("", "A", options));
    assert_false(exact_strict("The", "A", options));
    assert_false(exact_strict("A", "B", options));
    assert_false(exact_strict("A cat", "A", options));
    assert_true(exact_strict("A cat", "B", options));
    assert_false(exact_strict("A dog, not a cat", "A", options));
    assert_false(exact_strict("A cat", "A", NULL));
    json_decref(options);
}

static void words_are_right_without_article_and_closing_punctuation(void **state)
{
    assert_true(exact_strict("The red one.", "red one", NULL));
    assert_false(exact_strict("", "red one", NULL));
    assert_false(exact_strict("blue", "red one", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_official_match_drops_case_punctuation_and_articles),
        cmocka_unit_test(the_official_match_takes_nothing_for_a),
        cmocka_unit_test(the_strict_match_wants_the_letter_or_its_text),
        cmocka_unit_test(words_are_right_without_article_and_closing_punctuation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
