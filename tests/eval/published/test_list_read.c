/* Every shape of a published list, and what is wrong with one. */
#include "eval/published/made.h"

static const char *text_of(const list *l, size_t i, const char *field)
{
    const char *text = list_text(list_item(l, i), field);

    return text ? text : "(none)";
}

static void captions_are_pictures_with_concepts(void **state)
{
    list l = made_list("{\"a.png\": [\"<bo>\", \"<mia>\"], \"b.png\": \"bo\"}", "made");

    assert_int_equal(l.kind, LIST_CAPTION);
    assert_false(l.answered);
    assert_string_equal(text_of(&l, 0, "picture"), "a.png");
    assert_string_equal(text_of(&l, 0, "question"), "Give a caption of the image.");
    assert_int_equal(json_array_size(json_object_get(list_item(&l, 1), "names")), 1);
    list_release(&l);
    l = made_list("{\"a.png\": [[\"a\", \"b\", \"c\", \"d\"], [\"a\", \"b\", \"c\", \"e\"]]}",
                  "made");
    assert_int_equal(l.kind, LIST_CAPTION);
    assert_int_equal(list_count(&l), 2);
    list_release(&l);
    l = made_list("[[\"a.png\", [\"<bo>\"], \"Bo.\"]]", "made");
    assert_int_equal(l.kind, LIST_CAPTION);
    assert_true(l.answered);
    list_release(&l);
}

static void official_questions_name_the_concept_and_the_options(void **state)
{
    list l =
        made_list("{\"bo\": {\"0\": {\"question\": \"Is sks a dog?\", \"option\": {\"A\": \"Yes\","
                  " \"B\": \"No\"}, \"correct_answer\": \"A\"}}}",
                  "made");

    assert_int_equal(l.kind, LIST_CHOICE);
    assert_string_equal(text_of(&l, 0, "question"),
                        "Question: Is <bo> a dog?\nOptions:\nA. Yes\nB. No\n"
                        "Please give a single character from the options above. \n");
    assert_string_equal(text_of(&l, 0, "picture"), "(none)");
    assert_string_equal(text_of(&l, 0, "place"), "bo / 0");
    list_release(&l);
    l = made_list("{\"bo\": {\"./b/1.png\": {\"question\": \"?\", \"options\": {\"A\": \"x\"},"
                  " \"correct_answer\": \"A\"}}}",
                  "made");
    assert_string_equal(text_of(&l, 0, "picture"), "./b/1.png");
    list_release(&l);
}

static void conversations_and_pairs_are_questions(void **state)
{
    list l = made_list("{\"1.png\": [{\"Human\": \"<image>\\nWho?\", \"AI\": \"Bo.\"}]}", "made");

    assert_int_equal(l.kind, LIST_OPEN);
    assert_string_equal(text_of(&l, 0, "question"), "Who?");
    list_release(&l);
    l = made_list("{\"1.png\": {\"Human\": \"A. x B. y C. z\", \"AI\": \"C\"}}", "made");
    assert_int_equal(l.kind, LIST_CHOICE);
    list_release(&l);
    l = made_list("{\"1.png\": [[\"What colour is it?\", \"Red\"]]}", "made");
    assert_int_equal(l.kind, LIST_OPEN);
    assert_string_equal(text_of(&l, 0, "expected"), "Red");
    list_release(&l);
    l = made_list("[{\"question\": \"Who is <bo>? A. x B. y\", \"answer\": \"B\"}]", "made");
    assert_int_equal(l.kind, LIST_CHOICE);
    assert_false(l.answered);
    list_release(&l);
}

static void tables_have_options_and_a_name(void **state)
{
    list l = made_list("index,question,A,B,C,D,image_path,answer,name\n"
                       "0,\"Is sks,\nhere?\",Yes,No,,,Human/test/bo/0.png,B,bo\n",
                       "MMPB.csv");

    assert_int_equal(l.kind, LIST_CHOICE);
    assert_string_equal(text_of(&l, 0, "picture"), "Human/test/bo/0.png");
    assert_non_null(
        strstr(text_of(&l, 0, "question"), "Is <bo>,\nhere?\nOptions:\nA. Yes\nB. No\nP"));
    assert_string_equal(text_of(&l, 0, "place"), "line 2");
    list_release(&l);
}

