/* service.c: a thread that accepts, one more for each connection, one request for each of those. */
#include "remote/service.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGEST = 32 << 20 };

struct service {
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock;
    atomic_bool stopping;
    atomic_int open;
    atomic_int
        asked; /* connections that are not answered yet: with the answer a client may go on to the next */
    int requests, most_open;
    service_handler *handler;
    void *payload;
};

typedef struct connection {
    service *s;
    int fd;
} connection;

static bool send_all(int fd, const char *at, size_t size)
{
    while (size > 0) {
        ssize_t put = send(fd, at, size, MSG_NOSIGNAL);

        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

/* Until the client has gone or the test is over. */
static void stall(service *s, int fd)
{
    while (!s->stopping) {
        struct pollfd p = { fd, POLLIN, 0 };
        char byte;

        if (poll(&p, 1, 20) > 0 && recv(fd, &byte, 1, 0) <= 0)
            return;
    }
}

/* The whole request; the offset of its body, 0 on failure. */
static size_t read_request(buf *out, int fd)
{
    char piece[16384];
    size_t body = 0, want = 0;

    while (body == 0 || out->len < body + want) {
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        const char *end, *length;

        if (got <= 0 || out->len > LARGEST)
            return 0;
        buf_add(out, piece, (size_t)got);
        end = body ? NULL : strstr(buf_text(out), "\r\n\r\n");
        if (!end)
            continue;
        body = (size_t)(end - out->data) + 4;
        length = strcasestr(out->data, "content-length:");
        want = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    }
    return body;
}

static void send_answer(service *s, int fd, const service_answer *a)
{
    size_t size = a->cut && a->cut < a->body.len ? a->cut : a->body.len;
    const char *body = buf_text(&a->body);
    buf head = BUF_INIT;

    for (long left = a->delay_ms; left > 0 && !s->stopping; left -= 10)
        usleep(10000);
    s->asked--;
    buf_printf(&head, "HTTP/1.1 %d Said\r\nContent-Type: %s\r\n%sConnection: close\r\n", a->code,
               a->type, a->head);
    if (strcmp(a->type, "text/event-stream") != 0)
        buf_printf(&head, "Content-Length: %zu\r\n", a->body.len);
    buf_puts(&head, "\r\n");
    if (send_all(fd, head.data, head.len)) {
        if (!a->drip)
            send_all(fd, body, size);
        for (size_t i = 0; a->drip && i < size && send_all(fd, body + i, 1); i++)
            usleep(500);
        if (a->stall)
            stall(s, fd);
    }
    buf_release(&head);
}

static void *serve(void *payload)
{
    connection *c = payload;
    service *s = c->s;
    service_answer answer = { .code = 200, .type = "application/json", .head = "" };
    buf text = BUF_INIT;
    size_t body = read_request(&text, c->fd);
    char path[512] = "";

    if (body > 0 && sscanf(text.data, "POST %511s ", path) == 1) {
        service_request request = { path, text.data, text.data + body, text.len - body, 0 };

        pthread_mutex_lock(&s->lock);
        request.number = s->requests++;
        s->handler(&answer, &request, s->payload);
        pthread_mutex_unlock(&s->lock);
        send_answer(s, c->fd, &answer);
    } else {
        s->asked--;
    }
    shutdown(c->fd, SHUT_WR);
    close(c->fd);
    buf_release(&text);
    buf_release(&answer.body);
    free(c);
    s->open--;
    return NULL;
}

static void *accept_all(void *payload)
{
    service *s = payload;

    while (!s->stopping) {
        struct pollfd p = { s->listener, POLLIN, 0 };
        connection *c;
        pthread_t thread;
        int fd, asked;

        if (poll(&p, 1, 20) <= 0 || (fd = accept(s->listener, NULL, NULL)) < 0)
            continue;
        c = malloc(sizeof *c);
        *c = (connection){ s, fd };
        s->open++;
        asked = ++s->asked;
        pthread_mutex_lock(&s->lock);
        s->most_open = asked > s->most_open ? asked : s->most_open;
        pthread_mutex_unlock(&s->lock);
        if (pthread_create(&thread, NULL, serve, c) == 0) {
            pthread_detach(thread);
        } else {
            close(fd);
            free(c);
            s->asked--;
            s->open--;
        }
    }
    return NULL;
}

service *service_start(service_handler *handler, void *payload)
{
    service *s = calloc(1, sizeof *s);
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->handler = handler;
    s->payload = payload;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_mutex_init(&s->lock, NULL);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(s->listener, 64) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &size) != 0 ||
        pthread_create(&s->thread, NULL, accept_all, s) != 0) {
        free(s);
        return NULL;
    }
    s->port = ntohs(at.sin_port);
    return s;
}

void service_stop(service *s)
{
    s->stopping = true;
    pthread_join(s->thread, NULL);
    while (s->open > 0)
        usleep(1000);
    close(s->listener);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int service_port(const service *s)
{
    return s->port;
}

static int look_at(service *s, const int *counter)
{
    int value;

    pthread_mutex_lock(&s->lock);
    value = *counter;
    pthread_mutex_unlock(&s->lock);
    return value;
}

int service_requests(service *s)
{
    return look_at(s, &s->requests);
}

int service_most_open(service *s)
{
    return look_at(s, &s->most_open);
}
