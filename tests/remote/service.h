/* service.h: a small service for tests, on 127.0.0.1: it takes POSTs and answers what the test says, well or badly. */
#ifndef RAP_TESTS_REMOTE_SERVICE_H
#define RAP_TESTS_REMOTE_SERVICE_H

#include "base/buf.h"

typedef struct service service;

typedef struct service_answer {
    int code;         /* 200 */
    const char *type; /* "application/json" */
    const char *head; /* further lines, each ended by \r\n; "" */
    buf body;
    long delay_ms;    /* before the head */
    size_t cut;       /* the connection ends after so many bytes of the body; 0: it does not */
    int drip;         /* the body comes a byte at a time */
    int stall;        /* after the body (or the cut) nothing more comes, and the connection stays */
} service_answer;

typedef struct service_request {
    const char *path, *head, *body; /* NUL-ended */
    size_t body_size;
    int number; /* from 0, of all requests */
} service_request;

/* One call at a time. */
typedef void service_handler(service_answer *out, const service_request *request, void *payload);

service *service_start(service_handler *handler, void *payload); /* NULL: no socket */
void service_stop(service *s);
int service_port(const service *s);
int service_requests(service *s); /* so far */
int service_most_open(service *s); /* connections without an answer at once, at most */

#endif
