/* endpoint.c: the address, the key, then attempts. */
#include "remote/endpoint.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/retry.h"
#include "remote/server_words.h"

#include <stdlib.h>
#include <string.h>

struct endpoint {
    http *http;
    char *url, *key; /* key NULL: none */
    endpoint_settings set;
    retry retry;
    bool asked; /* the pause that comes is the server's wish */
};

/* ---- the address ---- */

/* An address with a name, a password or a query in it would put secrets into messages and logs. */
static rap_status check_url(const char *url, rap_err *err)
{
    const char *host = strstr(url, "://"), *path;

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return err_set(err, RAP_E_ARGUMENT,
                       "%.200s: no address of a service; one begins with https:// or http://", url);
    host += 3;
    path = host + strcspn(host, "/");
    if (memchr(host, '@', (size_t)(path - host)))
        return err_set(err, RAP_E_ARGUMENT,
                       "the endpoint's address holds a user name or a password; leave it out and "
                       "set RAP_API_KEY");
    if (strpbrk(url, "?#"))
        return err_set(err, RAP_E_ARGUMENT,
                       "the endpoint's address holds a query (? or #); leave it out, a key goes "
                       "into RAP_API_KEY");
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c == 127)
            return err_set(err, RAP_E_ARGUMENT, "%s: a space or control character in the address",
                           url);
    return path == host ? err_set(err, RAP_E_ARGUMENT, "%s: no host in the address", url) : RAP_OK;
}

static bool ends_in(const char *text, size_t len, const char *end)
{
    size_t size = strlen(end);

    return len >= size && memcmp(text + len - size, end, size) == 0;
}

static rap_status make_url(char **out, const char *url, const char *version, const char *path,
                           rap_err *err)
{
    size_t len = strlen(url);
    buf whole = BUF_INIT;
    rap_status status = check_url(url, err);

    if (status != RAP_OK)
        return status;
    while (url[len - 1] == '/')
        len--;
    buf_add(&whole, url, len);
    if (!ends_in(url, len, path)) {
        if (strcspn(strstr(url, "://") + 3, "/") == len - (size_t)(strstr(url, "://") + 3 - url))
            buf_puts(&whole, version);
        buf_puts(&whole, path);
    }
    *out = buf_detach(&whole);
    return *out ? RAP_OK : err_memory(err, "opening an endpoint");
}

static rap_status read_key(char **out, rap_err *err)
{
    const char *key = getenv("RAP_API_KEY");

    *out = NULL;
    if (!key || !*key)
        return RAP_OK;
    for (const char *c = key; *c; c++)
        if (*c <= ' ' || *c >= 127)
            return err_set(err, RAP_E_ARGUMENT,
                           "RAP_API_KEY holds a space or another character that no key has");
    *out = mem_string(key);
    return *out ? RAP_OK : err_memory(err, "opening an endpoint");
}

/* ---- opening ---- */

static int on_retry(const char *why, long pause_ms, void *payload)
{
    endpoint *e = payload;

    if (e->set.on_pause)
        e->set.on_pause(why, pause_ms, e->asked, e->set.payload);
    return 0;
}

static int is_cancelled(void *payload)
{
    const endpoint *e = payload;

    return e->set.cancelled && e->set.cancelled(e->set.payload);
}

static void set_defaults(endpoint_settings *s)
{
    s->connect_seconds = s->connect_seconds > 0 ? s->connect_seconds : 20;
    s->silence_seconds = s->silence_seconds > 0 ? s->silence_seconds : 120;
    s->whole_seconds = s->whole_seconds > 0 ? s->whole_seconds : 600;
    s->attempts = s->attempts == 0 ? 4 : s->attempts < 0 ? 0 : s->attempts;
    s->first_pause_ms = s->first_pause_ms > 0 ? s->first_pause_ms : 1000;
    s->max_bytes = s->max_bytes > 0 ? s->max_bytes : 8 << 20;
}

