/* http.c: the handle, URLs, then one transfer: settings, limits, result. Headers of replies are read in
 * http_reply.c, event streams in sse.c. */
#include "net/http.h"

#include "base/mem.h"
#include "base/threads.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Limits of headers, and of the body of an error. */
enum { HEAD_BYTES = 256 << 10, ERROR_BYTES = 64 << 10, ERROR_MS = 5000 };
enum { EVENT_BYTES = 1 << 20, LONGEST_LINE = 300 << 10 };

struct http {
    CURL *curl;
    http_settings set;
};

/* One running transfer. */
typedef struct transfer {
    http *h;
    const http_request *request;
    const http_sink *sink; /* NULL: the body is discarded */
    http_reply *reply;
    int64_t head, body; /* bytes so far */
    double heard;       /* when the last byte came or went */
    curl_off_t sent;    /* bytes of the request's body sent by then */
    bool silent;        /* for too long */
    double error_since; /* when the headers of an error were complete; 0: not an error */
    bool begun;         /* the sink was given the reply */
    bool enough;        /* the rest of the reply is not needed */
    rap_status status;  /* of the sink, or of a limit */
    rap_err *err;
} transfer;

rap_status http_open(http **out, const http_settings *settings, rap_err *err)
{
    http *h = mem_array(1, sizeof *h);

    *out = NULL;
    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        return err_memory(err, "starting libcurl");
    }
    h->set = *settings;
    h->curl = curl_easy_init();
    if (!h->curl) {
        http_close(h);
        return err_memory(err, "starting libcurl");
    }
    *out = h;
    return RAP_OK;
}

void http_close(http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    curl_global_cleanup();
    free(h);
}

/* ---- URLs ---- */

char *http_resolve(const char *base, const char *url)
{
    CURLU *u = curl_url();
    char *whole = NULL, *copy = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        copy = mem_string(whole);
    curl_free(whole);
    curl_url_cleanup(u);
    return copy;
}

/* One part of a URL; "" when it has none. curl_free(). */
static char *url_part(const char *url, CURLUPart part)
{
    CURLU *u = curl_url();
    char *text = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
        curl_url_get(u, part, &text, CURLU_DEFAULT_PORT);
    curl_url_cleanup(u);
    return text;
}

bool http_same_host(const char *a, const char *b)
{
    static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
    bool same = true;

    for (size_t i = 0; i < sizeof parts / sizeof *parts && same; i++) {
        char *x = url_part(a, parts[i]), *y = url_part(b, parts[i]);

        same = x && y && strcasecmp(x, y) == 0;
        curl_free(x);
        curl_free(y);
    }
    return same;
}

bool http_is_private(const char *url)
{
    char *scheme = url_part(url, CURLUPART_SCHEME), *host = url_part(url, CURLUPART_HOST);
    bool private = scheme && host &&
                   (strcmp(scheme, "https") == 0 || strcmp(host, "localhost") == 0 ||
                    strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0);

    curl_free(scheme);
    curl_free(host);
    return private;
}

/* ---- receiving ---- */

static bool is_good(long code)
{
    return code >= 200 && code < 300;
}

static bool fail(transfer *t, rap_status status)
{
    t->status = status;
    return false;
}

static bool too_large(transfer *t, int64_t size)
{
    if (t->request->max_bytes <= 0 || size <= t->request->max_bytes)
        return false;
    fail(t, err_set(t->err, RAP_E_LIMIT, "%s: the server sends more than %" PRId64 " bytes",
                    t->request->url, t->request->max_bytes));
    return true;
}

static bool begin(transfer *t)
{
    if (t->begun)
        return true;
    t->begun = true;
    curl_easy_getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &t->reply->code);
    if (!is_good(t->reply->code))
        return true;
    if (t->reply->length >= 0 && too_large(t, t->reply->length))
        return false;
    if (t->sink && t->sink->begin)
        t->status = t->sink->begin(t->reply, t->sink->payload, t->err);
    return t->status == RAP_OK;
}

