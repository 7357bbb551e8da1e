/* test_set.c: the layouts of a folder, and what is none (src/eval/calibrate/set.c). */
#include "base/file.h"
#include "eval/calibrate/calibrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/rap-set-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* A file in the folder; pictures are not looked at here. */
static void put(const char *name, const char *text)
{
    char *path = path_join(folder, name), *above = path_folder(path);

    assert_int_equal(file_make_folders(above, NULL), RAP_OK);
    assert_int_equal(file_write(path, text, strlen(text), NULL), RAP_OK);
    free(above);
    free(path);
}

static void refused(const char *reason)
{
    calibrate_set s;
    rap_err err = { 0 };

    assert_int_not_equal(calibrate_set_read(&s, folder, &err), RAP_OK);
    if (!strstr(err.text, reason))
        fail_msg("%s: not about %s", err.text, reason);
    calibrate_set_release(&s);
}

static void a_folder_for_each_thing(void **state)
{
    calibrate_set s;

    put("mug/2.jpg", "");
    put("mug/1.PNG", "");
    put("mug/notes.txt", "");
    put("dog/a.webp", "");
    put("dog/b.jpeg", "");
    put("dog/c.jpg", "");
    put("empty/readme", "");
    put(".hidden/x.jpg", "");
    assert_int_equal(calibrate_set_read(&s, folder, NULL), RAP_OK);
    assert_null(s.database);
    assert_int_equal(s.concepts, 2);
    assert_string_equal(s.concept[0].name, "dog");
    assert_string_equal(path_base(s.concept[0].picture), "a.webp");
    assert_string_equal(path_base(s.concept[1].picture), "1.PNG");
    assert_int_equal(s.photos, 3);
    assert_int_equal(s.photo[2].objects, 1);
    assert_int_equal(s.photo[2].object[0].concept, 1);
    calibrate_set_release(&s);
}

#define DATABASE                                                                 \
    "{\"concept_dict\": {\"<bo>\": {\"name\": \"bo\", \"image\": \"bo/1.jpg\"}," \
    " \"<mia>\": {\"name\": \"<mia>\", \"image\": \"mia/1.jpg\"}}}"

static void an_official_database_with_pictures_beside(void **state)
{
    calibrate_set s;

    put("database.json", DATABASE);
    put("bo/1.jpg", "");
    put("bo/2.jpg", "");
    put("mia/1.jpg", "");
    put("mia/2.jpg", "");
    put("mia/3.jpg", "");
    assert_int_equal(calibrate_set_read(&s, folder, NULL), RAP_OK);
    assert_int_equal(s.concepts, 2);
    assert_string_equal(s.concept[1].name, "mia");
    assert_int_equal(s.photos, 3);
    calibrate_set_release(&s);
}

static void lists_of_photos(void **state)
{
    calibrate_set s;

    put("database.json", DATABASE);
    put("retrieval.json", "[{\"image\": \"a.jpg\", \"box\": [1, 2, 3, 4], \"name\": \"bo\"},"
                          " {\"image\": \"a.jpg\", \"box\": [5, 6, 7, 8], \"name\": \"\"},"
                          " {\"image\": \"b.jpg\", \"box\": [1, 2, 3, 4], \"name\": \"mia\"}]");
    put("detection.json", "[{\"image\": \"a.jpg\", \"boxes\": [[1, 2, 3, 4]], \"names\": [\"bo\"]},"
                          " {\"image\": \"c.jpg\", \"boxes\": [], \"names\": []}]");
    assert_int_equal(calibrate_set_read(&s, folder, NULL), RAP_OK);
    assert_int_equal(s.photos, 3);
    assert_int_equal(s.photo[0].objects, 2);
    assert_int_equal(s.photo[0].object[1].concept, -1);
    assert_true(s.photo[0].object[1].box.w == 7);
    assert_int_equal(s.photo[2].objects, 0);
    calibrate_set_release(&s);
}

static void queries_of_photos(void **state)
{
    calibrate_set s;

    put("database.json", DATABASE);
    put("queries.json", "{\"x.jpg\": [\"bo\"], \"y.jpg\": [\"mia\", \"bo\"], \"z.jpg\": []}");
    assert_int_equal(calibrate_set_read(&s, folder, NULL), RAP_OK);
    assert_int_equal(s.photos, 3);
    assert_int_equal(s.photo[1].objects, 2);
    calibrate_set_release(&s);
}

static void what_is_no_set_is_refused_with_the_reason(void **state)
{
    calibrate_set s;
    rap_err err = { 0 };

    refused("has neither a database.json nor folders");
    assert_int_equal(calibrate_set_read(&s, "/nowhere/at/all", &err), RAP_E_NOT_FOUND);
    calibrate_set_release(&s);
    put("one/1.jpg", "");
    put("one/2.jpg", "");
    put("two/1.jpg", "");
    refused("1 of its 2 concepts");
    put("database.json", "{");
    refused("database.json");
    put("database.json", "[]");
    refused("database.json");
    put("database.json", "{\"concept_dict\": 3}");
    refused("concept_dict");
    put("database.json", "{\"concept_dict\": {\"x\": {\"name\": \"x\"}}}");
    refused("no image");
    put("database.json", DATABASE);
    refused("bo");
    put("bo/1.jpg", "");
    put("mia/1.jpg", "");
    refused("0 of its 2 concepts");
}

static void lists_that_are_wrong_are_refused(void **state)
{
    put("database.json", DATABASE);
    put("retrieval.json", "{}");
    refused("must be a JSON array");
    put("retrieval.json", "[{\"image\": \"a.jpg\"}]");
    refused("no image or no name");
    put("retrieval.json", "[{\"image\": \"a.jpg\", \"name\": \"rex\"}]");
    refused("'rex' is not in database.json");
    put("retrieval.json", "[{\"image\": \"a.jpg\", \"name\": \"bo\", \"box\": [1, 2, -3, 4]}]");
    refused("pixels");
    put("retrieval.json", "[{\"image\": \"a.jpg\", \"name\": \"bo\", \"box\": [1, 2]}]");
    refused("pixels");
    put("retrieval.json", "[3]");
    refused("no image");
    put("retrieval.json", "[}");
    refused("retrieval.json");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_for_each_thing),
        TEST(an_official_database_with_pictures_beside),
        TEST(lists_of_photos),
        TEST(queries_of_photos),
        TEST(what_is_no_set_is_refused_with_the_reason),
        TEST(lists_that_are_wrong_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
