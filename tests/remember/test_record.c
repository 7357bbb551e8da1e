/* test_record.c: listing, searching, names and categories; 10,000 concepts in a moment. */
#include "remember/fixture.h"

#include <time.h>

typedef struct seen {
    char names[512]; /* joined with commas */
    int count, stop_at;
} seen;

static int on_record(const rap_record *record, void *payload)
{
    seen *s = payload;

    size_t len = strlen(s->names);

    if (len + strlen(record->name) + 2 < sizeof s->names)
        snprintf(s->names + len, sizeof s->names - len, "%s,", record->name);
    return ++s->count == s->stop_at;
}

static void assert_lists(fixture *f, const char *search, const char *names)
{
    seen s = { "", 0, 0 };

    assert_int_equal(store_each(f->s, search, on_record, &s, &f->err), RAP_OK);
    assert_string_equal(s.names, names);
}

static void lists_in_order_of_name_and_searches(void **state)
{
    fixture *f = *state;
    seen s = { "", 0, 2 };

    assert_lists(f, NULL, "");
    assert_int_equal(add_concept(f->s, "Zoe", "Cat", "sleeps", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "bo", "dog", "loves Cheese", 2, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "Ada", "", "100% wool_", 3, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "Zoe", "Mouse", &f->err), RAP_OK);
    assert_lists(f, NULL, "Ada,bo,Zoe,");
    assert_lists(f, "", "Ada,bo,Zoe,");
    assert_lists(f, "CHEESE", "bo,");
    assert_lists(f, "cat", "Zoe,");
    assert_lists(f, "mou", "Zoe,");
    assert_lists(f, "o", "Ada,bo,Zoe,");
    assert_lists(f, "%", "Ada,");
    assert_lists(f, "nothing", "");
    assert_int_equal(store_each(f->s, NULL, on_record, &s, &f->err), RAP_E_CANCELLED);
    assert_int_equal(s.count, 2);
}

/* Pages of two, each behind the last name of the one before. */
static void begins_after_a_name(void **state)
{
    static const char *const names[] = { "e", "Ä", "B", "d", "c" };
    fixture *f = *state;
    seen s = { "", 0, 2 };

    for (int i = 0; i < 5; i++)
        assert_int_equal(add_concept(f->s, names[i], "", i % 2 ? "odd" : "even", i, &f->err),
                         RAP_OK);
    assert_int_equal(store_each_after(f->s, NULL, NULL, on_record, &s, &f->err), RAP_E_CANCELLED);
    assert_string_equal(s.names, "B,c,");
    s = (seen){ "", 0, 2 };
    assert_int_equal(store_each_after(f->s, " C ", NULL, on_record, &s, &f->err), RAP_E_CANCELLED);
    assert_string_equal(s.names, "d,e,");
    s = (seen){ "", 0, 2 };
    assert_int_equal(store_each_after(f->s, "e", NULL, on_record, &s, &f->err), RAP_OK);
    assert_string_equal(s.names, "Ä,");
    s = (seen){ "", 0, 0 };
    assert_int_equal(store_each_after(f->s, "bzz", "odd", on_record, &s, &f->err), RAP_OK);
    assert_string_equal(s.names, "d,Ä,"); /* the name need not be there */
    assert_int_equal(store_each_after(f->s, "\xff", NULL, on_record, &s, &f->err), RAP_E_ARGUMENT);
}

static void gives_names_and_categories(void **state)
{
    static const char *const categories[] = { "Dog", "dog", "", "cat", "ÄPFEL", "äpfel" };
    fixture *f = *state;
    store_name *names = NULL;
    char **strings = NULL;
    size_t count = 9;

    assert_int_equal(store_categories(f->s, 100, &strings, &count, &f->err), RAP_OK);
    assert_int_equal(count, 0);
    store_strings_free(strings, count);
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "N%d", i);
        assert_int_equal(add_concept(f->s, name, categories[i], "", i, &f->err), RAP_OK);
    }
    assert_int_equal(store_categories(f->s, 100, &strings, &count, &f->err), RAP_OK);
    assert_int_equal(count, 3);
    assert_string_equal(strings[0], "cat");
    assert_string_equal(strings[1], "dog");
    assert_string_equal(strings[2], "äpfel");
    store_strings_free(strings, count);
    assert_int_equal(store_categories(f->s, 1, &strings, &count, &f->err), RAP_OK);
    assert_int_equal(count, 1); /* two concepts are dogs */
    assert_string_equal(strings[0], "dog");
    store_strings_free(strings, count);
    assert_int_equal(store_add_alias(f->s, "n3", "Alias", &f->err), RAP_OK);
    assert_int_equal(store_names(f->s, &names, &count, &f->err), RAP_OK);
    assert_int_equal(count, 7);
    assert_string_equal(names[3].text, "N3");
    assert_false(names[3].is_alias);
    assert_string_equal(names[6].text, "Alias");
    assert_true(names[6].is_alias);
    assert_int_equal(names[6].concept_id, names[3].concept_id);
    store_names_free(names, count);
}

/* As the public functions would, but in one transaction, to be quick. */
static void add_many(fixture *f, int count)
{
    char *bytes = make_picture(1, 20000);
    store_view view = { bytes, 20000, 64, 48, { 0, 0, 0, 0 } };

    assert_int_equal(store_begin(f->s, STORE_DURABLE, &f->err), RAP_OK);
    for (int i = 0; i < count; i++) {
        char name[32], alias[32];
        const char *aliases[] = { alias, NULL };
        store_concept c = { name, "thing", "It is a thing that somebody wants to be known again.",
                            aliases, 0 };
        store_vector vector = make_vector("enc-a", i);
        int64_t id = 0, view_id = 0;

        snprintf(name, sizeof name, "concept %d", i);
        snprintf(alias, sizeof alias, "alias %d", i);
        assert_int_equal(concept_insert(&id, f->s, &c, &f->err), RAP_OK);
        assert_int_equal(view_insert(&view_id, f->s, id, &view, true, &f->err), RAP_OK);
        assert_int_equal(vector_insert(f->s, view_id, &vector, &f->err), RAP_OK);
    }
    assert_int_equal(store_end(f->s, RAP_OK, &f->err), RAP_OK);
    free(bytes);
}

static void lists_ten_thousand_in_a_moment(void **state)
{
    fixture *f = *state;
    seen s = { "", 0, 0 };
    clock_t start;

    add_many(f, 10000);
    store_close(f->s);
    start = clock(); /* of this process: other work on the machine does not count */
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    assert_int_equal(store_each(f->s, NULL, on_record, &s, &f->err), RAP_OK);
    start = clock() - start;
    print_message("opened and listed %d concepts in %ld ms\n", s.count,
                  (long)(start * 1000 / CLOCKS_PER_SEC));
    assert_int_equal(s.count, 10000);
    assert_true(start < 2 * CLOCKS_PER_SEC); /* 10 times the goal, for the sanitizers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_in_order_of_name_and_searches, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(begins_after_a_name, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(gives_names_and_categories, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(lists_ten_thousand_in_a_moment, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
