/* test_tokens.c: image tokens are kept within a bound (src/remember/tokens.c). */
#include "remember/fixture.h"

#include "remember/schema.h"

static void put(fixture *f, int64_t view, size_t floats)
{
    float *tokens = mem_array(floats, sizeof *tokens);

    for (size_t i = 0; i < floats; i++)
        tokens[i] = (float)view + (float)i;
    assert_int_equal(store_put_tokens(f->s, view, "model", tokens, floats, &f->err), RAP_OK);
    free(tokens);
}

static bool has(fixture *f, int64_t view)
{
    float *tokens = NULL;
    size_t floats = 0;
    int found = 0;

    assert_int_equal(store_get_tokens(f->s, view, "model", &tokens, &floats, &found, &f->err),
                     RAP_OK);
    assert_true(!found || tokens[0] == (float)view);
    free(tokens);
    return found;
}

static void add_six(fixture *f)
{
    char name[16];

    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(f->s, name, "", "", i, &f->err), RAP_OK);
    }
}

static void the_oldest_makes_room(void **state)
{
    fixture *f = *state;
    int64_t generation;

    add_six(f);
    generation = store_generation(f->s);
    store_limit_tokens(f->s, 1000 * sizeof(float));
    for (int64_t view = 1; view <= 4; view++)
        put(f, view, 250);
    for (int64_t view = 1; view <= 4; view++)
        assert_true(has(f, view));
    put(f, 5, 100); /* one goes */
    assert_false(has(f, 1));
    assert_true(has(f, 2) && has(f, 3) && has(f, 4) && has(f, 5));
    put(f, 2, 250); /* again: as new */
    put(f, 6, 300);
    assert_true(has(f, 2) && has(f, 5) && has(f, 6));
    assert_false(has(f, 3));
    assert_int_equal(store_generation(f->s), generation); /* no handle has to reload */
}

static void use_keeps_alive(void **state)
{
    fixture *f = *state;

    add_six(f);
    store_limit_tokens(f->s, 750 * sizeof(float));
    for (int64_t view = 1; view <= 3; view++)
        put(f, view, 250);
    assert_int_equal(db_exec(store_db(f->s), "UPDATE cache SET used = used - 5", &f->err), RAP_OK);
    assert_true(has(f, 1)); /* in this hour */
    put(f, 4, 250);
    assert_true(has(f, 1) && has(f, 3) && has(f, 4));
    assert_false(has(f, 2));
}

static void too_large_or_none(void **state)
{
    fixture *f = *state;

    add_six(f);
    store_limit_tokens(f->s, 400);
    put(f, 1, 100);
    put(f, 2, 101); /* never fits: nothing else goes for it */
    assert_true(has(f, 1));
    assert_false(has(f, 2));
    store_limit_tokens(f->s, 0);
    put(f, 3, 1);
    assert_false(has(f, 3));
}

/* A store of version 1 keeps its cached tokens. */
static void an_older_store_is_brought_up(void **state)
{
    static const char back[] = /* the table as that version made it, to the letter */
        "CREATE TEMP TABLE kept AS SELECT view_id, model, tokens FROM cache;"
        "DROP TABLE cache; CREATE TABLE cache ("
        " view_id INTEGER NOT NULL REFERENCES view(id) ON DELETE CASCADE,"
        " model TEXT NOT NULL, tokens BLOB NOT NULL, UNIQUE (view_id, model)) STRICT;"
        "INSERT INTO cache SELECT * FROM kept; DROP TABLE kept;"
        "DROP TABLE snapshot; DROP INDEX category_of_concept; DROP TABLE learnt; DROP TABLE "
        "unreadable;"
        "DROP TABLE refusal; ALTER TABLE concept DROP COLUMN automatic;"
        "PRAGMA user_version = 1";
    fixture *f = *state;

    add_six(f);
    put(f, 4, 10);
    assert_int_equal(db_exec(store_db(f->s), back, &f->err), RAP_OK);
    store_close(f->s);
    f->s = NULL; /* read only first, as a copy in memory */
    assert_int_equal(store_open(&f->s, f->path, 1, &f->err), RAP_OK);
    assert_true(has(f, 4));
    fixture_reopen(f);
    assert_true(has(f, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_makes_room, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(use_keeps_alive, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(too_large_or_none, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_older_store_is_brought_up, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