static void answers_have_a_kind_too(void **state)
{
    list l = made_list("[{\"answer\": \"A\", \"correct_answer\": \"B\"}]", "made");

    assert_int_equal(l.kind, LIST_CHOICE);
    assert_true(l.answered);
    list_release(&l);
    l = made_list("[{\"question\": \"?\", \"answer\": \"Yes\", \"correct_answer\": true}]", "made");
    assert_int_equal(l.kind, LIST_RECOGNITION);
    list_release(&l);
}

static void assert_refused(const char *text, const char *name, const char *kind, const char *line)
{
    list l;
    rap_err err = { 0 };

    assert_int_not_equal(list_parse(&l, text, strlen(text), name, kind, &err), RAP_OK);
    if (!strstr(err.text, line))
        fail_msg("\"%s\" is not in \"%s\"", line, err.text);
    list_release(&l);
}

static void bad_lists_are_named_with_the_item(void **state)
{
    assert_refused("[[\"a\", [\"b\"], \"c\"], [\"a\", [\"b\"]]]", "f", NULL, "f: item 1: not [");
    assert_refused("{\"a\": [\"b\"], \"c\": 1}", "f", NULL,
                   "f: \"c\": neither a concept nor a list");
    assert_refused("[[\"a\", [1], \"c\"]]", "f", NULL, "f: item 0: the concepts are not texts");
    assert_refused("[{\"answer\": \"A\", \"correct_answer\": \"A\"}, {\"correct_answer\": \"A\"}]",
                   "f", NULL, "f: item 1: there is no \"answer\"");
    assert_refused("[{\"answer\": 1, \"correct_answer\": \"A\"}]", "f", NULL,
                   "f: item 0: \"answer\" is not a text");
    assert_refused("[{\"question\": \"?\", \"answer\": \"yes\", \"correct_answer\": true},"
                   " {\"question\": \"?\", \"correct_answer\": true}]",
                   "f", NULL, "f: item 1 has no \"answer\", though 1 of the 2");
    assert_refused("{\"bo\": {\"0\": {\"question\": \"?\", \"option\": {\"A\": \"x\"},"
                   " \"correct_answer\": \"C\"}}}",
                   "f", NULL, "f: bo / 0: \"correct_answer\" is none of the options");
    assert_refused("{\"concept_dict\": {}}", "f", NULL, "this is a database");
    assert_refused("{\"a\": 3}", "f", NULL, "no published list has entries of this shape");
    assert_refused("[]", "f", NULL, "f: the list is empty");
    assert_refused("3", "f", NULL, "f: not valid JSON");
    assert_refused("[1]", "f", NULL, "f: item 0 is neither");
    assert_refused("{\"a.png\": [\"bo\"]", "f", NULL, "f: not valid JSON");
    assert_refused("{\"a.png\": [\"bo\"]}", "f", "choice",
                   "a list of the kind caption, not choice");
    assert_refused("{\"a.png\": [\"bo\"]}", "f", "songs", "'songs' is no kind of list");
    assert_refused("question,answer\nx,y\n", "f.csv", NULL, "f.csv:1: no column \"image_path\"");
    assert_refused("question,answer,image_path,A\nx,B,1.png,yes\n", "f.csv", NULL,
                   "f.csv: line 2: the answer \"B\" is none of the options");
}

static void the_official_files_are_read(void **state)
{
    char *text = made_published("rap-official/yollava-text-only-qa.json");
    char *visual = made_published("rap-official/yollava-visual-qa.json");
    list l;
    rap_err err = { 0 };

    if (text && visual) {
        assert_int_equal(list_read(&l, text, NULL, &err), RAP_OK);
        assert_int_equal(list_count(&l), 400);
        list_release(&l);
        assert_int_equal(list_read(&l, visual, NULL, &err), RAP_OK);
        assert_int_equal(list_count(&l), 170);
        list_release(&l);
    }
    free(text);
    free(visual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_are_pictures_with_concepts),
        cmocka_unit_test(official_questions_name_the_concept_and_the_options),
        cmocka_unit_test(conversations_and_pairs_are_questions),
        cmocka_unit_test(tables_have_options_and_a_name),
        cmocka_unit_test(answers_have_a_kind_too),
        cmocka_unit_test(bad_lists_are_named_with_the_item),
        cmocka_unit_test(the_official_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
