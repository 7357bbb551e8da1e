/* test_err.c: the one line of a failure (src/base/err.c). */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void writes_one_line(void **state)
{
    rap_err err;

    assert_int_equal(err_set(&err, RAP_E_FORMAT, "%s: line %d\nnext\tand\x1b[31m", "a.json", 7),
                     RAP_E_FORMAT);
    assert_int_equal(err.status, RAP_E_FORMAT);
    assert_string_equal(err.text, "a.json: line 7?next?and?[31m");
}

static void keeps_utf8_and_replaces_what_is_none(void **state)
{
    rap_err err;

    err_set(&err, RAP_E_IO, "café \xFF %s ok", "\xC2\x85 \xE2\x80\xA8 \xC3");
    assert_string_equal(err.text, "café ? ? ? ? ok");
}

/* With what it begins and with what it ends, whatever a name in it is long. */
static void cuts_the_middle_of_a_long_text(void **state)
{
    char name[2000];
    rap_err err;

    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    err_set(&err, RAP_E_IO, "%s: %s", name, "no such file");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, name, 500);
    assert_non_null(strstr(err.text, "a\u2026a"));
    assert_string_equal(err.text + strlen(err.text) - 15, "a: no such file");
    name[sizeof err.text - 1] = '\0'; /* what just fits stays whole */
    err_set(&err, RAP_E_IO, "%s", name);
    assert_string_equal(err.text, name);
}

static void cuts_long_text_between_characters(void **state)
{
    char name[2000];
    rap_err err;

    name[sizeof name - 2] = '\0';
    for (size_t i = 0; i + 2 < sizeof name; i++)
        name[i] = i % 2 ? '\xA9' : '\xC3'; /* é é é … */
    err_set(&err, RAP_E_IO, "x%s", name);
    assert_null(strchr(err.text, '?'));
    err_set(&err, RAP_E_IO, "%s", name); /* now the cut falls inside a character */
    assert_null(strchr(err.text, '?'));
}

static void may_be_absent(void **state)
{
    rap_err err;

    assert_int_equal(err_set(NULL, RAP_E_BUSY, "x"), RAP_E_BUSY);
    assert_int_equal(err_memory(NULL, "testing"), RAP_E_MEMORY);
    err_clear(NULL);
    assert_int_equal(err_memory(&err, "testing"), RAP_E_MEMORY);
    assert_string_equal(err.text, "out of memory while testing");
    err_clear(&err);
    assert_int_equal(err.status, RAP_OK);
    assert_string_equal(err.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_line),
        cmocka_unit_test(keeps_utf8_and_replaces_what_is_none),
        cmocka_unit_test(cuts_the_middle_of_a_long_text),
        cmocka_unit_test(cuts_long_text_between_characters),
        cmocka_unit_test(may_be_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