/* The empty line after the headers. The body of a redirection is not read. */
static bool end_head(transfer *t)
{
    long code = 0;

    curl_easy_getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &code);
    t->reply->code = code;
    if (code >= 400)
        t->error_since = clock_ms();
    t->enough = code >= 300 && code < 400;
    return !t->enough && (!is_good(code) || begin(t));
}

static size_t on_header(char *data, size_t one, size_t size, void *payload)
{
    transfer *t = payload;

    (void)one;
    t->heard = clock_ms();
    t->head += (int64_t)size;
    if (t->head > HEAD_BYTES) {
        fail(t, err_set(t->err, RAP_E_IO, "%s: the headers of the reply are longer than %d KiB",
                        t->request->url, HEAD_BYTES >> 10));
        return 0;
    }
    http_reply_line(t->reply, data, size);
    if (size <= 2 && (*data == '\r' || *data == '\n') && !end_head(t))
        return 0;
    return size;
}

static size_t on_body(char *data, size_t one, size_t size, void *payload)
{
    transfer *t = payload;

    (void)one;
    t->heard = clock_ms();
    t->body += (int64_t)size;
    if (!begin(t))
        return 0;
    if (!is_good(t->reply->code)) {
        http_reply_words(t->reply, data, size);
        t->enough = t->enough || t->body >= ERROR_BYTES;
        return t->enough ? 0 : size;
    }
    if (too_large(t, t->body))
        return 0;
    if (t->sink)
        t->status = t->sink->bytes(data, size, t->sink->payload, t->err);
    return t->status == RAP_OK ? size : 0;
}

/* libcurl's limit is on the rate over the last seconds; this one is on silence. */
static bool is_silent(transfer *t, curl_off_t sent)
{
    curl_off_t ready = 0;

    curl_easy_getinfo(t->h->curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
    if (ready == 0 || sent != t->sent) /* connecting has its own limit */
        t->heard = clock_ms();
    t->sent = sent;
    return clock_ms() - t->heard > 1000.0 * (double)t->request->silence_seconds;
}

static int on_progress(void *payload, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    transfer *t = payload;

    (void)total, (void)now, (void)up_total;
    if (t->h->set.cancelled && t->h->set.cancelled(t->h->set.payload)) {
        fail(t, err_set(t->err, RAP_E_CANCELLED, "%s: stopped", t->request->url));
        return 1;
    }
    if (t->error_since > 0 && clock_ms() - t->error_since > ERROR_MS)
        t->enough = true;
    t->silent = t->silent || is_silent(t, up_now);
    return t->enough || t->silent;
}

/* ---- the request ---- */

static void set_bounds(CURL *c, const http_request *r)
{
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, r->connect_seconds);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, r->least_rate);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, r->silence_seconds);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, r->whole_seconds);
}

static void set_common(transfer *t)
{
    CURL *c = t->h->curl;
    const http_request *r = t->request;

    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, r->url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "rap/" RAP_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (r->token && http_is_private(r->url)) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, r->token);
    }
    set_bounds(c, r);
}

static rap_status add_header(struct curl_slist **list, const char *line, rap_err *err)
{
    struct curl_slist *longer;

    if (strpbrk(line, "\r\n"))
        return err_set(err, RAP_E_ARGUMENT, "a request header contains a line break");
    longer = curl_slist_append(*list, line);
    if (!longer)
        return err_memory(err, "making a request");
    *list = longer;
    return RAP_OK;
}

/* curl_slist_free_all() also after a failure. */
static rap_status add_headers(struct curl_slist **list, const http_request *r, rap_err *err)
{
    char line[200];
    rap_status status = RAP_OK;

    for (const char *const *header = r->headers; status == RAP_OK && header && *header; header++)
        status = add_header(list, *header, err);
    if (status == RAP_OK && r->from > 0 && r->if_range && *r->if_range) {
        snprintf(line, sizeof line, "If-Range: \"%s\"", r->if_range);
        status = add_header(list, line, err);
    }
    return status;
}

