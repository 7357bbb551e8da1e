/* test_annotate_check.c: which replies may become training data (src/dataset/annotate_check.c). */
#include "dataset/annotate_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const annotate_names bo = {
    .must = { "bo" }, .musts = 1, .must_not = { "luna" }, .must_nots = 1
};

static void texts(void **state)
{
    static const struct {
        const char *reply;
        annotate_fault fault;
        const char *becomes;
    } list[] = {
        { "<bo> is a red dog.", FAULT_NONE, "<bo> is a red dog." },
        { " \"bo is a red dog,\n and bo's ear is white.\" ", FAULT_NONE,
          "<bo> is a red dog, and <bo>'s ear is white." },
        { "<think>Who is <x>?\n</think>\n\n<bo> is red.", FAULT_NONE, "<bo> is red." },
        { "```\n<bo> is red.\n```", FAULT_NONE, "<bo> is red." },
        { "The boat of <bo> and bobo.", FAULT_NONE, "The boat of <bo> and bobo." },
        { "", FAULT_EMPTY, NULL },
        { "<think>I think", FAULT_EMPTY, NULL },
        { "A red dog.", FAULT_NO_NAME, NULL },
        { "The boat.", FAULT_NO_NAME, NULL },
        { "<bo> with <max>.", FAULT_NAMES, NULL },
        { "<bo> with Luna.", FAULT_NAMES, NULL },
        { "<bo> < 3", FAULT_NONE, "<bo> < 3" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        buf out = BUF_INIT;

        assert_int_equal(annotate_check_text(&out, list[i].reply, &bo), list[i].fault);
        if (list[i].becomes)
            assert_string_equal(buf_text(&out), list[i].becomes);
        buf_release(&out);
    }
}

static void the_longer_of_two_names_is_found_first(void **state)
{
    const annotate_names both = { .must = { "bo", "bo junior" }, .musts = 2 };
    buf out = BUF_INIT;

    (void)state;
    assert_int_equal(annotate_check_text(&out, "bo junior chases bo.", &both), FAULT_NONE);
    assert_string_equal(buf_text(&out), "<bo junior> chases <bo>.");
    buf_release(&out);
}

static void a_text_without_end_is_too_long(void **state)
{
    char text[ANNOTATE_LONGEST + 100];
    buf out = BUF_INIT;

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "<bo> ", 5);
    text[sizeof text - 1] = '\0';
    assert_int_equal(annotate_check_text(&out, text, &bo), FAULT_LONG);
    buf_release(&out);
}

static void pairs(void **state)
{
    static const struct {
        const char *reply;
        annotate_fault fault;
        size_t count;
    } list[] = {
        { "{\"pairs\": [{\"question\": \"Who is bo?\", \"answer\": \"A dog.\"}, {\"question\": "
          "\"What is this?\", \"answer\": \"It is <bo>.\"}]}",
          FAULT_NONE, 2 },
        { "```json\n[{\"question\": \"Who is <bo>?\", \"answer\": \"A dog.\"}]\n```", FAULT_NONE,
          1 },
        { "[{\"question\": \"Who is it?\", \"answer\": \"A dog.\"}]", FAULT_NO_NAME, 0 },
        { "[{\"question\": \"Who is <bo>?\", \"answer\": \"<max>'s dog.\"}]", FAULT_NAMES, 0 },
        { "[{\"question\": \"Who is <bo>?\"}]", FAULT_JSON, 0 },
        { "[{\"question\": \"Who is <bo>?\", \"answer\": 4}]", FAULT_JSON, 0 },
        { "[{\"question\": \"Who is <bo>?\", \"answer\": \" \"}]", FAULT_EMPTY, 0 },
        { "[]", FAULT_JSON, 0 },
        { "{\"pairs\": {}}", FAULT_JSON, 0 },
        { "Sure! Here is the JSON.", FAULT_JSON, 0 },
        { "", FAULT_EMPTY, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        json_t *out = NULL;

        assert_int_equal(annotate_check_pairs(&out, list[i].reply, &bo), list[i].fault);
        assert_int_equal(json_array_size(out), list[i].count);
        if (i == 0)
            assert_string_equal(json_string_value(json_array_get(json_array_get(out, 0), 0)),
                                "Who is <bo>?");
        json_decref(out);
    }
}

static void verdicts(void **state)
{
    static const struct {
        const char *reply;
        annotate_fault fault;
        int same;
    } list[] = {
        { "{\"same\": true}", FAULT_NONE, 1 },
        { "```json\n{\"same\": false}\n```", FAULT_NONE, 0 },
        { "{\"same\": \"Yes\"}", FAULT_NONE, 1 },
        { "{\"same\": \"no\"}", FAULT_NONE, 0 },
        { "{\"same\": \"perhaps\"}", FAULT_JSON, 0 },
        { "{\"same\": 1}", FAULT_JSON, 0 },
        { "yes", FAULT_JSON, 0 },
        { "", FAULT_EMPTY, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        int same = 7;

        assert_int_equal(annotate_check_verdict(&same, list[i].reply), list[i].fault);
        assert_int_equal(same, list[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(the_longer_of_two_names_is_found_first),
        cmocka_unit_test(a_text_without_end_is_too_long),
        cmocka_unit_test(pairs),
        cmocka_unit_test(verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
