/* test_verify.c: the language model looks at matches again (src/rap/verify.c). */
#include "rap/tiny.h"

#define SCENE "examples/toy/scenes/082.jpg"

static const rap_box whole = { 0, 0, 0, 0 };

/* In the scene: duke and gus; not in it: tim. */
static void remember_three(rap *r)
{
    static const char *const name[] = { "duke", "gus", "tim" };
    static const char *const info[] = { "<duke> is some cyan garlic with black stars.",
                                        "<gus> is a yellow beaver.",
                                        "<tim> is a green goat with grey checks and a brown bow." };

    for (size_t i = 0; i < 3; i++) {
        rap_concept c = RAP_CONCEPT_INIT;

        c.name = name[i];
        c.info = info[i];
        c.image.path = source_file(path_of("examples/toy/concepts/%s.jpg", name[i]));
        assert_int_equal(rap_remember(NULL, r, &c), RAP_OK);
    }
}

static float verify(rap *r, const char *name, const char *path, rap_box box)
{
    const rap_image shown = { .path = source_file(path) };
    float out = -1;

    if (rap_verify(&out, r, name, &shown, box) != RAP_OK)
        fail_msg("%s", rap_error(r));
    assert_true(out >= 0 && out <= 1);
    return out;
}

static void the_same_one_is_likelier_than_another(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, source_file("models/tiny"), "store.db", NULL);
    const rap_box duke = { 88, 37, 100, 94 };
    rap_image none = RAP_IMAGE_INIT;
    float out = 1;

    remember_three(r);
    assert_true(verify(r, "tim", "examples/toy/concepts/tim.jpg", whole) > 0.9f);
    assert_true(verify(r, "tim", "examples/toy/concepts/gus.jpg", whole) < 0.5f);
    assert_true(verify(r, "duke", SCENE, duke) > verify(r, "tim", SCENE, duke));
    assert_int_equal(rap_verify(&out, r, "tim", &none, whole), RAP_E_ARGUMENT);
    assert_true(out == 0);
    none.path = source_file(SCENE);
    assert_int_equal(rap_verify(&out, r, "nobody", &none, whole), RAP_E_NOT_FOUND);
    assert_int_equal(rap_verify(&out, r, "tim", &none, (rap_box){ 1000, 0, 5, 5 }), RAP_E_ARGUMENT);
}

static rap_matches *see_verified(fixture *f, const char *profile, int verify, const char *text,
                                 int limit)
{
    rap_options o = RAP_OPTIONS_INIT;
    rap_image shown = { .path = source_file(SCENE) };
    rap_matches *m = NULL;
    rap *r;

    rap_close(f->r);
    o.verify = verify;
    r = open_rap(f, profile, "store.db", &o);
    if (count_concepts(r) == 0)
        remember_three(r);
    if (rap_retrieve(&m, r, &shown, text, limit) != RAP_OK)
        fail_msg("%s", rap_error(r));
    return m;
}

static void what_is_denied_is_left_out_and_said(void **state)
{
    fixture *f = *state;
    const char *strict = tiny_with(f, "strict", "\"verify_threshold\": 0.4799,",
                                   "\"verify_threshold\": 1, \"verify\": true,");
    rap_matches *m = see_verified(f, strict, 0, NULL, 0);

    assert_int_equal(m->count, 0);
    assert_int_equal(m->denied_count, 2);
    assert_string_equal(m->denied[0].name, "duke");
    assert_true(m->denied[0].verified >= 0 && m->denied[0].verified < 1);
    assert_true(m->denied[0].box.w > 0 && m->verify_ms > 0);
    rap_matches_free(m);

    m = see_verified(f, strict, -1, NULL, 0); /* switched off */
    assert_int_equal(m->count, 2);
    assert_int_equal(m->denied_count, 0);
    assert_true(m->match[0].verified < 0);
    rap_matches_free(m);

    m = see_verified(f, strict, 1, "Where is <gus>?", 0); /* asked about by name: stays */
    assert_int_equal(m->count, 1);
    assert_string_equal(m->match[0].name, "gus");
    assert_int_equal(m->denied_count, 1);
    rap_matches_free(m);
}

static void what_is_accepted_stays(void **state)
{
    fixture *f = *state;
    const char *mild =
        tiny_with(f, "mild", "\"verify_threshold\": 0.4799,", "\"verify_threshold\": 0,");
    rap_matches *m = see_verified(f, mild, 1, NULL, 1);

    assert_int_equal(m->count, 1); /* as many as were asked for, and no more are judged */
    assert_string_equal(m->match[0].name, "duke");
    assert_true(m->match[0].verified > 0);
    assert_int_equal(m->denied_count, 0);
    rap_matches_free(m);
    m = see_verified(f, mild, 0, NULL, 0); /* the profile does not ask for it */
    assert_int_equal(m->count, 2);
    assert_true(m->match[0].verified < 0);
    rap_matches_free(m);
}

static void a_conversation_leaves_it_out_too(void **state)
{
    fixture *f = *state;
    const char *strict =
        tiny_with(f, "strict", "\"verify_threshold\": 0.4799,", "\"verify_threshold\": 1,");
    rap_options o = RAP_OPTIONS_INIT;
    rap_query q = RAP_QUERY_INIT;
    rap_answer *a = NULL;

    rap_matches_free(see_verified(f, strict, 1, NULL, 0));
    rap_close(f->r);
    o.verify = 1;
    open_rap(f, strict, "store.db", &o);
    q.image.path = source_file(SCENE);
    q.question = "Give a personalized caption of this image.";
    if (rap_ask(&a, f->r, &q, NULL, NULL) != RAP_OK)
        fail_msg("%s", rap_error(f->r));
    assert_int_equal(a->matches->count, 0);
    assert_int_equal(a->matches->denied_count, 2);
    assert_null(strstr(a->text, "<duke>"));
    rap_answer_free(a);
}

static void who_cannot_judge_says_so(void **state)
{
    fixture *f = *state;
    rap_image shown = { .path = source_file(SCENE) };
    rap_options o = RAP_OPTIONS_INIT;
    float out = 1;
    rap *r;

    o.endpoint = "http://127.0.0.1:9/v1";
    o.model = "any";
    r = open_rap(f, source_file("models/tiny"), "store.db", &o);
    remember_three(r);
    assert_int_equal(rap_verify(&out, r, "tim", &shown, whole), RAP_E_UNSUPPORTED);
    assert_non_null(strstr(rap_error(r), "endpoint"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_same_one_is_likelier_than_another),
        CASE(what_is_denied_is_left_out_and_said),
        CASE(what_is_accepted_stays),
        CASE(a_conversation_leaves_it_out_too),
        CASE(who_cannot_judge_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
