/* test_text_search.c: names in running text (src/base/text_search.c). */
#include "base/text_search.h"

#include "base/text_fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void found(const char *text, const char *name)
{
    if (text_search_once(text, name) < 0)
        fail_msg("'%s' is not found in '%s'", name, text);
}

static void not_found(const char *text, const char *name)
{
    if (text_search_once(text, name) >= 0)
        fail_msg("'%s' is found in '%s'", name, text);
}

static void words_are_whole(void **state)
{
    assert_int_equal(text_search_once("is bo here?", "bo"), 3);
    assert_int_equal(text_search_once("bob, then bo", "bo"), 10);
    found("bo", "bo");
    found("<bo>", "bo");
    found("«bo»", "bo");
    found("my red mug!", "my red mug");
    found("🐕bo🐕", "bo");
    found("what is C++11?", "C++");
    not_found("bob and elbow", "bo");
    not_found("bo2", "bo");
    not_found("ébo", "bo");
    not_found("boé", "bo");
    not_found("anything", "");
    not_found("anything", " ");
    not_found("", "bo");
    not_found("bo", "bo the very long name of a dog");
}

static void possessives_and_contractions(void **state)
{
    found("bo's bed", "bo");
    found("Bo’s bed", "bo");
    found("where's James' mug", "James");
    found("l’éclair", "Éclair");
    found("Işık'ın evi", "ışık");
    found("Don's dog", "Don");
    not_found("I don't know", "Don");
    not_found("I can’t", "can");
}

static void names_as_people_type_them(void **state)
{
    found("Is Jose\u0301 here?", "José");
    found("Is José here?", "Jose\u0301");
    found("Where is My\u0303 Die\u0323\u0302u?", "Mỹ Diệu");
    found("IŞIK NEREDE?", "Işık");
    found("i\u0307nci nerede?", "İnci");
    found("Was ist STRASSE?", "Straße");
    found("Is Sir\u00A0 Bo here?", "Sir Bo");
    found("Is Sir\nBo here?", "Sir  Bo");
    found("Is O’Neil here?", "O'Neil");
    found("Where is R2–D2?", "r2-d2");
    found("Where is ＜bo＞?", "<bo>");
    found("Where is <bo>?", "＜bo＞");
}

static void scripts_without_spaces(void **state)
{
    found("小明在哪里", "小明");
    found("我的小明2在哪里", "小明");
    found("ﾎﾞｰはどこ？", "ボー");
    found("Ｂｏはどこ？", "Bo");
    found("うちのボーさん", "ボー");
    found("ボー・ピープ", "ボー");
    found("แมวชื่อมะลิอยู่ไหน", "มะลิ");
    found("보리는 어디 있나요?", "\u1107\u1169\u1105\u1175");
    found("bo는 어디", "bo");
    not_found("ボールはどこ", "ボー");
    not_found("바보", "보");
    not_found("ボールはどこ", "ホ");
}

static void scripts_with_spaces(void **state)
{
    not_found("रामायण", "राम");
    found("राम कहाँ है", "राम");
    not_found("Мишка", "Миша");
    not_found("Машинка", "Маш");
    found("Где МИША?", "Миша");
}

static void graphemes_are_whole(void **state)
{
    found("Where is 👩?", "👩");
    found("🐕👩🐕", "👩");
    found("❤\uFE0F bo", "❤");
    not_found("👩\u200D🚀", "👩");
    not_found("👩\u200D🚀", "🚀");
    not_found("👩🏽", "👩");
    not_found("🇩🇪🇫🇷", "🇪🇫");
    found("🇩🇪🇫🇷", "🇫🇷");
    not_found("1\uFE0F\u20E3", "1");
    not_found("x\u0302", "x");
    not_found("🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "🏴");
    found("👩\u200D🚀!", "👩\u200D🚀");
}

static void a_long_text_is_searched_in_no_time(void **state)
{
    size_t len = 200000;
    char *text = malloc(len + 1);
    text_search s;

    memset(text, 'a', len);
    text[len] = '\0';
    assert_true(text_search_init(&s, text));
    assert_int_equal(text_search_find(&s, "a", 0), -1);
    assert_int_equal(text_search_find(&s, "a", len + 1), -1);
    assert_int_equal(text_search_find(&s, "a", SIZE_MAX), -1);
    text_search_release(&s);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_whole),
        cmocka_unit_test(possessives_and_contractions),
        cmocka_unit_test(names_as_people_type_them),
        cmocka_unit_test(scripts_without_spaces),
        cmocka_unit_test(scripts_with_spaces),
        cmocka_unit_test(graphemes_are_whole),
        cmocka_unit_test(a_long_text_is_searched_in_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
