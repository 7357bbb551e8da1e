/* test_file_kind.c: files named for what they are (src/base/file_kind.c). */
#include "base/file_kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *bytes, size_t size, const char *words)
{
    const char *what = file_kind_of(bytes, size)->what;

    if (!words)
        assert_null(what);
    else if (!what || !strstr(what, words))
        fail_msg("%s, expected %s", what ? what : "(nothing)", words);
}

static void names_files(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } known[] = {
        { "", 0, "empty" },
        { "version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS" },
        { "\xEF\xBB\xBF\n <!doctype html>", 21, "web page" },
        { "<HTML>", 6, "web page" },
        { "<svg xmlns=''/>", 15, "SVG" },
        { "<?xml version='1.0'?>\n<!-- x -->\n<svg/>", 40, "SVG" },
        { "<?xml version='1.0'?><rss/>", 27, NULL },
        { "II*\0\10\0\0\0", 8, "TIFF" },
        { "\0\0\0\x0CJXL \r\n\x87\n", 12, "JPEG XL" },
        { "\xFF\x0A\0", 3, "JPEG XL" },
        { "\0\0\0\x20"
          "ftypisom",
          12, "video" },
        { "PK\3\4", 4, "archive" },
        { "P", 1, NULL },
        { "II*", 3, NULL },
        { "hello", 5, NULL },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        expect(known[i].bytes, known[i].size, known[i].words);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_files) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
