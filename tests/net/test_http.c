/* test_http.c: requests to a server that behaves, and to one that does not (src/net/http.c). */
#include "net/http.h"

#include "base/buf.h"
#include "base/threads.h"
#include "pull/server.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n"
#define STREAM OK "Content-Type: text/event-stream; charset=utf-8\r\n\r\n"

typedef struct fixture {
    server *hub;
    http *h;
    char url[64];
    buf body;
    int events, stop_after; /* events; 0: never */
    double cancel_at;       /* 0: never */
    http_request ask;
    http_reply reply;
    rap_err err;
    double took;
} fixture;

static int cancelled(void *payload)
{
    const fixture *f = payload;

    return f->cancel_at > 0 && clock_ms() > f->cancel_at;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const http_settings settings = { cancelled, f };

    f->hub = server_start();
    assert_non_null(f->hub);
    assert_int_equal(http_open(&f->h, &settings, &f->err), RAP_OK);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/x", server_port(f->hub));
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    f->ask = (http_request)HTTP_REQUEST_INIT;
    f->ask.url = f->url;
    f->ask.silence_seconds = 1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    http_close(f->h);
    server_stop(f->hub);
    buf_release(&f->body);
    free(f);
    return 0;
}

static rap_status begin(const http_reply *reply, void *payload, rap_err *err)
{
    fixture *f = payload;

    (void)err;
    assert_true(reply->code >= 200 && reply->code < 300);
    buf_clear(&f->body);
    return RAP_OK;
}

static rap_status take(const void *data, size_t size, void *payload, rap_err *err)
{
    fixture *f = payload;

    (void)err;
    if (f->body.len < 1 << 20)
        buf_add(&f->body, data, size);
    return RAP_OK;
}

static rap_status take_event(const char *name, const char *data, size_t size, void *payload,
                             rap_err *err)
{
    fixture *f = payload;

    buf_printf(&f->body, "[%s|%s]", name, data);
    if (++f->events == f->stop_after)
        return err_set(err, RAP_E_CANCELLED, "that is enough");
    return RAP_OK;
}

typedef enum method { GET, POST, EVENTS } method;

/* What the server says, and what comes of it. */
static rap_status with(fixture *f, method m, const char *says, const char *ending)
{
    const http_sink sink = { begin, take, f };
    double start = clock_ms();
    rap_status status;

    server_say(f->hub, "/x", says, ending);
    buf_clear(&f->body);
    f->err = (rap_err){ RAP_OK, "" };
    if (m == GET)
        status = http_get(&f->reply, f->h, &f->ask, &sink, &f->err);
    else if (m == POST)
        status = http_post(&f->reply, f->h, &f->ask, &sink, &f->err);
    else
        status = http_post_events(&f->reply, f->h, &f->ask, take_event, f, &f->err);
    f->took = clock_ms() - start;
    return status;
}

static void assert_says(const fixture *f, const char *what)
{
    if (!strstr(f->err.text, what))
        fail_msg("'%s' does not say '%s'", f->err.text, what);
}

/* ---- a server that behaves ---- */

