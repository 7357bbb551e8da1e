/* fetch_request.c: requests to the hub: token, time limits, redirections, retries, and error messages for the user. */
#include "pull/fetch_inside.h"

#include "base/mem.h"
#include "net/retry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_RATE = 1024 };

int fetch_tell(const fetch_settings *set, fetch_event event, const char *text, int64_t done,
               int64_t total)
{
    return set->on_event ? set->on_event(event, text, done, total, set->payload) : 0;
}

rap_status fetch_stopped(rap_err *err)
{
    return err_set(err, RAP_E_CANCELLED, "stopped; run the same command to resume");
}

http_request fetch_request(const fetch_settings *set, const char *url)
{
    http_request r = HTTP_REQUEST_INIT;

    r.url = url;
    r.token = set->hub->token;
    r.silence_seconds = set->stall_seconds;
    r.least_rate = LEAST_RATE;
    return r;
}

/* ---- redirections ---- */

/* The URL of the next hop; free(). */
static rap_status next_hop(char **out, const char *at, const http_reply *reply, rap_err *err)
{
    *out = *reply->location ? http_resolve(at, reply->location) : NULL;
    if (*out && (strncmp(*out, "https:", 6) == 0 ||
                 (strncmp(*out, "http:", 5) == 0 && strncmp(at, "https:", 6) != 0)))
        return RAP_OK;
    free(*out);
    *out = NULL;
    return err_set(err, RAP_E_IO, "%s: redirects to a URL that is not allowed: '%s'", at,
                   reply->location);
}

rap_status fetch_follow(http_reply *out, const fetch_settings *set, const http_request *first,
                        const http_sink *sink, rap_err *err)
{
    http_request ask = *first;
    char *at = mem_string(first->url);
    rap_status status = at ? RAP_OK : err_memory(err, "downloading");

    http_reply_clear(out);
    for (int hop = 0; status == RAP_OK; hop++) {
        char *next = NULL;

        ask.url = at;
        ask.token = http_same_host(first->url, at) ? first->token : NULL;
        status = http_get(out, set->http, &ask, sink, err);
        if (status != RAP_OK || out->code < 300)
            break;
        if (hop >= FETCH_REDIRECTS)
            status = err_set(err, RAP_E_IO, "%s: redirected more than %d times", first->url,
                             (int)FETCH_REDIRECTS);
        else
            status = next_hop(&next, at, out, err);
        free(at);
        at = next;
    }
    free(at);
    return status;
}

/* ---- failures ---- */

/* Adds to the error of a failed request what the user can do about it. */
static void explain(const fetch_settings *set, const char *url, const http_reply *reply,
                    rap_err *err)
{
    char line[1024];

    memcpy(line, err->text, sizeof line);
    if (err->status == RAP_E_CANCELLED)
        fetch_stopped(err);
    else if (reply->failure == HTTP_UNREACHABLE)
        err_set(err, err->status, "%s; is this machine online? HF_ENDPOINT names another hub",
                line);
    else if (reply->failure == HTTP_REFUSED && (reply->code == 401 || reply->code == 403))
        err_set(err, err->status, "%s: %ld: no such file, or no permission: %s", url, reply->code,
                set->hub->token ? "accept the model's terms on its page, with the account "
                                  "that the token belongs to"
                                : "set HF_TOKEN to a token of your account");
    else if (reply->failure == HTTP_REFUSED && (reply->code == 404 || reply->code == 410))
        err_set(err, err->status, "%s: %ld: no such file", url, reply->code);
}

typedef struct waiting {
    const fetch_settings *set;
} waiting;

static int on_retry(const char *why, long pause_ms, void *payload)
{
    const waiting *w = payload;

    (void)pause_ms;
    return fetch_tell(w->set, FETCH_RETRY, why, 0, 0);
}

static int stop_waiting(void *payload)
{
    const waiting *w = payload;

    return fetch_tell(w->set, FETCH_WAIT, NULL, 0, 0);
}

rap_status fetch_again(const fetch_settings *set, int attempt, const char *url,
                       const http_reply *reply, rap_err *err)
{
    waiting w = { set };
    const retry policy = { .most = set->retries,
                           .first_ms = set->retry_ms,
                           .on_retry = on_retry,
                           .cancelled = stop_waiting,
                           .payload = &w };
    rap_status status;

    explain(set, url, reply, err);
    status = retry_after_failure(&policy, attempt, reply, err);
    return status == RAP_E_CANCELLED ? fetch_stopped(err) : status;
}

rap_status fetch_pause(const fetch_settings *set, long milliseconds, rap_err *err)
{
    for (long slept = 0; slept < milliseconds; slept += 50) {
        struct timespec nap = { 0, 50 * 1000000L };

        nanosleep(&nap, NULL);
        if (fetch_tell(set, FETCH_WAIT, NULL, 0, 0))
            return fetch_stopped(err);
    }
    return RAP_OK;
}
