/* fetch_inside.h: shared by the files that implement fetch.h. */
#ifndef RAP_PULL_FETCH_INSIDE_H
#define RAP_PULL_FETCH_INSIDE_H

#include "pull/fetch.h"

enum { FETCH_REDIRECTS = 10 };

/* ---- fetch_find.c ---- */

int64_t fetch_size(const char *path); /* −1: not a regular file */
/* Is the blob in the cache, with the size and checksum of hub and recipe? */
bool fetch_is_whole(const fetch *f, const char *blob);
char *fetch_link(const fetch *f, const hub *h); /* snapshots/COMMIT/PATH; free() */

/* ---- fetch_request.c ---- */

int fetch_tell(const fetch_settings *set, fetch_event event, const char *text, int64_t done,
               int64_t total);
rap_status fetch_stopped(rap_err *err); /* RAP_E_CANCELLED */
http_request fetch_request(const fetch_settings *set, const char *url);
/* GET, following at most FETCH_REDIRECTS redirections, never from https to http. The token is sent only to the host of
 * the first URL. */
rap_status fetch_follow(http_reply *out, const fetch_settings *set, const http_request *first,
                        const http_sink *sink, rap_err *err);
/* After a failure (in *err): pauses and returns RAP_OK to retry, or returns the failure, worded for the user. */
rap_status fetch_again(const fetch_settings *set, int attempt, const char *url,
                       const http_reply *reply, rap_err *err);
/* Sleeps in small steps; RAP_E_CANCELLED when the event callback asks to stop. */
rap_status fetch_pause(const fetch_settings *set, long milliseconds, rap_err *err);

/* ---- fetch_body.c ---- */

/* Downloads into `blob`.incomplete, compares the checksum, and renames it to `blob`. */
rap_status fetch_body(fetch *f, const fetch_settings *set, const char *blob, rap_err *err);
/* git's name for a file's content: SHA-1 over "blob SIZE\0" and the bytes. */
rap_status fetch_git_name(char out[41], const char *path, rap_err *err);

#endif
