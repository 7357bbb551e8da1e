/* test_refusal.c: what a concept is not (src/remember/refusal.c): kept, carried in a bundle, forgotten. */
#include "remember/schema.h"
#include "remember/transfer_fixture.h"

static rap_status refuse(store *s, const char *name, uint32_t seed, const char *maker, rap_err *err)
{
    char *bytes = make_picture(seed, 3000);
    store_view view = { bytes, 3000, 64, 48, { 1, 2, 30, 40 } };
    store_vector vector = make_vector(maker, (int)seed);
    rap_status status = store_add_refusal(s, name, &view, &vector, err);

    free(bytes);
    return status;
}

static size_t refusals_of(store *s, int64_t id, const char *maker)
{
    store_evidence e;
    size_t count;

    assert_int_equal(store_load_evidence(s, id, maker, FIXTURE_DIM, &e, NULL), RAP_OK);
    count = e.refusals;
    for (size_t i = 0; i < count * FIXTURE_DIM; i++)
        assert_true(e.refusal[i] == e.refusal[i]);
    store_evidence_release(&e);
    return count;
}

static void kept_for_one_concept_and_one_maker(void **state)
{
    fixture *f = *state;
    int64_t before;

    assert_int_equal(add_concept(f->s, "bo", "dog", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "rex", "dog", "", 2, &f->err), RAP_OK);
    before = store_generation(f->s);
    assert_int_equal(refuse(f->s, "BO", 7, "enc", &f->err), RAP_OK);
    assert_true(store_generation(f->s) != before);
    assert_int_equal(refuse(f->s, "nobody", 7, "enc", &f->err), RAP_E_NOT_FOUND);
    fixture_reopen(f);
    assert_int_equal(refusals_of(f->s, 1, "enc"), 1);
    assert_int_equal(refusals_of(f->s, 1, "another"), 0);
    assert_int_equal(refusals_of(f->s, 2, "enc"), 0);
    assert_sound(f->s);
}

static void a_view_that_makes_no_sense_is_refused(void **state)
{
    fixture *f = *state;
    store_view empty = { NULL, 0, 1, 1, { 0, 0, 0, 0 } };

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_refusal(f->s, "bo", &empty, NULL, &f->err), RAP_E_ARGUMENT);
    assert_int_equal(store_add_refusal(f->s, "bo", NULL, NULL, &f->err), RAP_E_ARGUMENT);
    assert_int_equal(count_rows(f->s, "refusal"), 0);
}

static void forgotten_to_the_last_byte(void **state)
{
    fixture *f = *state;
    char *bytes = make_picture(77, 3000);

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 77, "enc", &f->err), RAP_OK);
    assert_true(count_in_files(f, bytes + 100, 64) > 0);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "refusal"), 0);
    assert_int_equal(count_in_files(f, bytes + 100, 64), 0);
    free(bytes);
}

static void travels_in_a_bundle(void **state)
{
    fixture *f = *state;
    store *again = NULL;
    rap_import_report report;
    const char *bundle = fixture_file(f, "all.rap");

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 7, "enc", &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 8, "enc", &f->err), RAP_OK);
    assert_int_equal(transfer_export_bundle(f->s, bundle, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_open(&again, fixture_file(f, "again.db"), 0, &f->err), RAP_OK);
    for (int replace = 0; replace < 2; replace++) { /* replacing leaves no second set */
        assert_int_equal(
            transfer_import(again, bundle, replace, NULL, NULL, NULL, NULL, &report, &f->err),
            RAP_OK);
        assert_int_equal(refusals_of(again, 1, "enc"), 2);
        assert_int_equal(count_rows(again, "refusal"), 2);
    }
    assert_sound(again);
    store_close(again);
}

/* As a bundle may bring it: the concept's other evidence can still be read. */
static void one_of_another_size_says_nothing(void **state)
{
    fixture *f = *state;
    store_vector vector = make_vector("enc-a", 1);
    store_view view = { "x", 1, 1, 1, { 0, 0, 0, 0 } };

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    vector.dim = 4;
    assert_int_equal(store_add_refusal(f->s, "bo", &view, &vector, &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 7, "enc-a", &f->err), RAP_OK);
    assert_int_equal(refusals_of(f->s, 1, "enc-a"), 1);
}

static rap_status renew(int64_t id, const store_picture *picture, void *payload, rap_err *err)
{
    store_vector vector = make_vector("newer", (int)id);

    assert_int_equal(picture->size, 3000);
    assert_true(picture->box.w == 30);
    return store_put_refusal_vector(payload, id, &vector, err);
}

static void another_encoder_makes_new_vectors(void **state)
{
    fixture *f = *state;
    int64_t count = -1;

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 7, "enc", &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 8, "newer", &f->err), RAP_OK);
    assert_int_equal(refuse(f->s, "bo", 9, "zz", &f->err), RAP_OK);
    assert_int_equal(store_count_stale_refusals(f->s, "newer", &count, &f->err), RAP_OK);
    assert_int_equal(count, 2);
    assert_int_equal(store_each_stale_refusal(f->s, "newer", renew, f->s, &f->err), RAP_OK);
    assert_int_equal(refusals_of(f->s, 1, "newer"), 3);
    assert_int_equal(store_count_stale_refusals(f->s, "newer", &count, &f->err), RAP_OK);
    assert_int_equal(count, 0);
}

/* Whether anything is to be done is asked after every change: pages of pictures must not be read for it. */
static void nothing_to_do_reads_no_picture(void **state)
{
    enum { LARGE = 8 << 20 };
    fixture *f = *state;
    store_vector vector = make_vector("enc", 1);
    char *bytes = make_picture(5, LARGE);
    store_view view = { bytes, LARGE, 64, 48, { 1, 2, 30, 40 } };
    int64_t count = -1;
    int pages = 0, most = 0;

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_refusal(f->s, "bo", &view, &vector, &f->err), RAP_OK);
    free(bytes);
    fixture_reopen(f);
    assert_int_equal(store_count_stale_refusals(f->s, "enc", &count, &f->err), RAP_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_each_stale_refusal(f->s, "enc", renew, f->s, &f->err), RAP_OK);
    assert_int_equal(
        sqlite3_db_status(store_db(f->s)->handle, SQLITE_DBSTATUS_CACHE_MISS, &pages, &most, 0),
        SQLITE_OK);
    assert_in_range(pages, 1, 100);
}

static void a_store_without_the_table_gets_it(void **state)
{
    fixture *f = *state;

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(
        db_exec(
            store_db(f->s),
            "ALTER TABLE concept DROP COLUMN automatic;"
            "DROP TABLE learnt; DROP TABLE unreadable; DROP TABLE refusal; PRAGMA user_version = 2",
            &f->err),
        RAP_OK);
    fixture_reopen(f);
    assert_int_equal(refuse(f->s, "bo", 7, "enc", &f->err), RAP_OK);
    assert_int_equal(refusals_of(f->s, 1, "enc"), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(kept_for_one_concept_and_one_maker), CASE(a_view_that_makes_no_sense_is_refused),
        CASE(forgotten_to_the_last_byte),         CASE(travels_in_a_bundle),
        CASE(another_encoder_makes_new_vectors),  CASE(a_store_without_the_table_gets_it),
        CASE(nothing_to_do_reads_no_picture),     CASE(one_of_another_size_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
