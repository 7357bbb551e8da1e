/* fuzz_chat.c: the reply of a chat endpoint, as a document and as a stream, whole and in small pieces: both give the
 * same, and nothing that comes out holds a control character. */
#include "fuzz/fuzz.h"

#include "base/text.h"
#include "remote/chat_reply.h"
#include "remote/server_words.h"

#include <string.h>

static void check_plain(const char *text)
{
    unsigned code;
    size_t used;

    for (; *text; text += used) {
        used = text_decode(&code, text);
        if (used == 0 || (text_is_control(code) && code != '\n' && code != '\t'))
            abort();
    }
}

static int on_text(const char *text, size_t size, void *payload)
{
    buf_add(payload, text, size);
    return 0;
}

static rap_status read_by(chat_reader *r, buf *told, const uint8_t *data, size_t size, size_t piece,
                          const char *type)
{
    rap_err err = { 0 };
    rap_status status = RAP_OK;

    chat_reader_init(r, on_text, told, "secret");
    chat_reader_begin(r, type);
    for (size_t at = 0; status == RAP_OK && at < size; at += piece)
        status = chat_reader_add(r, data + at, size - at < piece ? size - at : piece, &err);
    if (status == RAP_OK)
        status = chat_reader_end(r, &err);
    if (status != RAP_OK && (status != err.status || !*err.text || strstr(err.text, "secret")))
        abort();
    check_plain(buf_text(&r->text));
    check_plain(r->finish);
    check_plain(r->model);
    if (told->len != r->text.len || memcmp(buf_text(told), buf_text(&r->text), told->len) != 0)
        abort();
    return status;
}

static void check_words(const uint8_t *data, size_t size)
{
    char out[SERVER_WORDS], body[512];
    size_t len = size < sizeof body ? size : sizeof body - 1;

    memcpy(body, data, len);
    body[len] = '\0';
    server_words(out, body, "secret");
    check_plain(out);
    if (strchr(out, '\n') || strstr(out, "secret"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const type[] = { "application/json", "text/event-stream" };

    check_words(data, size);
    for (int i = 0; i < 2; i++) {
        chat_reader a, b;
        buf told_a = BUF_INIT, told_b = BUF_INIT;

        if (read_by(&a, &told_a, data, size, size ? size : 1, type[i]) !=
                read_by(&b, &told_b, data, size, 3, type[i]) ||
            strcmp(buf_text(&a.text), buf_text(&b.text)) != 0)
            abort();
        chat_reader_release(&a);
        chat_reader_release(&b);
        buf_release(&told_a);
        buf_release(&told_b);
    }
    return 0;
}
