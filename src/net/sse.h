/* sse.h: server-sent events: a stream of lines "data: …", an empty line behind each event. */
#ifndef RAP_NET_SSE_H
#define RAP_NET_SSE_H

#include "base/buf.h"
#include "base/err.h"

/* One event: its name ("message" where it has none) and its data lines joined by line breaks, NUL-ended.
 * What is not RAP_OK ends the stream. */
typedef rap_status sse_on_event(const char *name, const char *data, size_t size, void *payload,
                                rap_err *err);

typedef struct sse {
    sse_on_event *on_event;
    void *payload;
    size_t limit; /* bytes of a line, and of an event */
    buf line, data;
    char name[64];
    bool has_data;
    bool after_return; /* a line ended in CR: an LF that follows belongs to it */
    bool begun;        /* the first line was seen: a byte-order mark comes before it only */
} sse;

void sse_init(sse *s, size_t limit, sse_on_event *on_event, void *payload);
void sse_release(sse *s);
/* The next bytes, cut anywhere. RAP_E_LIMIT for a line or an event without end. What has no empty line
 * behind it when the stream ends is no event. */
rap_status sse_add(sse *s, const char *bytes, size_t size, rap_err *err);

#endif
