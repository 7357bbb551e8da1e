/* test_official_export.c: out to database.json and in again is the same; no file is overwritten. */
#include "remember/transfer_fixture.h"

#include <dirent.h>

static int count_files(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;

    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void comes_back_the_same(void **state)
{
    fixture *f = *state;
    store *again = NULL;
    rap_import_report report;
    char json[128], images[128];

    fill_store(f);
    snprintf(json, sizeof json, "%s/new/out/database.json", f->folder);
    snprintf(images, sizeof images, "%s/new/out/images", f->folder);
    assert_int_equal(transfer_export_official(f->s, json, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(count_files(images), count_rows(f->s, "view"));
    assert_int_equal(count_files(fixture_file(f, "new/out")), 2); /* nothing climbed out */
    assert_int_equal(count_files(fixture_file(f, "new")), 1);
    assert_int_equal(store_open(&again, fixture_file(f, "again.db"), 0, &f->err), RAP_OK);
    assert_int_equal(import_file(f, again, json, 0, &report), RAP_OK);
    assert_int_equal(report.added, 11);
    assert_int_equal(report.views,
                     count_rows(f->s, "view") - 11); /* further ones come back as such */
    assert_int_equal(count_rows(again, "view"), count_rows(f->s, "view"));
    assert_equal_stores(f->s, again, false);
    store_close(again);
}

static void has_the_official_form(void **state)
{
    fixture *f = *state;
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(add_concept(f->s, "bo", "dog", "<bo> is a dog.", 1, &f->err), RAP_OK);
    assert_int_equal(transfer_export_official(f->s, fixture_file(f, "d.json"), NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(file_read(&text, &size, fixture_file(f, "d.json"), 1 << 20, NULL), RAP_OK);
    assert_non_null(strstr(text, "\"concept_dict\""));
    assert_non_null(strstr(text, "\"<bo>\": {"));
    assert_non_null(strstr(text, "\"name\": \"bo\""));
    assert_non_null(strstr(text, "\"image\": \"images/bo-1.png\""));
    assert_non_null(strstr(text, "\"images/bo-1.png\": \"<bo>\""));
    free(text);
}

static void overwrites_nothing(void **state)
{
    fixture *f = *state;
    char json[128], *text = NULL;
    size_t size = 0;

    assert_int_equal(add_concept(f->s, "ada", "", "", 2, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    snprintf(json, sizeof json, "%s/out/d.json", f->folder);
    fixture_write_text(json, "mine");
    assert_int_equal(transfer_export_official(f->s, json, NULL, NULL, &f->err), RAP_E_EXISTS);
    assert_line_has(f, json);
    assert_int_equal(unlink(json), 0);
    fixture_write_text(fixture_file(f, "out/images/bo-2.png"), "mine");
    assert_int_equal(transfer_export_official(f->s, json, NULL, NULL, &f->err), RAP_E_EXISTS);
    assert_line_has(f, "bo-2.png");
    assert_int_equal(file_read(&text, &size, fixture_file(f, "out/images/bo-2.png"), 99, NULL),
                     RAP_OK);
    assert_string_equal(text, "mine");
    free(text);
    assert_int_equal(count_files(fixture_file(f, "out/images")), 1); /* ada's was taken back */
    assert_false(file_exists(json));
    assert_int_equal(unlink(fixture_file(f, "out/images/bo-2.png")), 0);
    assert_int_equal(transfer_export_official(f->s, json, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(unlink(json), 0); /* the same pictures once more are fine */
    assert_int_equal(transfer_export_official(f->s, json, NULL, NULL, &f->err), RAP_OK);
}

static void names_of_files_are_harmless(void **state)
{
    fixture *f = *state;
    DIR *folder;

    fill_store(f);
    assert_int_equal(
        transfer_export_official(f->s, fixture_file(f, "o/d.json"), NULL, NULL, &f->err), RAP_OK);
    folder = opendir(fixture_file(f, "o/images"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        assert_true(strlen(entry->d_name) < 80);
        assert_int_equal(strspn(entry->d_name, "abcdefghijklmnopqrstuvwxyz0123456789-_."),
                         strlen(entry->d_name));
        assert_string_equal(path_extension(entry->d_name), "png");
    }
    closedir(folder);
}

static int stop_at_two(const char *what, uint64_t done, uint64_t total, void *payload)
{
    return done == 2;
}

static void a_cancelled_export_leaves_nothing(void **state)
{
    fixture *f = *state;

    fill_store(f);
    assert_int_equal(
        transfer_export_official(f->s, fixture_file(f, "c/d.json"), stop_at_two, NULL, &f->err),
        RAP_E_CANCELLED);
    assert_int_equal(rmdir(fixture_file(f, "c")), 0); /* it is empty */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back_the_same, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(has_the_official_form, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_export_leaves_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(overwrites_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(names_of_files_are_harmless, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
