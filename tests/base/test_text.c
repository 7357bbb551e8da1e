/* test_text.c: UTF-8 text (src/base/text.c). */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void decodes_what_it_encodes(void **state)
{
    for (unsigned code = 1; code <= 0x10FFFF; code += code < 0x3000 ? 1 : 61) {
        char text[5] = "";
        unsigned back = 0;
        size_t used = text_encode(text, code);
        if (code >= 0xD800 && code < 0xE000) {
            assert_int_equal(used, 0);
            continue;
        }
        assert_int_equal(text_decode(&back, text), used);
        assert_int_equal(back, code);
    }
    assert_int_equal(text_encode((char[4]){ 0 }, 0x110000), 0);
}

static void refuses_broken_utf8(void **state)
{
    static const char *const broken[] = { "\x80",         "\xC0\x80",         "\xC3",
                                          "\xE2\x82",     "\xED\xA0\x80",     "\xF4\x90\x80\x80",
                                          "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "ok\xFF" };
    unsigned code;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_false(text_is_utf8(broken[i]));
    assert_true(text_is_utf8(""));
    assert_true(text_is_utf8("Bo, café, 猫, 🐕"));
    assert_int_equal(text_decode(&code, ""), 0);
}

static void knows_control_characters(void **state)
{
    assert_false(text_has_control("Bo's café 🐕"));
    assert_true(text_has_control("a\nb"));
    assert_true(text_has_control("a\x7F"));
    assert_true(text_has_control("a\xC2\x85"));
    assert_true(text_has_control("a\xE2\x80\xA8"));
    assert_false(text_has_control("a\xFF"));
}

static void reads_numbers_whole(void **state)
{
    long whole = 5;
    double real = 5;

    assert_true(text_parse_long(&whole, "-42"));
    assert_int_equal(whole, -42);
    assert_false(text_parse_long(&whole, "42x"));
    assert_false(text_parse_long(&whole, " 42"));
    assert_false(text_parse_long(&whole, ""));
    assert_false(text_parse_long(&whole, "99999999999999999999"));
    assert_false(text_parse_long(&whole, "1.5"));
    assert_int_equal(whole, -42);
    assert_true(text_parse_double(&real, "0.25"));
    assert_true(real == 0.25);
    assert_true(text_parse_double(&real, "-1e3"));
    assert_false(text_parse_double(&real, "nan"));
    assert_false(text_parse_double(&real, "inf"));
    assert_false(text_parse_double(&real, "1e999"));
    assert_false(text_parse_double(&real, "0x10"));
    assert_false(text_parse_double(&real, "1.5 "));
    assert_true(real == -1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_what_it_encodes),
        cmocka_unit_test(refuses_broken_utf8),
        cmocka_unit_test(knows_control_characters),
        cmocka_unit_test(reads_numbers_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
