/* chat_reply.c: the text of an answer, then its JSON, then the two forms in which it comes. */
#include "remote/chat_reply.h"

#include "base/text.h"
#include "remote/server_words.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { BODY = 8 << 20, EVENT = 1 << 20 };

static sse_on_event on_event;

void chat_reader_init(chat_reader *r, chat_on_text *on_text, void *payload, const char *secret)
{
    *r = (chat_reader){ .on_text = on_text, .payload = payload, .secret = secret };
    sse_init(&r->parser, EVENT, on_event, r);
    r->prompt_tokens = r->answer_tokens = -1;
}

void chat_reader_release(chat_reader *r)
{
    buf_release(&r->body);
    buf_release(&r->text);
    sse_release(&r->parser);
}

void chat_reader_begin(chat_reader *r, const char *type)
{
    chat_on_text *listener = r->on_text;
    void *payload = r->payload;
    const char *secret = r->secret;
    bool delivered = r->delivered;

    chat_reader_release(r);
    chat_reader_init(r, listener, payload, secret);
    r->delivered = delivered;
    r->events = strcmp(type, "text/event-stream") == 0;
}

/* ---- the answer's text ---- */

/* Any line end becomes \n; other control characters go. */
static void add_plain(chat_reader *r, const char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        unsigned code = 0;
        size_t used = text_decode(&code, text + at);

        if (used == 0) { /* NUL, or what is no UTF-8 */
            r->after_return = false;
            at++;
            continue;
        }
        if (code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029)
            buf_putc(&r->text, '\n');
        else if (code == '\t' || (code == '\n' && !r->after_return) || !text_is_control(code))
            buf_add(&r->text, text + at, used);
        r->after_return = code == '\r';
        at += used;
    }
}

static rap_status add_text(chat_reader *r, const char *text, size_t size, rap_err *err)
{
    size_t before = r->text.len;

    if (size > CHAT_TEXT - before)
        return err_set(err, RAP_E_LIMIT, "the answer is longer than %d KiB", CHAT_TEXT >> 10);
    add_plain(r, text, size);
    if (buf_failed(&r->text))
        return err_memory(err, "reading an answer");
    if (!r->on_text || r->text.len == before)
        return RAP_OK;
    r->delivered = true;
    return r->on_text(r->text.data + before, r->text.len - before, r->payload)
               ? err_set(err, RAP_E_CANCELLED, "the answer was stopped")
               : RAP_OK;
}

/* A string, or a list of {"type": "text", "text"}. */
static rap_status add_content(chat_reader *r, const json_t *content, rap_err *err)
{
    rap_status status = RAP_OK;

    if (json_is_string(content))
        return add_text(r, json_string_value(content), json_string_length(content), err);
    for (size_t i = 0; status == RAP_OK && i < json_array_size(content); i++) {
        const json_t *text = json_object_get(json_array_get(content, i), "text");

        if (json_is_string(text))
            status = add_text(r, json_string_value(text), json_string_length(text), err);
    }
    return status;
}

/* ---- its JSON ---- */

static void copy_word(char *out, size_t room, const json_t *from)
{
    const char *text = json_string_value(from);

    if (text && !text_has_control(text))
        snprintf(out, room, "%s", text);
}

static int count_of(const json_t *usage, const char *name)
{
    const json_t *n = json_object_get(usage, name);
    json_int_t value = json_integer_value(n);

    return json_is_integer(n) && value >= 0 && value <= 1000000000 ? (int)value : -1;
}

static rap_status failed(chat_reader *r, const json_t *reply, rap_err *err)
{
    char words[SERVER_WORDS];

    server_error(words, reply, r->secret);
    r->again = true; /* overload, mostly; a wrong request is refused before a stream begins */
    return err_set(err, RAP_E_IO, "the server reports: %s", words);
}

