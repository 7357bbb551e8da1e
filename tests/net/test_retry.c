/* test_retry.c: when a request is made again (src/net/retry.c). */
#include "net/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct log_of {
    int retries, stop_at;
    long pause;
} log_of;

static int on_retry(const char *why, long pause_ms, void *payload)
{
    log_of *l = payload;

    assert_string_equal(why, "it broke");
    l->pause = pause_ms;
    return ++l->retries == l->stop_at;
}

static int cancelled(void *payload)
{
    (void)payload;
    return 1;
}

static void pauses_double_within_bounds(void **state)
{
    const retry r = { .most = 5, .first_ms = 1000 };
    http_reply reply;

    http_reply_clear(&reply);
    assert_int_equal(retry_pause_ms(&r, 0, &reply), 1000);
    assert_int_equal(retry_pause_ms(&r, 1, &reply), 2000);
    assert_int_equal(retry_pause_ms(&r, 4, &reply), 16000);
    assert_int_equal(retry_pause_ms(&r, 5, &reply), 30000);
    assert_int_equal(retry_pause_ms(&r, 1000000, &reply), 30000);
    reply.retry_after = 7;
    assert_int_equal(retry_pause_ms(&r, 0, &reply), 7000);
    reply.retry_after = 1L << 60;
    assert_int_equal(retry_pause_ms(&r, 0, &reply), 120000);
}

static void only_what_may_help_and_not_for_ever(void **state)
{
    log_of l = { 0 };
    retry r = { .most = 2, .first_ms = 1, .on_retry = on_retry, .payload = &l };
    http_reply reply;
    rap_err err = { 0 };

    http_reply_clear(&reply);
    err_set(&err, RAP_E_IO, "it broke");
    assert_int_equal(retry_after_failure(&r, 0, &reply, &err), RAP_E_IO);
    assert_int_equal(l.retries, 0);
    reply.again = true;
    assert_int_equal(retry_after_failure(&r, 0, &reply, &err), RAP_OK);
    assert_string_equal(err.text, "");
    err_set(&err, RAP_E_IO, "it broke");
    assert_int_equal(retry_after_failure(&r, 1, &reply, &err), RAP_OK);
    assert_int_equal(l.pause, 2);
    err_set(&err, RAP_E_IO, "it broke");
    assert_int_equal(retry_after_failure(&r, 2, &reply, &err), RAP_E_IO);
    assert_string_equal(err.text, "it broke");
}

static void stops_when_it_is_told(void **state)
{
    log_of l = { .stop_at = 1 };
    retry r = { .most = 2, .first_ms = 60000, .on_retry = on_retry, .payload = &l };
    http_reply reply;
    rap_err err = { 0 };

    http_reply_clear(&reply);
    reply.again = true;
    err_set(&err, RAP_E_IO, "it broke");
    assert_int_equal(retry_after_failure(&r, 0, &reply, &err), RAP_E_CANCELLED);
    r.on_retry = NULL;
    r.cancelled = cancelled;
    assert_int_equal(retry_after_failure(&r, 0, &reply, &err), RAP_E_CANCELLED);
}

static void a_servers_pause_is_seconds_or_a_date(void **state)
{
    http_reply r;

    http_reply_clear(&r);
    http_reply_line(&r, "Retry-After: 12\r\n", 17);
    assert_int_equal(r.retry_after, 12);
    http_reply_line(&r, "Retry-After: Wed, 21 Oct 2065 07:28:00 GMT\r\n", 44);
    assert_true(r.retry_after > 1000);
    http_reply_line(&r, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 44);
    assert_int_equal(r.retry_after, 0);
    http_reply_line(&r, "Retry-After: soon\r\n", 19);
    assert_int_equal(r.retry_after, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_within_bounds),
        cmocka_unit_test(only_what_may_help_and_not_for_ever),
        cmocka_unit_test(stops_when_it_is_told),
        cmocka_unit_test(a_servers_pause_is_seconds_or_a_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
