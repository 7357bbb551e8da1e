/* http.c: the handle and its settings, URLs, then HEAD and GET. Headers are read in http_reply.c. */
#include "net/http.h"

#include "base/mem.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_SECONDS = 20, REDIRECTS = 10, STALL_BYTES = 1024 };

struct http {
    CURL *curl;
    http_settings set;
};

/* One transfer under way. */
typedef struct transfer {
    http *h;
    const http_sink *sink; /* NULL: the body is thrown away */
    http_reply *reply;
    bool begun;
    rap_status status; /* of the sink */
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

/* A token goes out over TLS, or stays on this machine. */
static bool may_send_token(const char *url)
{
    char *scheme = url_part(url, CURLUPART_SCHEME), *host = url_part(url, CURLUPART_HOST);
    bool may = scheme && host &&
               (strcmp(scheme, "https") == 0 || strcmp(host, "localhost") == 0 ||
                strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0);

    curl_free(scheme);
    curl_free(host);
    return may;
}

/* ---- headers ---- */

static size_t on_header(char *data, size_t one, size_t size, void *payload)
{
    transfer *t = payload;

    (void)one;
    http_reply_line(t->reply, data, size);
    return size;
}

/* ---- one transfer ---- */

static bool begin(transfer *t)
{
    if (t->begun || !t->sink)
        return true;
    curl_easy_getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &t->reply->code);
    t->begun = true;
    if (t->reply->code == 200 || t->reply->code == 206)
        t->status = t->sink->begin(t->reply, t->sink->payload, t->err);
    return t->status == RAP_OK;
}

static size_t on_body(char *data, size_t one, size_t size, void *payload)
{
    transfer *t = payload;

    (void)one;
    if (!begin(t))
        return 0;
    if (!t->sink || (t->reply->code != 200 && t->reply->code != 206))
        return size; /* the text of an error page */
    t->status = t->sink->bytes(data, size, t->sink->payload, t->err);
    return t->status == RAP_OK ? size : 0;
}

static int on_progress(void *payload, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    transfer *t = payload;

    (void)total, (void)now, (void)up_total, (void)up_now;
    return t->h->set.cancelled && t->h->set.cancelled(t->h->set.payload);
}

static void set_common(transfer *t, const char *url)
{
    CURL *c = t->h->curl;

    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "rap/" RAP_VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, t->h->set.stall_seconds);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR,
                     strncmp(url, "https:", 6) == 0 ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (t->h->set.token && may_send_token(url)) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, t->h->set.token);
    }
}

/* Why the transfer itself failed. */
static rap_status transfer_failed(transfer *t, CURLcode code, const char *url)
{
    const char *why = curl_easy_strerror(code);

    t->reply->again = false;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return err_set(t->err, RAP_E_CANCELLED, "stopped; the same command goes on from here");
    case CURLE_OUT_OF_MEMORY:
        return err_memory(t->err, "downloading");
    case CURLE_TOO_MANY_REDIRECTS:
        return err_set(t->err, RAP_E_IO, "%s: redirected more than %d times", url, (int)REDIRECTS);
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(t->err, RAP_E_IO, "%s: redirected to a URL that is not followed", url);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_URL_MALFORMAT:
        return err_set(t->err, RAP_E_IO, "%s: %s", url, why);
    case CURLE_OPERATION_TIMEDOUT:
        t->reply->again = true;
        return err_set(t->err, RAP_E_IO, "%s: no answer within the time limit", url);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        t->reply->again = true;
        return err_set(t->err, RAP_E_IO,
                       "%s: %s; is this machine online? HF_ENDPOINT names another hub", url, why);
    default:
        t->reply->again = true;
        return err_set(t->err, RAP_E_IO, "%s: %s", url, why);
    }
}

/* What a status code of 400 and more means to a user. */
static rap_status reply_failed(transfer *t, const char *url)
{
    long code = t->reply->code;

    t->reply->again = code == 408 || code == 429 || code >= 500;
    switch (code) {
    case 401:
    case 403:
        return err_set(t->err, RAP_E_NOT_FOUND,
                       "%s: %ld: no such file, or one that needs a permission: %s", url, code,
                       t->h->set.token ? "accept the model's terms on its page, with the account "
                                         "that the token belongs to"
                                       : "set HF_TOKEN to a token of your account");
    case 404:
    case 410:
        return err_set(t->err, RAP_E_NOT_FOUND, "%s: %ld: no such file", url, code);
    case 429:
        return err_set(t->err, RAP_E_BUSY, "%s: 429: too many requests; try again later", url);
    default:
        return err_set(t->err, RAP_E_IO, "%s: the server answered %ld", url, code);
    }
}

static rap_status perform(transfer *t, const char *url)
{
    CURLcode code = curl_easy_perform(t->h->curl);
    long answer = 0;

    curl_easy_getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &answer);
    t->reply->code = answer;
    if (t->status != RAP_OK)
        return t->status;
    if (code != CURLE_OK)
        return transfer_failed(t, code, url);
    return answer >= 400 ? reply_failed(t, url) : RAP_OK;
}

rap_status http_head(http *h, const char *url, http_reply *out, rap_err *err)
{
    transfer t = { .h = h, .reply = out, .status = RAP_OK, .err = err };

    http_reply_clear(out);
    set_common(&t, url);
    curl_easy_setopt(h->curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, h->set.stall_seconds + CONNECT_SECONDS);
    return perform(&t, url);
}

rap_status http_get(http *h, const char *url, int64_t from, const char *if_range,
                    const http_sink *sink, http_reply *out, rap_err *err)
{
    transfer t = { .h = h, .sink = sink, .reply = out, .status = RAP_OK, .err = err };
    struct curl_slist *headers = NULL;
    char line[200];
    rap_status status;

    http_reply_clear(out);
    set_common(&t, url);
    curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(h->curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    if (from > 0) {
        snprintf(line, sizeof line, "%" PRId64 "-", from);
        curl_easy_setopt(h->curl, CURLOPT_RANGE, line);
    }
    if (from > 0 && if_range && *if_range) {
        snprintf(line, sizeof line, "If-Range: \"%s\"", if_range);
        headers = curl_slist_append(NULL, line);
        curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    }
    status = perform(&t, url);
    if (status == RAP_OK && !begin(&t)) /* an empty file has no body that would have begun it */
        status = t.status;
    else if (status == RAP_OK && out->code != 200 && out->code != 206)
        status = err_set(err, RAP_E_IO, "%s: the server answered %ld", url, out->code);
    curl_slist_free_all(headers);
    return status;
}
