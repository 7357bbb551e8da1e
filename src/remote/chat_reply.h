/* chat_reply.h: reads the reply of a chat endpoint, whole or as a stream of events, whichever comes. Everything is
 * bounded, and the text that comes out has no control characters but line breaks and tabs. */
#ifndef RAP_REMOTE_CHAT_REPLY_H
#define RAP_REMOTE_CHAT_REPLY_H

#include "base/buf.h"
#include "net/sse.h"

enum { CHAT_TEXT = 1 << 20 }; /* bytes of an answer */

/* A piece of the answer, whole characters; non-zero: enough. */
typedef int chat_on_text(const char *text, size_t size, void *payload);

typedef struct chat_reader {
    chat_on_text *on_text; /* NULL: not streamed */
    void *payload;
    const char *secret; /* NULL, or what no message may hold */
    bool events;        /* a stream; else one JSON document */
    buf body;           /* the document */
    sse parser;
    buf text;           /* the answer */
    char finish[32];    /* "stop", "length" …; "" as long as it is not said */
    char model[128];    /* that answered, "" */
    int prompt_tokens, answer_tokens; /* −1: not said */
    bool done;          /* the stream's end mark came */
    bool after_return;
    bool again;         /* the failure is one that another attempt may mend */
    bool delivered;          /* on_text was called */
} chat_reader;

void chat_reader_init(chat_reader *r, chat_on_text *on_text, void *payload, const char *secret);
void chat_reader_release(chat_reader *r);

/* A reply of that type ("text/event-stream" or another) begins; what came before is forgotten. */
void chat_reader_begin(chat_reader *r, const char *type);
rap_status chat_reader_add(chat_reader *r, const void *bytes, size_t size, rap_err *err);
/* The reply has ended: is it whole? */
rap_status chat_reader_end(chat_reader *r, rap_err *err);

#endif
