/* test_plain.c: what others wrote, as a terminal gets it (src/cli/plain.c). */
#include "cli/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BAD "\xEF\xBF\xBD"

/* The text, handed over in pieces of `piece` bytes. */
static void check_pieces(const char *text, size_t len, size_t piece, const char *expected)
{
    char *got = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&got, &size);
    plain_stream s = PLAIN_STREAM_INIT;

    assert_non_null(out);
    for (size_t at = 0; at < len; at += piece)
        plain_stream_put(&s, out, text + at, len - at < piece ? len - at : piece);
    plain_stream_end(&s, out);
    fclose(out);
    assert_string_equal(got, expected);
    free(got);
}

static void check(const char *text, const char *expected)
{
    for (size_t piece = 1; piece < 6; piece++)
        check_pieces(text, strlen(text), piece, expected);
}

static void text_stays_as_it_is(void **state)
{
    check("", "");
    check("<bo> is a Shiba Inu.", "<bo> is a Shiba Inu.");
    check("caf\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x90\xB6",
          "caf\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x90\xB6");
    check("\xD7\xA9\xE2\x80\x8F!", "\xD7\xA9\xE2\x80\x8F!"); /* U+200F */
}

static void white_space_becomes_a_space(void **state)
{
    check("a\tb\nc\rd\ve\ff", "a b c d e f");
    check("a\xC2\x85"
          "b\xE2\x80\xA8"
          "c\xE2\x80\xA9"
          "d",
          "a b c d");
}

static void controls_are_shown(void **state)
{
    check("e\033[31m", "e" BAD "[31m");
    check("a\x01\x7F\bz", "a" BAD BAD BAD "z");
    check("a\xC2\x9B"
          "31m",
          "a" BAD "31m");               /* U+009B: CSI */
    check("\xC2\x80\xC2\x9F", BAD BAD); /* U+0080, U+009F */
    check("\xC2\xA0", "\xC2\xA0");      /* U+00A0 is none */
    check("\xE2\x80\xAE"
          "gpj",
          BAD "gpj"); /* U+202E */
    check("\xE2\x80\xAA\xE2\x80\xAB\xE2\x80\xAC\xE2\x80\xAD", BAD BAD BAD BAD);
    check("\xE2\x81\xA6x\xE2\x81\xA9", BAD "x" BAD); /* U+2066, U+2069 */
    check("\xEF\xBF\xB9", BAD);                      /* U+FFF9 */
}

static void what_is_not_utf8_is_shown(void **state)
{
    check("\x9B"
          "31m",
          BAD "31m"); /* CSI of an 8-bit terminal */
    check("a\xFF\xFE", "a" BAD BAD);
    check("\xC3", BAD);
    check("\xE4\xBD", BAD BAD);
    check("\xE4(", BAD "(");
    check("\xC0\x9B", BAD BAD);         /* too long */
    check("\xED\xA0\x80", BAD BAD BAD); /* half of a surrogate pair */
    check("\xF0\x9F\x90", BAD BAD BAD);
    check_pieces("a\0b", 3, 2, "a" BAD "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_as_it_is),
        cmocka_unit_test(white_space_becomes_a_space),
        cmocka_unit_test(controls_are_shown),
        cmocka_unit_test(what_is_not_utf8_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