static void posts_what_it_is_given(void **state)
{
    fixture *f = *state;
    char last[8192];

    f->ask.body = "{\"a\": 1}";
    f->ask.body_size = 8;
    f->ask.token = "key";
    f->ask.headers = (const char *const[]){ "X-One: 1", "X-Two: 2", NULL };
    assert_int_equal(with(f, POST, OK "Content-Type: Application/JSON\r\n\r\n{\"b\": 2}", "close"),
                     RAP_OK);
    assert_string_equal(buf_text(&f->body), "{\"b\": 2}");
    assert_string_equal(f->reply.type, "application/json");
    server_last(f->hub, last, sizeof last);
    assert_int_equal(strncmp(last, "POST /x HTTP/1.1\r\n", 18), 0);
    assert_non_null(strstr(last, "Authorization: Bearer key\r\n"));
    assert_non_null(strstr(last, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(last, "X-One: 1\r\n"));
    assert_non_null(strstr(last, "X-Two: 2\r\n"));
    assert_null(strstr(last, "Expect:"));
    assert_non_null(strstr(last, "\r\n\r\n{\"a\": 1}"));
}

static void a_secret_goes_out_in_private_only(void **state)
{
    fixture *f = *state;
    char last[8192];

    assert_true(http_is_private("https://example.com/v1"));
    assert_true(http_is_private("http://localhost:8080"));
    assert_true(http_is_private("http://127.0.0.1:8080"));
    assert_true(http_is_private("http://[::1]:8080"));
    assert_false(http_is_private("http://example.com"));
    assert_false(http_is_private("http://localhost.example.com"));
    assert_false(http_is_private("http://127.0.0.1.example.com"));
    assert_false(http_is_private("http://127.0.0.1@example.com"));
    assert_false(http_is_private("nonsense:"));
    f->ask.token = NULL;
    assert_int_equal(with(f, GET, OK "\r\n", "close"), RAP_OK);
    server_last(f->hub, last, sizeof last);
    assert_null(strstr(last, "Authorization"));
}

static void headers_cannot_be_smuggled(void **state)
{
    fixture *f = *state;

    f->ask.headers = (const char *const[]){ "X-One: 1\r\nX-Two: 2", NULL };
    assert_int_equal(with(f, GET, OK "\r\n", "close"), RAP_E_ARGUMENT);
    assert_says(f, "line break");
}

static void events_come_cut_anywhere(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, EVENTS,
                          STREAM
                          "data: {\"t\": \"Hé\"}\r\n\r\n: ping\n\nevent: x\ndata: a\ndata: b\n\n"
                          "data: [DONE]\n\n",
                          "slow"),
                     RAP_OK);
    assert_string_equal(buf_text(&f->body), "[message|{\"t\": \"Hé\"}][x|a\nb][message|[DONE]]");
}

static void the_receiver_ends_a_stream(void **state)
{
    fixture *f = *state;

    f->stop_after = 1;
    assert_int_equal(with(f, EVENTS, STREAM "data: a\n\ndata: b\n\n", "stall"), RAP_E_CANCELLED);
    assert_says(f, "that is enough");
    assert_int_equal(f->events, 1);
    assert_false(f->reply.again);
}

static void another_type_is_no_stream(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, EVENTS, OK "Content-Type: text/html\r\n\r\n<html>", "stall"),
                     RAP_E_FORMAT);
    assert_says(f, "expected an event stream, got text/html");
    assert_int_equal(with(f, EVENTS, OK "\r\n{}", "close"), RAP_E_FORMAT);
    assert_says(f, "no content type");
}

static void an_empty_reply_is_a_reply(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, GET, "HTTP/1.1 204 No Content\r\n\r\n", "close"), RAP_OK);
    assert_int_equal(f->reply.code, 204);
    assert_int_equal(with(f, GET, OK "Content-Length: 0\r\n\r\n", "stall"), RAP_OK);
}

/* ---- errors ---- */

