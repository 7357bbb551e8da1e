/* test_status.c: every status has a text, an exit code and an HTTP status (src/base/status.c). */
#include <rap.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_status_is_told_apart(void **state)
{
    for (int a = 0; a < RAP_STATUS_COUNT; a++) {
        assert_true(strlen(rap_status_text((rap_status)a)) > 0);
        assert_string_not_equal(rap_status_text((rap_status)a), "unknown status");
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(rap_status_text((rap_status)a), rap_status_text((rap_status)b));
            assert_int_not_equal(rap_status_exit_code((rap_status)a),
                                 rap_status_exit_code((rap_status)b));
        }
    }
}

static void codes_are_in_their_ranges(void **state)
{
    assert_int_equal(rap_status_exit_code(RAP_OK), 0);
    assert_int_equal(rap_status_exit_code(RAP_E_ARGUMENT), 2);
    assert_int_equal(rap_status_http(RAP_OK), 200);
    assert_int_equal(rap_status_http(RAP_E_NOT_FOUND), 404);
    for (int a = 1; a < RAP_STATUS_COUNT; a++) {
        int code = rap_status_exit_code((rap_status)a), http = rap_status_http((rap_status)a);
        assert_in_range(code, 2, 130);
        /* 124 to 127 are timeout's and the shell's own */
        assert_false(code >= 124 && code <= 127);
        assert_in_range(http, 400, 599);
    }
}

static void an_unknown_status_has_an_answer_too(void **state)
{
    assert_string_equal(rap_status_text(RAP_STATUS_COUNT), "unknown status");
    assert_int_equal(rap_status_exit_code((rap_status)99), 1);
    assert_int_equal(rap_status_http((rap_status)99), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_told_apart),
        cmocka_unit_test(codes_are_in_their_ranges),
        cmocka_unit_test(an_unknown_status_has_an_answer_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
