/* test_learnt.c: what training made of concepts (src/remember/learnt.c). */
#include "remember/fixture.h"

#include "remember/learnt.h"
#include "remember/transfer.h"

static const float numbers[] = { 1.5f, -2, 0.25f, 1e-30f };

static size_t learnt_of(store *s, const char *method, const char *model, store_learnt **out)
{
    size_t count = 99;

    assert_int_equal(store_get_learnt(s, method, model, out, &count, NULL), RAP_OK);
    return count;
}

static size_t count_of(store *s, const char *method, const char *model)
{
    store_learnt *list = NULL;
    size_t count = learnt_of(s, method, model, &list);

    store_learnt_free(list, count);
    return count;
}

static void add_two(fixture *f)
{
    assert_int_equal(add_concept(f->s, "bo", "dog", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "ann", "cat", "", 2, &f->err), RAP_OK);
}

static void it_is_kept_by_method_and_model(void **state)
{
    fixture *f = *state;
    store_learnt *list = NULL;
    size_t count;

    add_two(f);
    assert_int_equal(count_of(f->s, "head", "m1"), 0);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m1", numbers, 4, &f->err), RAP_OK);
    assert_int_equal(store_put_learnt(f->s, "Ann", "head", "m1", numbers + 1, 2, &f->err), RAP_OK);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m2", numbers, 1, &f->err), RAP_OK);
    fixture_reopen(f);
    count = learnt_of(f->s, "head", "m1", &list);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "ann"); /* by name */
    assert_int_equal(list[0].count, 2);
    assert_true(list[0].numbers[1] == 0.25f);
    assert_int_equal(list[1].count, 4);
    assert_memory_equal(list[1].numbers, numbers, sizeof numbers);
    store_learnt_free(list, count);
    assert_int_equal(count_of(f->s, "head", "m2"), 1);
    assert_int_equal(count_of(f->s, "soft-tokens", "m1"), 0);
}

static void learning_again_replaces(void **state)
{
    fixture *f = *state;
    store_learnt *list = NULL;
    size_t count;

    add_two(f);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m", numbers, 4, &f->err), RAP_OK);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m", numbers, 3, &f->err), RAP_OK);
    count = learnt_of(f->s, "head", "m", &list);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].count, 3);
    store_learnt_free(list, count);
}

static void bad_input_is_refused(void **state)
{
    fixture *f = *state;

    assert_int_equal(store_put_learnt(f->s, "nobody", "head", "m", numbers, 4, &f->err),
                     RAP_E_NOT_FOUND);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m", numbers, 0, &f->err), RAP_E_LIMIT);
}

/* The bytes of the numbers are nowhere in the file and its log. */
static void forgetting_takes_it_along(void **state)
{
    fixture *f = *state;
    const float secret[] = { 3.14159f, 2.71828f, 1.41421f, 1.73205f };
    const char *const suffix[] = { "", "-wal" };

    add_two(f);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m", secret, 4, &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_int_equal(count_of(f->s, "head", "m"), 0);
    for (int i = 0; i < 2; i++) {
        char path[160], *bytes = NULL;
        size_t size = 0;

        snprintf(path, sizeof path, "%s%s", f->path, suffix[i]);
        if (!file_exists(path))
            continue;
        assert_int_equal(file_read(&bytes, &size, path, 1u << 30, NULL), RAP_OK);
        assert_null(memmem(bytes, size, secret, sizeof secret));
        free(bytes);
    }
}

static void a_bundle_leaves_it_out(void **state)
{
    fixture *f = *state;
    const char *bundle = fixture_file(f, "out.rap");
    const float secret[] = { 9.5f, 8.5f, 7.5f, 6.5f };
    char *bytes = NULL;
    size_t size = 0;

    add_two(f);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m", secret, 4, &f->err), RAP_OK);
    assert_int_equal(transfer_export_bundle(f->s, bundle, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(file_read(&bytes, &size, bundle, 1u << 30, NULL), RAP_OK);
    assert_null(memmem(bytes, size, secret, sizeof secret));
    free(bytes);
}

static void an_older_store_has_none_and_gets_the_table(void **state)
{
    fixture *f = *state;

    add_two(f);
    assert_int_equal(db_exec(store_db(f->s), "DROP TABLE learnt; PRAGMA user_version = 7", &f->err),
                     RAP_OK);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(count_of(f->s, "head", "m"), 0);
    fixture_reopen(f);
    assert_int_equal(store_put_learnt(f->s, "bo", "head", "m", numbers, 4, &f->err), RAP_OK);
    assert_int_equal(count_of(f->s, "head", "m"), 1);
}

static rap_status count_view(int64_t id, const store_picture *picture, void *payload, rap_err *err)
{
    size_t *sizes = payload;

    assert_true(picture->size > 0 && picture->bytes);
    sizes[sizes[0]++ + 1] = picture->size;
    return RAP_OK;
}

static void every_view_is_called_the_avatar_first(void **state)
{
    fixture *f = *state;
    char *bytes = make_picture(9, 777);
    const store_view view = { bytes, 777, 4, 4, { 0, 0, 0, 0 } };
    size_t sizes[8] = { 0 };

    add_two(f);
    assert_int_equal(store_add_view(f->s, "bo", &view, NULL, &f->err), RAP_OK);
    assert_int_equal(store_each_view(f->s, 1, count_view, sizes, &f->err), RAP_OK);
    assert_int_equal(sizes[0], 2);
    assert_int_equal(sizes[1], 3000);
    assert_int_equal(sizes[2], 777);
    free(bytes);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = { CASE(it_is_kept_by_method_and_model),
                                        CASE(learning_again_replaces),
                                        CASE(bad_input_is_refused),
                                        CASE(forgetting_takes_it_along),
                                        CASE(a_bundle_leaves_it_out),
                                        CASE(an_older_store_has_none_and_gets_the_table),
                                        CASE(every_view_is_called_the_avatar_first) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