static void errors_have_a_code_and_words(void **state)
{
    static const struct {
        const char *says;
        long code;
        rap_status status;
        bool again;
    } cases[] = {
        { "HTTP/1.1 400 Bad\r\n\r\n{\"error\":\n \"x\"}", 400, RAP_E_IO, false },
        { "HTTP/1.1 401 No\r\n\r\n{\"error\":\n \"x\"}", 401, RAP_E_NOT_FOUND, false },
        { "HTTP/1.1 404 No\r\n\r\n{\"error\":\n \"x\"}", 404, RAP_E_NOT_FOUND, false },
        { "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\n\r\n{\"error\":\n \"x\"}", 429, RAP_E_BUSY,
          true },
        { "HTTP/1.1 503 Down\r\n\r\n{\"error\":\n \"x\"}", 503, RAP_E_IO, true },
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (method m = GET; m <= EVENTS; m++) {
            assert_int_equal(with(f, m, cases[i].says, "close"), cases[i].status);
            assert_int_equal(f->reply.code, cases[i].code);
            assert_int_equal(f->reply.failure, HTTP_REFUSED);
            assert_int_equal(f->reply.again, cases[i].again);
            assert_string_equal(f->reply.words, "{\"error\":  \"x\"}");
            assert_int_equal(f->reply.retry_after, cases[i].code == 429 ? 3 : 0);
            assert_says(f, f->url);
        }
}

static void nobody_there(void **state)
{
    fixture *f = *state;

    f->ask.url = "http://127.0.0.1:1/x";
    assert_int_equal(with(f, GET, "", "close"), RAP_E_IO);
    assert_int_equal(f->reply.failure, HTTP_UNREACHABLE);
    assert_true(f->reply.again);
    f->ask.url = "file:///etc/passwd";
    assert_int_equal(with(f, GET, "", "close"), RAP_E_IO);
    assert_says(f, "neither http nor https");
    assert_false(f->reply.again);
    f->ask.url = "http://";
    assert_int_equal(with(f, GET, "", "close"), RAP_E_IO);
    assert_false(f->reply.again);
}

static void redirections_are_told_not_followed(void **state)
{
    fixture *f = *state;
    const char *says = "HTTP/1.1 302 Elsewhere\r\nLocation: /y\r\n\r\n";

    assert_int_equal(with(f, GET, says, "flood"), RAP_OK);
    assert_int_equal(f->reply.code, 302);
    assert_string_equal(f->reply.location, "/y");
    assert_true(f->took < 900);
    assert_int_equal(with(f, GET,
                          "HTTP/1.1 302 Elsewhere\r\nLocation: /y\r\nContent-Length: 9\r\n\r\n",
                          "stall"),
                     RAP_OK);
    assert_true(f->took < 900);
    assert_int_equal(with(f, POST, says, "stall"), RAP_E_IO);
    assert_says(f, "redirects to /y");
}

/* ---- a server without an end ---- */

static void bodies_of_errors_are_bounded(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, GET, "HTTP/1.1 500 Trouble\r\n\r\n", "flood"), RAP_E_IO);
    assert_int_equal(f->reply.code, 500);
    assert_says(f, "answered 500");
    assert_int_equal(with(f, POST, "HTTP/1.1 404 No\r\nContent-Length: 99\r\n\r\nno", "stall"),
                     RAP_E_NOT_FOUND);
    assert_true(f->took < 5000);
    assert_int_equal(with(f, POST, "HTTP/1.1 404 No\r\n\r\n", "drip"), RAP_E_NOT_FOUND);
    assert_true(f->took < 9000);
}

static void heads_are_bounded(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, GET, "HTTP/1.1 200 OK\r\nX-Long: ", "flood"), RAP_E_IO);
    assert_says(f, "header");
    assert_null(strstr(f->err.text, "memory"));
    assert_int_equal(with(f, GET, "HTTP/1.1 200 OK\r\n", "lines"), RAP_E_IO);
    assert_says(f, "header");
    assert_int_equal(with(f, GET, "HTTP/1.1 200 OK\r\nX-Long: ", "drip"), RAP_E_IO);
    assert_true(f->took < 4000); /* without a byte of a body it is silence */
    assert_int_equal(f->reply.failure, HTTP_TIMEOUT);
}

static void bodies_are_bounded_where_asked(void **state)
{
    fixture *f = *state;

    f->ask.max_bytes = 100000;
    assert_int_equal(with(f, GET, OK "\r\n", "flood"), RAP_E_LIMIT);
    assert_says(f, "more than 100000 bytes");
    assert_true(f->body.len <= 100000);
    assert_int_equal(with(f, GET, OK "Content-Length: 100001\r\n\r\n", "stall"), RAP_E_LIMIT);
    f->ask.max_bytes = 4;
    assert_int_equal(with(f, GET, OK "\r\n1234", "close"), RAP_OK);
    assert_string_equal(buf_text(&f->body), "1234");
}

static void an_event_without_end_is_refused(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, EVENTS, STREAM "data: ", "flood"), RAP_E_LIMIT);
    assert_says(f, "an event of more than");
}

/* ---- time ---- */

static void silence_ends_a_transfer(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, GET, "HTTP/1.1 200", "stall"), RAP_E_IO);
    assert_int_equal(f->reply.failure, HTTP_TIMEOUT);
    assert_true(f->reply.again);
    assert_int_equal(with(f, EVENTS, STREAM "data: a\n\n", "stall"), RAP_E_IO);
    assert_string_equal(buf_text(&f->body), "[message|a]");
    assert_int_equal(f->reply.failure, HTTP_TIMEOUT);
    assert_true(f->took < 5000);
}