/* One document of a reply: the whole, or a piece of the stream. */
static rap_status take_json(chat_reader *r, const json_t *reply, rap_err *err)
{
    const json_t *choices = json_object_get(reply, "choices"), *choice = json_array_get(choices, 0);
    const json_t *usage = json_object_get(reply, "usage"), *message, *refusal;
    char words[SERVER_WORDS];

    if (server_error(words, reply, r->secret))
        return failed(r, reply, err);
    if (!json_is_array(choices))
        return err_set(err, RAP_E_FORMAT, "the reply has no \"choices\": is this a chat endpoint?");
    copy_word(r->model, sizeof r->model, json_object_get(reply, "model"));
    if (json_is_object(usage)) {
        r->prompt_tokens = count_of(usage, "prompt_tokens");
        r->answer_tokens = count_of(usage, "completion_tokens");
    }
    if (!choice && r->events) /* a piece that tells the usage alone */
        return RAP_OK;
    message = json_object_get(choice, r->events ? "delta" : "message");
    if (!json_is_object(message) && !r->events)
        return err_set(err, RAP_E_FORMAT, "the reply has no \"message\": is this a chat endpoint?");
    copy_word(r->finish, sizeof r->finish, json_object_get(choice, "finish_reason"));
    refusal = json_object_get(message, "refusal");
    if (json_is_string(refusal) && json_string_length(refusal) > 0)
        return add_text(r, json_string_value(refusal), json_string_length(refusal), err);
    return add_content(r, json_object_get(message, "content"), err);
}

static rap_status parse(chat_reader *r, const char *text, size_t size, const char *what,
                        rap_err *err)
{
    json_error_t why;
    json_t *reply = json_loadb(text, size, JSON_ALLOW_NUL, &why);
    rap_status status;

    if (reply && json_is_object(reply)) {
        status = take_json(r, reply, err);
    } else if (!reply && json_error_code(&why) == json_error_premature_end_of_input) {
        r->again = true;
        status = err_set(err, RAP_E_IO, "%s ends in the middle", what);
    } else {
        char words[SERVER_WORDS], begin[100];

        snprintf(begin, sizeof begin, "%.*s", (int)(size < 80 ? size : 80), text);
        server_words(words, begin, r->secret);
        status = err_set(err, RAP_E_FORMAT, "%s is not JSON of a chat endpoint; it begins: %s",
                         what, words);
    }
    json_decref(reply);
    return status;
}

/* ---- the two forms ---- */

static rap_status on_event(const char *name, const char *data, size_t size, void *payload,
                           rap_err *err)
{
    chat_reader *r = payload;

    (void)name;
    if (r->done)
        return RAP_OK;
    if (strcmp(data, "[DONE]") == 0) {
        r->done = true;
        return RAP_OK;
    }
    return parse(r, data, size, "an event of the reply", err);
}

rap_status chat_reader_add(chat_reader *r, const void *bytes, size_t size, rap_err *err)
{
    if (r->events)
        return sse_add(&r->parser, bytes, size, err);
    if (size > BODY - r->body.len)
        return err_set(err, RAP_E_LIMIT, "the reply is larger than %d MiB", BODY >> 20);
    buf_add(&r->body, bytes, size);
    return buf_failed(&r->body) ? err_memory(err, "reading a reply") : RAP_OK;
}

static bool is_blank(const buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if (!strchr(" \t\r\n", b->data[i]) || !b->data[i])
            return false;
    return true;
}

rap_status chat_reader_end(chat_reader *r, rap_err *err)
{
    if (r->events && (r->done || *r->finish))
        return RAP_OK;
    if (r->events) {
        r->again = true;
        return err_set(err, RAP_E_IO, "the stream was cut off before the answer's end");
    }
    if (is_blank(&r->body)) {
        r->again = true;
        return err_set(err, RAP_E_IO, "the reply is empty");
    }
    return parse(r, buf_text(&r->body), r->body.len, "the reply", err);
}