static rap_status add_body(CURL *c, struct curl_slist **list, const http_request *r, rap_err *err)
{
    char line[200];
    rap_status status;

    snprintf(line, sizeof line, "Content-Type: %s",
             r->body_type ? r->body_type : "application/json");
    status = add_header(list, line, err);
    if (status == RAP_OK) /* do not wait for "100 Continue" */
        status = add_header(list, "Expect:", err);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body ? r->body : "");
    return status;
}

/* ---- the result ---- */

/* libcurl reports "out of memory" for a header line that is too long. */
static bool is_endless_line(CURL *c, CURLcode code)
{
    long sent = 0;
    void *probe;

#if LIBCURL_VERSION_NUM >= 0x080600
    if (code == CURLE_TOO_LARGE)
        return true;
#endif
    if (code != CURLE_OUT_OF_MEMORY)
        return false;
    curl_easy_getinfo(c, CURLINFO_REQUEST_SIZE, &sent);
    probe = malloc(LONGEST_LINE);
    free(probe);
    return sent > 0 && probe;
}

static rap_status broken(transfer *t, const char *why)
{
    t->reply->failure = HTTP_BROKEN;
    return err_set(t->err, RAP_E_IO, "%s: %s", t->request->url, why);
}

static rap_status timed_out(transfer *t)
{
    const http_request *r = t->request;
    double took = 0;

    curl_easy_getinfo(t->h->curl, CURLINFO_TOTAL_TIME, &took);
    t->reply->failure = HTTP_TIMEOUT;
    /* libcurl rounds this limit to milliseconds, and may be one early */
    t->reply->again = r->whole_seconds == 0 || took < (double)r->whole_seconds - 0.05;
    if (!t->reply->again)
        return err_set(t->err, RAP_E_IO, "%s: not complete within %ld seconds", r->url,
                       r->whole_seconds);
    return err_set(t->err, RAP_E_IO, "%s: no answer within the time limit", r->url);
}

/* Why the transfer itself failed. */
static rap_status transfer_failed(transfer *t, CURLcode code)
{
    const char *why = curl_easy_strerror(code);

    if (t->silent)
        return timed_out(t);
    if (is_endless_line(t->h->curl, code))
        return broken(t, "a header line of the reply is too long");
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return err_memory(t->err, "asking a server");
    case CURLE_UNSUPPORTED_PROTOCOL:
        return broken(t, "is neither http nor https");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_URL_MALFORMAT:
        return broken(t, why);
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(t);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        t->reply->failure = HTTP_UNREACHABLE;
        t->reply->again = true;
        return err_set(t->err, RAP_E_IO, "%s: %s", t->request->url, why);
    default:
        t->reply->again = true;
        return broken(t, why);
    }
}

/* The error for a status code of 400 or more. */
static rap_status reply_failed(transfer *t)
{
    const char *url = t->request->url;
    long code = t->reply->code;

    t->reply->failure = HTTP_REFUSED;
    t->reply->again = code == 408 || code == 429 || code >= 500;
    switch (code) {
    case 401:
    case 403:
        return err_set(t->err, RAP_E_NOT_FOUND, "%s: %ld: no permission", url, code);
    case 404:
    case 410:
        return err_set(t->err, RAP_E_NOT_FOUND, "%s: %ld: not found", url, code);
    case 429:
        return err_set(t->err, RAP_E_BUSY, "%s: 429: too many requests; try again later", url);
    default:
        return err_set(t->err, RAP_E_IO, "%s: the server answered %ld", url, code);
    }
}

static rap_status perform(transfer *t)
{
    CURLcode code = curl_easy_perform(t->h->curl);

    if (t->status != RAP_OK) {
        t->reply->failure = HTTP_STOPPED;
        return t->status;
    }
    if (code != CURLE_OK && !t->enough && t->error_since == 0) /* enough of the error was read */
        return transfer_failed(t, code);
    curl_easy_getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &t->reply->code);
    return t->reply->code >= 400 ? reply_failed(t) : RAP_OK;
}

