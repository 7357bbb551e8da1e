/* http.h: one HTTP request at a time, on libcurl: HEAD, GET (also from an offset), POST, and replies
 * that are event streams. TLS is always verified. Redirections are not followed; their target is in the
 * reply. Everything that a server sends is bounded, in bytes and in time. A failure says whether a retry may help; retry.h
 * does it.
 *
 * A request to a service that streams:
 *
 *     http_request ask = HTTP_REQUEST_INIT;
 *     ask.url = "https://host/v1/chat/completions";
 *     ask.token = key;
 *     ask.body = json, ask.body_size = strlen(json);
 *     status = http_post_events(&reply, h, &ask, on_event, payload, err); */
#ifndef RAP_NET_HTTP_H
#define RAP_NET_HTTP_H

#include "net/http_reply.h"
#include "net/sse.h"

#include <stddef.h>

typedef struct http http;

typedef int http_cancelled(void *payload); /* non-zero: stop now */

typedef struct http_settings { /* borrowed */
    http_cancelled *cancelled; /* NULL: never; called about once a second and for each piece of a body */
    void *payload;
} http_settings;

rap_status http_open(http **out, const http_settings *settings, rap_err *err);
void http_close(http *h); /* NULL-safe */

typedef struct http_request { /* everything is borrowed */
    const char *url;            /* http or https */
    const char *token;          /* NULL: none; "Authorization: Bearer", sent only where http_is_private(url) */
    const char *const *headers; /* NULL: none; "Name: value", ended by NULL */
    const void *body;           /* of a POST */
    size_t body_size;
    const char *body_type; /* NULL: application/json */
    int64_t from;          /* of a GET: the offset of the first byte; 0: all */
    const char *if_range;  /* NULL or "": none; an ETag: if the file has changed, all of it is sent */
    long connect_seconds;  /* for the connection to be made */
    long silence_seconds;  /* a transfer below least_rate for this long fails */
    long least_rate;       /* bytes a second */
    long whole_seconds;    /* for the whole request; 0: no limit as long as bytes arrive */
    int64_t max_bytes;     /* of the body; 0: the receiver enforces its limit */
} http_request;
/* For a file. A service that computes before its first byte needs more silence_seconds. */
#define HTTP_REQUEST_INIT \
    { NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 20, 30, 1, 0, 0 }

/* Over TLS, or on this machine: secrets may be sent there. */
bool http_is_private(const char *url);

typedef struct http_sink {
    /* Once, before the first byte of a reply of 200 to 299. A failure ends the transfer and is what the
     * request gives. */
    rap_status (*begin)(const http_reply *reply, void *payload, rap_err *err);
    rap_status (*bytes)(const void *data, size_t size, void *payload, rap_err *err);
    void *payload;
} http_sink;

/* RAP_OK for every complete reply below 400; of a redirection only the headers are read. After a failure `out` has the
 * code, the kind, and the beginning of the error body. */
rap_status http_head(http_reply *out, http *h, const http_request *request, rap_err *err);
rap_status http_get(http_reply *out, http *h, const http_request *request, const http_sink *sink,
                    rap_err *err);
/* A redirection is RAP_E_IO, because the body of a POST must not be sent elsewhere. */
rap_status http_post(http_reply *out, http *h, const http_request *request, const http_sink *sink,
                     rap_err *err);
/* The same for a stream of server-sent events; another kind of reply is RAP_E_FORMAT. A failure of on_event ends
 * the transfer and is returned. */
rap_status http_post_events(http_reply *out, http *h, const http_request *request,
                            sse_on_event *on_event, void *payload, rap_err *err);

/* `url` as seen from `base` ("/a/b" → "https://host/a/b"); free(), NULL on failure. */
char *http_resolve(const char *base, const char *url);
bool http_same_host(const char *a, const char *b); /* scheme, host and port */

#endif
