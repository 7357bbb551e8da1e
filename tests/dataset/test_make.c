/* test_make.c: the wording of samples: boxes, names, templates (src/dataset/make.c, rename.c, templates.c, names.c). */
#include "dataset/layouts.h"
#include "dataset/make.h"
#include "dataset/names.h"
#include "dataset/rename.h"
#include "dataset/templates.h"

static void boxes_are_written_as_the_family_does(void **state)
{
    const rap_box box = { 40, 30, 80, 60 };
    char text[64];

    make_box(text, "llava", box, 200, 100); /* padded to 200 × 200: 50 above */
    assert_string_equal(text, "[0.20, 0.40, 0.60, 0.70]");
    make_box(text, "llava", box, 100, 200);
    assert_string_equal(text, "[0.45, 0.15, 0.85, 0.45]");
    make_box(text, "thousand", box, 200, 100);
    assert_string_equal(text, "[200, 300, 600, 900]");
    make_box(text, "pixels", box, 200, 100);
    assert_string_equal(text, "[40, 30, 120, 90]");
}

static void check_rename(const char *text, const char *category, const char *wanted)
{
    buf b = BUF_INIT;
    int done = rename_category(&b, text, category);

    assert_int_equal(done, wanted != NULL);
    assert_string_equal(buf_text(&b), wanted ? wanted : "");
    buf_release(&b);
}

static void a_category_becomes_the_name(void **state)
{
    check_rename("A dog on a bench.", "dog", "{name} on a bench.");
    check_rename("There is the Dog", "dog", "There is {name}");
    check_rename("dog on a bench", "dog", "{name} on a bench");
    check_rename("A big dog runs.", "dog", NULL); /* "a big" would be left */
    check_rename("Two dogs run.", "dog", NULL);
    check_rename("A dog and a dog.", "dog", NULL);
    check_rename("A hot dog stand.", "dog", NULL);
    check_rename("A dog's bed.", "dog", NULL);
    check_rename("A dog house in a garden.", "dog", NULL);
    check_rename("The bus stop is empty.", "bus", NULL);
    check_rename("A dog-like toy.", "dog", NULL);
    check_rename("The bus stops here, empty.", "bus", "{name} stops here, empty.");
    check_rename("A dog, a cat.", "dog", "{name}, a cat.");
    check_rename("Some dogs run.", "dog", NULL);
    check_rename("A teddy bear on it.", "teddy bear", "{name} on it.");
    check_rename("", "dog", NULL);
    check_rename("a dog", "", NULL);
}

static void a_word_becomes_the_name_everywhere(void **state)
{
    buf b = BUF_INIT;

    assert_int_equal(rename_word(&b, "<sks> and sks, not asks.", "sks"), 2);
    assert_string_equal(buf_text(&b), "{name} and {name}, not asks.");
    buf_release(&b);
}

static void names_do_not_depend_on_what_they_name(void **state)
{
    char a[DATASET_NAME], b[DATASET_NAME];
    int different = 0;

    for (int i = 0; i < 200; i++) {
        char identity[32];

        snprintf(identity, sizeof identity, "coco/%d", i);
        dataset_name(a, 1, identity, 0);
        dataset_name(b, 1, identity, 0);
        assert_string_equal(a, b);
        assert_true(strlen(a) >= 2);
        dataset_name(b, 2, identity, 0);
        different += strcmp(a, b) != 0;
    }
    assert_true(different > 180);
}

static void templates_of_a_person_replace_the_own(void **state)
{
    templates *t = NULL;
    buf b = BUF_INIT;
    draw d = draw_for(1, "x", "y");
    template_values v = { .name = "<bo>", .box = "[0, 0, 1, 1]" };
    rap_err err = { 0 };

    write_text("t.txt", "# mine\n[grounding.question]\nBox of {name}?\n");
    assert_int_equal(templates_open(&t, in("t.txt"), &err), RAP_OK);
    assert_int_equal(templates_fill(&b, t, "grounding.question", &d, &v, NULL), RAP_OK);
    assert_string_equal(buf_text(&b), "Box of <bo>?");
    buf_clear(&b);
    assert_int_equal(templates_fill(&b, t, "grounding.answer", &d, &v, NULL), RAP_OK);
    assert_string_equal(buf_text(&b), "[0, 0, 1, 1]");
    buf_clear(&b);
    v.category = "umbrella";
    template_put(&b, "{name} is a {category}.", &v);
    v.category = "unicycle";
    template_put(&b, " A {category}. extra {category}", &v);
    assert_string_equal(buf_text(&b), "<bo> is an umbrella. A unicycle. extra unicycle");
    templates_free(t);
    write_text("t.txt", "[grounding.question]\nBox of {nmae}?\n");
    assert_int_equal(templates_open(&t, in("t.txt"), &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "t.txt:2: {nmae} is not one of"));
    write_text("t.txt", "[groundig.question]\nx\n");
    assert_int_equal(templates_open(&t, in("t.txt"), &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "no place is called [groundig.question]"));
    write_text("t.txt", "[qa.info.answer]\n");
    assert_int_equal(templates_open(&t, in("t.txt"), &err), RAP_E_FORMAT);
    assert_non_null(strstr(err.text, "[qa.info.answer] has no wording"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_are_written_as_the_family_does),
        cmocka_unit_test(a_category_becomes_the_name),
        cmocka_unit_test(a_word_becomes_the_name_everywhere),
        cmocka_unit_test(names_do_not_depend_on_what_they_name),
        cmocka_unit_test_setup_teardown(templates_of_a_person_replace_the_own, make_work,
                                        remove_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
