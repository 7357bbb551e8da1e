/* test_name.c: what a name may be, and by whom it is taken. */
#include "remember/fixture.h"

static void bad_names_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *name, *reason;
        rap_status status;
    } cases[] = {
        { NULL, "missing", RAP_E_ARGUMENT },
        { "", "empty", RAP_E_ARGUMENT },
        { "  \xc2\xa0\xe2\x80\x8b ", "empty", RAP_E_ARGUMENT },
        { "<>", "empty", RAP_E_ARGUMENT },
        { "< >", "empty", RAP_E_ARGUMENT },
        { "\u200c\u200d", "empty", RAP_E_ARGUMENT },
        { "\u0301\u0302", "only marks", RAP_E_ARGUMENT },
        { "a\nb", "line break", RAP_E_ARGUMENT },
        { "bo\n", "line break", RAP_E_ARGUMENT },
        { "a\tb", "control", RAP_E_ARGUMENT },
        { "a\x1b[31mb", "control", RAP_E_ARGUMENT },
        { "a\xe2\x80\xa8"
          "b",
          "line break", RAP_E_ARGUMENT },
        { "a\xff", "UTF-8", RAP_E_ARGUMENT },
        { "\xc0\xaf", "UTF-8", RAP_E_ARGUMENT },
    };
    fixture *f = *state;
    char long_name[STORE_MAX_NAME + 2];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(add_concept(f->s, cases[i].name, "", "", 1, &f->err), cases[i].status);
        assert_line_has(f, cases[i].reason);
        assert_int_equal(count_rows(f->s, "concept"), 0);
    }
    memset(long_name, 'x', sizeof long_name);
    long_name[STORE_MAX_NAME + 1] = '\0';
    assert_int_equal(add_concept(f->s, long_name, "", "", 1, &f->err), RAP_E_LIMIT);
    assert_line_has(f, "128");
    long_name[STORE_MAX_NAME] = '\0';
    assert_int_equal(add_concept(f->s, long_name, "", "", 1, &f->err), RAP_OK);
}

static void markup_is_plain_text(void **state)
{
    static const char *const names[] = { "image",    "|im_end|>",     "/s",   "<b>bo</b>",
                                         "bo",       "'; DROP TABLE", "%s%n", "../../x",
                                         "日本の犬", "🐕‍🦺" };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rap_record *record = NULL;

        assert_int_equal(add_concept(f->s, names[i], "", "", (int)i, &f->err), RAP_OK);
        assert_int_equal(store_find(f->s, names[i], &record, &f->err), RAP_OK);
        assert_string_equal(record->name, names[i]);
        store_record_free(record);
    }
}

static void brackets_are_taken_off(void **state)
{
    static const char *const asked[] = { "<bo>", "＜Bo＞", " < bo > ", "<<bo>>", "bo" };
    fixture *f = *state;

    assert_int_equal(add_concept(f->s, " <Bo> ", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "<bo>", "<Sir Bo>", &f->err), RAP_OK);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        rap_record *record = NULL;

        assert_int_equal(store_find(f->s, asked[i], &record, &f->err), RAP_OK);
        assert_string_equal(record->name, "Bo");
        assert_string_equal(record->aliases[0], "Sir Bo");
        store_record_free(record);
        assert_int_equal(add_concept(f->s, asked[i], "", "", 2, &f->err), RAP_E_EXISTS);
    }
    assert_int_equal(store_remove_alias(f->s, "bo", "<sir bo>", &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "<BO>", &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "concept"), 0);
}

static void names_are_one_whoever_typed_them(void **state)
{
    static const char *const pair[][2] = {
        { "José", "Jose\u0301" },     { "Işık", "IŞIK" },     { "İnci", "i\u0307nci" },
        { "Straße", "STRASSE" },      { "ボー", "ﾎﾞｰ" },      { "Bo", "Ｂｏ" },
        { "Sir Bo", "sir\u00A0 bo" }, { "O'Neil", "o’neil" }, { "R2-D2", "r2–d2" },
        { "❤", "❤\uFE0F" },
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        rap_record *record = NULL;

        assert_int_equal(add_concept(f->s, pair[i][0], "", "", (int)i, &f->err), RAP_OK);
        assert_int_equal(add_concept(f->s, pair[i][1], "", "", 99, &f->err), RAP_E_EXISTS);
        assert_int_equal(store_find(f->s, pair[i][1], &record, &f->err), RAP_OK);
        assert_string_equal(record->name, pair[i][0]); /* as it was typed */
        store_record_free(record);
        assert_int_equal(store_forget(f->s, pair[i][1], &f->err), RAP_OK);
    }
}

