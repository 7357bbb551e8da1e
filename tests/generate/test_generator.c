/* test_generator.c: a local model behind the interface of all generators, and what a kind that takes pictures as they are
 * answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "generate/generator_local.h"

static void a_local_model_answers(void **state)
{
    const prompt_concept bo = { "bo", "<bo> is a dog.", 1 };
    session_turn turn = { .concept = &bo, .concepts = 1, .question = "Who?", .max_tokens = 4 };
    vlm_options o = { .style = "rap", .turns = rap_turns, .threads = 2 };
    session_picture photo, known;
    session_answer answer;
    conversation *c = NULL;
    generator *g = NULL;
    float *tokens = NULL;
    size_t floats = 0;
    image im;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    im = make_picture(50, 40, 2);
    o.model = p.model;
    o.mmproj = p.mmproj;
    assert_int_equal(generator_open_local(&g, &o, NULL), RAP_OK);
    assert_true(generator_has_vision(g));
    assert_true(generator_encodes(g));
    assert_int_equal(strlen(generator_fingerprint(g)), 64);
    assert_int_equal(generator_encode(g, &im, &tokens, &floats, NULL), RAP_OK);
    assert_true(generator_fits(g, tokens, floats));
    assert_false(generator_fits(g, tokens, floats - 1));

    photo = (session_picture){ .pixels = &im };
    known = (session_picture){ .tokens = tokens, .floats = floats };
    turn.query = &photo;
    turn.concept_picture = &known;
    assert_int_equal(conversation_open(&c, g, NULL), RAP_OK);
    assert_int_equal(conversation_ask(c, &turn, &answer, NULL), RAP_OK);
    assert_int_equal(answer.images_encoded, 1);
    session_answer_release(&answer);
    conversation_close(c);
    generator_close(g);
    free(tokens);
    free(im.rgb);
}

static void what_cannot_be_opened_is_said(void **state)
{
    const vlm_options o = { .model = "/nowhere/model.gguf" };
    rap_err err = { 0 };
    generator *g = NULL;

    assert_int_equal(generator_open_local(&g, &o, &err), RAP_E_NOT_FOUND);
    assert_null(g);
    assert_non_null(strstr(err.text, "/nowhere/model.gguf"));
    generator_close(NULL);
    conversation_close(NULL);
}

static void a_kind_may_take_pictures_as_they_are(void **state)
{
    static const generator_kind plain = { .close = NULL };
    generator g = { &plain };
    image im = { 0 };
    float *tokens = NULL;
    size_t floats = 0;

    assert_false(generator_encodes(&g));
    assert_false(generator_fits(&g, tokens, floats));
    assert_int_equal(generator_encode(&g, &im, &tokens, &floats, NULL), RAP_E_UNSUPPORTED);
    assert_null(tokens);
}

/* What the model would say next is weighed; nothing is said by that. */
static void two_words_are_weighed(void **state)
{
    const choice between = { "Yes", "No" }, turned = { "No", "Yes" }, one = { "Yes", "yes" };
    session_turn turn = { .question = "Is there a red thing in this image?", .max_tokens = 4 };
    vlm_options o = { .style = "rap", .turns = rap_turns, .threads = 2 };
    session_answer first, again;
    conversation *c = NULL;
    generator *g = NULL;
    rap_err err = { 0 };
    double yes = -1, no = -1;
    image im;
    session_picture photo = { .pixels = &im };
    pair p;

    if (!find_pair(&p, "tiny"))
        return;
    im = make_picture(160, 160, 2);
    turn.query = &photo;
    o.model = p.model;
    o.mmproj = p.mmproj;
    assert_int_equal(generator_open_local(&g, &o, NULL), RAP_OK);
    assert_true(generator_judges(g));
    assert_int_equal(conversation_open(&c, g, NULL), RAP_OK);
    assert_int_equal(conversation_ask(c, &turn, &first, NULL), RAP_OK);
    conversation_close(c);

    assert_int_equal(conversation_open(&c, g, NULL), RAP_OK);
    assert_int_equal(conversation_judge(c, &turn, &between, &yes, NULL), RAP_OK);
    assert_int_equal(conversation_judge(c, &turn, &turned, &no, NULL), RAP_OK);
    assert_true(yes > 0 && yes < 1 && yes + no > 0.9999 && yes + no < 1.0001);
    assert_int_equal(conversation_judge(c, &turn, &one, &no, &err), RAP_E_UNSUPPORTED);
    assert_int_equal(conversation_ask(c, &turn, &again, NULL),
                     RAP_OK); /* as if for the first time */
    assert_string_equal(again.text, first.text);
    assert_int_equal(again.prompt_tokens, first.prompt_tokens);
    assert_string_equal(first.text, yes > 0.5 ? "Yes" : "No");
    turn.question = "Who?"; /* and in a later turn */
    turn.query = NULL;
    assert_int_equal(conversation_judge(c, &turn, &between, &yes, NULL), RAP_OK);
    session_answer_release(&first);
    session_answer_release(&again);
    conversation_close(c);
    generator_close(g);
    free(im.rgb);
}

static void a_kind_may_not_tell_probabilities(void **state)
{
    static const generator_kind plain = { .close = NULL };
    const choice between = { "Yes", "No" };
    const session_turn turn = { .question = "Is it?" };
    generator g = { &plain };
    conversation c = { &plain };
    rap_err err = { 0 };
    double yes = 1;

    assert_false(generator_judges(&g));
    assert_int_equal(conversation_judge(&c, &turn, &between, &yes, &err), RAP_E_UNSUPPORTED);
    assert_true(yes == 0);
    assert_non_null(strstr(err.text, "endpoint"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_model_answers),
        cmocka_unit_test(what_cannot_be_opened_is_said),
        cmocka_unit_test(a_kind_may_take_pictures_as_they_are),
        cmocka_unit_test(two_words_are_weighed),
        cmocka_unit_test(a_kind_may_not_tell_probabilities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
