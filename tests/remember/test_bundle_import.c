/* test_bundle_import.c: a bundle out and in is the same in everything; a false bundle is refused and
 * changes nothing. */
#include "remember/transfer_fixture.h"

#include <signal.h>
#include <sys/resource.h>

static void comes_back_with_everything(void **state)
{
    fixture *f = *state;
    store *again = NULL;
    rap_import_report report;
    const char *bundle = fixture_file(f, "new/all.rap");

    fill_store(f);
    assert_int_equal(store_put_tokens(f->s, 1, "model", (float[]){ 1, 2 }, 2, &f->err), RAP_OK);
    assert_int_equal(transfer_export_bundle(f->s, bundle, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_open(&again, fixture_file(f, "again.db"), 0, &f->err), RAP_OK);
    assert_int_equal(transfer_import(again, bundle, 0, NULL, NULL, NULL, NULL, &report, &f->err),
                     RAP_OK);
    assert_int_equal(report.added, 11);
    assert_equal_stores(f->s, again, true);
    assert_int_equal(count_rows(again, "cache"), 0);
    assert_sound(again);
    assert_int_equal(transfer_import(again, bundle, 0, NULL, NULL, NULL, NULL, &report, &f->err),
                     RAP_E_EXISTS);
    assert_line_has(f, "all.rap");
    assert_int_equal(store_forget(again, "bo", &f->err), RAP_OK);
    assert_int_equal(transfer_import(again, bundle, 1, NULL, NULL, NULL, NULL, &report, &f->err),
                     RAP_OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(report.updated, 10);
    assert_equal_stores(f->s, again, true);
    store_close(again);
}

static void export_overwrites_nothing_and_leaves_no_rest(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "out/taken");
    store *s = NULL;

    fixture_write_text(path, "mine");
    assert_int_equal(transfer_export_bundle(f->s, path, NULL, NULL, &f->err), RAP_E_EXISTS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    struct rlimit limit, full;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    full = limit;
    full.rlim_cur = 20000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    rap_status status = transfer_export_bundle(f->s, path, NULL, NULL, &f->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, RAP_E_IO);
    assert_line_has(f, path);
    assert_int_equal(rmdir(fixture_file(f, "out")), 0); /* it is empty */
    assert_int_equal(transfer_export_bundle(f->s, path, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_open(&s, path, 0, &f->err), RAP_E_FORMAT); /* a bundle is no store */
    assert_line_has(f, "is a bundle");
    assert_int_equal(store_open(&s, fixture_file(f, "other.db"), 0, &f->err), RAP_OK);
    store_close(s);
    assert_int_equal(transfer_import(f->s, fixture_file(f, "other.db"), 0, NULL, NULL, NULL, NULL,
                                     NULL, &f->err),
                     RAP_E_FORMAT); /* nor vice versa */
    assert_line_has(f, "is a concept store");
}

static int stop_at_once(const char *what, uint64_t done, uint64_t total, void *payload)
{
    return 1;
}

static void a_cancelled_export_leaves_nothing(void **state)
{
    fixture *f = *state;

    fill_store(f);
    assert_int_equal(
        transfer_export_bundle(f->s, fixture_file(f, "c/all.rap"), stop_at_once, NULL, &f->err),
        RAP_E_CANCELLED);
    assert_line_has(f, "all.rap");
    assert_int_equal(rmdir(fixture_file(f, "c")), 0); /* it is empty */
}

/* A bundle of one good concept, then changed by `sql` with every protection off. */
static void make_lying_bundle(fixture *f, const char *path, const char *sql)
{
    sqlite3 *handle = NULL;

    unlink(path);
    assert_int_equal(transfer_export_bundle(f->s, path, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 0, (int *)NULL);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL),
                     SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

static void lies_are_refused(void **state)
{
    static const struct {
        const char *sql, *line;
    } cases[] = {
        { "CREATE TRIGGER t AFTER INSERT ON name BEGIN DELETE FROM concept; END", "tables" },
        { "CREATE TABLE more (a)", "tables" },
        { "CREATE VIEW w AS SELECT 1", "tables" },
        { "DROP TABLE key", "tables" },
        { "ALTER TABLE concept ADD COLUMN x INTEGER", "tables" },
        { "PRAGMA user_version = 9", "newer" },
        { "PRAGMA user_version = 0", "not complete" },
        { "PRAGMA application_id = 5", "is not a bundle" },
        { "UPDATE name SET text = 'a' || char(10)", "line break" },
        { "UPDATE name SET text = ''", "empty" },
        { "UPDATE name SET text = CAST(x'ff' AS TEXT)", "UTF-8" },
        { "UPDATE name SET text = printf('%0200d', 1)", "limit" },
        { "UPDATE name SET alias = 1 WHERE alias = 0", "" },
        { "DELETE FROM name", "no name" },
        { "UPDATE concept SET info = printf('%70000d', 1)", "limit" },
        { "UPDATE concept SET category = char(27)", "control" },
        { "UPDATE concept SET created = 'yesterday'", "times" },
        { "UPDATE picture SET bytes = x'00'", "not the one" },
        { "UPDATE picture SET bytes = x''", "empty" },
        { "UPDATE picture SET bytes = zeroblob(67108865)", "limit" },
        { "DELETE FROM picture", "no picture" },
        { "DELETE FROM view", "" },
        { "UPDATE view SET avatar = 0", "no picture" },
        { "UPDATE view SET width = -1", "picture of" },
        { "UPDATE view SET box_w = 9e999", "box" },
        { "UPDATE view SET concept_id = 99", "" },
        { "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')"
          " WHERE name = 'concept'",
          "tables" },
    };
    fixture *f = *state;
    char path[128];
    store *target = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&target, fixture_file(f, "target.db"), 0, &f->err), RAP_OK);
    snprintf(path, sizeof path, "%s/liar", f->folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rap_status status;

        make_lying_bundle(f, path, cases[i].sql);
        status = transfer_import(target, path, 1, NULL, NULL, NULL, NULL, NULL, &f->err);
        if (status == RAP_OK)
            fail_msg("taken: %s", cases[i].sql);
        assert_line_has(f, "liar");
        assert_line_has(f, cases[i].line);
        assert_int_equal(count_rows(target, "concept"), 0);
        assert_int_equal(count_rows(target, "view"), 0);
    }
    store_close(target);
}

/* A vector that cannot be the encoder's must not block those that are. */
static void vectors_that_cannot_be_are_not_taken(void **state)
{
    fixture *f = *state;
    char path[128];
    store *target = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    snprintf(path, sizeof path, "%s/liar", f->folder);
    make_lying_bundle(f, path, "UPDATE encoder SET dim = 4; UPDATE key SET vector = zeroblob(16)");
    assert_int_equal(store_open(&target, fixture_file(f, "target.db"), 0, &f->err), RAP_OK);
    assert_int_equal(transfer_import(target, path, 0, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(count_rows(target, "view"), 1);
    assert_int_equal(count_rows(target, "key"), 0); /* zero is nowhere: it is made again */
    make_lying_bundle(f, path,
                      "UPDATE encoder SET dim = 4; UPDATE key SET vector = x'0000803f0000803f"
                      "0000803f0000803f'");
    assert_int_equal(transfer_import(target, path, 1, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(count_rows(target, "key"), 1); /* nothing contradicts it yet */
    assert_int_equal(add_concept(target, "mo", "cat", "", 2, &f->err), RAP_OK);
    assert_int_equal(count_rows(target, "key"), 1); /* the encoder does, and the other went */
    assert_int_equal(transfer_import(target, path, 1, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(count_rows(target, "key"), 1);
    assert_non_null(strstr(store_note(target), "1 vectors in it cannot be"));
    store_close(target);
}

/* One bad vector disables itself: its picture and all others come in. */
static void a_bad_vector_is_left_out_alone(void **state)
{
    static const char *const lies[] = {
        "UPDATE encoder SET dim = 0",
        "UPDATE encoder SET dim = 7",
        "UPDATE encoder SET dim = 1000000000000",
        "UPDATE key SET vector = x'00' WHERE id = 1",
        "UPDATE key SET vector = x'' WHERE id = 1",
        "UPDATE key SET vector = "
        "x'0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f'"
        " WHERE id = 1",
        "UPDATE key SET vector = "
        "x'0000807f0000807f0000807f0000807f0000807f0000807f0000807f0000807f'"
        " WHERE id = 1",
        "UPDATE refusal SET vector = x'0000c07f'",
        "UPDATE refusal SET vector = x'00'",
    };
    fixture *f = *state;
    const store_view view = { "not bo", 6, 4, 4, { 0, 0, 0, 0 } };
    const store_vector vector = make_vector("enc-a", 3);
    char path[128];

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "dog", "info", 2, &f->err), RAP_OK);
    assert_int_equal(store_add_refusal(f->s, "bo", &view, &vector, &f->err), RAP_OK);
    snprintf(path, sizeof path, "%s/liar", f->folder);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        store *target = NULL;
        char name[32];

        snprintf(name, sizeof name, "target%zu.db", i);
        make_lying_bundle(f, path, lies[i]);
        assert_int_equal(store_open(&target, fixture_file(f, name), 0, &f->err), RAP_OK);
        if (transfer_import(target, path, 0, NULL, NULL, NULL, NULL, NULL, &f->err) != RAP_OK)
            fail_msg("%s: %s", lies[i], f->err.text);
        assert_int_equal(count_rows(target, "view"), 2);
        assert_int_equal(count_rows(target, "refusal"), 1);
        assert_int_equal(count_rows(target, "key"), i < 3 ? 0 : i < 7 ? 1 : 2);
        assert_non_null(strstr(store_note(target), "cannot be what their encoder makes"));
        store_close(target);
    }
}

/* What the encoder itself makes counts before anything that a store or a bundle says of it. */
static void the_encoder_itself_knows_best(void **state)
{
    fixture *f = *state;
    char path[128];
    store *target = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    snprintf(path, sizeof path, "%s/liar", f->folder);
    make_lying_bundle(f, path,
                      "UPDATE encoder SET dim = 4; UPDATE key SET vector = x'0000803f0000803f"
                      "0000803f0000803f'");
    assert_int_equal(store_open(&target, fixture_file(f, "target.db"), 0, &f->err), RAP_OK);
    assert_int_equal(store_correct_encoder(target, "enc-a", FIXTURE_DIM, &f->err), RAP_OK);
    assert_int_equal(transfer_import(target, path, 0, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(count_rows(target, "view"), 1);
    assert_int_equal(count_rows(target, "key"), 0);
    store_close(target);
}

static void damage_is_refused_or_harmless(void **state)
{
    fixture *f = *state;
    char *data = NULL, *copy, path[128];
    size_t size = 0;
    unsigned random = 11;
    store *target = NULL;

    fill_store(f);
    snprintf(path, sizeof path, "%s/damaged", f->folder);
    assert_int_equal(transfer_export_bundle(f->s, fixture_file(f, "good"), NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(file_read(&data, &size, fixture_file(f, "good"), 1 << 24, NULL), RAP_OK);
    assert_int_equal(store_open(&target, fixture_file(f, "target.db"), 0, &f->err), RAP_OK);
    copy = malloc(size);
    for (int round = 0; round < 100; round++) {
        size_t len = round % 4 ? size : size * (size_t)(round + 1) / 120;

        memcpy(copy, data, size);
        for (int hit = 0; hit < 1 + round; hit++) {
            random = random * 1103515245u + 12345u;
            copy[100 + (random >> 3) % (size - 100)] = (char)(random >> 24);
        }
        fixture_write(path, copy, len);
        int64_t events = count_rows(target, "event");
        if (transfer_import(target, path, 1, NULL, NULL, NULL, NULL, NULL, &f->err) != RAP_OK)
            assert_int_equal(count_rows(target, "event"), events); /* all or nothing */
    }
    assert_sound(target);
    store_close(target);
    free(copy);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_back_with_everything, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_export_leaves_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(export_overwrites_nothing_and_leaves_no_rest, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(lies_are_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(vectors_that_cannot_be_are_not_taken, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_bad_vector_is_left_out_alone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_encoder_itself_knows_best, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(damage_is_refused_or_harmless, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
