/* fetch_inside.h: what the files that implement fetch.h share. */
#ifndef RAP_PULL_FETCH_INSIDE_H
#define RAP_PULL_FETCH_INSIDE_H

#include "pull/fetch.h"

enum { FETCH_REDIRECTS = 10 };

/* ---- fetch_find.c ---- */

int64_t fetch_size(const char *path); /* −1: no regular file there */
/* Is the blob there, as the hub and the recipe describe it? */
bool fetch_is_whole(const fetch *f, const char *blob);
char *fetch_link(const fetch *f, const hub *h); /* snapshots/COMMIT/PATH; free() */

/* ---- fetch_request.c ---- */

int fetch_tell(const fetch_settings *set, fetch_event event, const char *text, int64_t done,
               int64_t total);
rap_status fetch_stopped(rap_err *err); /* RAP_E_CANCELLED */
http_request fetch_request(const fetch_settings *set, const char *url);
/* GET, redirections followed (at most FETCH_REDIRECTS, never from https to http); the token goes to the first
 * URL's host only. */
rap_status fetch_follow(http_reply *out, const fetch_settings *set, const http_request *first,
                        const http_sink *sink, rap_err *err);
/* After a failure (in *err): RAP_OK when it is to be tried again, after a pause; else the failure, in a
 * user's words. */
rap_status fetch_again(const fetch_settings *set, int attempt, const char *url,
                       const http_reply *reply, rap_err *err);
/* Sleeps in small steps; RAP_E_CANCELLED when the events' receiver says stop. */
rap_status fetch_pause(const fetch_settings *set, long milliseconds, rap_err *err);

/* ---- fetch_body.c ---- */

/* Downloads into `blob`.incomplete, compares the checksum, and renames it to `blob`. */
rap_status fetch_body(fetch *f, const fetch_settings *set, const char *blob, rap_err *err);
/* git's name for a file's content: SHA-1 over "blob SIZE\0" and the bytes. */
rap_status fetch_git_name(char out[41], const char *path, rap_err *err);

#endif
