/* test_refold.c: stores and bundles whose names an older version folded by case only (src/remember/refold.c). */
#include "remember/transfer_fixture.h"

#include <sqlite3.h>

/* Names as version 4 kept them; concept: 1 … 8 in order of adding. */
static const struct old {
    int concept;
    bool alias;
    const char *text, *folded;
} old[] = {
    { 1, false, "Jos\u00E9", "jos\u00E9" },
    { 2, false, "Jose\u0301", "jose\u0301" },
    { 2, true, "Jose\u0301 (2)", "jose\u0301 (2)" },
    { 3, false, "<bo>", "<bo>" },
    { 4, false, "bo", "bo" },
    { 4, true, "\uFF1CBO\uFF1E", "\uFF1Cbo\uFF1E" },
    { 5, false, "Straße", "straße" },
    { 5, true, "STRASSE", "strasse" },
    { 6, false, "\u200C", "\u200C" },
    { 7, false, "rex", "rex" },
    { 7, true, "Sir\u00A0 Rex", "sir\u00A0 rex" },
    { 8, false, "R2\u2013D2", "r2\u2013d2" },
};
enum { CONCEPTS = 8, OLD = sizeof old / sizeof *old };

static void run(sqlite3 *handle, const char *sql)
{
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
}

static void insert_old_names(const char *path)
{
    sqlite3 *handle = NULL;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    run(handle, "DELETE FROM name");
    for (size_t i = 0; i < OLD; i++) {
        char *sql = sqlite3_mprintf(
            "INSERT INTO name (concept_id, alias, text, folded) VALUES (%d, %d, %Q, %Q)",
            old[i].concept, old[i].alias, old[i].text, old[i].folded);

        run(handle, sql);
        sqlite3_free(sql);
    }
    run(handle,
        "ALTER TABLE concept DROP COLUMN automatic;"
        "DROP TABLE IF EXISTS learnt; DROP TABLE IF EXISTS unreadable; PRAGMA user_version = 4");
    sqlite3_close(handle);
}

static void make_concepts(fixture *f)
{
    for (int i = 1; i <= CONCEPTS; i++) {
        char name[16];

        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(f->s, name, "dog", "", i, &f->err), RAP_OK);
    }
}

/* A store of version 4, closed. */
static void make_old_store(fixture *f)
{
    static const float word[FIXTURE_DIM] = { 1 };
    store_vector vector = { "enc-a", FIXTURE_DIM, word };

    make_concepts(f);
    assert_int_equal(store_put_text_vector(f->s, "straße", &vector, &f->err), RAP_OK);
    store_close(f->s);
    f->s = NULL;
    insert_old_names(f->path);
}

static void is_called(fixture *f, const char *asked, const char *name, const char *const *aliases)
{
    rap_record *record = NULL;

    if (store_find(f->s, asked, &record, &f->err) != RAP_OK)
        fail_msg("'%s': %s", asked, f->err.text);
    assert_string_equal(record->name, name);
    for (size_t i = 0; aliases && aliases[i]; i++)
        assert_string_equal(record->aliases[i], aliases[i]);
    store_record_free(record);
}

static void assert_new_names(fixture *f)
{
    assert_int_equal(count_rows(f->s, "concept"), CONCEPTS);
    is_called(f, "JOSE\u0301", "Jos\u00E9", NULL);
    is_called(f, "Jos\u00E9 (2)", "Jose\u0301 (2)", NULL);
    is_called(f, "<Bo>", "bo", NULL);
    is_called(f, "bo (2)", "bo (2)", NULL);
    is_called(f, "strasse", "Straße", NULL);
    is_called(f, "unnamed", "unnamed", NULL);
    is_called(f, "sir rex", "rex", (const char *const[]){ "Sir\u00A0 Rex", NULL });
    is_called(f, "r2-d2", "R2\u2013D2", NULL);
}

static void opening_for_writing_loses_no_name(void **state)
{
    fixture *f = *state;
    int64_t renamed = 0, aliases = 0, placeholders = 0;

    make_old_store(f);
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    assert_new_names(f);
    assert_int_equal(db_int(&renamed, NULL, store_db(f->s), NULL,
                            "SELECT count(*) FROM event WHERE what = 'rename'", ""),
                     RAP_OK);
    assert_int_equal(renamed, 3); /* José (2), bo (2), unnamed */
    assert_int_equal(db_int(&aliases, NULL, store_db(f->s), NULL,
                            "SELECT count(*) FROM name WHERE alias = 1", ""),
                     RAP_OK);
    assert_int_equal(aliases, 1); /* the others say what a name says */
    assert_int_equal(db_int(&placeholders, NULL, store_db(f->s), NULL,
                            "SELECT count(*) FROM name WHERE folded < ' '", ""),
                     RAP_OK);
    assert_int_equal(placeholders, 0);
    assert_int_equal(count_rows(f->s, "vocabulary"), 0);
    fixture_reopen(f); /* once is enough */
    assert_new_names(f);
    assert_int_equal(count_rows(f->s, "event"), CONCEPTS + 3);
}

