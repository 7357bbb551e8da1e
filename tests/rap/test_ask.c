/* test_ask.c: questions (src/rap/ask.c, src/rap/chat.c; conversations: test_chat.c) with a ViT and a LLaVA of random weights: what
 * goes into the prompt and what is computed, not what is answered. */
#include "rap/talker.h"

#include <math.h>

static void a_concept_is_encoded_once(void **state)
{
    fixture *f = *state;
    rap_query q = query_of("Who is this?", NULL);
    rap_answer *a;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    q.image.path = path_of("%s/bo.png", f->folder);
    a = ask(r, &q);
    assert_int_equal(a->matches->count, 1);
    assert_string_equal(a->matches->match[0].name, "bo");
    assert_int_equal(a->images_encoded, 2); /* the photo and bo */
    assert_true(a->first_token_ms >= a->retrieve_ms);
    assert_true(a->total_ms >= a->first_token_ms);
    rap_answer_free(a);
    a = ask(r, &q);
    assert_int_equal(a->images_encoded, 1); /* bo's tokens were kept */
    rap_answer_free(a);
    rap_close(r);
    r = open_talker(f, "store.db", NULL); /* also by a later process */
    a = ask(r, &q);
    assert_int_equal(a->images_encoded, 1);
    rap_answer_free(a);
}

static void names_alone_are_enough(void **state)
{
    fixture *f = *state;
    rap_query q = query_of("Have bo and the MUG met?", NULL);
    rap_answer *a;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    a = ask(r, &q);
    assert_int_equal(a->matches->count, 2);
    assert_string_equal(a->matches->match[0].name, "bo");
    assert_string_equal(a->matches->match[1].name, "mug");
    rap_answer_free(a);
    q.question = "Does anybody know?";
    a = ask(r, &q);
    assert_int_equal(a->matches->count, 0);
    assert_int_equal(a->images_encoded, 0);
    rap_answer_free(a);
}

static void memory_can_be_left_out_or_chosen(void **state)
{
    fixture *f = *state;
    const char *const only[] = { "mug", NULL };
    const char *const nobody[] = { "nobody", NULL };
    rap_query q = query_of("Who is bo?", NULL);
    rap_answer *a = NULL;
    int tokens;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    q.image.path = path_of("%s/bo.png", f->folder);
    q.no_memory = 1;
    a = ask(r, &q);
    assert_int_equal(a->matches->count, 0);
    assert_int_equal(a->images_encoded, 1);
    rap_answer_free(a);
    q.no_memory = 0;
    q.only = only;
    a = ask(r, &q);
    assert_int_equal(a->matches->count, 1);
    assert_string_equal(a->matches->match[0].name, "mug");
    tokens = a->prompt_tokens;
    rap_answer_free(a);
    q.no_avatars = 1; /* its text stays */
    a = ask(r, &q);
    assert_int_equal(a->matches->count, 1);
    assert_int_equal(a->images_encoded, 1); /* the photo */
    assert_true(a->prompt_tokens < tokens);
    rap_answer_free(a);
    q.only = nobody;
    a = NULL;
    assert_int_equal(rap_ask(&a, r, &q, NULL, NULL), RAP_E_NOT_FOUND);
    assert_null(a);
    assert_non_null(strstr(rap_error(r), "nobody"));
}

static void questions_that_cannot_be_asked(void **state)
{
    fixture *f = *state;
    rap_query q = query_of("", NULL);
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_ARGUMENT);
    q.question = "\xff";
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_ARGUMENT);
    q = query_of("Why?", path_of("%s/none.png", f->folder));
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_NOT_FOUND);
    q = query_of("Why?", NULL);
    q.temperature = NAN;
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_ARGUMENT);
    q = query_of("Is <image> a </s> or a <__media__>?", NULL);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_OK);
}

static void a_read_only_store_still_answers(void **state)
{
    fixture *f = *state;
    rap_options o = RAP_OPTIONS_INIT;
    rap_query q = query_of("Who is bo?", NULL);
    rap_answer *a;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    rap_close(r);
    o.store_use = RAP_STORE_READ;
    r = open_talker(f, "store.db", &o);
    for (int i = 0; i < 2; i++) { /* nothing is kept, so bo is encoded each time */
        a = ask(r, &q);
        assert_int_equal(a->images_encoded, 1);
        rap_answer_free(a);
    }
}

