/* test_prefixes.c: evaluated concepts in files beside the store (src/remember/prefixes.c): what comes back, what goes with
 * a concept, and that no damaged or foreign file does harm. */
#include "remember/fixture.h"

#include "remember/prefixes.h"

#include <dirent.h>
#include <sys/stat.h>

enum { SIZE = 100000 };

#define ONE "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222222222222222222222222222"
#define THREE "3333333333333333333333333333333333333333333333333333333333333333"

static const char *file_of(const fixture *f, const char *name)
{
    static char path[2][512];
    static int next;
    char *out = path[next++ % 2];

    snprintf(out, sizeof path[0], "%s-prefixes/%s.prefix", f->path, name);
    return out;
}

static store_stamp stamp_of(fixture *f, int64_t id)
{
    store_stamp stamp = { .concept_id = id };
    rap_record *record = NULL;

    if (store_find_id(f->s, id, &record, &f->err) == RAP_OK)
        snprintf(stamp.updated, sizeof stamp.updated, "%s", record->updated);
    store_record_free(record);
    return stamp;
}

static void put(fixture *f, const char *name, const int64_t *ids, size_t count)
{
    uint8_t *bytes = malloc(SIZE);
    store_stamp stamps[3];

    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++)
        stamps[i] = stamp_of(f, ids[i]);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + name[0]);
    memcpy(bytes + 500, "a secret of mine", 16);
    store_put_prefix(f->s, name, stamps, count, bytes, SIZE);
    free(bytes);
}

static bool has(fixture *f, const char *name)
{
    size_t size = 0;
    uint8_t *bytes = store_get_prefix(f->s, name, &size);
    bool found = bytes != NULL;

    if (found) {
        assert_int_equal(size, SIZE);
        assert_int_equal(bytes[SIZE - 1], (uint8_t)((SIZE - 1) * 7 + name[0]));
    }
    free(bytes);
    return found;
}

static int64_t id_of(fixture *f, const char *name)
{
    rap_record *record = NULL;
    int64_t id;

    assert_int_equal(store_find(f->s, name, &record, &f->err), RAP_OK);
    id = record->id;
    store_record_free(record);
    return id;
}

/* Concepts a, b, c, their ids, and a budget for three. */
static void begin(fixture *f, int64_t id[3])
{
    const char *const names[] = { "a", "b", "c" };

    for (int i = 0; i < 3; i++) {
        assert_int_equal(add_concept(f->s, names[i], "", "", i, &f->err), RAP_OK);
        id[i] = id_of(f, names[i]);
    }
    store_limit_prefixes(f->s, 3 * SIZE + 2000);
}

