/* retry.h: decides whether and when a failed request is retried: pauses that double, or what the server asks for
 * (Retry-After), within limits. */
#ifndef RAP_NET_RETRY_H
#define RAP_NET_RETRY_H

#include "net/http_reply.h"

typedef struct retry {
    int most;      /* attempts after the first, in a row */
    long first_ms; /* the first pause; each further one is twice as long */
    long longest_ms;       /* 0: half a minute */
    long longest_asked_ms; /* the most that a server may ask for; 0: two minutes */
    /* NULL: silent. Called before each pause, with the reason; non-zero: stop. */
    int (*on_retry)(const char *why, long pause_ms, void *payload);
    int (*cancelled)(void *payload); /* NULL: never; called during pauses */
    void *payload;
} retry;

/* After a failure (in *err; attempt 0 is the first): pauses and returns RAP_OK to retry; else returns the failure, or
 * RAP_E_CANCELLED. */
rap_status retry_after_failure(const retry *r, int attempt, const http_reply *reply, rap_err *err);

/* The length of the pause, for tests and messages. */
long retry_pause_ms(const retry *r, int attempt, const http_reply *reply);

#endif
