/* made.h: lists for the tests of this folder: written in them, or the published files where they are. */
#ifndef RAP_TESTS_EVAL_PUBLISHED_MADE_H
#define RAP_TESTS_EVAL_PUBLISHED_MADE_H

#include "base/file.h"
#include "eval/published/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline list made_list(const char *text, const char *name)
{
    list l;
    rap_err err = { 0 };

    if (list_parse(&l, text, strlen(text), name, NULL, &err) != RAP_OK)
        fail_msg("%s", err.text);
    return l;
}

/* The path of a published file below $RAP_SHARED/fixtures; free(). NULL, and a line, where it is not there. */
static inline char *made_published(const char *name)
{
    const char *shared = getenv("RAP_SHARED");
    char *folder = path_join(shared ? shared : "/nowhere", "fixtures");
    char *path = path_join(folder, name);

    free(folder);
    if (file_exists(path))
        return path;
    print_message("skipped: %s is not there\n", path);
    free(path);
    return NULL;
}

#endif
