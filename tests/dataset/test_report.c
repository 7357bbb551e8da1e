/* test_report.c: what is told of a case fits a line (src/dataset/report.c). */
#include "dataset/layouts.h"
#include "dataset/report.h"

#include "base/text.h"

static void a_text_is_cut_between_characters(void **state)
{
    char out[8];

    report_copy(out, sizeof out, "short");
    assert_string_equal(out, "short");
    report_copy(out, sizeof out,
                "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"); /* seven bytes would split the last */
    assert_string_equal(out, "\xC3\xA4\xC3\xA4\xC3\xA4");
    report_copy(out, sizeof out, "a\nb\xFF\x1B");
    assert_string_equal(out, "a?b??");
}

static void the_first_case_is_told_and_the_others_counted(void **state)
{
    dataset_report r = { 0 };
    char name[400];

    memset(name, 'x', sizeof name);
    memcpy(name + 254, "\xE2\x82\xAC", 4);
    report_drop(&r, DROP_PATH, "%s", name);
    report_drop(&r, DROP_PATH, "another");
    assert_int_equal(r.dropped[DROP_PATH], 2);
    assert_int_equal(strlen(r.first[DROP_PATH]), 254);
    assert_true(text_is_utf8(r.first[DROP_PATH]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(the_first_case_is_told_and_the_others_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
