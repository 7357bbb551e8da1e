/* retry.h: whether and when a request that failed is made again: pauses that double, or what the server
 * asks for (Retry-After), within bounds. */
#ifndef RAP_NET_RETRY_H
#define RAP_NET_RETRY_H

#include "net/http_reply.h"

typedef struct retry {
    int most;      /* attempts after the first, in a row */
    long first_ms; /* the first pause; each further one is twice as long */
    long longest_ms;       /* 0: half a minute */
    long longest_asked_ms; /* of what a server asks for; 0: two minutes */
    /* NULL: silent. Before each pause, with why; non-zero: stop. */
    int (*on_retry)(const char *why, long pause_ms, void *payload);
    int (*cancelled)(void *payload); /* NULL: never; asked while it pauses */
    void *payload;
} retry;

/* After a failure (in *err; attempt 0 is the first): RAP_OK when the request is to be made again, after the
 * pause; else the failure, or RAP_E_CANCELLED. */
rap_status retry_after_failure(const retry *r, int attempt, const http_reply *reply, rap_err *err);

/* The pause alone, for tests and remarks. */
long retry_pause_ms(const retry *r, int attempt, const http_reply *reply);

#endif
