/* err.h: how a failure travels up.
 *
 * Every internal function that can fail returns a rap_status and takes a `rap_err *err` last. The
 * layer that knows the file and the reason writes the one line with err_set(); the layers above hand
 * it up unchanged. `err` may be NULL if the line is not needed. */
#ifndef RAP_BASE_ERR_H
#define RAP_BASE_ERR_H

#include "../../include/rap.h"

typedef struct rap_err {
    rap_status status;
    char text[1024]; /* one line, no newline, always NUL-ended */
} rap_err;

/* Writes the line (control characters become '?', the middle of one that is too long '…') and returns `status`, so that a failure reads
 * `return err_set(err, RAP_E_FORMAT, "%s: not a GGUF file", path);` */
rap_status err_set(rap_err *err, rap_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for "out of memory while <doing>". */
rap_status err_memory(rap_err *err, const char *doing);

/* The line for errno after `doing` ("opening", "writing") something to the file: RAP_E_NOT_FOUND, RAP_E_MEMORY or
 * RAP_E_IO. */
rap_status err_file(rap_err *err, const char *path, const char *doing);

void err_clear(rap_err *err);

#endif
