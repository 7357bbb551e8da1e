/* temp.h: temporary files and folders that clean up after themselves.
 *
 * The name of each ends in ".rap-tmp-" and twelve letters or digits, and each is locked (flock) while it is in use. One
 * left by a killed process is unlocked, and is removed when the next one is made in the same folder; those that other
 * processes use stay. On file systems without such locks nothing is removed.
 *
 * A program that catches signals calls temp_remove_all() before it dies. */
#ifndef RAP_BASE_TEMP_H
#define RAP_BASE_TEMP_H

#include "base/err.h"

#include <stdbool.h>

typedef struct temp {
    int fd;     /* of the file, to write to; of the folder. Holds the lock. −1: closed */
    char *path; /* NULL: nothing to remove */
    int slot;   /* index in the list of temp_remove_all(); −1: none */
} temp;
#define TEMP_INIT { -1, NULL, -1 }

/* A new empty file in the folder of `target`, with the permissions `mode` less the umask. Errors name `target`. */
rap_status temp_file(temp *out, const char *target, unsigned mode, rap_err *err);
/* The same for a folder, which may hold files but no folders. */
rap_status temp_folder(temp *out, const char *target, unsigned mode, rap_err *err);
/* A folder in $TMPDIR or /tmp, for its owner only; its name begins with `name`. */
rap_status temp_folder_anywhere(temp *out, const char *name, rap_err *err);

typedef enum temp_publishing {
    TEMP_REPLACE,       /* replaces a file of that name */
    TEMP_REPLACE_CACHE, /* the same without waiting for the disk */
    TEMP_NEW            /* RAP_E_EXISTS when the name is taken */
} temp_publishing;

/* Gives a file its name, durably, and closes it; after a failure it is removed, unless it has replaced another one already
 * and only its folder could not be synced. */
rap_status temp_publish(temp *t, const char *path, temp_publishing how, rap_err *err);
/* Removes a file, or a folder and the files in it, and closes it; after a rename it only closes. Leaves TEMP_INIT, on
 * which it does nothing. */
void temp_remove(temp *t);

/* Removes all temporary files of this process; for a signal handler before the process ends. */
void temp_remove_all(void);

#endif
