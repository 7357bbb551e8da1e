/* test_change.c: what is owed after a deletion and who pays it, what a failed sync leaves behind, what does not wait. */
#include "remember/fixture.h"

#include <sqlite3.h>
#include <time.h>

/* ---- files that cannot be synced ---- */

static struct {
    sqlite3_vfs vfs, *below;
    sqlite3_io_methods methods[4];
    const sqlite3_io_methods *original[4];
    bool broken;
} disk;

static int sync_or_fail(sqlite3_file *file, int flags)
{
    return disk.broken ? SQLITE_IOERR_FSYNC : disk.original[0]->xSync(file, flags);
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int code = disk.below->xOpen(disk.below, name, file, flags, out);

    (void)vfs;
    for (size_t i = 0; i < 4 && code == SQLITE_OK && file->pMethods; i++) {
        if (!disk.original[i]) {
            disk.original[i] = file->pMethods;
            disk.methods[i] = *file->pMethods;
            disk.methods[i].xSync = sync_or_fail;
        }
        if (disk.original[i] == file->pMethods) {
            file->pMethods = &disk.methods[i];
            break;
        }
    }
    return code;
}

/* Before the first store is opened, so that the store's own VFS is on top. */
static int make_disk(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    disk.below = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.below;
    disk.vfs.zName = "disk";
    disk.vfs.pNext = NULL;
    disk.vfs.xOpen = disk_open;
    return sqlite3_vfs_register(&disk.vfs, 1) == SQLITE_OK ? 0 : -1;
}

static void a_change_that_could_not_be_synced_does_not_come_back(void **state)
{
    fixture *f = *state;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    disk.broken = true;
    assert_int_equal(add_concept(f->s, "mo", "cat", "info", 2, &f->err), RAP_E_IO);
    assert_line_has(f, f->path);
    store_close(f->s); /* nor can it be brought into the file now */
    disk.broken = false;
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "concept"), 1);
    assert_sound(f->s);
    assert_int_equal(add_concept(f->s, "mo", "cat", "info", 2, &f->err), RAP_OK);
}

/* ---- what is owed ---- */

static const char secret[] = "a secret that occurs nowhere else";

/* A reader in the middle of something, so that the log cannot be emptied. */
static void start_reading(store *reader, fixture *f)
{
    int64_t count = 0;

    assert_int_equal(db_begin_reading(store_db(reader), &f->err), RAP_OK);
    assert_int_equal(store_count(reader, &count, &f->err), RAP_OK);
}

static void stop_reading(store *reader, fixture *f)
{
    assert_int_equal(db_end(store_db(reader), RAP_OK, &f->err), RAP_OK);
}

static void the_reader_that_was_in_the_way_pays(void **state)
{
    fixture *f = *state;
    store *reader = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", secret, 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&reader, f->path, 0, &f->err), RAP_OK);
    start_reading(reader, f);
    assert_string_equal(store_note(f->s), "");
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_non_null(strstr(store_note(f->s), "in use elsewhere"));
    assert_true(count_text_in_files(f, secret) > 0);
    stop_reading(reader, f);
    store_generation(reader); /* whatever it does next */
    assert_int_equal(count_text_in_files(f, secret), 0);
    store_close(reader);
}

static void the_last_to_close_pays_for_one_that_is_gone(void **state)
{
    fixture *f = *state;
    store *reader = NULL, *idle = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", secret, 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&reader, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&idle, f->path, 0, &f->err), RAP_OK);
    start_reading(reader, f);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    store_close(f->s); /* the reader still blocks it */
    assert_true(count_text_in_files(f, secret) > 0);
    stop_reading(reader, f);
    store_close(idle); /* not the last: the reader is open */
    assert_int_equal(count_text_in_files(f, secret), 0);
    store_close(reader);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
}

static void whoever_opens_pays(void **state)
{
    fixture *f = *state;
    store *reader = NULL, *next = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", secret, 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&reader, f->path, 1, &f->err), RAP_OK);
    start_reading(reader, f);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    store_close(f->s);
    stop_reading(reader, f);
    assert_true(count_text_in_files(f, secret) > 0);
    assert_int_equal(store_open(&next, f->path, 0, &f->err), RAP_OK);
    assert_int_equal(count_text_in_files(f, secret), 0);
    f->s = next;
    store_close(reader);
}

static void a_word_that_was_forgotten_meanwhile_is_not_kept(void **state)
{
    fixture *f = *state;
    store *other = NULL;
    store_vector word = make_vector("words", 3);
    char **category = NULL;
    size_t count = 0;

    assert_int_equal(add_concept(f->s, "bo", "hound", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&other, f->path, 0, &f->err), RAP_OK);
    assert_int_equal(store_categories(other, 10000, &category, &count, &f->err), RAP_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_int_equal(store_put_text_vector(other, category[0], &word, &f->err), RAP_OK);
    assert_int_equal(count_rows(other, "vocabulary"), 0);
    store_strings_free(category, count);
    assert_int_equal(store_categories(other, 10000, &category, &count, &f->err), RAP_OK);
    assert_int_equal(count, 0);
    store_strings_free(category, count);
    assert_int_equal(store_put_text_vector(other, "object", &word, &f->err), RAP_OK);
    assert_int_equal(count_rows(other, "vocabulary"), 1);
    store_close(other);
}

/* ---- what does not wait ---- */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void what_is_only_cached_waits_for_nobody(void **state)
{
    fixture *f = *state;
    store *writer = NULL;
    store_vector word = make_vector("words", 3);
    float tokens[4] = { 1, 2, 3, 4 }, *back = NULL;
    size_t floats = 0;
    int found = 0;
    double start;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_put_tokens(f->s, 1, "model", tokens, 4, &f->err), RAP_OK);
    assert_int_equal(db_exec(store_db(f->s), "UPDATE cache SET used = 0", &f->err), RAP_OK);
    assert_int_equal(store_open(&writer, f->path, 0, &f->err), RAP_OK);
    assert_int_equal(store_begin(writer, STORE_DURABLE, &f->err), RAP_OK); /* a long import */
    start = seconds();
    assert_int_equal(store_put_tokens(f->s, 1, "other", tokens, 4, &f->err), RAP_E_BUSY);
    assert_int_equal(store_put_text_vector(f->s, "dog", &word, &f->err), RAP_E_BUSY);
    assert_int_equal(store_get_tokens(f->s, 1, "model", &back, &floats, &found, &f->err), RAP_OK);
    assert_int_equal(found, 1);
    assert_true(seconds() - start < 2);
    assert_int_equal(store_end(writer, RAP_OK, &f->err), RAP_OK);
    store_close(writer);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_that_could_not_be_synced_does_not_come_back,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_reader_that_was_in_the_way_pays, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_last_to_close_pays_for_one_that_is_gone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(whoever_opens_pays, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_word_that_was_forgotten_meanwhile_is_not_kept,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_only_cached_waits_for_nobody, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, make_disk, NULL);
}
