/* endpoint.h: one service that takes JSON by POST: its address, the key, time-outs, attempts, and what it says when
 * it refuses, in one line. chat.h and img2img.h are the services.
 *
 * The key comes from RAP_API_KEY alone. It goes out over TLS or to this machine only, and stands in no message: where a
 * server repeats it, it is blotted out. An endpoint belongs to one thread at a time. */
#ifndef RAP_REMOTE_ENDPOINT_H
#define RAP_REMOTE_ENDPOINT_H

#include "net/http.h"

typedef struct endpoint endpoint;

typedef struct endpoint_settings { /* borrowed */
    const char *url;      /* as a person gives it: "http://localhost:8080", "https://host/v1" or the full address */
    long connect_seconds; /* each 0: what is said behind it: 20 */
    long silence_seconds; /* without a byte: 120 */
    long whole_seconds;   /* of one attempt: 600 */
    int attempts;         /* after the first: 4; negative: none */
    long first_pause_ms;  /* before the second attempt: 1000; each further pause is twice as long */
    int64_t max_bytes;    /* of a reply: 8 MiB */
    int (*cancelled)(void *payload); /* NULL: never; non-zero: stop now */
    /* NULL, or before each attempt, which waits until it returns; non-zero: stop. */
    int (*before)(void *payload);
    /* NULL, or before each pause, with why; `asked`: the server wants it (Retry-After). */
    void (*on_pause)(const char *why, long pause_ms, bool asked, void *payload);
    void *payload;
} endpoint_settings;

/* `path` ("/chat/completions") is appended unless the address ends in it already, with `version` ("/v1") before it
 * where the address is a bare host. */
rap_status endpoint_open(endpoint **out, const endpoint_settings *settings, const char *version,
                         const char *path, rap_err *err);
void endpoint_close(endpoint *e);          /* NULL-safe */
const char *endpoint_url(const endpoint *e); /* where requests go */

typedef struct endpoint_receiver {
    /* A reply of 200 to 299 begins: what came of an earlier attempt is forgotten. */
    rap_status (*begin)(const http_reply *reply, void *payload, rap_err *err);
    rap_status (*bytes)(const void *data, size_t size, void *payload, rap_err *err);
    rap_status (*end)(void *payload, rap_err *err);
    void *payload;
    bool again; /* set with a failure of its own that another attempt may mend */
    bool delivered;  /* set when something was handed on: no further attempt, which would begin anew */
} endpoint_receiver;

/* Sends the JSON until it is answered or there is no hope. `out` tells of the last attempt. */
rap_status endpoint_post(http_reply *out, endpoint *e, const char *json, size_t size,
                         endpoint_receiver *receiver, rap_err *err);

#endif
