/* sse.h: server-sent events: a stream of lines "data: …", with an empty line after each event. */
#ifndef RAP_NET_SSE_H
#define RAP_NET_SSE_H

#include "base/buf.h"
#include "base/err.h"

/* One event: its name ("message" by default) and its data lines joined by line breaks, NUL-ended. A failure ends the
 * stream. */
typedef rap_status sse_on_event(const char *name, const char *data, size_t size, void *payload,
                                rap_err *err);

typedef struct sse {
    sse_on_event *on_event;
    void *payload;
    size_t limit; /* in bytes, of a line and of an event */
    buf line, data;
    char name[64];
    bool has_data;
    bool after_return; /* the last line ended in CR; an LF that follows belongs to it */
    bool begun;        /* the first line was read; only it may have a byte-order mark */
} sse;

void sse_init(sse *s, size_t limit, sse_on_event *on_event, void *payload);
void sse_release(sse *s);
/* Reads the next bytes, split anywhere. RAP_E_LIMIT for a line or event that is too long. An incomplete event at the end
 * of the stream is dropped. */
rap_status sse_add(sse *s, const char *bytes, size_t size, rap_err *err);

#endif
