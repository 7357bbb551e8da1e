/* chat.c: the request as JSON, then asking. */
#include "remote/chat.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/threads.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chat {
    endpoint *endpoint;
    /* What this server was found to want: some models take "max_completion_tokens" only, and no temperature. */
    bool other_limit, no_temperature;
};

rap_status chat_open(chat **out, const endpoint_settings *settings, rap_err *err)
{
    chat *c = mem_array(1, sizeof *c);
    rap_status status = c ? RAP_OK : err_memory(err, "opening an endpoint");

    *out = NULL;
    if (status == RAP_OK)
        status = endpoint_open(&c->endpoint, settings, "/v1", "/chat/completions", err);
    if (status == RAP_OK)
        *out = c;
    else
        free(c);
    return status;
}

void chat_close(chat *c)
{
    if (!c)
        return;
    endpoint_close(c->endpoint);
    free(c);
}

/* ---- the request ---- */

static json_t *picture_part(const chat_part *p)
{
    buf uri = BUF_INIT;
    json_t *part;

    buf_puts(&uri, "data:image/jpeg;base64,");
    base64_encode(&uri, p->picture, p->size);
    part = buf_failed(&uri) ? NULL
                            : json_pack("{s:s, s:{s:s%}}", "type", "image_url", "image_url", "url",
                                        uri.data, uri.len);
    buf_release(&uri);
    return part;
}

/* A message of one text is sent as a string: some servers know nothing else in system messages. */
static json_t *content_of(const chat_message *m)
{
    json_t *list;

    if (m->parts == 1 && m->part[0].text)
        return json_string(m->part[0].text);
    list = json_array();
    for (size_t i = 0; list && i < m->parts; i++) {
        const chat_part *p = &m->part[i];
        json_t *part =
            p->text ? json_pack("{s:s, s:s}", "type", "text", "text", p->text) : picture_part(p);

        if (!part || json_array_append_new(list, part) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *messages_of(const chat_request *q)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < q->messages; i++) {
        json_t *one = json_pack("{s:s, s:o}", "role", q->message[i].role, "content",
                                content_of(&q->message[i]));

        if (!one || json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* NULL: memory ran out, or a text is no UTF-8. free(). */
static char *request_text(const chat *c, const chat_request *q)
{
    json_t *root = json_pack("{s:s, s:o, s:b}", "model", q->model, "messages", messages_of(q),
                             "stream", q->stream);
    char *text;

    if (root && q->max_tokens > 0)
        json_object_set_new(root, c->other_limit ? "max_completion_tokens" : "max_tokens",
                            json_integer(q->max_tokens));
    if (root && q->temperature && !c->no_temperature)
        json_object_set_new(root, "temperature", json_real(*q->temperature));
    if (root && q->top_p)
        json_object_set_new(root, "top_p", json_real(*q->top_p));
    if (root && q->seed)
        json_object_set_new(root, "seed", json_integer((json_int_t)*q->seed));
    if (root && q->json)
        json_object_set_new(root, "response_format", json_pack("{s:s}", "type", "json_object"));
    if (root && q->stream)
        json_object_set_new(root, "stream_options", json_pack("{s:b}", "include_usage", 1));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* ---- asking ---- */

typedef struct asking {
    chat_reader reader;
    endpoint_receiver receiver;
} asking;

static rap_status pass_on(asking *a, rap_status status)
{
    a->receiver.again = a->reader.again;
    a->receiver.delivered = a->reader.delivered;
    return status;
}

static rap_status begin(const http_reply *reply, void *payload, rap_err *err)
{
    asking *a = payload;

    (void)err;
    chat_reader_begin(&a->reader, reply->type);
    return RAP_OK;
}

static rap_status take(const void *data, size_t size, void *payload, rap_err *err)
{
    asking *a = payload;

    return pass_on(a, chat_reader_add(&a->reader, data, size, err));
}

static rap_status end(void *payload, rap_err *err)
{
    asking *a = payload;

    return pass_on(a, chat_reader_end(&a->reader, err));
}

/* Does the server refuse a parameter that can be given otherwise or left out? */
static bool adapt(chat *c, const chat_request *q, const http_reply *reply)
{
    if (reply->failure != HTTP_REFUSED || reply->code != 400)
        return false;
    if (q->max_tokens > 0 && !c->other_limit && strstr(reply->words, "max_completion_tokens"))
        return c->other_limit = true;
    if (q->temperature && !c->no_temperature && strstr(reply->words, "temperature"))
        return c->no_temperature = true;
    return false;
}

/* The line begins with the address, whoever wrote it. */
static void name_server(const chat *c, rap_err *err)
{
    const char *url = endpoint_url(c->endpoint);
    char text[sizeof err->text];

    if (err->status == RAP_OK || strncmp(err->text, url, strlen(url)) == 0)
        return;
    memcpy(text, err->text, sizeof text);
    err_set(err, err->status, "%s: %s", url, text);
}

static rap_status post(http_reply *out, chat *c, const chat_request *q, asking *a, rap_err *err)
{
    char *text = request_text(c, q);
    rap_status status;

    if (!text)
        return err_set(err, RAP_E_ARGUMENT,
                       "the question for %s could not be written: a text in it is not UTF-8",
                       q->model);
    status = endpoint_post(out, c->endpoint, text, strlen(text), &a->receiver, err);
    free(text);
    return status;
}

rap_status chat_ask(chat_reply *out, chat *c, const chat_request *request, rap_err *err)
{
    asking a = { .receiver = { .begin = begin, .bytes = take, .end = end, .payload = &a } };
    rap_err own = { 0 };
    http_reply reply;
    double start = clock_ms();
    rap_status status;

    err = err ? err : &own;
    *out = (chat_reply){ .prompt_tokens = -1, .answer_tokens = -1 };
    http_reply_clear(&reply);
    chat_reader_init(&a.reader, request->on_text, request->payload, getenv("RAP_API_KEY"));
    do {
        err_clear(err);
        status = post(&reply, c, request, &a, err);
    } while (status != RAP_OK && adapt(c, request, &reply));
    name_server(c, err);
    out->code = reply.code;
    if (status == RAP_OK && !(out->text = mem_string(buf_text(&a.reader.text))))
        status = err_memory(err, "reading an answer");
    memcpy(out->finish, a.reader.finish, sizeof out->finish);
    memcpy(out->model, a.reader.model, sizeof out->model);
    out->prompt_tokens = a.reader.prompt_tokens;
    out->answer_tokens = a.reader.answer_tokens;
    out->ms = clock_ms() - start;
    chat_reader_release(&a.reader);
    return status;
}

void chat_reply_release(chat_reply *r)
{
    free(r->text);
    r->text = NULL;
}