static void the_whole_may_have_a_limit(void **state)
{
    fixture *f = *state;

    f->ask.whole_seconds = 1;
    f->ask.silence_seconds = 30;
    assert_int_equal(with(f, GET, OK "\r\n", "drip"), RAP_E_IO);
    assert_says(f, "within 1 seconds");
    assert_false(f->reply.again);
    assert_true(f->took < 5000);
}

static void it_can_be_stopped(void **state)
{
    fixture *f = *state;

    f->ask.silence_seconds = 30;
    f->cancel_at = clock_ms() + 200;
    assert_int_equal(with(f, EVENTS, STREAM "data: a\n\n", "stall"), RAP_E_CANCELLED);
    assert_int_equal(f->reply.failure, HTTP_STOPPED);
    assert_true(f->took < 4000);
    f->cancel_at = clock_ms() + 200;
    assert_int_equal(with(f, GET, OK "\r\n", "flood"), RAP_E_CANCELLED);
    assert_true(f->took < 4000);
}

static void a_transfer_cut_off_is_no_success(void **state)
{
    fixture *f = *state;

    assert_int_equal(with(f, GET, OK "Content-Length: 9\r\n\r\n123", "close"), RAP_E_IO);
    assert_true(f->reply.again);
    assert_int_equal(with(f, GET, OK "Transfer-Encoding: chunked\r\n\r\n5\r\n123", "close"),
                     RAP_E_IO);
    assert_int_equal(with(f, GET, "", "close"), RAP_E_IO);
    assert_int_equal(with(f, GET, "nonsense\r\n\r\n", "close"), RAP_E_IO);
}

/* ---- TLS ---- */

static int free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    close(fd);
    return ntohs(at.sin_port);
}

/* A server with a certificate that nobody vouches for. */
static pid_t start_tls(const char *folder, int port)
{
    char command[400];
    pid_t child;

    snprintf(command, sizeof command,
             "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout %s/key "
             "-out %s/cert >/dev/null 2>&1",
             folder, folder);
    if (system(command) != 0)
        return -1;
    snprintf(command, sizeof command,
             "exec openssl s_server -accept %d -key %s/key -cert %s/cert -www >/dev/null 2>&1 "
             "</dev/null",
             port, folder, folder);
    child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void a_certificate_of_nobody_is_refused(void **state)
{
    fixture *f = *state;
    char folder[] = "/tmp/rap-tls-XXXXXX", url[64], command[64];
    int port = free_port();
    pid_t child;

    assert_non_null(mkdtemp(folder));
    child = start_tls(folder, port);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (child < 0) {
        print_message("skipped: there is no openssl to make a certificate\n");
        assert_int_equal(system(command), 0);
        return;
    }
    snprintf(url, sizeof url, "https://localhost:%d/", port);
    f->ask.url = url;
    f->ask.token = "key";
    f->ask.silence_seconds = 20;
    for (int i = 0; i < 100; i++) { /* until it listens */
        with(f, GET, "", "close");
        if (f->reply.failure != HTTP_UNREACHABLE)
            break;
        usleep(50000);
    }
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    assert_int_equal(system(command), 0);
    assert_int_equal(f->err.status, RAP_E_IO);
    assert_int_equal(f->reply.code, 0);
    assert_false(f->reply.again);
    assert_says(f, "certificate");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(posts_what_it_is_given),
        TEST(a_secret_goes_out_in_private_only),
        TEST(headers_cannot_be_smuggled),
        TEST(events_come_cut_anywhere),
        TEST(the_receiver_ends_a_stream),
        TEST(another_type_is_no_stream),
        TEST(an_empty_reply_is_a_reply),
        TEST(errors_have_a_code_and_words),
        TEST(nobody_there),
        TEST(redirections_are_told_not_followed),
        TEST(bodies_of_errors_are_bounded),
        TEST(heads_are_bounded),
        TEST(bodies_are_bounded_where_asked),
        TEST(an_event_without_end_is_refused),
        TEST(silence_ends_a_transfer),
        TEST(the_whole_may_have_a_limit),
        TEST(it_can_be_stopped),
        TEST(a_transfer_cut_off_is_no_success),
        TEST(a_certificate_of_nobody_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
