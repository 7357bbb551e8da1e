/* test_plan.c: configurations (src/dataset/plan.c). */
#include "dataset/layouts.h"
#include "dataset/plan.h"

static void defaults_are_the_papers(void **state)
{
    dataset_plan *p = NULL;

    write_text("c.json", "{\"sources\": [{\"type\": \"coco\", \"annotations\": \"a.json\"}]}");
    assert_int_equal(plan_read(&p, in("c.json"), NULL), RAP_OK);
    assert_int_equal(p->wanted[KIND_GROUNDING], 100000);
    assert_int_equal(p->wanted[KIND_INSTRUCTION], 67000);
    assert_string_equal(p->source[0].name, "coco");
    assert_string_equal(p->source[0].annotations, in("a.json"));
    plan_free(p);
}

static void mistakes_name_the_field(void **state)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        { "{}", "\"sources\" is not a list of 1 to 64 sources" },
        { "{\"sources\": [{}]}", "\"sources.0.type\" is missing" },
        { "{\"sources\": [{\"type\": \"coco\"}, {\"type\": \"coco\"}]}",
          "two sources are called \"coco\"" },
        { "{\"sources\": [{\"type\": \"coco\", \"name\": \"../x\"}]}",
          "\"sources.0.name\" is \"../x\"" },
        { "{\"sources\": [{\"type\": \"coco\", \"anotations\": \"a\"}]}",
          "no field is called \"sources.0.anotations\"" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"mix\": {\"captions\": 3}}",
          "\"mix.captions\": no kind is called so" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"mix\": {\"qa\": -3}}",
          "\"mix.qa\" is not a count of samples" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"noise\": {\"share\": 2}}",
          "\"noise.share\" is not a number from 0 to 1" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"noise\": {\"least\": 3}}",
          "\"noise.least\" is more than" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"boxes\": \"qwen\"}",
          "\"boxes\" is \"qwen\", not one of" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"square\": 1}",
          "\"square\" is not true or false" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"seed\": \"x\"}",
          "\"seed\" is not a whole number" },
        { "{\"sources\": [{\"type\": \"coco\"}], \"noise\": []}", "\"noise\" is not an object" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset_plan *p = NULL;
        rap_err err = { 0 };

        write_text("c.json", cases[i].text);
        assert_int_equal(plan_read(&p, in("c.json"), &err), RAP_E_FORMAT);
        assert_null(p);
        if (!strstr(err.text, cases[i].line))
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_the_papers, make_work, remove_work),
        cmocka_unit_test_setup_teardown(mistakes_name_the_field, make_work, remove_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