/* A reply without a body never called the sink. */
static rap_status finish(transfer *t)
{
    long code = t->reply->code;

    if (is_good(code))
        return begin(t) ? RAP_OK : t->status;
    if (code >= 300)
        return RAP_OK;
    return err_set(t->err, RAP_E_IO, "%s: the server answered %ld", t->request->url, code);
}

/* ---- requests ---- */

static transfer make_transfer(http_reply *out, http *h, const http_request *request,
                              const http_sink *sink, rap_err *err)
{
    http_reply_clear(out);
    return (transfer){ .h = h,
                       .request = request,
                       .sink = sink,
                       .reply = out,
                       .heard = clock_ms(),
                       .status = RAP_OK,
                       .err = err };
}

/* Frees the headers. */
static rap_status run(transfer *t, struct curl_slist *headers, rap_status status)
{
    if (status == RAP_OK)
        curl_easy_setopt(t->h->curl, CURLOPT_HTTPHEADER, headers);
    if (status == RAP_OK)
        status = perform(t);
    if (status == RAP_OK)
        status = finish(t);
    curl_slist_free_all(headers);
    return status;
}

rap_status http_head(http_reply *out, http *h, const http_request *request, rap_err *err)
{
    transfer t = make_transfer(out, h, request, NULL, err);
    struct curl_slist *headers = NULL;
    rap_status status;

    set_common(&t);
    curl_easy_setopt(h->curl, CURLOPT_NOBODY, 1L);
    status = add_headers(&headers, request, err);
    return run(&t, headers, status);
}

rap_status http_get(http_reply *out, http *h, const http_request *request, const http_sink *sink,
                    rap_err *err)
{
    transfer t = make_transfer(out, h, request, sink, err);
    struct curl_slist *headers = NULL;
    char range[32];
    rap_status status;

    set_common(&t);
    if (request->from > 0) {
        snprintf(range, sizeof range, "%" PRId64 "-", request->from);
        curl_easy_setopt(h->curl, CURLOPT_RANGE, range);
    }
    status = add_headers(&headers, request, err);
    return run(&t, headers, status);
}

rap_status http_post(http_reply *out, http *h, const http_request *request, const http_sink *sink,
                     rap_err *err)
{
    transfer t = make_transfer(out, h, request, sink, err);
    struct curl_slist *headers = NULL;
    rap_status status;

    set_common(&t);
    status = add_headers(&headers, request, err);
    if (status == RAP_OK)
        status = add_body(h->curl, &headers, request, err);
    status = run(&t, headers, status);
    if (status == RAP_OK && out->code >= 300)
        status = err_set(err, RAP_E_IO, "%s: the server redirects to %s: use that URL",
                         request->url, *out->location ? out->location : "nowhere");
    return status;
}

/* ---- events ---- */

typedef struct event_stream {
    sse parser;
    const char *url;
} event_stream;

static rap_status begin_events(const http_reply *reply, void *payload, rap_err *err)
{
    const event_stream *e = payload;

    if (strcmp(reply->type, "text/event-stream") != 0)
        return err_set(err, RAP_E_FORMAT, "%s: expected an event stream, got %s", e->url,
                       *reply->type ? reply->type : "no content type");
    return RAP_OK;
}

static rap_status take_events(const void *data, size_t size, void *payload, rap_err *err)
{
    event_stream *e = payload;

    return sse_add(&e->parser, data, size, err);
}

rap_status http_post_events(http_reply *out, http *h, const http_request *request,
                            sse_on_event *on_event, void *payload, rap_err *err)
{
    event_stream e = { .url = request->url };
    const http_sink sink = { begin_events, take_events, &e };
    rap_status status;

    sse_init(&e.parser, EVENT_BYTES, on_event, payload);
    status = http_post(out, h, request, &sink, err);
    sse_release(&e.parser);
    return status;
}
