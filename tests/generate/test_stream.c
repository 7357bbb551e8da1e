/* test_stream.c: bytes in, whole characters out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "generate/stream.h"

#include <stdio.h>
#include <string.h>

/* What the listener heard: pieces between bars. */
typedef struct heard {
    char text[256];
    int calls, stop_at;
} heard;

static int listen(const char *text, size_t len, void *payload)
{
    heard *h = payload;
    size_t at = strlen(h->text);

    snprintf(h->text + at, sizeof h->text - at, "%s%.*s", at ? "|" : "", (int)len, text);
    return ++h->calls == h->stop_at;
}

static void expect(const char *const *piece, const char *want_heard, const char *want_text)
{
    heard h = { .calls = 0 };
    stream s;

    stream_init(&s, listen, &h);
    for (; *piece; piece++)
        stream_add(&s, *piece, strlen(*piece));
    stream_end(&s);
    assert_string_equal(h.text, want_heard);
    assert_string_equal(buf_text(&s.text), want_text);
    assert_true(text_is_utf8(buf_text(&s.text)));
    stream_release(&s);
}

static void pieces_pass_as_they_come(void **state)
{
    expect((const char *[]){ "one", " two", NULL }, "one| two", "one two");
}

static void leading_space_is_dropped(void **state)
{
    expect((const char *[]){ " ", "\n", " yes", " ", NULL }, "yes| ", "yes ");
}

static void characters_wait_until_they_are_whole(void **state)
{
    expect((const char *[]){ "caf", "\xc3", "\xa9", "!", NULL }, "caf|\xc3\xa9|!", "caf\xc3\xa9!");
    expect((const char *[]){ "\xf0", "\x9f", "\x90", "\x95", NULL }, "\xf0\x9f\x90\x95",
           "\xf0\x9f\x90\x95");
}

static void bytes_that_are_no_text_become_marks(void **state)
{
    expect((const char *[]){ "a\xff", "b", NULL }, "a\xef\xbf\xbd|b",
           "a\xef\xbf\xbd"
           "b");
    expect((const char *[]){ "a\xe2\x82", "b", NULL },
           "a|\xef\xbf\xbd\xef\xbf\xbd"
           "b",
           "a\xef\xbf\xbd\xef\xbf\xbd"
           "b");
    expect((const char *[]){ "a\xe2\x82", NULL }, "a|\xef\xbf\xbd", "a\xef\xbf\xbd");
    expect((const char *[]){ "\xed\xa0\x80", NULL }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void a_listener_can_stop(void **state)
{
    heard h = { .stop_at = 2 };
    stream s;

    stream_init(&s, listen, &h);
    stream_add(&s, "one", 3);
    assert_false(s.stopped);
    stream_add(&s, " two", 4);
    assert_true(s.stopped);
    stream_add(&s, " three", 6);
    assert_int_equal(h.calls, 2);
    stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_pass_as_they_come),
        cmocka_unit_test(leading_space_is_dropped),
        cmocka_unit_test(characters_wait_until_they_are_whole),
        cmocka_unit_test(bytes_that_are_no_text_become_marks),
        cmocka_unit_test(a_listener_can_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
