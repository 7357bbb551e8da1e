/* test_file_kind.c: files that are something else, told by their first bytes. */
#include "base/file_kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is(file_kind wanted, const char *bytes, size_t size)
{
    char *exact = malloc(size ? size : 1); /* so that the sanitizer sees a read past the end */
    memcpy(exact, bytes, size);
    assert_int_equal(file_kind_of(exact, size), wanted);
    free(exact);
}
#define IS(kind, literal) is(FILE_KIND_##kind, literal, sizeof literal - 1)

static void kinds_are_told(void **state)
{
    char tar[512] = "model/";
    memcpy(tar + 257, "ustar", 5);
    is(FILE_KIND_TAR, tar, sizeof tar);
    IS(EMPTY, "");
    IS(ZEROS, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    IS(LFS_POINTER, "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 9\n");
    IS(WEB_PAGE, "<!DOCTYPE html><html>");
    IS(WEB_PAGE, "\xef\xbb\xbf\r\n  <HTML lang=en>");
    IS(XML, "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>");
    IS(UTF16, "\xff\xfe{\0");
    IS(UTF16, "\xfe\xff\0{");
    IS(UTF16, "a\0b\0\n\0");
    IS(UTF32, "\xff\xfe\0\0{\0\0\0");
    IS(JSON, "\n{\"error\": \"not found\"}");
    IS(TEXT, "Entry not found");
    IS(ZIP, "PK\3\4more");
    IS(GZIP, "\x1f\x8b\x08");
    IS(ARCHIVE, "\xfd"
                "7zXZ\0");
    IS(GGUF, "GGUF\3\0\0\0");
    IS(GGML, "tjgg\1\0\0\0");
    IS(SAFETENSORS, "\x10\0\0\0\0\0\0\0{\"a\":{}}");
    IS(PICKLE, "\x80\2}q\1.");
    IS(PICTURE, "\xff\xd8\xff\xe0");
    IS(PICTURE, "RIFF\0\0\0\0WEBP");
    IS(PICTURE, "\0\0\0\x18"
                "ftypheic");
    IS(UNKNOWN, "\1\2\3\4\5\6\7\x80");
}

/* Every kind but the unknown one has a phrase, and no number outside of them. */
static void kinds_have_phrases(void **state)
{
    for (int kind = 1; kind < FILE_KIND_COUNT; kind++)
        assert_non_null(file_kind_phrase((file_kind)kind));
    assert_null(file_kind_phrase(FILE_KIND_UNKNOWN));
    assert_null(file_kind_phrase(FILE_KIND_COUNT));
}

static void the_refusal_names_both(void **state)
{
    rap_err err = { 0 };
    assert_int_equal(file_kind_refuse("a.gguf", "not a GGUF file", "<html>", 6, &err),
                     RAP_E_FORMAT);
    assert_string_equal(err.text,
                        "a.gguf: not a GGUF file, it is a web page (HTML): download the file "
                        "again, by the link of the file itself");
    assert_int_equal(file_kind_refuse("a.gguf", "not a GGUF file", "\1\2", 2, &err), RAP_E_FORMAT);
    assert_string_equal(err.text, "a.gguf: not a GGUF file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told),
        cmocka_unit_test(kinds_have_phrases),
        cmocka_unit_test(the_refusal_names_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
