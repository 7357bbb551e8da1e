/* http_reply.h: the headers of a reply, and why a request failed. */
#ifndef RAP_NET_HTTP_REPLY_H
#define RAP_NET_HTTP_REPLY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum http_failure {
    HTTP_NO_FAILURE = 0,
    HTTP_UNREACHABLE, /* no such host, or it refuses connections */
    HTTP_TIMEOUT,     /* too slow or silent */
    HTTP_BROKEN,      /* the connection, or invalid data */
    HTTP_REFUSED,     /* the server answered 400 or more: `code` */
    HTTP_STOPPED      /* by the caller: cancelled, or the receiver failed */
} http_failure;

typedef struct http_reply {
    long code;
    int64_t length;                  /* Content-Length; −1: none */
    int64_t range_from, range_total; /* Content-Range; −1: none */
    int64_t linked_size;             /* X-Linked-Size; −1: none */
    char etag[128], linked_etag[128]; /* without quotes; "" if missing or not usable as a file name */
    bool weak;                       /* the ETag was */
    char commit[41];                 /* X-Repo-Commit, "" if missing */
    char type[64];                   /* Content-Type without parameters, lower case; "" if missing */
    char location[2048];             /* the target of a redirection, else "" */
    long retry_after;                /* seconds; 0: none */
    http_failure failure;
    bool again;        /* after a failure: a retry may help */
    char words[512];   /* of a reply of 400 or more: the beginning of its body, as one line */
} http_reply;

void http_reply_clear(http_reply *r); /* nothing said */
/* Reads a header line, not NUL-ended. Lines of intermediate replies may come first; a status line resets `out`. */
void http_reply_line(http_reply *r, const char *bytes, size_t size);
/* Adds a piece of the body of a reply of 400 or more, up to the limit. */
void http_reply_words(http_reply *r, const char *bytes, size_t size);

#endif
