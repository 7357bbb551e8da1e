/* test_buf.c: the growable buffer (src/base/buf.c). */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void starts_empty(void **state)
{
    buf b = BUF_INIT;

    assert_string_equal(buf_text(&b), "");
    assert_false(buf_failed(&b));
    buf_release(&b);
}

static void grows_and_stays_ended(void **state)
{
    buf b = BUF_INIT;

    for (int i = 0; i < 1000; i++) {
        buf_putc(&b, 'x');
        assert_int_equal(b.data[b.len], '\0');
    }
    buf_puts(&b, "abc");
    buf_add(&b, "d\0e", 3);
    buf_add(&b, NULL, 0);
    buf_printf(&b, "%s-%d", "é", 42);
    assert_int_equal(b.len, 1000 + 3 + 3 + 5);
    assert_memory_equal(b.data + 1000, "abcd\0eé-42", 12);
    buf_release(&b);
    assert_null(b.data);
}

static void printf_fits_any_length(void **state)
{
    buf b = BUF_INIT;
    char *text = malloc(100001);

    assert_non_null(text);
    memset(text, 'q', 100000);
    text[100000] = '\0';
    buf_printf(&b, "<%s>", text);
    assert_int_equal(b.len, 100002);
    assert_int_equal(b.data[100001], '>');
    buf_release(&b);
    free(text);
}

static void clear_keeps_the_memory(void **state)
{
    buf b = BUF_INIT;
    char *data;

    buf_puts(&b, "something");
    data = b.data;
    buf_clear(&b);
    assert_string_equal(buf_text(&b), "");
    assert_ptr_equal(b.data, data);
    buf_release(&b);
}

static void detach_hands_over(void **state)
{
    buf b = BUF_INIT;
    char *text = buf_detach(&b);

    assert_string_equal(text, "");
    free(text);
    buf_puts(&b, "mine");
    text = buf_detach(&b);
    assert_string_equal(text, "mine");
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    free(text);
}

static void failure_sticks(void **state)
{
    buf b = BUF_INIT;

    buf_puts(&b, "abc");
    buf_add(&b, "x", SIZE_MAX - 1);
    assert_true(buf_failed(&b));
    buf_puts(&b, "more");
    assert_string_equal(buf_text(&b), "abc");
    assert_null(buf_detach(&b));
    assert_false(buf_failed(&b));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),           cmocka_unit_test(grows_and_stays_ended),
        cmocka_unit_test(printf_fits_any_length), cmocka_unit_test(clear_keeps_the_memory),
        cmocka_unit_test(detach_hands_over),      cmocka_unit_test(failure_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