static void what_was_put_comes_back(void **state)
{
    fixture *f = *state;
    struct stat info;
    int64_t id[3];

    begin(f, id);
    assert_false(has(f, ONE));
    put(f, ONE, id, 2);
    assert_true(has(f, ONE));
    assert_int_equal(stat(file_of(f, ONE), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_false(has(f, TWO));
    fixture_reopen(f);         /* a later process */
    assert_false(has(f, ONE)); /* nothing is read without a budget */
    store_limit_prefixes(f->s, SIZE);
    assert_true(has(f, ONE));
    put(f, "../../etc/passwd", id, 1);
    put(f, "", id, 1);
    assert_false(has(f, "../../etc/passwd"));
}

/* Does any file of the folder hold the text? */
static bool holds_secret(const fixture *f)
{
    char command[256];

    snprintf(command, sizeof command, "grep -rq 'a secret of mine' '%s-prefixes'", f->path);
    return system(command) == 0;
}

static void it_goes_with_its_concepts(void **state)
{
    fixture *f = *state;
    store_change change = { .info = "else" };
    struct stat before, after;
    int64_t id[3];
    char held[512];

    begin(f, id);
    put(f, ONE, (int64_t[]){ id[0], id[1] }, 2);
    put(f, TWO, (int64_t[]){ id[1], id[2] }, 2);
    put(f, THREE, (int64_t[]){ id[2] }, 1);
    snprintf(held, sizeof held, "%s-held", f->path);
    assert_int_equal(link(file_of(f, ONE), held), 0); /* to see its bytes afterwards */
    assert_int_equal(stat(held, &before), 0);
    assert_int_equal(store_forget(f->s, "a", &f->err), RAP_OK);
    assert_false(file_exists(file_of(f, ONE)));
    assert_true(file_exists(file_of(f, TWO)) && file_exists(file_of(f, THREE)));
    assert_int_equal(stat(held, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    {
        char *bytes = NULL;
        size_t size = 0;

        assert_int_equal(file_read(&bytes, &size, held, 1 << 20, NULL), RAP_OK);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0); /* overwritten */
        free(bytes);
    }
    assert_int_equal(store_update(f->s, "b", &change, &f->err), RAP_OK);
    assert_false(file_exists(file_of(f, TWO)));
    assert_true(has(f, THREE));
    assert_int_equal(store_forget(f->s, "c", &f->err), RAP_OK);
    assert_false(holds_secret(f));
    put(f, ONE, id, 1); /* forgotten meanwhile by another process */
    assert_false(file_exists(file_of(f, ONE)));
    {
        store_stamp old = stamp_of(f, id[1]);

        usleep(2000);
        assert_int_equal(store_update(f->s, "b", &change, &f->err), RAP_OK);
        store_put_prefix(f->s, ONE, &old, 1, "old text", 8); /* changed meanwhile */
        assert_false(file_exists(file_of(f, ONE)));
    }
}

static void another_handle_forgets_too(void **state)
{
    fixture *f = *state;
    store *other = NULL;
    int64_t id[3];

    begin(f, id);
    put(f, ONE, id, 3);
    assert_int_equal(store_open(&other, f->path, 0, &f->err), RAP_OK);
    assert_true(file_exists(file_of(f, ONE)));
    assert_int_equal(store_forget(other, "b", &f->err), RAP_OK);
    store_close(other);
    assert_false(file_exists(file_of(f, ONE)));
    assert_false(has(f, ONE));
}

static void the_oldest_makes_room(void **state)
{
    fixture *f = *state;
    int64_t id[3];

    begin(f, id);
    put(f, ONE, id, 1);
    usleep(20000);
    put(f, TWO, id, 1);
    usleep(20000);
    store_limit_prefixes(f->s, 2 * SIZE + 2000);
    assert_true(has(f, ONE)); /* used now */
    usleep(20000);
    put(f, THREE, id, 1);
    assert_true(has(f, ONE) && has(f, THREE));
    assert_false(has(f, TWO));
    store_limit_prefixes(f->s, SIZE - 1);
    put(f, TWO, id, 1); /* larger than the whole budget */
    assert_false(has(f, TWO));
}

/* ---- damage ---- */

static void change_byte(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    int c;

    assert_non_null(file);
    fseek(file, at, SEEK_SET);
    c = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(c ^ 0x40, file);
    fclose(file);
}

static void expect_gone(fixture *f)
{
    assert_false(has(f, ONE));
    assert_false(file_exists(file_of(f, ONE)));
}

static void damage_is_noticed(void **state)
{
    fixture *f = *state;
    const long places[] = { 0, 9, 17, 30, 90, 100, 108, 130, 160, 400, 99000 };
    const off_t sizes[] = { 0, 5, 100, 150, 300, SIZE };
    int64_t id[3];

    begin(f, id);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        put(f, ONE, id, 2);
        change_byte(file_of(f, ONE), places[i]);
        expect_gone(f);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put(f, ONE, id, 2);
        assert_int_equal(truncate(file_of(f, ONE), sizes[i]), 0);
        expect_gone(f);
    }
    put(f, ONE, id, 2); /* longer */
    assert_int_equal(truncate(file_of(f, ONE), 2 * SIZE), 0);
    expect_gone(f);
    put(f, TWO, id, 2); /* of another prompt */
    assert_int_equal(rename(file_of(f, TWO), file_of(f, ONE)), 0);
    expect_gone(f);
}

static void others_files_are_not_read(void **state)
{
    fixture *f = *state;
    char elsewhere[512];
    int64_t id[3];

    begin(f, id);
    put(f, ONE, id, 2);
    assert_int_equal(chmod(file_of(f, ONE), 0666), 0); /* anybody may have written it */
    assert_false(has(f, ONE));
    put(f, ONE, id, 2);
    snprintf(elsewhere, sizeof elsewhere, "%s-elsewhere", f->path);
    assert_int_equal(rename(file_of(f, ONE), elsewhere), 0);
    assert_int_equal(symlink(elsewhere, file_of(f, ONE)), 0);
    assert_false(has(f, ONE));
    assert_true(file_exists(elsewhere)); /* a link is removed, not what it names */
    mkdir(file_of(f, TWO), 0700);
    assert_false(has(f, TWO));
}

static void leftovers_are_swept(void **state)
{
    fixture *f = *state;
    char path[600];
    int64_t id[3];

    begin(f, id);
    put(f, ONE, id, 1);
    snprintf(path, sizeof path, "%s.rap-tmp-abcdefghijkl", file_of(f, ONE));
    assert_int_equal(file_write(path, "a secret of mine", 16, NULL), RAP_OK);
    assert_int_equal(chmod(path, 0600), 0);
    fixture_reopen(f);
    assert_false(file_exists(path));
    assert_true(file_exists(file_of(f, ONE)));
}

static void they_are_counted_and_cleared(void **state)
{
    fixture *f = *state;
    store_kept kept;
    int64_t id[3];

    begin(f, id);
    put(f, ONE, id, 1);
    put(f, TWO, id, 1);
    assert_int_equal(store_count_prefixes(f->s, &kept, &f->err), RAP_OK);
    assert_int_equal(kept.items, 2);
    assert_true(kept.bytes > 2 * SIZE);
    assert_int_equal(store_clear_prefixes(f->s, &f->err), RAP_OK);
    assert_int_equal(store_count_prefixes(f->s, &kept, &f->err), RAP_OK);
    assert_int_equal(kept.items + kept.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_comes_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(it_goes_with_its_concepts, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(another_handle_forgets_too, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_oldest_makes_room, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(damage_is_noticed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(others_files_are_not_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(leftovers_are_swept, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(they_are_counted_and_cleared, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
