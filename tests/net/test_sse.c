/* test_sse.c: server-sent events out of bytes cut anywhere (src/net/sse.c). */
#include "net/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rap_status note(const char *name, const char *data, size_t size, void *payload, rap_err *err)
{
    buf *out = payload;

    (void)err;
    assert_int_equal(strlen(data), size);
    buf_printf(out, "[%s|%s]", name, data);
    return RAP_OK;
}

static void gives(const char *stream, const char *expected)
{
    size_t len = strlen(stream);

    for (size_t piece = 1; piece <= len; piece++) {
        buf out = BUF_INIT;
        sse s;

        sse_init(&s, 1000, note, &out);
        for (size_t at = 0; at < len; at += piece)
            assert_int_equal(sse_add(&s, stream + at, at + piece < len ? piece : len - at, NULL),
                             RAP_OK);
        assert_string_equal(buf_text(&out), expected);
        sse_release(&s);
        buf_release(&out);
    }
}

static void events_in_every_form(void **state)
{
    gives("data: a\n\ndata: b\n\n", "[message|a][message|b]");
    gives("data: a\r\n\r\ndata: b\r\n\r\n", "[message|a][message|b]");
    gives("data: a\r\rdata: b\r\r", "[message|a][message|b]");
    gives("data:a\ndata: b\ndata:  c\n\n", "[message|a\nb\n c]");
    gives("event: error\ndata: {\"x\": 1}\n\ndata: y\n\n", "[error|{\"x\": 1}][message|y]");
    gives(": keep-alive\n\n: more\ndata: a\n\n", "[message|a]");
    gives("\xEF\xBB\xBF"
          "data: a\n\n",
          "[message|a]");
    gives("id: 7\nretry: 10\nother: x\nnothing\ndata: a\n\n", "[message|a]");
    gives("data\n\n", "[message|]");
    gives("data:\ndata:\n\n", "[message|\n]");
    gives("event: x\n\ndata: a\n\n", "[message|a]"); /* without data it is none */
    gives("data: a\n\ndata: cut off", "[message|a]");
    gives("data: a\n\ndata: cut off\n", "[message|a]");
}

static void lines_and_events_without_end(void **state)
{
    char text[64];
    buf out = BUF_INIT;
    rap_err err = { 0 };
    rap_status status = RAP_OK;
    sse s;

    memset(text, 'x', sizeof text);
    sse_init(&s, 1000, note, &out);
    for (int i = 0; i < 100 && status == RAP_OK; i++)
        status = sse_add(&s, text, sizeof text, &err);
    assert_int_equal(status, RAP_E_LIMIT);
    sse_release(&s);
    sse_init(&s, 1000, note, &out);
    status = RAP_OK;
    for (int i = 0; i < 1000 && status == RAP_OK; i++)
        status = sse_add(&s, "data: 123456789\n", 16, &err);
    assert_int_equal(status, RAP_E_LIMIT);
    assert_string_equal(buf_text(&out), "");
    sse_release(&s);
    buf_release(&out);
}

static rap_status refuse(const char *name, const char *data, size_t size, void *payload,
                         rap_err *err)
{
    ++*(int *)payload;
    return err_set(err, RAP_E_CANCELLED, "enough");
}

static void a_failure_ends_the_stream(void **state)
{
    int calls = 0;
    rap_err err = { 0 };
    sse s;

    sse_init(&s, 1000, refuse, &calls);
    assert_int_equal(sse_add(&s, "data: a\n\ndata: b\n\n", 18, &err), RAP_E_CANCELLED);
    assert_int_equal(calls, 1);
    sse_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_in_every_form),
        cmocka_unit_test(lines_and_events_without_end),
        cmocka_unit_test(a_failure_ends_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
