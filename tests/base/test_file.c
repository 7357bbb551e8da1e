/* test_file.c: files, paths and their SHA-256 (src/base/file.c, path.c, hash.c). */
#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char work[64];

static int make_work(void **state)
{
    snprintf(work, sizeof work, "/tmp/rap-file-XXXXXX");
    return mkdtemp(work) ? 0 : 1;
}

static int drop_work(void **state)
{
    return rmdir(work); /* fails when a test left something behind */
}

/* A path inside the test's folder, good until the next call but one. */
static const char *in_work(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", work, name);
    return path[turn];
}

static void writes_and_reads(void **state)
{
    const char *path = in_work("a");
    char *data = NULL;
    size_t size = 0;
    rap_err err;

    assert_int_equal(file_write(path, "one\0two", 7, NULL), RAP_OK);
    assert_int_equal(file_write(path, "three", 5, NULL), RAP_OK); /* replaces */
    assert_int_equal(file_read(&data, &size, path, 5, NULL), RAP_OK);
    assert_int_equal(size, 5);
    assert_string_equal(data, "three");
    free(data);
    assert_int_equal(file_read(&data, &size, path, 4, &err), RAP_E_LIMIT);
    assert_null(data);
    assert_non_null(strstr(err.text, path));
    unlink(path);
}

static void reads_an_empty_file(void **state)
{
    const char *path = in_work("empty");
    char *data = NULL;
    size_t size = 9;
    file_map map;

    assert_int_equal(file_write(path, "", 0, NULL), RAP_OK);
    assert_int_equal(file_read(&data, &size, path, 10, NULL), RAP_OK);
    assert_int_equal(size, 0);
    assert_string_equal(data, "");
    free(data);
    assert_int_equal(file_map_open(&map, path, NULL), RAP_OK);
    assert_null(map.data);
    file_map_close(&map);
    unlink(path);
}

static void names_what_cannot_be_read(void **state)
{
    const char *pipe = in_work("pipe");
    char *data = NULL;
    size_t size = 0;
    file_map map;
    rap_err err;

    assert_int_equal(file_read(&data, &size, "/nowhere/x", 10, &err), RAP_E_NOT_FOUND);
    assert_string_equal(err.text, "/nowhere/x: no such file or folder");
    assert_int_equal(file_read(&data, &size, work, 10, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "is a folder"));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(file_read(&data, &size, pipe, 10, &err),
                     RAP_E_ARGUMENT); /* and does not wait */
    assert_non_null(strstr(err.text, "is a pipe"));
    assert_int_equal(file_map_open(&map, pipe, &err), RAP_E_ARGUMENT);
    assert_int_equal(file_map_open(&map, work, &err), RAP_E_ARGUMENT);
    assert_null(map.data);
    assert_int_equal(file_read_stream(&data, &size, work, 10, &err), RAP_E_ARGUMENT);
    assert_int_equal(file_read_stream(&data, &size, "/dev/zero", 10, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "is a device"));
    assert_null(data);
    unlink(pipe);
}

enum { SENT = 300000 };

/* Opens the FIFO late and sends in pieces, with pauses. */
static void *send_some(void *payload)
{
    char piece[SENT / 10];
    FILE *to;

    memset(piece, 'x', sizeof piece);
    usleep(20000);
    to = fopen(payload, "w");
    for (int i = 0; to && i < 10; i++) {
        fwrite(piece, 1, sizeof piece, to);
        fflush(to);
        usleep(2000);
    }
    return to && fclose(to) == 0 ? payload : NULL;
}

static void reads_pipes(void **state)
{
    const char *pipe = in_work("pipe");
    pthread_t thread;
    char *data = NULL;
    size_t size = 0;
    rap_err err;
    void *sent;

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_some, (void *)pipe), 0);
    assert_int_equal(file_read_stream(&data, &size, pipe, SENT, &err), RAP_OK);
    pthread_join(thread, &sent);
    assert_non_null(sent);
    assert_int_equal(size, SENT);
    assert_int_equal(strspn(data, "x"), SENT);
    free(data);
    assert_int_equal(pthread_create(&thread, NULL, send_some, (void *)pipe), 0);
    assert_int_equal(file_read_stream(&data, &size, pipe, SENT - 1, &err), RAP_E_LIMIT);
    pthread_join(thread, NULL);
    assert_null(data);
    unlink(pipe);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    const char *path = in_work("kept");
    char *data = NULL;
    size_t size = 0;
    rap_err err;

    assert_int_equal(file_write(path, "old", 3, NULL), RAP_OK);
    assert_int_equal(file_write("/dev/full", "new", 3, &err), RAP_E_IO);
    assert_non_null(strstr(err.text, "/dev/full: "));
    assert_int_equal(file_write(work, "new", 3, &err), RAP_E_ARGUMENT);
    assert_int_equal(file_write("/nowhere/x", "new", 3, &err), RAP_E_NOT_FOUND);
    assert_int_equal(file_write("/dev/null", "new", 3, &err), RAP_OK);
    assert_int_equal(file_read(&data, &size, path, 10, NULL), RAP_OK);
    assert_string_equal(data, "old");
    free(data);
    unlink(path);
}

static void check_spares(const char *out, const char *in, const char *again, rap_status expected)
{
    rap_err err = { 0 };

    assert_int_equal(file_spare(out, in, again, &err), expected);
    if (expected != RAP_OK)
        assert_non_null(strstr(err.text, out));
}