static int count_one(const rap_record *record, void *payload)
{
    (void)record;
    ++*(int *)payload;
    return 0;
}

static void reading_only_finds_by_the_new_rule_and_changes_nothing(void **state)
{
    fixture *f = *state;
    char before[65], after[65];
    int count = 0;

    make_old_store(f);
    assert_int_equal(file_sha256(before, f->path, NULL), RAP_OK);
    assert_int_equal(store_open(&f->s, f->path, 1, &f->err), RAP_OK);
    is_called(f, "ＲＥＸ", "rex", NULL);
    is_called(f, "STRASSE", "Straße", NULL);
    is_called(f, "Sir Rex", "rex", NULL);
    assert_int_equal(store_each(f->s, NULL, count_one, &count, &f->err), RAP_OK);
    assert_int_equal(count, CONCEPTS);
    count = 0;
    assert_int_equal(store_each_after(f->s, "REX", NULL, count_one, &count, &f->err), RAP_OK);
    assert_int_equal(count, 1); /* strasse */
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(file_sha256(after, f->path, NULL), RAP_OK);
    assert_string_equal(before, after);
}

static void a_number_fits_behind_the_longest_name(void **state)
{
    fixture *f = *state;
    sqlite3 *handle = NULL;
    char *name = malloc(STORE_MAX_NAME + 1), *sql;
    rap_record *record = NULL;

    memset(name, 'x', STORE_MAX_NAME);
    memcpy(name + STORE_MAX_NAME - 6, "\u00E9\u00E9\u00E9", 6);
    name[STORE_MAX_NAME] = '\0';
    assert_int_equal(add_concept(f->s, name, "", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "other", "", "", 2, &f->err), RAP_OK);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(sqlite3_open(f->path, &handle), SQLITE_OK);
    sql = sqlite3_mprintf("UPDATE name SET text = upper(%Q), folded = 'x' WHERE concept_id = 2",
                          name);
    run(handle, sql);
    run(handle,
        "ALTER TABLE concept DROP COLUMN automatic;"
        "DROP TABLE IF EXISTS learnt; DROP TABLE IF EXISTS unreadable; PRAGMA user_version = 4");
    sqlite3_free(sql);
    sqlite3_close(handle);
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    assert_int_equal(store_find_id(f->s, 2, &record, &f->err), RAP_OK);
    assert_non_null(strstr(record->name, "X\u00E9 (2)"));
    assert_true(strlen(record->name) <= STORE_MAX_NAME);
    store_record_free(record);
    free(name);
}

static void a_bundle_of_an_older_version_loses_no_name(void **state)
{
    fixture *f = *state;
    const char *bundle = fixture_file(f, "old.rap");
    rap_import_report report;

    make_concepts(f);
    assert_int_equal(transfer_export_bundle(f->s, bundle, NULL, NULL, &f->err), RAP_OK);
    insert_old_names(bundle);
    store_close(f->s);
    assert_int_equal(store_open(&f->s, fixture_file(f, "new.db"), 0, &f->err), RAP_OK);
    for (int replace = 0; replace < 2; replace++) {
        if (transfer_import(f->s, bundle, replace, NULL, NULL, NULL, NULL, &report, &f->err) !=
            RAP_OK)
            fail_msg("%s", f->err.text);
        assert_int_equal(replace ? report.updated : report.added, CONCEPTS);
        assert_int_equal(count_rows(f->s, "concept"), CONCEPTS);
        is_called(f, "jos\u00E9", "Jos\u00E9", NULL);
        is_called(f, "jos\u00E9 (2)", "Jose\u0301 (2)", NULL);
        is_called(f, "bo", "bo", NULL);
        is_called(f, "bo (2)", "bo (2)", NULL);
        is_called(f, "straße", "Straße", NULL);
        is_called(f, "unnamed", "unnamed", NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opening_for_writing_loses_no_name, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(reading_only_finds_by_the_new_rule_and_changes_nothing,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_number_fits_behind_the_longest_name, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_bundle_of_an_older_version_loses_no_name, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
