/* http_reply.h: what the head of a reply says, and why a request failed. */
#ifndef RAP_NET_HTTP_REPLY_H
#define RAP_NET_HTTP_REPLY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum http_failure {
    HTTP_NO_FAILURE = 0,
    HTTP_UNREACHABLE, /* no such host, or it takes no connection */
    HTTP_TIMEOUT,     /* too slow or silent */
    HTTP_BROKEN,      /* the connection or what came over it */
    HTTP_REFUSED,     /* the server answered 400 or more: `code` */
    HTTP_STOPPED      /* by the caller: cancelled, or the receiver failed */
} http_failure;

typedef struct http_reply {
    long code;
    int64_t length;                  /* Content-Length; −1: not said */
    int64_t range_from, range_total; /* Content-Range; −1: not said */
    int64_t linked_size;             /* X-Linked-Size; −1: not said */
    char etag[128], linked_etag[128]; /* without quotes; "" when not said or not usable as a file name */
    bool weak;                       /* the ETag was */
    char commit[41];                 /* X-Repo-Commit, "" when not said */
    char type[64];                   /* Content-Type without parameters, lower case; "" when not said */
    char location[2048];             /* where a redirection leads, "" */
    long retry_after;                /* seconds; 0: not said */
    http_failure failure;
    bool again;        /* after a failure: trying again may help */
    char words[512];   /* of a reply of 400 and more: the beginning of its body, one line */
} http_reply;

void http_reply_clear(http_reply *r); /* nothing said */
/* One line of a reply's head, not NUL-ended. Those of each reply on the way come here, and a status line
 * starts anew. */
void http_reply_line(http_reply *r, const char *bytes, size_t size);
/* A piece of the body of a reply of 400 and more; what does not fit is left out. */
void http_reply_words(http_reply *r, const char *bytes, size_t size);

#endif
