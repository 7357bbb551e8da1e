/* test_json_walk.c: large JSON read from front to back (src/formats/json_walk.c). */
#include "formats/json_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* The text as a file without a disk. */
static json_walk *walk(const char *text, size_t len, char path[32])
{
    json_walk *w = NULL;
    int fd = memfd_create("json", 0);

    assert_int_equal(write(fd, text, len), (ssize_t)len);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    assert_int_equal(json_walk_open(&w, path, NULL), RAP_OK);
    close(fd);
    return w;
}

/* The ids in "annotations", whatever stands around it. */
static rap_status read_ids(long *out, int *out_count, json_walk *w, rap_err *err)
{
    const char *key = NULL;
    bool more = true, item = true;
    rap_status status = json_walk_enter(w, '{', err);

    while (status == RAP_OK && (status = json_walk_key(&key, &more, w, err)) == RAP_OK && more) {
        if (strcmp(key, "annotations") != 0) {
            status = json_walk_skip(w, err);
            continue;
        }
        status = json_walk_enter(w, '[', err);
        while (status == RAP_OK && (status = json_walk_item(&item, w, err)) == RAP_OK && item) {
            json_t *value = NULL;

            status = json_walk_value(&value, w, err);
            if (status == RAP_OK)
                out[(*out_count)++] = (long)json_integer_value(json_object_get(value, "id"));
            json_decref(value);
        }
    }
    return status == RAP_OK ? json_walk_end(w, err) : status;
}

static rap_status ids_of(const char *text, long *out, int *out_count, rap_err *err)
{
    char path[32];
    json_walk *w = walk(text, strlen(text), path);
    rap_status status;

    *out_count = 0;
    status = read_ids(out, out_count, w, err);
    json_walk_close(w);
    return status;
}

static void items_are_found_between_other_values(void **state)
{
    long id[8];
    int count;

    assert_int_equal(
        ids_of("\xEF\xBB\xBF{\"info\": {\"a\": [1, {\"b\": \"]}\\\"\"}]}, \"n\": -1.5e3,\n"
               "\"annotations\": [{\"id\": 3, \"box\": [0, 1.5]}, {\"id\": 5}],\n"
               "\"annot\\u0061tions\": [{\"id\": 7}], \"x\": null}\n",
               id, &count, NULL),
        RAP_OK);
    assert_int_equal(count, 3);
    assert_int_equal(id[0], 3);
    assert_int_equal(id[1], 5);
    assert_int_equal(id[2], 7);
}

static void faults_name_file_and_line(void **state)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        { "{\"annotations\": [{\"id\": 1},\n{\"id\": }]}", ":2: not valid JSON" },
        { "{\"annotations\": [{\"id\": 1}\n{\"id\": 2}]}", ":2: '{' where ',' or ']' is expected" },
        { "{\"annotations\": [{\"id\": 1},\n", ":2: the JSON ends early" },
        { "{\"annotations\": [{\"id\": \"a\nb\"}]}", "the rest of a text" },
        { "{\"annotations\": {}}", ":1: '{' where a list is expected" },
        { "{\"annotations\": [], }", "where another value is expected" },
        { "{\"annotations\" []}", "where ':' is expected" },
        { "{annotations: []}", "where a key in quotes is expected" },
        { "{\"annotations\": []} x", "where the end of the file is expected" },
        { "[]", "where an object is expected" },
        { "{\"a\": [1, 2}, \"annotations\": []}", "where" },
        { "{\"annotations\": [{\"id\": NaN}]}", "not valid JSON" },
    };
    long id[8];
    int count;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rap_err err = { 0 };

        assert_int_equal(ids_of(cases[i].text, id, &count, &err), RAP_E_FORMAT);
        assert_non_null(strstr(err.text, "/proc/self/fd/"));
        if (!strstr(err.text, cases[i].line))
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

static void utf16_and_folders_are_named(void **state)
{
    char path[32];
    json_walk *w = NULL;
    rap_err err = { 0 };
    int fd = memfd_create("json", 0);

    assert_int_equal(write(fd, "\xFF\xFE{\0}\0", 6), 6);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    assert_int_equal(json_walk_open(&w, path, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "save it as UTF-8"));
    assert_null(w);
    close(fd);
    assert_int_equal(json_walk_open(&w, "/", &err), RAP_E_ARGUMENT);
    assert_int_equal(json_walk_open(&w, "/no/such.json", &err), RAP_E_NOT_FOUND);
    assert_string_equal(err.text, "/no/such.json: no such file");
}

static void deep_nesting_ends_with_a_line(void **state)
{
    enum { DEEP = 100000 };
    char path[32], *text = malloc(DEEP + 16);
    const char *key = NULL;
    bool more = false;
    json_walk *w;
    rap_err err = { 0 };

    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', DEEP);
    w = walk(text, DEEP + 5, path);
    assert_int_equal(json_walk_enter(w, '{', NULL), RAP_OK);
    assert_int_equal(json_walk_key(&key, &more, w, NULL), RAP_OK);
    assert_int_equal(json_walk_skip(w, &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "nested more than"));
    json_walk_close(w);
    free(text);
}

/* 300,000 annotations of 120 bytes each, 36 MB: memory does not follow. */
static void memory_does_not_grow_with_the_file(void **state)
{
    enum { COUNT = 300000 };
    char path[32];
    int fd = memfd_create("json", 0), count = 0;
    FILE *f = fdopen(dup(fd), "w");
    json_walk *w = NULL;
    const char *key = NULL;
    bool more = true, item = true;
    struct rusage before, after;

    fputs("{\"annotations\": [", f);
    for (int i = 0; i < COUNT; i++)
        fprintf(
            f,
            "%s{\"id\": %d, \"image_id\": %d, \"bbox\": [1.25, 2.5, 30.125, 40.0625], \"area\": "
            "12345.678, \"iscrowd\": 0, \"category_id\": 18}",
            i ? ", " : "", i, i / 7);
    fputs("]}", f);
    assert_int_equal(fclose(f), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(json_walk_open(&w, path, NULL), RAP_OK);
    assert_int_equal(json_walk_enter(w, '{', NULL), RAP_OK);
    assert_int_equal(json_walk_key(&key, &more, w, NULL), RAP_OK);
    assert_int_equal(json_walk_enter(w, '[', NULL), RAP_OK);
    while (json_walk_item(&item, w, NULL) == RAP_OK && item) {
        json_t *value = NULL;

        assert_int_equal(json_walk_value(&value, w, NULL), RAP_OK);
        assert_int_equal(json_integer_value(json_object_get(value, "id")), count++);
        json_decref(value);
    }
    assert_int_equal(json_walk_key(&key, &more, w, NULL), RAP_OK);
    assert_false(more);
    assert_int_equal(count, COUNT);
    getrusage(RUSAGE_SELF, &after);
#ifdef __SANITIZE_ADDRESS__
    print_message("skipped: a sanitizer's memory is not the program's\n");
#else
    assert_true(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB */
#endif
    assert_true(json_walk_share(w) > 0.99);
    json_walk_close(w);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_found_between_other_values),
        cmocka_unit_test(faults_name_file_and_line),
        cmocka_unit_test(utf16_and_folders_are_named),
        cmocka_unit_test(deep_nesting_ends_with_a_line),
        cmocka_unit_test(memory_does_not_grow_with_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