rap_status endpoint_open(endpoint **out, const endpoint_settings *settings, const char *version,
                         const char *path, rap_err *err)
{
    endpoint *e = mem_array(1, sizeof *e);
    rap_status status = e ? RAP_OK : err_memory(err, "opening an endpoint");

    *out = NULL;
    if (!e)
        return status;
    e->set = *settings;
    set_defaults(&e->set);
    e->retry = (retry){ .most = e->set.attempts,
                        .first_ms = e->set.first_pause_ms,
                        .on_retry = on_retry,
                        .cancelled = is_cancelled,
                        .payload = e };
    status = make_url(&e->url, settings->url, version, path, err);
    e->set.url = e->url;
    if (status == RAP_OK)
        status = read_key(&e->key, err);
    if (status == RAP_OK)
        status = http_open(&e->http, &(http_settings){ is_cancelled, e }, err);
    if (status == RAP_OK)
        *out = e;
    else
        endpoint_close(e);
    return status;
}

void endpoint_close(endpoint *e)
{
    if (!e)
        return;
    http_close(e->http);
    if (e->key)
        explicit_bzero(e->key, strlen(e->key));
    free(e->key);
    free(e->url);
    free(e);
}

const char *endpoint_url(const endpoint *e)
{
    return e->url;
}

/* ---- attempts ---- */

/* The line for a reply of 400 and more, with the server's own words. */
static rap_status refused(const endpoint *e, const http_reply *reply, rap_err *err)
{
    char words[SERVER_WORDS];
    const char *colon;

    server_words(words, reply->words, e->key);
    colon = *words ? ": " : "";
    switch (reply->code) {
    case 401:
    case 403:
        return err_set(err, RAP_E_ARGUMENT, "%s: %ld%s%s; %s", e->url, reply->code, colon, words,
                       !e->key                   ? "set RAP_API_KEY to your key"
                       : http_is_private(e->url) ? "is the key in RAP_API_KEY right?"
                                                 : "the key in RAP_API_KEY was not sent, because "
                                                   "the address is not https");
    case 404:
    case 410:
        return err_set(err, RAP_E_NOT_FOUND,
                       "%s: %ld%s%s; check the endpoint's address and the model's name", e->url,
                       reply->code, colon, words);
    case 429:
        return err_set(err, RAP_E_BUSY, "%s: 429, too many requests%s%s", e->url, colon, words);
    default:
        return err_set(err, RAP_E_IO, "%s: the server answered %ld%s%s", e->url, reply->code, colon,
                       words);
    }
}

static rap_status attempt(http_reply *out, endpoint *e, const http_request *request,
                          endpoint_receiver *receiver, rap_err *err)
{
    const http_sink sink = { receiver->begin, receiver->bytes, receiver->payload };
    rap_status status;

    receiver->again = false;
    http_reply_clear(out);
    if (e->set.before && e->set.before(e->set.payload))
        return err_set(err, RAP_E_CANCELLED, "%s: stopped", e->url);
    status = http_post(out, e->http, request, &sink, err);
    if (status == RAP_OK)
        status = receiver->end(receiver->payload, err);
    if (out->failure == HTTP_REFUSED)
        status = refused(e, out, err);
    if (status != RAP_OK)
        out->again = (out->again || receiver->again) && !receiver->delivered;
    return status;
}

rap_status endpoint_post(http_reply *out, endpoint *e, const char *json, size_t size,
                         endpoint_receiver *receiver, rap_err *err)
{
    http_request request = HTTP_REQUEST_INIT;
    rap_err own = { 0 };
    rap_status status;

    err = err ? err : &own;
    request.url = e->url;
    request.token = e->key;
    request.body = json;
    request.body_size = size;
    request.connect_seconds = e->set.connect_seconds;
    request.silence_seconds = e->set.silence_seconds;
    request.whole_seconds = e->set.whole_seconds;
    request.max_bytes = e->set.max_bytes;
    for (int tries = 0;; tries++) {
        status = attempt(out, e, &request, receiver, err);
        if (status == RAP_OK)
            return RAP_OK;
        e->asked = out->retry_after > 0;
        status = retry_after_failure(&e->retry, tries, out, err);
        if (status != RAP_OK)
            return status;
    }
}