static void names_are_trimmed_and_found_without_case(void **state)
{
    static const char *const asked[] = { "Ärger Bo", "ÄRGER BO", " ärger bo",
                                         "ärger bo\xe3\x80\x80" };
    fixture *f = *state;

    assert_int_equal(add_concept(f->s, "  Ärger Bo ", "", "", 1, &f->err), RAP_OK);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        rap_record *record = NULL;

        assert_int_equal(store_find(f->s, asked[i], &record, &f->err), RAP_OK);
        assert_string_equal(record->name, "Ärger Bo");
        store_record_free(record);
    }
    assert_int_equal(add_concept(f->s, "ÄRGER bo", "", "", 2, &f->err), RAP_E_EXISTS);
    assert_line_has(f, "already the name");
}

static void names_and_aliases_share_one_space(void **state)
{
    fixture *f = *state;

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "", "", 2, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "Sir Bo", &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "mo", "sir bo", &f->err), RAP_E_EXISTS);
    assert_line_has(f, "already an alias of 'bo'");
    assert_int_equal(store_add_alias(f->s, "mo", "BO", &f->err), RAP_E_EXISTS);
    assert_int_equal(store_add_alias(f->s, "bo", "bo", &f->err), RAP_E_EXISTS);
    assert_int_equal(add_concept(f->s, "SIR BO", "", "", 3, &f->err), RAP_E_EXISTS);
    assert_int_equal(store_add_alias(f->s, "bo", "", &f->err), RAP_E_ARGUMENT);
    assert_line_has(f, "alias is empty");
    assert_int_equal(store_add_alias(f->s, "nobody", "x", &f->err), RAP_E_NOT_FOUND);
    assert_line_has(f, "nobody");
    assert_int_equal(count_rows(f->s, "concept"), 2);
}

static void aliases_come_and_go(void **state)
{
    fixture *f = *state;
    rap_record *record = NULL;

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "ROVER", "Bobby", &f->err), RAP_OK);
    assert_int_equal(store_find(f->s, "bobby", &record, &f->err), RAP_OK);
    assert_string_equal(record->aliases[0], "Bobby");
    assert_string_equal(record->aliases[1], "rover");
    assert_null(record->aliases[2]);
    store_record_free(record);
    assert_int_equal(store_remove_alias(f->s, "bo", "BOBBY", &f->err), RAP_OK);
    assert_int_equal(store_remove_alias(f->s, "bo", "bobby", &f->err), RAP_E_NOT_FOUND);
    assert_int_equal(store_remove_alias(f->s, "bo", "bo", &f->err), RAP_E_NOT_FOUND);
    assert_int_equal(store_find(f->s, "bobby", &record, &f->err), RAP_E_NOT_FOUND);
}

static void rename_to(fixture *f, const char *from, const char *to, rap_status expected)
{
    store_change change = { .name = to };

    assert_int_equal(store_update(f->s, from, &change, &f->err), expected);
}

static void renaming(void **state)
{
    fixture *f = *state;
    rap_record *record = NULL;

    assert_int_equal(add_concept(f->s, "bo", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "", "", 2, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    rename_to(f, "bo", "Bo", RAP_OK); /* itself in other letters */
    rename_to(f, "bo", "MO", RAP_E_EXISTS);
    rename_to(f, "bo", " ", RAP_E_ARGUMENT);
    rename_to(f, "bo", "rover", RAP_OK); /* its own alias */
    assert_int_equal(store_find(f->s, "rover", &record, &f->err), RAP_OK);
    assert_string_equal(record->name, "rover");
    assert_null(record->aliases[0]);
    store_record_free(record);
    assert_int_equal(store_find(f->s, "bo", &record, &f->err), RAP_E_NOT_FOUND);
    rename_to(f, "mo", "bo", RAP_OK); /* free again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_names_are_refused_with_a_reason, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(markup_is_plain_text, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(brackets_are_taken_off, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(names_are_one_whoever_typed_them, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(names_are_trimmed_and_found_without_case, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(names_and_aliases_share_one_space, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(aliases_come_and_go, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(renaming, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
