/* http.h: one HTTP request with a time limit on silence, on libcurl. What to ask again, and when, is
 * fetch.c's business: a failure says whether trying again may help. */
#ifndef RAP_NET_HTTP_H
#define RAP_NET_HTTP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct http http;

typedef int http_cancelled(void *payload); /* non-zero: stop now */

typedef struct http_settings { /* everything is borrowed */
    const char *token;         /* NULL: none. Sent to the host of the first URL only, and never in clear
                                  text over a network */
    long stall_seconds;        /* a transfer this long without bytes has failed */
    http_cancelled *cancelled;
    void *payload;
} http_settings;

typedef struct http_reply {
    long code;
    int64_t length;                  /* Content-Length; −1: not said */
    int64_t range_from, range_total; /* Content-Range; −1: not said */
    int64_t linked_size;             /* X-Linked-Size; −1: not said */
    char etag[128], linked_etag[128]; /* without quotes; "" when not said or not usable as a file name */
    bool weak;                       /* the ETag was */
    char commit[41];                 /* X-Repo-Commit, "" when not said */
    char location[2048];             /* where a redirection leads, "" */
    long retry_after;                /* seconds; 0: not said */
    bool again;                      /* after a failure: trying again may help */
} http_reply;

void http_reply_clear(http_reply *r); /* nothing said */
/* One line of a reply's head, not NUL-ended. Those of each reply on the way come here, and a status line
 * starts anew. */
void http_reply_line(http_reply *r, const char *bytes, size_t size);

rap_status http_open(http **out, const http_settings *settings, rap_err *err);
void http_close(http *h); /* NULL-safe */

/* HEAD, no redirection followed. RAP_OK for every complete reply below 400. */
rap_status http_head(http *h, const char *url, http_reply *out, rap_err *err);

/* `url` as seen from `base` ("/a/b" → "https://host/a/b"); free(), NULL on failure. */
char *http_resolve(const char *base, const char *url);
bool http_same_host(const char *a, const char *b); /* scheme, host and port */

typedef struct http_sink {
    /* Once, before the first byte of a 200 or 206. A failure ends the transfer and is what http_get gives. */
    rap_status (*begin)(const http_reply *reply, void *payload, rap_err *err);
    rap_status (*bytes)(const void *data, size_t size, void *payload, rap_err *err);
    void *payload;
} http_sink;

/* GET, redirections followed (at most 10, never from https to http). from > 0 asks for the rest only;
 * if_range (NULL or "": none) makes the server send everything when the file has changed. */
rap_status http_get(http *h, const char *url, int64_t from, const char *if_range,
                    const http_sink *sink, http_reply *out, rap_err *err);

#endif
