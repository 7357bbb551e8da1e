/* work_folder.h: the folder that a test makes for itself, and the files in it. */
#ifndef RAP_TESTS_CONVERT_WORK_FOLDER_H
#define RAP_TESTS_CONVERT_WORK_FOLDER_H

#include <stdio.h>

static char work[64]; /* the test names and makes it */

/* The path of a file in it; good until the fourth call after this one. */
static inline const char *in(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[0], "%s/%s", work, name);
    return path[next];
}

#endif
