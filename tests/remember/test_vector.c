/* test_vector.c: vectors go in and come out by encoder, views without one are found, what can be
 * computed again is kept and dropped. */
#include "remember/fixture.h"

/* So few that there is no snapshot: all are fresh. */
static store_rows load(fixture *f, const char *encoder)
{
    static const store_packing packing = { .version = 1, .dim = FIXTURE_DIM };
    store_rows rows;

    assert_int_equal(store_rows_load(&rows, f->s, encoder, &packing, NULL, NULL, &f->err), RAP_OK);
    return rows;
}

static void loads_only_the_vectors_of_one_encoder(void **state)
{
    fixture *f = *state;
    store_vector other = make_vector("enc-b", 50), expected;
    store_rows all = load(f, "enc-a");

    assert_int_equal(all.fresh.count, 0);
    store_rows_release(&all);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(f->s, name, "", "", i, &f->err), RAP_OK);
    }
    assert_int_equal(store_put_vector(f->s, 2, &other, &f->err), RAP_OK);
    all = load(f, "enc-a");
    assert_int_equal(all.fresh.count, 5);
    assert_int_equal(all.fresh.dim, FIXTURE_DIM);
    for (int i = 0; i < 5; i++) {
        expected = make_vector("enc-a", i);
        assert_memory_equal(all.fresh.data + i * FIXTURE_DIM, expected.data,
                            FIXTURE_DIM * sizeof(float));
        assert_int_equal(all.fresh.concept_id[i], i + 1);
    }
    store_rows_release(&all);
    all = load(f, "enc-b");
    assert_int_equal(all.fresh.count, 1);
    assert_int_equal(all.fresh.concept_id[0], 2);
    store_rows_release(&all);
}

/* What an encoder makes itself is right; what is said to be its own and has another size came with a bundle. */
static void vectors_of_another_size_give_way_to_the_encoder(void **state)
{
    fixture *f = *state;
    store_vector vector = make_vector("enc-a", 1);

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "", "", 2, &f->err), RAP_OK);
    vector.dim = 0;
    assert_int_equal(store_put_vector(f->s, 1, &vector, &f->err), RAP_E_ARGUMENT);
    assert_line_has(f, "0 numbers");
    vector.dim = 4;
    assert_int_equal(store_put_vector(f->s, 77, &vector, &f->err), RAP_E_NOT_FOUND);
    assert_int_equal(count_rows(f->s, "key"), 2);
    assert_int_equal(store_put_vector(f->s, 1, &vector, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "key"), 1);
    assert_int_equal(store_correct_encoder(f->s, "enc-a", 4, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "key"), 1);
    assert_int_equal(store_correct_encoder(f->s, "enc-a", FIXTURE_DIM, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "key"), 0);
    assert_int_equal(add_concept(f->s, "lu", "", "", 3, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "key"), 1);
}

typedef struct embedder {
    fixture *f;
    const char *encoder;
    int calls, stop_at;
} embedder;

static rap_status embed(int64_t view_id, const store_picture *picture, void *payload, rap_err *err)
{
    embedder *e = payload;
    store_vector vector = make_vector(e->encoder, (int)view_id);

    assert_int_equal(picture->view_id, view_id);
    assert_int_equal(picture->size, 3000);
    assert_int_equal(strlen(picture->hash), 64);
    if (++e->calls == e->stop_at)
        return err_set(err, RAP_E_MODEL, "stopped");
    return store_put_vector(e->f->s, view_id, &vector, err);
}

static void another_encoder_finds_what_it_has_to_do(void **state)
{
    fixture *f = *state;
    embedder e = { f, "enc-b", 0, 4 };
    int64_t total = 0;

    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(f->s, name, "", "", i, &f->err), RAP_OK);
    }
    assert_int_equal(store_each_unembedded(f->s, "enc-a", embed, &e, &total, &f->err), RAP_OK);
    assert_int_equal(total, 0);
    assert_int_equal(store_each_unembedded(f->s, "enc-b", embed, &e, &total, &f->err), RAP_E_MODEL);
    assert_int_equal(total, 6);
    e.stop_at = 0; /* what was done is kept: the rest follows */
    assert_int_equal(store_each_unembedded(f->s, "enc-b", embed, &e, &total, &f->err), RAP_OK);
    assert_int_equal(total, 3);
    assert_int_equal(e.calls, 7);
    assert_int_equal(count_rows(f->s, "key"), 12);
}

static void keeps_words_and_tokens(void **state)
{
    fixture *f = *state;
    store_vector vector = make_vector("words", 3);
    float tokens[6] = { 1, 2, 3, 4, 5, 6 }, *out = NULL;
    size_t floats = 0;
    int dim = 0, found = 1;

    assert_int_equal(add_concept(f->s, "bo", "dog", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_get_text_vector(f->s, "dog", "words", &out, &dim, &found, &f->err),
                     RAP_OK);
    assert_false(found);
    assert_int_equal(store_put_text_vector(f->s, "dog", &vector, &f->err), RAP_OK);
    assert_int_equal(store_put_text_vector(f->s, "dog", &vector, &f->err), RAP_OK);
    assert_int_equal(store_get_text_vector(f->s, "dog", "other", &out, &dim, &found, &f->err),
                     RAP_OK);
    assert_false(found);
    assert_int_equal(store_get_text_vector(f->s, "dog", "words", &out, &dim, &found, &f->err),
                     RAP_OK);
    assert_true(found);
    assert_int_equal(dim, FIXTURE_DIM);
    assert_memory_equal(out, vector.data, sizeof(float) * FIXTURE_DIM);
    free(out);
    assert_int_equal(store_put_tokens(f->s, 1, "mm", tokens, 6, &f->err), RAP_OK);
    assert_int_equal(store_get_tokens(f->s, 1, "mm", &out, &floats, &found, &f->err), RAP_OK);
    assert_true(found);
    assert_int_equal(floats, 6);
    assert_memory_equal(out, tokens, sizeof tokens);
    free(out);
    assert_int_equal(store_get_tokens(f->s, 1, "nn", &out, &floats, &found, &f->err), RAP_OK);
    assert_false(found);
    assert_int_equal(store_put_tokens(f->s, 9, "mm", tokens, 6, &f->err), RAP_E_NOT_FOUND);
    assert_int_equal(store_put_tokens(f->s, 1, "mm", tokens, 0, &f->err), RAP_E_LIMIT);
}

/* A word of the detector goes when the last concept of that category does. */
static void drops_words_with_their_last_concept(void **state)
{
    fixture *f = *state;
    store_vector vector = make_vector("words", 3);
    store_change change = { .category = "cat" };

    assert_int_equal(add_concept(f->s, "bo", "Dog", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "dog", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_put_text_vector(f->s, "dog", &vector, &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "vocabulary"), 1);
    assert_int_equal(store_update(f->s, "mo", &change, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "vocabulary"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loads_only_the_vectors_of_one_encoder, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(vectors_of_another_size_give_way_to_the_encoder,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(another_encoder_finds_what_it_has_to_do, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(keeps_words_and_tokens, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(drops_words_with_their_last_concept, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
