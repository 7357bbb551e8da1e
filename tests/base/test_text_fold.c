/* test_text_fold.c: the form in which texts are compared (src/base/text_fold.c). */
#include "base/text_fold.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void gives(const char *text, const char *expected)
{
    char *folded = text_fold(text);

    assert_non_null(folded);
    assert_string_equal(folded, expected);
    free(folded);
}

static void are_one(const char *a, const char *b)
{
    char *x = text_fold(a), *y = text_fold(b);

    assert_non_null(x);
    assert_non_null(y);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void are_two(const char *a, const char *b)
{
    char *x = text_fold(a), *y = text_fold(b);

    assert_non_null(x);
    assert_non_null(y);
    assert_string_not_equal(x, y);
    free(x);
    free(y);
}

static void folds_case_in_full(void **state)
{
    gives("", "");
    gives("Bo THE Dog 42", "bo the dog 42");
    gives("ÀÉÎÕÜ ŁŻ Ÿ", "àéîõü łż ÿ");
    gives("ΑΣΩ ΆΈ ς", "ασω άέ σ");
    gives("ЖЮЁ Ї", "жюё ї");
    gives("ԱՖ", "աֆ");
    gives("Straße STRASSE STRAẞE", "strasse strasse strasse");
    gives("猫 犬 🐕", "猫 犬 🐕");
    are_one("ﬁx ŸĲ Ǆ", "FIX ÿij dž");
    are_one("محمــــد", "محمد");
    are_one("علی کریم", "علي كريم");
    are_two("على", "علي");
    are_one("½ 1⁄2", "1/2 1∕2");
    are_one("ΐ", "Ϊ́");
    are_one("ŉ", "'N");
    are_one("\u03B1\u0345\u0301", "\u03B1\u0301\u0345"); /* marks in either order */
    are_two("bo", "bö");
    are_two("oe", "ö");
}

static void every_i_is_one(void **state)
{
    static const char *const form[] = {
        "Işık", "IŞIK", "ışık", "işik", "İŞİK", "i\u0307şi\u0307k", "I\u0307s\u0327ık"
    };

    for (size_t i = 1; i < sizeof form / sizeof *form; i++)
        are_one(form[0], form[i]);
    are_one("İnci", "i\u0307nci");
    are_one("i\u0323\u0307", "ị"); /* below and above */
    are_two("j\u0307", "j");
    are_one("i\u0300\u0307", "ì\u0307"); /* a dot above another mark is no part of the i */
    are_two("i\u0300\u0307", "ì");
}

static void forms_of_one_character_are_one(void **state)
{
    are_one("José", "Jose\u0301");
    are_one("Mỹ Diệu", "My\u0303 Die\u0323\u0302u");
    are_one("보리", "\u1107\u1169\u1105\u1175");
    are_one("ボー", "ﾎﾞｰ");
    are_one("Bo", "Ｂｏ");
    are_one("①⁵", "15");
    are_one("𝐁𝐨", "Bo");
    are_one("\u212B", "å");
    are_two("ボ", "ホ");
}

static void white_space_is_one_blank(void **state)
{
    gives("  Sir \t Bo\n", "sir bo");
    gives("Sir\u00A0Bo", "sir bo");
    gives("Sir\u3000 \u2003Bo\u2028", "sir bo");
    gives(" \u00A0 ", "");
}

static void what_has_no_width_is_not_there(void **state)
{
    gives("b\u200Bo\u00AD \uFEFF\u2060\u200E", "bo");
    are_one("می\u200Cخواهم", "میخواهم");
    are_one("❤", "❤\uFE0F");
    are_one("1\uFE0F\u20E3", "1\u20E3");
    gives("a\u200Db", "ab");
    gives("👩\u200D🚀", "👩\u200D🚀"); /* makes another emoji of them */
    gives("👩🏽\u200D❤\uFE0F\u200D👩", "👩🏽\u200D❤\u200D👩");
    gives("👩\u200Dx", "👩x");
    are_two("🏴", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F");
    gives("x\U000E0067", "x");
}

static void signs_typed_for_one_another_are_one(void **state)
{
    static const char *const apostrophe[] = { "’", "‘", "ʼ", "´", "`", "＇", "′" };
    static const char *const dash[] = { "‐", "‑", "–", "—", "−", "－", "﹣", "᠆" };
    char text[32];

    for (size_t i = 0; i < sizeof apostrophe / sizeof *apostrophe; i++) {
        snprintf(text, sizeof text, "O%sNeil", apostrophe[i]);
        gives(text, "o'neil");
    }
    for (size_t i = 0; i < sizeof dash / sizeof *dash; i++) {
        snprintf(text, sizeof text, "R2%sD2", dash[i]);
        gives(text, "r2-d2");
    }
    are_one("Dwayne “The Rock”", "dwayne \"the rock\"");
    are_one("〜", "～");
    are_two("ー", "-"); /* a long vowel */
    are_two("red-mug", "red mug");
}

static void broken_bytes_fold_too(void **state)
{
    gives("A\xFF\xC3", "a\uFFFD\uFFFD");
}

/* The short path for ASCII gives what the long one does. */
static void ascii_is_no_exception(void **state)
{
    char text[8] = "", with[16];

    for (unsigned a = 1; a < 128; a++)
        for (unsigned b = 1; b < 128; b++) {
            char *quick, *thorough;

            snprintf(text, sizeof text, "%c%cx", (int)a, (int)b);
            snprintf(with, sizeof with, "%s猫", text);
            quick = text_fold(text);
            thorough = text_fold(with);
            assert_int_equal(strlen(thorough), strlen(quick) + strlen("猫"));
            assert_memory_equal(quick, thorough, strlen(quick));
            free(quick);
            free(thorough);
        }
}

static void folding_twice_changes_nothing(void **state)
{
    for (unsigned code = 1; code <= 0x10FFFF; code++) {
        char text[16] = "a", *once, *twice;
        size_t len = text_encode(text + 1, code);

        if (len == 0)
            continue;
        memcpy(text + 1 + len, "\u0301i", 4);
        once = text_fold(text);
        twice = text_fold(once);
        if (strcmp(once, twice) != 0)
            fail_msg("U+%04X: '%s', then '%s'", code, once, twice);
        free(once);
        free(twice);
    }
}

static void names_come_without_brackets(void **state)
{
    static const char *const pair[][2] = {
        { "<bo>", "bo" },
        { "＜Bo＞", "bo" },
        { " < Sir  Bo > ", "sir bo" },
        { "<<bo>>", "bo" },
        { "<", "<" },
        { "<bo", "<bo" },
        { "<b>bo</b>", "<b>bo</b>" },
        { "<>", "" },
        { "< >", "" },
        { "a<b>", "a<b>" },
        { "﹤bo﹥", "bo" },
        { "<image>", "image" },
    };

    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        char *folded = text_fold_name(pair[i][0]);

        assert_string_equal(folded, pair[i][1]);
        free(folded);
    }
}

static void marks_alone_are_blank(void **state)
{
    assert_true(text_is_blank(""));
    assert_true(text_is_blank("\u0301 \u0302"));
    assert_true(text_is_blank("\u200D"));
    assert_false(text_is_blank("é"));
    assert_false(text_is_blank("!"));
    assert_false(text_is_blank("🐕"));
}

static void composes(void **state)
{
    char *text = text_compose("re\u0301sume\u0301 ﬁ");

    assert_string_equal(text, "résumé ﬁ");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_case_in_full),
        cmocka_unit_test(every_i_is_one),
        cmocka_unit_test(forms_of_one_character_are_one),
        cmocka_unit_test(white_space_is_one_blank),
        cmocka_unit_test(what_has_no_width_is_not_there),
        cmocka_unit_test(signs_typed_for_one_another_are_one),
        cmocka_unit_test(broken_bytes_fold_too),
        cmocka_unit_test(ascii_is_no_exception),
        cmocka_unit_test(folding_twice_changes_nothing),
        cmocka_unit_test(names_come_without_brackets),
        cmocka_unit_test(marks_alone_are_blank),
        cmocka_unit_test(composes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
