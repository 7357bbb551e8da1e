/* test_slack.c: what was deleted is in no file of the store any more, in whatever order rows came, grew
 * and went. */
#include "remember/fixture.h"

/* Texts of a concept that occur nowhere else: "name-0042-7", where 7 is how often it was made. */
static void make_text(char out[64], const char *what, int number, int turn)
{
    snprintf(out, 64, "%s-%04d-%d.", what, number, turn);
}

static void add(fixture *f, int number, int turn, char *bytes, size_t size)
{
    char name[64], info[64], alias[64];
    const char *aliases[] = { alias, NULL };
    store_concept c = { name, "thing", info, aliases, 0 };
    store_vector vector = make_vector("enc-a", number * 100 + turn);
    store_view view = { bytes, size, 64, 48, { 0, 0, 0, 0 } };

    make_text(name, "name", number, turn);
    make_text(info, "info", number, turn);
    make_text(alias, "alias", number, turn);
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_OK);
}

static void assert_gone(fixture *f, int number, int turn, const char *bytes, size_t size)
{
    char text[64];
    store_vector vector = make_vector("enc-a", number * 100 + turn);

    make_text(text, "name", number, turn);
    assert_int_equal(count_text_in_files(f, text), 0);
    make_text(text, "alias", number, turn);
    assert_int_equal(count_text_in_files(f, text), 0);
    make_text(text, "info", number, turn);
    assert_int_equal(count_text_in_files(f, text), 0);
    assert_int_equal(count_in_files(f, vector.data, FIXTURE_DIM * sizeof(float)), 0);
    for (size_t i = 8; i + 16 <= size; i += 97) /* each piece of the picture */
        assert_int_equal(count_in_files(f, bytes + i, 16), 0);
}

/* 60 concepts with pictures of very different sizes, forgotten and added again in a wild order. */
static void forgotten_bytes_are_gone(void **state)
{
    enum { COUNT = 60, STEPS = 120 };
    fixture *f = *state;
    int turn[COUNT] = { 0 };
    unsigned random = 7;

    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245u + 12345u;
        int i = (int)(random >> 16) % COUNT;
        size_t size = 100 + (size_t)(i * i * 7);
        char *bytes, name[64];

        if (turn[i] % 2 == 0) {
            bytes = make_picture((uint32_t)(i * 100 + turn[i] + 1), size);
            add(f, i, ++turn[i], bytes, size);
        } else {
            bytes = make_picture((uint32_t)(i * 100 + turn[i]), size);
            make_text(name, "name", i, turn[i]);
            assert_int_equal(store_forget(f->s, name, &f->err), RAP_OK);
            assert_gone(f, i, turn[i]++, bytes, size);
        }
        free(bytes);
    }
    assert_sound(f->s);
}

static void edited_text_is_gone(void **state)
{
    fixture *f = *state;
    char name[32];
    store_change change = { .name = "newname", .category = "newcategory", .info = "newinfo" };

    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof name, "filler-%d", i);
        assert_int_equal(add_concept(f->s, name, "filler", "filler info", i, &f->err), RAP_OK);
        if (i == 50)
            assert_int_equal(add_concept(f->s, "Oldname", "oldcategory", "oldinfo", 900, &f->err),
                             RAP_OK);
    }
    assert_int_equal(store_update(f->s, "oldname", &change, &f->err), RAP_OK);
    assert_int_equal(count_text_in_files(f, "Oldname"), 0);
    assert_int_equal(count_text_in_files(f, "oldname"), 0);
    assert_int_equal(count_text_in_files(f, "oldcategory"), 0);
    assert_int_equal(count_text_in_files(f, "oldinfo"), 0);
    assert_true(count_text_in_files(f, "newinfo") > 0);
}

static void derived_numbers_are_gone(void **state)
{
    fixture *f = *state;
    store_picture picture;
    rap_record *record = NULL;
    store_vector word = make_vector("words", 555);
    float tokens[3000], word_copy[FIXTURE_DIM];

    for (int i = 0; i < 3000; i++)
        tokens[i] = (float)i * 1.37f + 11;
    memcpy(word_copy, word.data, sizeof word_copy);
    assert_int_equal(add_concept(f->s, "bo", "Hound", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_find(f->s, "bo", &record, &f->err), RAP_OK);
    assert_int_equal(store_avatar(f->s, record->id, &picture, &f->err), RAP_OK);
    assert_int_equal(store_put_tokens(f->s, picture.view_id, "model", tokens, 3000, &f->err),
                     RAP_OK);
    word.data = word_copy;
    assert_int_equal(store_put_text_vector(f->s, "a photo of a hound", &word, &f->err), RAP_OK);
    assert_true(count_in_files(f, tokens + 1000, 16) > 0);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_int_equal(count_in_files(f, tokens + 1000, 16), 0);
    assert_int_equal(count_in_files(f, tokens, 16), 0);
    assert_int_equal(count_in_files(f, word_copy, sizeof word_copy), 0);
    assert_int_equal(count_text_in_files(f, "hound"), 0);
    store_picture_release(&picture);
    store_record_free(record);
}

/* The unused middle of every page of a table or an index holds nothing at all. */
static void middles_of_pages_are_empty(void **state)
{
    fixture *f = *state;
    char name[32], *data = NULL;
    size_t size = 0, page_size = 8192, pages = 0;

    for (int i = 0; i < 600; i++) { /* in no order, so that pages split in the middle */
        snprintf(name, sizeof name, "name-%d", i * 7919 % 600);
        assert_int_equal(add_concept(f->s, name, "c", "", i, &f->err), RAP_OK);
    }
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(file_read(&data, &size, f->path, 1u << 30, NULL), RAP_OK);
    for (size_t at = 0; at + page_size <= size; at += page_size) {
        const unsigned char *page = (const unsigned char *)data + at, *head = page + (at ? 0 : 100);
        bool leaf = *head == 10 || *head == 13;
        size_t from =
            (size_t)(head - page) + (leaf ? 8 : 12) + 2 * (size_t)(head[3] << 8 | head[4]);
        size_t to = (size_t)(head[5] << 8 | head[6]);

        if (!leaf && *head != 2 && *head != 5)
            continue;
        pages++;
        for (size_t i = from; i < to; i++)
            assert_int_equal(page[i], 0);
    }
    assert_true(pages > 50);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forgotten_bytes_are_gone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(middles_of_pages_are_empty, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(edited_text_is_gone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(derived_numbers_are_gone, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