static void as_many_concepts_as_a_question_may_have(void **state)
{
    fixture *f = *state;
    rap_query q = query_of(NULL, NULL);
    char question[400] = "Do they know each other:";
    rap_answer *a;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    for (int i = 0; i < 18; i++) {
        const char *name = path_of("bo%d", i);

        assert_int_equal(remember(r, name, make_picture(f, "bo.png", 64, 64, (unsigned)i)), RAP_OK);
        snprintf(question + strlen(question), sizeof question - strlen(question), " %s", name);
    }
    q.question = question;
    q.limit = RAP_MOST_CONCEPTS + 1;
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_LIMIT);
    assert_non_null(strstr(rap_error(r), "0 to 16, got 17"));
    q.limit = RAP_MOST_CONCEPTS;
    a = ask(r, &q);
    assert_int_equal(a->matches->count + (size_t)a->dropped, 16);
    assert_int_equal(a->images_encoded, 16);
    rap_answer_free(a);
    a = ask(r, &q); /* all of them were cached */
    assert_int_equal(a->images_encoded, 0);
    rap_answer_free(a);
}

static void the_least_certain_are_left_out(void **state)
{
    fixture *f = *state;
    rap_query q = query_of("Do bo and the mug look like this?", NULL);
    rap_answer *a;
    int whole, texts;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    assert_int_equal(remember(r, "cup", make_picture(f, "cup.png", 64, 64, 3)), RAP_OK);
    q.image.path = path_of("%s/cup.png", f->folder);
    a = ask(r, &q); /* bo and the mug by name, then the cup */
    assert_int_equal(a->matches->count, 3);
    assert_null(a->dropped_names[0]);
    assert_null(a->without_picture[0]);
    whole = a->prompt_tokens;
    rap_answer_free(a);
    q.no_avatars = 1;
    a = ask(r, &q);
    assert_int_equal(a->pictures_dropped, 0); /* none was wanted */
    texts = a->prompt_tokens;
    rap_answer_free(a);
    q.no_avatars = 0;
    q.only = (const char *const[]){ NULL };
    a = ask(r, &q);
    q.only = NULL;
    q.concept_budget = whole - a->prompt_tokens - 1; /* a picture too much */
    texts -= a->prompt_tokens;
    rap_answer_free(a);
    a = ask(r, &q);
    assert_int_equal(a->pictures_dropped, 1);
    assert_string_equal(a->without_picture[0], "cup");
    assert_null(a->without_picture[1]);
    assert_int_equal(a->matches->count, 3);
    rap_answer_free(a);
    q.concept_budget = texts - 1; /* no picture fits, nor every text */
    a = ask(r, &q);
    assert_int_equal(a->dropped, 1);
    assert_string_equal(a->dropped_names[0], "cup");
    assert_int_equal(a->pictures_dropped, 2);
    assert_string_equal(a->without_picture[0], "bo");
    assert_string_equal(a->without_picture[1], "mug");
    assert_int_equal(a->matches->count, 2);
    assert_string_equal(a->matches->match[1].name, "mug");
    rap_answer_free(a);
}

static void an_answer_says_what_it_rests_on(void **state)
{
    fixture *f = *state;
    rap_query q = query_of("Who is this?", NULL);
    rap_answer *a;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    q.image.path = make_picture(f, "bo.png", 64, 64, 1);
    a = ask(r, &q); /* the store is empty */
    assert_int_equal(a->recognised, 0);
    assert_int_equal(a->matches->count, 0);
    assert_string_equal(a->profile, "talker");
    assert_string_equal(a->model, "random-llm.gguf");
    assert_null(a->used[0]);
    rap_answer_free(a);
    two_concepts(f, r);
    a = ask(r, &q);
    assert_int_equal(a->recognised, 1);
    rap_answer_free(a);
    q.no_memory = 1;
    a = ask(r, &q);
    assert_int_equal(a->recognised, -1);
    rap_answer_free(a);
    q.no_memory = 0;
    q.image.path = NULL;
    a = ask(r, &q);
    assert_int_equal(a->recognised, -1);
    rap_answer_free(a);
}

int main(void)
{
#define WORK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WORK(a_concept_is_encoded_once),        WORK(names_alone_are_enough),
        WORK(memory_can_be_left_out_or_chosen), WORK(questions_that_cannot_be_asked),
        WORK(a_read_only_store_still_answers),  WORK(as_many_concepts_as_a_question_may_have),
        WORK(the_least_certain_are_left_out),   WORK(an_answer_says_what_it_rests_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
