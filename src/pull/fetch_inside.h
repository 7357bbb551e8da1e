/* fetch_inside.h: what fetch.c and fetch_body.c share. */
#ifndef RAP_PULL_FETCH_INSIDE_H
#define RAP_PULL_FETCH_INSIDE_H

#include "pull/fetch.h"

/* Downloads into `blob`.incomplete, compares the checksum, and renames it to `blob`. */
rap_status fetch_body(fetch *f, const fetch_settings *set, const char *blob, rap_err *err);

/* git's name for a file's content: SHA-1 over "blob SIZE\0" and the bytes. */
rap_status fetch_git_name(char out[41], const char *path, rap_err *err);

/* After a failure (in *err): RAP_OK when it is to be tried again, after a pause; else the failure. */
rap_status fetch_again(const fetch_settings *set, int attempt, const http_reply *reply,
                       rap_err *err);

/* Sleeps in small steps; RAP_E_CANCELLED when the events' receiver says stop. */
rap_status fetch_pause(const fetch_settings *set, long milliseconds, rap_err *err);

#endif
