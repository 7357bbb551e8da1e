/* test_describe.c: answers and patterns become one line about a concept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "generate/describe.h"
#include "generate/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void becomes(const char *name, const char *answer, const char *line)
{
    rap_err err = { RAP_OK, "" };
    char *got = NULL;

    if (describe_line(&got, name, answer, &err) != RAP_OK)
        fail_msg("'%s': %s", answer, err.text);
    assert_string_equal(got, line);
    free(got);
}

static void an_answer_becomes_a_line(void **state)
{
    becomes("bo", "<bo> is a red dog.", "<bo> is a red dog.");
    becomes("bo", "  Bo is a red dog", "<bo> is a red dog.");
    becomes("bo", "A red dog with\ta white\x01spot.\n\nIt is nice.",
            "<bo> is a red dog with a white spot.");
    becomes("bo", "\n\"This is an orange cat!\"", "<bo> is an orange cat!");
    becomes("bo", "The picture shows **some garlic**", "<bo> is some garlic.");
    becomes("Sir Bo", "<Sir Bo> is Rex' brother.", "<Sir Bo> is Rex' brother.");
    becomes("a", "A dog.", "<a> is a dog."); /* the article is not the name */
    becomes("bo", "a dog\xff\xfe with spots,", "<bo> is a dog with spots.");
    becomes("bo", "Nora's dog", "<bo> is Nora's dog.");
}

static void what_is_no_description_is_refused(void **state)
{
    static const char *const none[] = {
        "",           "\n",   "Yes.",        "no",       "I do not know <bo>.",
        "Sorry, no.", "<bo>", "It is <bo>.", "bo sits.", "<bo> runs on a beach."
    };

    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        rap_err err = { RAP_OK, "" };
        char *got = NULL;

        assert_int_equal(describe_line(&got, "bo", none[i], &err), RAP_E_MODEL);
        assert_null(got);
        assert_non_null(strstr(err.text, "does not describe"));
    }
}

static void a_line_has_a_limit(void **state)
{
    static const char more[] = ". It has a spot";
    char answer[3000] = "a dog", *got = NULL;

    for (size_t i = 0; i < 40; i++)
        memcpy(answer + 5 + i * (sizeof more - 1), more, sizeof more);
    assert_int_equal(describe_line(&got, "bo", answer, NULL), RAP_OK);
    assert_in_range(strlen(got), DESCRIBE_LIMIT - 40, DESCRIBE_LIMIT);
    assert_string_equal(got + strlen(got) - 7, "a spot.");
    free(got);
    memset(answer, 'x', sizeof answer - 1); /* one word of characters of two bytes */
    for (size_t i = 0; i + 1 < sizeof answer; i += 2)
        memcpy(answer + i, "\xc3\xa9", 2);
    answer[sizeof answer - 2] = '\0';
    assert_int_equal(describe_line(&got, "bo", answer, NULL), RAP_OK);
    assert_in_range(strlen(got), 10, DESCRIBE_LIMIT + 1);
    assert_true(text_is_utf8(got));
    free(got);
}

/* ---- patterns ---- */

typedef struct oracle { /* answers in turn */
    const char *answer[4];
    char asked[4][256];
    int count;
} oracle;

static rap_status answer(char **out, const char *question, void *payload, rap_err *err)
{
    oracle *o = payload;

    snprintf(o->asked[o->count], sizeof o->asked[0], "%s", question);
    *out = mem_string(o->answer[o->count++]);
    return RAP_OK;
}

static void writes(const char *pattern, const char *category, oracle *o, const char *line)
{
    rap_err err = { RAP_OK, "" };
    char *got = NULL;

    if (describe_write(&got, pattern, "bo", category, answer, o, &err) != RAP_OK)
        fail_msg("%s", err.text);
    assert_string_equal(got, line);
    free(got);
}

static void a_pattern_may_be_a_question(void **state)
{
    oracle o = { .answer = { "a dog", "a cat" } };

    writes("What is <name>?[ It is a {category}.]", "dog", &o, "<bo> is a dog.");
    assert_string_equal(o.asked[0], "What is <bo>? It is a dog.");
    writes("What is <name>?[ It is a {category}.]", NULL, &o, "<bo> is a cat.");
    assert_string_equal(o.asked[1], "What is <bo>?");
}

static void a_pattern_may_be_a_line_with_questions(void **state)
{
    static const char pattern[] =
        "<name> is a {What color is <name>?} {category}[ with {What pattern?}].";
    oracle o = { .answer = { "orange.", "no pattern", "red", "blue dots" } };

    writes(pattern, "cat", &o, "<bo> is an orange cat.");
    assert_string_equal(o.asked[0], "What color is <bo>?");
    writes(pattern, "", &o, "<bo> is a red thing with blue dots.");
    assert_int_equal(o.count, 4);
}

static void a_question_that_has_no_answer_fails(void **state)
{
    oracle o = { .answer = { "I do not know." } };
    rap_err err = { RAP_OK, "" };
    char *got = NULL;

    assert_int_equal(describe_write(&got, "<name> is {What?}", "bo", NULL, answer, &o, &err),
                     RAP_E_MODEL);
    assert_null(got);
    assert_non_null(strstr(err.text, "'I do not know'"));
}

/* Braces that are not closed are text; nothing is read beyond the end. */
static void odd_patterns_are_text(void **state)
{
    oracle o = { .answer = { "a dog", "a dog", "a dog" } };

    writes("What [is {this", NULL, &o, "<bo> is a dog.");
    assert_string_equal(o.asked[0], "What [is {this");
    writes("[", NULL, &o, "<bo> is a dog.");
    writes(PROMPT_DESCRIBE, "dog", &o, "<bo> is a dog.");
    assert_non_null(strstr(o.asked[2], "It is a dog."));
    assert_null(strchr(o.asked[2], '['));
}

static void a_name_is_put_in_place(void **state)
{
    char *text = describe_name("Is <name> here, <name>? <nam", "bo");

    assert_string_equal(text, "Is <bo> here, <bo>? <nam");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_becomes_a_line),
        cmocka_unit_test(what_is_no_description_is_refused),
        cmocka_unit_test(a_line_has_a_limit),
        cmocka_unit_test(a_pattern_may_be_a_question),
        cmocka_unit_test(a_pattern_may_be_a_line_with_questions),
        cmocka_unit_test(a_question_that_has_no_answer_fails),
        cmocka_unit_test(odd_patterns_are_text),
        cmocka_unit_test(a_name_is_put_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
