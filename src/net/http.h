/* http.h: one HTTP request at a time, on libcurl: HEAD, GET (also of the rest of a file), POST, and replies
 * that are streams of events. TLS is always verified. No redirection is followed here: where one leads is in the
 * reply. Everything that a server sends is bounded, in bytes and in time. Trying again is retry.h's
 * business: a failure says whether it may help.
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
    http_cancelled *cancelled; /* NULL: never; asked about once a second and at each piece of a body */
    void *payload;
} http_settings;

rap_status http_open(http **out, const http_settings *settings, rap_err *err);
void http_close(http *h); /* NULL-safe */

typedef struct http_request { /* everything is borrowed */
    const char *url;            /* http or https */
    const char *token;          /* NULL: none; "Authorization: Bearer", sent only where http_is_private(url) */
    const char *const *headers; /* NULL: none; further ones, "Name: value", ended by NULL */
    const void *body;           /* of a POST */
    size_t body_size;
    const char *body_type; /* NULL: application/json */
    int64_t from;          /* of a GET: the first byte wanted; 0: all */
    const char *if_range;  /* NULL or "": none; else everything is sent when the file has changed */
    long connect_seconds;  /* for the connection to be made */
    long silence_seconds;  /* without so much as least_rate, a transfer this long has failed */
    long least_rate;       /* bytes a second */
    long whole_seconds;    /* for everything together; 0: any time, if bytes keep coming */
    int64_t max_bytes;     /* of the body; 0: the receiver sets the bound */
} http_request;
/* For a file. A slow service that thinks before its first byte needs more silence_seconds. */
#define HTTP_REQUEST_INIT \
    { NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 20, 30, 1, 0, 0 }

/* Over TLS, or on this machine: what is secret may be sent there. */
bool http_is_private(const char *url);

typedef struct http_sink {
    /* Once, before the first byte of a reply of 200 to 299. A failure ends the transfer and is what the
     * request gives. */
    rap_status (*begin)(const http_reply *reply, void *payload, rap_err *err);
    rap_status (*bytes)(const void *data, size_t size, void *payload, rap_err *err);
    void *payload;
} http_sink;

/* RAP_OK for every complete reply below 400; of a redirection only the head is read. Of a failure `out`
 * tells the code, the kind, and the beginning of the server's own words. */
rap_status http_head(http_reply *out, http *h, const http_request *request, rap_err *err);
rap_status http_get(http_reply *out, http *h, const http_request *request, const http_sink *sink,
                    rap_err *err);
/* A redirection is RAP_E_IO: what was sent to one place is not sent to another unasked. */
rap_status http_post(http_reply *out, http *h, const http_request *request, const http_sink *sink,
                     rap_err *err);
/* The same where the reply is a stream of server-sent events; another kind of reply is RAP_E_FORMAT. A
 * failure of on_event ends the transfer and is what this gives. */
rap_status http_post_events(http_reply *out, http *h, const http_request *request,
                            sse_on_event *on_event, void *payload, rap_err *err);

/* `url` as seen from `base` ("/a/b" → "https://host/a/b"); free(), NULL on failure. */
char *http_resolve(const char *base, const char *url);
bool http_same_host(const char *a, const char *b); /* scheme, host and port */

#endif
