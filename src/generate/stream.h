/* stream.h: an answer as it grows: bytes in, whole UTF-8 characters out. */
#ifndef RAP_GENERATE_STREAM_H
#define RAP_GENERATE_STREAM_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

typedef struct stream {
    buf text;   /* what was given out so far                          */
    buf raw;    /* bytes of a character that is not complete yet       */
    bool begun; /* something other than white space was given out      */
    bool stopped;
    rap_on_token *on_token; /* NULL: not streamed */
    void *payload;
} stream;

void stream_init(stream *s, rap_on_token *on_token, void *payload);
void stream_add(stream *s, const char *bytes, size_t len);
void stream_end(stream *s); /* an unfinished character becomes U+FFFD */
void stream_release(stream *s);

#endif
