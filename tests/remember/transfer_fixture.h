/* transfer_fixture.h: an encoder for the tests of import and export: a vector made of the first bytes. */
#ifndef RAP_TESTS_REMEMBER_TRANSFER_FIXTURE_H
#define RAP_TESTS_REMEMBER_TRANSFER_FIXTURE_H

#include "remember/fixture.h"
#include "remember/transfer.h"

typedef struct fake_encoder {
    int calls, fail_at; /* 0: never */
    float data[TRANSFER_GROUP][FIXTURE_DIM];
} fake_encoder;

__attribute__((unused)) static rap_status fake_embed(transfer_picture *picture, size_t count,
                                                     size_t *out_failed, void *payload, rap_err *err)
{
    fake_encoder *e = payload;

    for (size_t n = 0; n < count; n++) {
        store_view *view = &picture[n].view;

        *out_failed = n;
        if (++e->calls == e->fail_at || view->size < FIXTURE_DIM)
            return err_set(err, RAP_E_FORMAT, "%s: not a picture", picture[n].name);
        for (int i = 0; i < FIXTURE_DIM; i++)
            e->data[n][i] = (float)((const unsigned char *)view->bytes)[view->size - 1 - (size_t)i];
        view->width = 64;
        view->height = 48;
        picture[n].vector = (store_vector){"enc-a", FIXTURE_DIM, e->data[n]};
    }
    return RAP_OK;
}

/* Imports with the fake encoder; the report goes to *out. */
__attribute__((unused)) static rap_status import_file(fixture *f, store *s, const char *path,
                                                      int replace, rap_import_report *out)
{
    fake_encoder e = {0};

    return transfer_import(s, path, replace, fake_embed, &e, NULL, NULL, out, &f->err);
}

/* Everything a person put in, and the vectors, as text: two stores are equal when these are. */
__attribute__((unused)) static char *describe_store(store *s, bool lossless)
{
    static const char *const sql[] = {
        /* what the official format has */
        "SELECT n.text, c.category, c.info, v.hash, v.box_x, v.box_y, v.box_w, v.box_h, hex(p.bytes)"
        " FROM concept c JOIN name n ON n.concept_id = c.id AND n.alias = 0"
        " JOIN view v ON v.concept_id = c.id AND v.avatar JOIN picture p ON p.view_id = v.id"
        " ORDER BY n.folded",
        "SELECT n.text, a.text FROM name a JOIN name n ON n.concept_id = a.concept_id AND n.alias = 0"
        " WHERE a.alias = 1 ORDER BY a.folded",
        /* what only a bundle has */
        "SELECT n.text, c.created, c.updated FROM concept c JOIN name n ON n.concept_id = c.id"
        " AND n.alias = 0 ORDER BY n.folded",
        "SELECT n.text, v.avatar, v.hash, v.size, v.width, v.height, v.box_x, v.box_y, v.box_w, v.box_h"
        " FROM view v JOIN name n ON n.concept_id = v.concept_id AND n.alias = 0"
        " ORDER BY n.folded, v.id",
        "SELECT n.text, v.hash, e.fingerprint, e.dim, hex(k.vector) FROM key k"
        " JOIN encoder e ON e.id = k.encoder_id JOIN view v ON v.id = k.view_id"
        " JOIN name n ON n.concept_id = v.concept_id AND n.alias = 0"
        " ORDER BY n.folded, v.id, e.fingerprint",
    };
    buf text = BUF_INIT;

    for (size_t i = 0; i < (lossless ? 5 : 2); i++) {
        sqlite3_stmt *statement = NULL;
        bool row = true;

        assert_int_equal(db_query(&statement, store_db(s), NULL, sql[i], ""), RAP_OK);
        while (db_step(&row, store_db(s), statement, NULL) == RAP_OK && row) {
            for (int c = 0; c < sqlite3_column_count(statement); c++)
                buf_printf(&text, "%s|", (const char *)sqlite3_column_text(statement, c));
            buf_putc(&text, '\n');
        }
        sqlite3_finalize(statement);
    }
    return buf_detach(&text);
}

__attribute__((unused)) static void assert_equal_stores(store *a, store *b, bool lossless)
{
    char *one = describe_store(a, lossless), *two = describe_store(b, lossless);

    assert_string_equal(one, two);
    free(one);
    free(two);
}

/* Concepts with names of every kind, aliases, several views, two encoders. */
__attribute__((unused)) static void fill_store(fixture *f)
{
    static const char *const names[] = {"bo", "<image>", "../../x", "a/b\\c:d", "日本の犬", "Ärger  Ü",
                                        ".", "con", "BO 2", "%s"};
    char long_name[STORE_MAX_NAME + 1], *extra = make_picture(500, 700);
    store_view view = {extra, 700, 10, 20, {0.5f, 1.25f, 3, 4}};
    store_vector vector = make_vector("enc-b", 77);
    store_change avatar = {.avatar = &view, .avatar_vector = &vector};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(add_concept(f->s, names[i], i % 2 ? "dog" : "", i % 3 ? "<bo> is\n\"it\" \\" : "",
                                     (int)i, &f->err),
                         RAP_OK);
    for (size_t i = 0; i + 2 <= STORE_MAX_NAME; i += 2)
        memcpy(long_name + i, "é", 3);
    assert_int_equal(add_concept(f->s, long_name, "", "", 90, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "Sir Bo", &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    assert_int_equal(store_update(f->s, "bo", &avatar, &f->err), RAP_OK);
    view.box = (rap_box){0, 0, 0, 0};
    assert_int_equal(store_add_view(f->s, "<image>", &view, NULL, &f->err), RAP_OK);
    free(extra);
}

#endif
