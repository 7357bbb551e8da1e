/* test_path_find.c: names of files as other systems write them (src/base/path_find.c). */
#include "base/path_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void touch(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fclose(file);
}

static void finds(const char *name, const char *expected)
{
    char *path = path_find("f", name);

    assert_string_equal(path, expected);
    free(path);
}

static void tries_other_spellings(void **state)
{
    touch("f/sub/a.png");
    touch("f/sub/composed \u00FC.png");
    touch("f/sub/apart u\u0308.png");
    touch("f/x\\y");
    finds("sub/a.png", "f/sub/a.png");
    finds("sub\\a.png", "f/sub/a.png");
    finds(".\\sub\\a.png", "f/./sub/a.png");
    finds("sub/composed u\u0308.png", "f/sub/composed \u00FC.png");
    finds("sub\\apart \u00FC.png", "f/sub/apart u\u0308.png");
    finds("x\\y", "f/x\\y");           /* a file with a backslash in its name */
    finds("sub\\none", "f/sub\\none"); /* as written, for the message */
    finds("sub/\xFF", "f/sub/\xFF");
}

static int start(void **state)
{
    static char folder[] = "/tmp/rap-path-find-XXXXXX";

    return !mkdtemp(folder) || chdir(folder) != 0 || mkdir("f", 0700) != 0 ||
           mkdir("f/sub", 0700) != 0;
}

static int end(void **state)
{
    return system("rm -r f && rmdir \"$PWD\"") != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tries_other_spellings) };

    return cmocka_run_group_tests(tests, start, end);
}
