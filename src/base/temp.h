/* temp.h: temporary files and folders that nobody has to clean up after.
 *
 * The name of each ends in ".rap-tmp-" and twelve letters or digits, and each is locked (flock) for as long as it is in
 * use. A killed process leaves one that nobody holds: whoever makes the next one in the same folder removes it first,
 * and what another process still uses is left alone. Where a file system has no such locks nothing is removed.
 *
 * A program that catches signals calls temp_remove_all() before it dies. */
#ifndef RAP_BASE_TEMP_H
#define RAP_BASE_TEMP_H

#include "base/err.h"

#include <stdbool.h>

typedef struct temp {
    int fd;     /* of the file, to write to; of the folder. Holds the lock. −1: closed */
    char *path; /* NULL: nothing to remove */
    int slot;   /* in the list of temp_remove_all(); −1: in none */
} temp;
#define TEMP_INIT { -1, NULL, -1 }

/* A new empty file beside `target`, with the permissions `mode` less the umask. Errors name `target`. */
rap_status temp_file(temp *out, const char *target, unsigned mode, rap_err *err);
/* The same with a folder. It holds files, no folders. */
rap_status temp_folder(temp *out, const char *target, unsigned mode, rap_err *err);
/* A folder in $TMPDIR or /tmp for its owner only; `name` is how its own begins. */
rap_status temp_folder_anywhere(temp *out, const char *name, rap_err *err);

typedef enum temp_publishing {
    TEMP_REPLACE,       /* what has the name goes */
    TEMP_REPLACE_CACHE, /* the same without waiting for the disk */
    TEMP_NEW            /* RAP_E_EXISTS when the name is taken */
} temp_publishing;

/* Gives a file its name, durably, and closes it; after a failure it is removed. */
rap_status temp_publish(temp *t, const char *path, temp_publishing how, rap_err *err);
/* Removes a file, or a folder and the files in it, and closes it; where it was renamed it only closes. Leaves
 * TEMP_INIT and does nothing to it. */
void temp_remove(temp *t);

/* Removes what this process has open, and nothing else; for a signal handler of a process that ends. */
void temp_remove_all(void);

#endif
