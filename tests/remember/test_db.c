/* test_db.c: every write, sync and truncation of a file fails once, in turn: each time the call says so,
 * nothing half-done is seen, and the store goes on. A VFS under the store's own makes them fail. */
#include "remember/fixture.h"

#include <sqlite3.h>

/* ---- files that fail ---- */

static struct {
    sqlite3_vfs vfs, *below;
    sqlite3_io_methods methods[4]; /* by what opened files have: a database and its log differ */
    const sqlite3_io_methods *original[4]; /* but not in what is made to fail here */
    int countdown;                         /* fails when it gets to 0; below 0: never */
    bool lasting;                          /* and keeps failing: a disk that is full */
} faulty = { .countdown = -1 };

static bool fails_now(void)
{
    if (faulty.countdown < 0)
        return false;
    if (faulty.countdown > 0)
        faulty.countdown--;
    if (faulty.countdown > 0)
        return false;
    if (!faulty.lasting)
        faulty.countdown = -1;
    return true;
}

static int faulty_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    return fails_now() ? SQLITE_FULL : faulty.original[0]->xWrite(file, data, size, offset);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    return fails_now() ? SQLITE_IOERR_FSYNC : faulty.original[0]->xSync(file, flags);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails_now() ? SQLITE_IOERR_TRUNCATE : faulty.original[0]->xTruncate(file, size);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int code = faulty.below->xOpen(faulty.below, name, file, flags, out);

    (void)vfs;
    for (size_t i = 0; i < 4 && code == SQLITE_OK && file->pMethods; i++) {
        if (!faulty.original[i]) {
            faulty.original[i] = file->pMethods;
            assert_ptr_equal(file->pMethods->xWrite, faulty.original[0]->xWrite);
            assert_ptr_equal(file->pMethods->xSync, faulty.original[0]->xSync);
            faulty.methods[i] = *file->pMethods;
            faulty.methods[i].xWrite = faulty_write;
            faulty.methods[i].xSync = faulty_sync;
            faulty.methods[i].xTruncate = faulty_truncate;
        }
        if (faulty.original[i] == file->pMethods) {
            file->pMethods = &faulty.methods[i];
            break;
        }
    }
    return code;
}

/* Before the first store is opened, so that the store's own VFS is on top. */
static int make_files_faulty(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    faulty.below = sqlite3_vfs_find(NULL);
    faulty.vfs = *faulty.below;
    faulty.vfs.zName = "faulty";
    faulty.vfs.pNext = NULL;
    faulty.vfs.xOpen = faulty_open;
    return sqlite3_vfs_register(&faulty.vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* ---- what is tried ---- */

static rap_status try_add(fixture *f, int round)
{
    char name[32];

    snprintf(name, sizeof name, "try%d", round);
    return add_concept(f->s, name, "thing", "info", round, &f->err);
}

static rap_status try_update(fixture *f, int round)
{
    char info[32];
    store_change change = { .info = info };

    snprintf(info, sizeof info, "info %d", round);
    return store_update(f->s, "bo", &change, &f->err);
}

static rap_status try_forget(fixture *f, int round)
{
    (void)round;
    return store_forget(f->s, "mo", &f->err);
}

/* The k-th operation fails, for each k until the call needs fewer than k. */
static void fail_in_turn(fixture *f, rap_status (*attempt)(fixture *, int), bool lasting)
{
    int failed = 0;

    for (int k = 1; k < 200; k++) {
        store_vectors vectors;
        if (count_rows(f->s, "concept") < 2)
            assert_int_equal(add_concept(f->s, "mo", "cat", "", 2, &f->err), RAP_OK);
        int64_t count = count_rows(f->s, "concept"), events = count_rows(f->s, "event");
        rap_status status;

        faulty.lasting = lasting;
        faulty.countdown = k;
        status = attempt(f, k);
        bool reached = faulty.countdown <= 0;
        faulty.countdown = -1;
        if (status == RAP_OK && !reached)
            break; /* it needed no k-th operation */
        if (status != RAP_OK) {
            failed++;
            assert_int_equal(status, RAP_E_IO);
            assert_line_has(f, f->path);
            assert_int_equal(count_rows(f->s, "concept"), count);
            assert_int_equal(count_rows(f->s, "event"), events);
        }
        assert_int_equal(load_vectors(f->s, "enc-a", &vectors, &f->err), RAP_OK);
        assert_int_equal(vectors.count, count_rows(f->s, "view"));
        store_vectors_release(&vectors);
        assert_sound(f->s);
    }
    assert_true(failed > 0);
}

static void start(fixture *f)
{
    assert_int_equal(add_concept(f->s, "bo", "dog", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "cat", "", 2, &f->err), RAP_OK);
}

static void a_failing_add_is_undone(void **state)
{
    start(*state);
    fail_in_turn(*state, try_add, false);
    fail_in_turn(*state, try_add, true);
    fixture_reopen(*state);
    assert_sound(((fixture *)*state)->s);
}

static void a_failing_update_is_undone(void **state)
{
    start(*state);
    fail_in_turn(*state, try_update, false);
    fail_in_turn(*state, try_update, true);
}

static void a_failing_forget_is_undone_or_done(void **state)
{
    fixture *f = *state;

    start(f);
    fail_in_turn(f, try_forget, false);
    fail_in_turn(f, try_forget, true);
    assert_int_equal(add_concept(f->s, "Unheard-of", "cat", "", 2, &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "unheard-of", &f->err), RAP_OK);
    assert_int_equal(count_text_in_files(f, "nheard-of"),
                     0); /* also what a failed clean-up left before */
}

static void making_a_store_may_fail_anywhere(void **state)
{
    fixture *f = *state;
    char path[128];
    int failed = 0, k;

    for (k = 1; k < 100; k++) {
        store *s = NULL;
        int64_t count = 0;
        rap_status status;
        bool reached;

        snprintf(path, sizeof path, "%s/new%d.db", f->folder, k);
        faulty.lasting = true;
        faulty.countdown = k;
        status = store_open(&s, path, 0, &f->err);
        reached = faulty.countdown == 0;
        faulty.countdown = -1;
        failed += status != RAP_OK;
        if (status != RAP_OK) {
            assert_int_equal(status, RAP_E_IO);
            assert_line_has(f, path);
            assert_int_equal(store_open(&s, path, 0, &f->err), RAP_OK); /* now there is room */
        }
        assert_int_equal(store_count(s, &count, &f->err), RAP_OK);
        store_close(s);
        if (!reached)
            break;
    }
    assert_true(failed > 3 && k < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failing_add_is_undone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failing_update_is_undone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failing_forget_is_undone_or_done, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(making_a_store_may_fail_anywhere, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, make_files_faulty, NULL);
}
