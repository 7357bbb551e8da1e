/* chat.h: one question to an OpenAI-compatible chat endpoint: messages of texts and pictures out, a text back, as it
 * comes or whole.
 *
 *     chat_part parts[] = { { .text = "What is this?" }, { .picture = jpeg, .size = size } };
 *     chat_message message = { "user", parts, 2 };
 *     chat_request ask = { .model = "name", .message = &message, .messages = 1 };
 *
 *     chat_open(&c, &settings, err)
 *     chat_ask(&reply, c, &ask, err)
 *
 * A failure is one line that begins with the address. */
#ifndef RAP_REMOTE_CHAT_H
#define RAP_REMOTE_CHAT_H

#include "remote/chat_reply.h"
#include "remote/endpoint.h"

typedef struct chat chat; /* of one thread at a time */

typedef struct chat_part { /* a text, or a picture */
    const char *text;      /* UTF-8 */
    const void *picture;   /* a JPEG (picture.h makes it) */
    size_t size;
} chat_part;

typedef struct chat_message {
    const char *role; /* "system", "user", "assistant" */
    const chat_part *part;
    size_t parts;
} chat_message;

typedef struct chat_request {
    const char *model;
    const chat_message *message;
    size_t messages;
    int max_tokens;     /* of the answer; 0: not said */
    const double *temperature; /* NULL: not said */
    const double *top_p;       /* NULL: not said */
    const int64_t *seed;       /* NULL: not said */
    bool json;          /* an object is wanted ("response_format") */
    bool stream;        /* the server is asked to send it as it comes */
    chat_on_text *on_text; /* NULL: not streamed. After its first call there is no further attempt */
    void *payload;
} chat_request;

typedef struct chat_reply {
    char *text;       /* without control characters but line breaks and tabs; never NULL after RAP_OK */
    char finish[32];  /* "stop", "length" …; "" when not said */
    char model[128];  /* as the server calls it; "" when not said */
    int prompt_tokens, answer_tokens; /* −1: not said */
    double ms;        /* all attempts and pauses together */
    long code;        /* of the last reply; 0: there was none */
} chat_reply;

rap_status chat_open(chat **out, const endpoint_settings *settings, rap_err *err);
void chat_close(chat *c); /* NULL-safe */

/* chat_reply_release() `out` in any case. */
rap_status chat_ask(chat_reply *out, chat *c, const chat_request *request, rap_err *err);
void chat_reply_release(chat_reply *r);

#endif
