/* test_features.c: features kept on disk: what was written is read back, damage counts as none, and what was not used for longest
 * makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "train/feature_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 8, COUNT = 6, ROWS = 4 };

static char work[] = "/tmp/rap-features-XXXXXX";

static int start(void **state)
{
    return !mkdtemp(work) || setenv("RAP_FEATURE_CACHE", work, 1);
}

static int end(void **state)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", work, name);
    return path;
}

static const char *name_of(int i)
{
    static char name[2][65];
    static int turn;
    char text[32];

    turn = !turn;
    snprintf(text, sizeof text, "picture %d", i);
    sha256_hex(name[turn], text, strlen(text));
    return name[turn];
}

static void put(feature_cache *c, int i)
{
    int32_t cells[COUNT] = { 7, -1, -1, -1, -1, 9 };
    float rows[ROWS * WIDTH];

    for (int k = 0; k < ROWS * WIDTH; k++)
        rows[k] = (float)(100 * i + k);
    feature_cache_write(c, name_of(i), &(features){ cells, rows, COUNT, ROWS, WIDTH });
}

static bool is_there(feature_cache *c, int i)
{
    features f;

    if (!feature_cache_read(&f, c, name_of(i), WIDTH))
        return false;
    assert_int_equal(f.count, COUNT);
    assert_int_equal(f.row_count, ROWS);
    assert_int_equal(f.cells[0], 7);
    assert_int_equal(f.cells[5], 9);
    for (int k = 0; k < ROWS * WIDTH; k++)
        assert_true(f.rows[k] == (float)(100 * i + k));
    features_release(&f);
    return true;
}

static void what_was_written_is_read(void **state)
{
    feature_cache *c = feature_cache_open();
    features f;

    assert_non_null(c);
    assert_false(is_there(c, 1));
    put(c, 1);
    assert_true(is_there(c, 1));
    assert_false(is_there(c, 2));
    assert_false(feature_cache_read(&f, c, name_of(1), WIDTH + 1));
    feature_cache_close(c);
    c = feature_cache_open();
    assert_true(is_there(c, 1));
    feature_cache_close(c);
}

static void put_bytes(const char *name, const char *bytes, size_t size)
{
    assert_int_equal(file_write_cache(path_of(name), &(file_part){ bytes, size }, 1, NULL), RAP_OK);
}

static void damage_counts_as_none(void **state)
{
    feature_cache *c = feature_cache_open();
    char *bytes = NULL;
    size_t size = 0;

    put(c, 3);
    assert_int_equal(file_read(&bytes, &size, path_of(name_of(3)), 1 << 20, NULL), RAP_OK);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        put_bytes(name_of(3), bytes, size);
        if (is_there(c, 3))
            fail_msg("byte %zu of %zu changed nothing", i, size);
        bytes[i] ^= 0x10;
    }
    for (size_t i = 0; i < size; i += 7) {
        put_bytes(name_of(3), bytes, i);
        assert_false(is_there(c, 3));
    }
    put(c, 3);
    assert_true(is_there(c, 3));
    free(bytes);
    feature_cache_close(c);
}

/* As if it had been used `seconds` ago. */
static void make_old(int i, long seconds)
{
    struct timespec now, t[2];

    clock_gettime(CLOCK_REALTIME, &now);
    t[0] = t[1] = (struct timespec){ now.tv_sec - seconds, 0 };
    assert_int_equal(utimensat(AT_FDCWD, path_of(name_of(i)), t, 0), 0);
}

static void the_oldest_makes_room(void **state)
{
    feature_cache *c = feature_cache_open();
    struct stat s;

    for (int i = 10; i < 14; i++)
        put(c, i);
    assert_int_equal(stat(path_of(name_of(10)), &s), 0);
    make_old(1, 4000);
    make_old(3, 5000);
    make_old(10, 1000);
    make_old(11, 3000);
    make_old(12, 2000);
    make_old(13, 500);
    feature_cache_close(c);
    c = feature_cache_open();
    feature_cache_limit(c, 3 * (uint64_t)s.st_size);
    assert_true(is_there(c, 11)); /* used now */
    put(c, 14);
    assert_true(is_there(c, 11));
    assert_true(is_there(c, 13));
    assert_true(is_there(c, 14));
    assert_false(is_there(c, 1));
    assert_false(is_there(c, 3));
    assert_false(is_there(c, 10));
    assert_false(is_there(c, 12));
    put(c, 15); /* all that is there was used in this run */
    assert_false(is_there(c, 15));
    assert_true(is_there(c, 14));
    feature_cache_close(c);
}

static void it_can_be_off(void **state)
{
    char name[65];

    setenv("RAP_FEATURE_CACHE", "0", 1);
    assert_null(feature_cache_open());
    assert_false(is_there(NULL, 1));
    put(NULL, 1);
    feature_cache_close(NULL);
    setenv("RAP_FEATURE_CACHE", work, 1);
    assert_false(feature_cache_name(name, path_of("nothing.png"), "model"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_written_is_read),
                                        cmocka_unit_test(damage_counts_as_none),
                                        cmocka_unit_test(the_oldest_makes_room),
                                        cmocka_unit_test(it_can_be_off) };

    return cmocka_run_group_tests(tests, start, end);
}