static void an_output_that_is_an_input_is_refused(void **state)
{
    char folder[128], file[160], soft[160], hard[160], other[160];

    snprintf(folder, sizeof folder, "%s/in", work);
    snprintf(file, sizeof file, "%s/deep/a", folder);
    snprintf(soft, sizeof soft, "%s/soft", work);
    snprintf(hard, sizeof hard, "%s/hard", work);
    snprintf(other, sizeof other, "%s/other", work);
    snprintf(file, sizeof file, "%s/deep", folder);
    assert_int_equal(file_make_folders(file, NULL), RAP_OK);
    snprintf(file, sizeof file, "%s/deep/a", folder);
    assert_int_equal(file_write(file, "GGUF and more", 13, NULL), RAP_OK);
    assert_int_equal(file_write(other, "GGUF and more", 13, NULL), RAP_OK);
    assert_int_equal(symlink(file, soft), 0);
    assert_int_equal(link(file, hard), 0);
    check_spares(file, file, NULL, RAP_E_ARGUMENT);
    check_spares(soft, file, NULL, RAP_E_ARGUMENT);
    check_spares(file, soft, "GGUF", RAP_E_ARGUMENT); /* the input itself, whatever it is */
    check_spares(hard, file, NULL, RAP_E_ARGUMENT);
    check_spares(hard, folder, NULL, RAP_E_ARGUMENT);
    check_spares(file, folder, "GGML", RAP_E_ARGUMENT);
    check_spares(file, folder, "GGUF", RAP_OK);
    check_spares(other, file, NULL, RAP_OK);
    check_spares(other, folder, NULL, RAP_OK);
    assert_int_equal(file_spare_beside(file, file, NULL, NULL), RAP_E_ARGUMENT);
    assert_int_equal(file_spare_beside(hard, file, NULL, NULL), RAP_E_ARGUMENT);
    assert_int_equal(file_spare_beside(file, file, "GGUF", NULL), RAP_OK);
    assert_int_equal(file_spare_beside(file, other, NULL, NULL), RAP_E_ARGUMENT); /* as `hard` */
    check_spares("/nowhere/x", folder, NULL, RAP_OK);
    check_spares("/dev/null", "/dev/null", NULL, RAP_OK);
    check_spares(file, NULL, NULL, RAP_OK);
    assert_int_equal(unlink(hard) | unlink(soft), 0);
    assert_int_equal(file_spare_beside(file, other, NULL, NULL), RAP_OK); /* it is deeper */
    assert_int_equal(unlink(other) | unlink(file), 0);
    snprintf(file, sizeof file, "%s/deep", folder);
    assert_int_equal(rmdir(file) | rmdir(folder), 0);
}

static void maps(void **state)
{
    const char *path = in_work("map");
    file_map map;

    assert_int_equal(file_write(path, "mapped", 6, NULL), RAP_OK);
    assert_int_equal(file_map_open(&map, path, NULL), RAP_OK);
    assert_int_equal(map.size, 6);
    assert_memory_equal(map.data, "mapped", 6);
    file_map_close(&map);
    assert_null(map.data);
    file_map_close(&map);
    file_map_close(NULL);
    unlink(path);
}

static void makes_folders(void **state)
{
    const char *deep = in_work("a/b/c"), *file = in_work("f");
    rap_err err;

    assert_int_equal(file_make_folders(deep, NULL), RAP_OK);
    assert_int_equal(file_make_folders(deep, NULL), RAP_OK);
    assert_true(file_is_folder(deep));
    rmdir(deep);
    rmdir(in_work("a/b"));
    rmdir(in_work("a"));
    file = in_work("f");
    assert_int_equal(file_write(file, "", 0, NULL), RAP_OK);
    assert_true(file_exists(file));
    assert_false(file_is_folder(file));
    assert_int_not_equal(file_make_folders(file, &err), RAP_OK);
    assert_int_not_equal(file_make_folders("/proc/nothing/here", &err), RAP_OK);
    assert_int_equal(file_make_folders("", &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "empty"));
    unlink(file);
    assert_false(file_exists(file));
}

static void check_owned(char *got, const char *expected)
{
    assert_string_equal(got, expected);
    free(got);
}

static void takes_paths_apart(void **state)
{
    check_owned(path_join("a", "b"), "a/b");
    check_owned(path_join("a/", "b"), "a/b");
    check_owned(path_join("a", "/b"), "/b");
    check_owned(path_join("", "b"), "b");
    check_owned(path_folder("a/b/c"), "a/b");
    check_owned(path_folder("c"), ".");
    check_owned(path_folder("/c"), "/");
    assert_string_equal(path_base("a/b.png"), "b.png");
    assert_string_equal(path_base("b"), "b");
    assert_string_equal(path_extension("a.b/c.tar.gz"), "gz");
    assert_string_equal(path_extension("a.b/c"), "");
    assert_string_equal(path_extension(".hidden"), "");
}

static void hashes(void **state)
{
    const char *path = in_work("hash");
    char digest[65];

    sha256_hex(digest, "", 0);
    assert_string_equal(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex(digest, "abc", 3);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(file_write(path, "abc", 3, NULL), RAP_OK);
    assert_int_equal(file_sha256(digest, path, NULL), RAP_OK);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    unlink(path);
    assert_int_equal(file_sha256(digest, path, NULL), RAP_E_NOT_FOUND);
    assert_string_equal(digest, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(reads_an_empty_file),
        cmocka_unit_test(names_what_cannot_be_read),
        cmocka_unit_test(reads_pipes),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(an_output_that_is_an_input_is_refused),
        cmocka_unit_test(maps),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(takes_paths_apart),
        cmocka_unit_test(hashes),
    };

    return cmocka_run_group_tests(tests, make_work, drop_work);
}
