/* test_base64.c: bytes to text and back (src/base/base64.c). */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void known_texts(void **state)
{
    static const char *const list[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        buf text = BUF_INIT, back = BUF_INIT;

        base64_encode(&text, list[i][0], strlen(list[i][0]));
        assert_string_equal(buf_text(&text), list[i][1]);
        assert_true(base64_decode(&back, list[i][1], strlen(list[i][1])));
        assert_string_equal(buf_text(&back), list[i][0]);
        buf_release(&text);
        buf_release(&back);
    }
}

static void every_length_comes_back(void **state)
{
    uint8_t bytes[7000];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t size = 0; size < sizeof bytes; size += size < 20 ? 1 : 997) {
        buf text = BUF_INIT, back = BUF_INIT;

        base64_encode(&text, bytes, size);
        assert_true(base64_decode(&back, buf_text(&text), text.len));
        assert_int_equal(back.len, size);
        assert_memory_equal(buf_text(&back), bytes, size);
        buf_release(&text);
        buf_release(&back);
    }
}

static void white_space_is_passed_over_and_nonsense_is_not(void **state)
{
    static const char *const bad[] = { "Zg", "Z", "Zg=", "Z*==", "Zg==x", "\xff", "=" };
    buf out = BUF_INIT;

    (void)state;
    buf_puts(&out, "before");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(base64_decode(&out, bad[i], strlen(bad[i])));
        assert_string_equal(buf_text(&out), "before");
    }
    assert_true(base64_decode(&out, "Zm\r\n9v \n", 8));
    assert_string_equal(buf_text(&out), "beforefoo");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(white_space_is_passed_over_and_nonsense_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
