/* server.c: a thread that accepts, one more for each connection, one request for each of those. */
#include "pull/server.h"

#include "base/buf.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nettle/sha1.h>
#include <nettle/version.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILES = 64, LARGE = 1000 };

typedef struct served {
    char *path, *bytes;
    size_t size;
    char sha256[65], sha1[41];
    char *tricks[2]; /* of HEAD, of GET: what is left of the words */
    char ending[16]; /* of a raw reply; "": a file */
    int count[2];
} served;

struct server {
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock;
    atomic_bool stopping;
    atomic_int open; /* connections */
    served file[FILES];
    int file_count;
    long sent;
    long leaks, tokens;
    char last[8192]; /* the last request */
};

typedef struct connection {
    server *s;
    int fd;
} connection;

typedef struct request {
    bool head, token;
    char path[1024], host[128];
    long from; /* of Range; −1: none */
    char if_range[200];
} request;

/* ---- files ---- */

static void git_name(char out[41], const void *bytes, size_t size)
{
    struct sha1_ctx context;
    uint8_t digest[SHA1_DIGEST_SIZE];
    char head[40];

    sha1_init(&context);
    sha1_update(&context, (size_t)snprintf(head, sizeof head, "blob %zu", size) + 1,
                (const uint8_t *)head);
    if (size)
        sha1_update(&context, size, bytes);
#if NETTLE_VERSION_MAJOR >= 4
    sha1_digest(&context, digest);
#else
    sha1_digest(&context, sizeof digest, digest);
#endif
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static served *find_exactly(server *s, const char *path)
{
    for (int i = 0; i < s->file_count; i++)
        if (strcmp(s->file[i].path, path) == 0)
            return &s->file[i];
    return NULL;
}

/* The commit's files are those of "main". */
static served *find(server *s, const char *path)
{
    const char *commit = strstr(path, "/" SERVER_COMMIT "/");
    served *f = find_exactly(s, path);
    char main_path[1100];

    if (f || !commit)
        return f;
    snprintf(main_path, sizeof main_path, "%.*s/main/%s", (int)(commit - path), path,
             commit + strlen("/" SERVER_COMMIT "/"));
    return find_exactly(s, main_path);
}

void server_add(server *s, const char *path, const void *bytes, size_t size)
{
    served *f;

    pthread_mutex_lock(&s->lock);
    f = find_exactly(s, path);
    if (!f && s->file_count < FILES) {
        f = &s->file[s->file_count++];
        *f = (served){ .path = strdup(path) };
    }
    if (f) {
        free(f->bytes);
        f->bytes = malloc(size + 1);
        memcpy(f->bytes, bytes, size);
        f->size = size;
        sha256_hex(f->sha256, bytes, size);
        git_name(f->sha1, bytes, size);
    }
    pthread_mutex_unlock(&s->lock);
}

void server_trick(server *s, const char *method, const char *path, const char *words)
{
    int kind = strcmp(method, "GET") == 0;
    served *f;

    pthread_mutex_lock(&s->lock);
    f = find(s, path);
    if (f) {
        free(f->tricks[kind]);
        f->tricks[kind] = strdup(words);
    }
    pthread_mutex_unlock(&s->lock);
}

void server_say(server *s, const char *path, const char *reply, const char *ending)
{
    served *f;

    while (s->open > 0) /* nobody still sends what is replaced */
        usleep(1000);
    server_add(s, path, reply, strlen(reply));
    pthread_mutex_lock(&s->lock);
    f = find_exactly(s, path);
    if (f)
        snprintf(f->ending, sizeof f->ending, "%s", ending);
    pthread_mutex_unlock(&s->lock);
}

/* The next word of the list, "" when there is none. With the lock held. */
static void next_trick(served *f, int kind, char out[32])
{
    char *list = f->tricks[kind];
    size_t skip = list ? strspn(list, " ") : 0, len = list ? strcspn(list + skip, " ") : 0;

    out[0] = '\0';
    if (len == 0 || len >= 32)
        return;
    memcpy(out, list + skip, len);
    out[len] = '\0';
    memmove(list, list + skip + len, strlen(list + skip + len) + 1);
}

/* ---- sending ---- */

static bool send_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t put = send(fd, at, size, MSG_NOSIGNAL);

        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static void send_body(server *s, int fd, const char *bytes, size_t size)
{
    if (send_all(fd, bytes, size)) {
        pthread_mutex_lock(&s->lock);
        s->sent += (long)size;
        pthread_mutex_unlock(&s->lock);
    }
}

/* Says nothing until the client has gone or the test is over. */
static void stall(server *s, int fd)
{
    while (!s->stopping) {
        struct pollfd p = { fd, POLLIN, 0 };
        char byte;

        if (poll(&p, 1, 20) > 0 && recv(fd, &byte, 1, 0) <= 0)
            return;
    }
}

/* Sends the text again and again, `pause` milliseconds between, until the client has gone. */
static void send_forever(server *s, int fd, const char *text, int pause)
{
    while (!s->stopping && send_all(fd, text, strlen(text)))
        if (pause)
            usleep((useconds_t)pause * 1000);
}

static void answer_raw(server *s, int fd, const served *f)
{
    static const char flood[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

    if (strcmp(f->ending, "slow") == 0) { /* a byte at a time: cut anywhere */
        for (size_t i = 0; i < f->size && send_all(fd, f->bytes + i, 1); i++)
            usleep(1000);
        return;
    }
    if (!send_all(fd, f->bytes, f->size))
        return;
    if (strcmp(f->ending, "stall") == 0)
        stall(s, fd);
    else if (strcmp(f->ending, "flood") == 0)
        send_forever(s, fd, flood, 0);
    else if (strcmp(f->ending, "drip") == 0)
        send_forever(s, fd, "x", 50);
    else if (strcmp(f->ending, "lines") == 0)
        send_forever(s, fd, "X-More: and more\r\n", 0);
}

static void send_error(int fd, int code)
{
    buf b = BUF_INIT;

    buf_printf(&b, "HTTP/1.1 %d Trouble\r\n%sContent-Length: 7\r\nConnection: close\r\n\r\ntrouble",
               code, code == 429 ? "Retry-After: 1\r\n" : "");
    send_all(fd, b.data, b.len);
    buf_release(&b);
}

static void send_redirect(int fd, int code, const char *location, const char *more)
{
    buf b = BUF_INIT;

    buf_printf(&b,
               "HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\n%sContent-Length: 0\r\n"
               "Connection: close\r\n\r\n",
               code, location, more);
    send_all(fd, b.data, b.len);
    buf_release(&b);
}

/* Replies without an end: what follows "endless-". */
static void send_endless(server *s, int fd, const char *what)
{
    static const char *const head[][2] = {
        { "error", "HTTP/1.1 404 Trouble\r\nConnection: close\r\n\r\n" },
        { "redirect", "HTTP/1.1 302 Elsewhere\r\nLocation: /toy/elsewhere\r\n\r\n" },
        { "line", "HTTP/1.1 200 OK\r\nX-Long: " },
        { "body", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" },
    };

    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (strcmp(what, head[i][0]) == 0 && send_all(fd, head[i][1], strlen(head[i][1])))
            send_forever(s, fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                         0);
}

/* ---- HEAD ---- */

static void answer_head(server *s, int fd, const served *f, const request *r, const char *trick)
{
    bool large = f->size >= LARGE;
    buf about = BUF_INIT, location = BUF_INIT;
    char wrong[65];

    memcpy(wrong, f->sha256, sizeof wrong);
    wrong[0] = wrong[0] == 'a' ? 'b' : 'a';
    if (strcmp(trick, "loop") == 0) {
        send_redirect(fd, 307, r->path, "");
        return;
    }
    if (strcmp(trick, "rename") == 0) {
        buf_printf(&location, "/renamed%s", r->path);
        send_redirect(fd, 307, buf_text(&location), "");
        buf_release(&location);
        return;
    }
    if (strcmp(trick, "mirror") == 0) {
        buf_printf(&location,
                   "HTTP/1.1 200 OK\r\nETag: \"%.40s\"\r\nContent-Length: %zu\r\n"
                   "Connection: close\r\n\r\n",
                   wrong, f->size);
        send_all(fd, location.data, location.len);
        buf_release(&location);
        return;
    }
    if (strcmp(trick, "no-commit") != 0)
        buf_puts(&about, "X-Repo-Commit: " SERVER_COMMIT "\r\n");
    if (strcmp(trick, "no-etag") == 0)
        buf_printf(&about, "X-Linked-Size: %zu\r\n", f->size);
    else if (large)
        buf_printf(&about, "X-Linked-Size: %zu\r\nX-Linked-Etag: \"%s\"\r\n",
                   strcmp(trick, "huge") == 0 ? ((size_t)1 << 40) - 1
                                              : f->size + (strcmp(trick, "lie-size") == 0 ? 7 : 0),
                   strcmp(trick, "lie-etag") == 0 ? wrong : f->sha256);
    if (large) {
        buf_printf(&location, "http://localhost:%d/cdn%s", s->port, f->path);
        send_redirect(fd, 302, buf_text(&location), buf_text(&about));
    } else {
        if (strcmp(trick, "no-etag") != 0)
            buf_printf(&about, "ETag: \"%s\"\r\n", f->sha1);
        if (strcmp(trick, "no-length") != 0)
            buf_printf(&about, "Content-Length: %zu\r\n",
                       f->size + (strcmp(trick, "lie-size") == 0 ? 7 : 0));
        buf_printf(&location, "HTTP/1.1 200 OK\r\n%sConnection: close\r\n\r\n", buf_text(&about));
        send_all(fd, location.data, location.len);
    }
    buf_release(&about);
    buf_release(&location);
}

/* ---- GET ---- */

/* The head of a reply with the bytes from `from` on. */
static void send_head_of(int fd, const served *f, long from, size_t length, const char *trick)
{
    buf b = BUF_INIT;
    bool changed = strcmp(trick, "changed") == 0;

    buf_printf(&b, "HTTP/1.1 %s\r\nETag: \"%s-%.16s\"\r\nConnection: close\r\n",
               from > 0 ? "206 Partial Content" : "200 OK", changed ? "new" : "cdn", f->sha256);
    if (from > 0)
        buf_printf(&b, "Content-Range: bytes %ld-%zu/%zu\r\n",
                   from + (strcmp(trick, "bad-range") == 0 ? 1 : 0), f->size - 1, f->size);
    if (strcmp(trick, "bare-more") != 0)
        buf_printf(&b, "Content-Length: %zu\r\n", length);
    buf_puts(&b, "\r\n");
    send_all(fd, b.data, b.len);
    buf_release(&b);
}

static void answer_get(server *s, int fd, const served *f, const request *r, const char *trick)
{
    bool other = strcmp(trick, "changed") == 0 && strncmp(r->if_range, "\"cdn-", 5) == 0;
    bool ignore = strcmp(trick, "ignore-range") == 0 || other;
    long from = r->from > 0 && !ignore ? r->from : 0;
    size_t length = f->size - (size_t)from, send = length;
    char *copy;

    if (from >= (long)f->size) {
        send_error(fd, 416);
        return;
    }
    copy = malloc(length + 100);
    memset(copy, 'x', length + 100);
    memcpy(copy, f->bytes + from, length);
    if (strcmp(trick, "wrong") == 0)
        copy[length / 2] ^= 1;
    if (strcmp(trick, "truncate") == 0 || strcmp(trick, "stall") == 0)
        send = length / 2;
    if (strcmp(trick, "more") == 0)
        send = length = length + 100;
    if (strcmp(trick, "bare-more") == 0)
        send = length + 100;
    if (strcmp(trick, "short") == 0)
        send = length = length / 2;
    send_head_of(fd, f, from, length, trick);
    send_body(s, fd, copy, send);
    if (strcmp(trick, "stall") == 0)
        stall(s, fd);
    free(copy);
}

/* ---- one request ---- */

static void answer_file(server *s, int fd, const request *r, bool cdn)
{
    const char *path = cdn ? r->path + 4 : r->path;
    int kind = r->head ? 0 : 1;
    char trick[32] = "";
    served copy, *f;
    buf location = BUF_INIT;

    if (strncmp(path, "/renamed", 8) == 0)
        path += 8;
    pthread_mutex_lock(&s->lock);
    f = find(s, path);
    if (f && (r->head || cdn || f->size < LARGE)) {
        next_trick(f, kind, trick);
        f->count[kind]++;
    }
    copy = f ? *f : (served){ 0 };
    pthread_mutex_unlock(&s->lock);
    if (!f)
        send_error(fd, 404);
    else if (*f->ending)
        answer_raw(s, fd, &copy);
    else if (strcmp(trick, "stall") == 0 && r->head)
        stall(s, fd);
    else if (strcmp(trick, "close") == 0)
        return;
    else if (strncmp(trick, "endless-", 8) == 0)
        send_endless(s, fd, trick + 8);
    else if (trick[0] >= '0' && trick[0] <= '9')
        send_error(fd, (int)strtol(trick, NULL, 10));
    else if (r->head)
        answer_head(s, fd, &copy, r, trick);
    else if (strcmp(trick, "loop") == 0)
        send_redirect(fd, 302, r->path, "");
    else if (strcmp(trick, "file") == 0)
        send_redirect(fd, 302, "file:///etc/passwd", "");
    else if (!cdn && copy.size >= LARGE) {
        buf_printf(&location, "http://localhost:%d/cdn%s", s->port, copy.path);
        send_redirect(fd, 302, buf_text(&location), "");
    } else
        answer_get(s, fd, &copy, r, trick);
    buf_release(&location);
}

/* The body of a POST, behind the head in `text`. */
static void read_body(int fd, char *text, size_t room, size_t len)
{
    const char *said = strcasestr(text, "Content-Length: "), *end = strstr(text, "\r\n\r\n");
    size_t want = said && said < end ? (size_t)strtol(said + 16, NULL, 10) : 0;
    size_t whole = (size_t)(end - text) + 4 + want;

    while (len < whole && len + 1 < room) {
        ssize_t got = recv(fd, text + len, room - 1 - len, 0);

        if (got <= 0)
            return;
        len += (size_t)got;
        text[len] = '\0';
    }
}

static bool read_request(server *s, int fd, request *out)
{
    char text[8192], *line, *rest;
    size_t len = 0;

    while (len + 1 < sizeof text) {
        ssize_t got = recv(fd, text + len, sizeof text - 1 - len, 0);

        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, "\r\n\r\n"))
            break;
    }
    if (!strstr(text, "\r\n\r\n"))
        return false;
    read_body(fd, text, sizeof text, len);
    pthread_mutex_lock(&s->lock);
    memcpy(s->last, text, sizeof text);
    pthread_mutex_unlock(&s->lock);
    *out = (request){ .from = -1 };
    out->head = strncmp(text, "HEAD ", 5) == 0;
    if (sscanf(text, "%*s %1023s", out->path) != 1)
        return false;
    for (line = strstr(text, "\r\n"); line && (rest = strstr(line + 2, "\r\n")); line = rest) {
        const char *field = line + 2;

        if (strncasecmp(field, "Range: bytes=", 13) == 0)
            out->from = strtol(field + 13, NULL, 10);
        if (strncasecmp(field, "If-Range: ", 10) == 0)
            snprintf(out->if_range, sizeof out->if_range, "%.*s",
                     (int)(rest - field - 10 < 190 ? rest - field - 10 : 190), field + 10);
        if (strncasecmp(field, "Authorization:", 14) == 0)
            out->token = true;
    }
    return true;
}

static void *serve_one(void *payload)
{
    connection c = *(connection *)payload;
    request r;

    free(payload);
    if (read_request(c.s, c.fd, &r)) {
        bool cdn = strncmp(r.path, "/cdn/", 5) == 0;

        pthread_mutex_lock(&c.s->lock);
        c.s->leaks += r.token && cdn;
        c.s->tokens += r.token && !cdn;
        pthread_mutex_unlock(&c.s->lock);
        answer_file(c.s, c.fd, &r, cdn);
    }
    shutdown(c.fd, SHUT_WR);
    close(c.fd);
    atomic_fetch_sub(&c.s->open, 1);
    return NULL;
}

/* ---- the server ---- */

static void *accept_all(void *payload)
{
    server *s = payload;

    while (!s->stopping) {
        struct pollfd p = { s->listener, POLLIN, 0 };
        connection *c;
        pthread_t thread;
        int fd;

        if (poll(&p, 1, 50) <= 0 || (fd = accept(s->listener, NULL, NULL)) < 0)
            continue;
        c = malloc(sizeof *c);
        *c = (connection){ s, fd };
        atomic_fetch_add(&s->open, 1);
        if (pthread_create(&thread, NULL, serve_one, c) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

server *server_start(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    server *s = calloc(1, sizeof *s);

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(s->listener, 64) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &size) != 0) {
        free(s);
        return NULL;
    }
    s->port = ntohs(at.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    if (pthread_create(&s->thread, NULL, accept_all, s) != 0) {
        close(s->listener);
        free(s);
        return NULL;
    }
    return s;
}

void server_stop(server *s)
{
    s->stopping = true;
    pthread_join(s->thread, NULL);
    while (s->open > 0)
        usleep(1000);
    close(s->listener);
    for (int i = 0; i < s->file_count; i++) {
        free(s->file[i].path);
        free(s->file[i].bytes);
        free(s->file[i].tricks[0]);
        free(s->file[i].tricks[1]);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int server_port(const server *s)
{
    return s->port;
}

int server_count(server *s, const char *method, const char *path)
{
    const served *f;
    int count;

    pthread_mutex_lock(&s->lock);
    f = find(s, path);
    count = f ? f->count[strcmp(method, "GET") == 0] : 0;
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* One of its counters. */
static long look_at(server *s, const long *counter)
{
    long value;

    pthread_mutex_lock(&s->lock);
    value = *counter;
    pthread_mutex_unlock(&s->lock);
    return value;
}

void server_last(server *s, char *out, size_t size)
{
    pthread_mutex_lock(&s->lock);
    snprintf(out, size, "%s", s->last);
    pthread_mutex_unlock(&s->lock);
}

long server_sent(server *s)
{
    return look_at(s, &s->sent);
}

int server_token_leaks(server *s)
{
    return (int)look_at(s, &s->leaks);
}

int server_tokens(server *s)
{
    return (int)look_at(s, &s->tokens);
}
