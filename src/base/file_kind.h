/* file_kind.h: what a file is by its first bytes, for messages: what was given instead of what was asked for. */
#ifndef RAP_BASE_FILE_KIND_H
#define RAP_BASE_FILE_KIND_H

#include <stddef.h>

typedef struct file_kind {
    const char *what;   /* "a web page" */
    const char *remedy; /* what to do about it, NULL: nothing that is known */
} file_kind;

/* Never NULL; `what` is NULL when the bytes say nothing. */
const file_kind *file_kind_of(const void *bytes, size_t size);

#endif
