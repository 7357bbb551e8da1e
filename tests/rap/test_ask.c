/* test_ask.c: questions and conversations (src/rap/chat.c) with a ViT and a LLaVA of random weights: what
 * goes into the prompt and what is computed, not what is answered. */
#include "rap/fixture.h"

#include <math.h>

static int have_models(void)
{
    return have(VIT) && have("fixtures/vlm/random-llm.gguf");
}

static rap *open_talker(fixture *f, const char *store, const rap_options *o)
{
    const char *folder = make_profile(f, "talker", VIT, NULL);
    char *model = realpath(shared("fixtures/vlm/random-llm.gguf"), NULL);
    char *mmproj = realpath(shared("fixtures/vlm/random-mmproj.gguf"), NULL);

    write_text(path_of("%s/profile.json", folder),
               path_of("{\"name\":\"talker\",\"files\":{\"encoder\":{\"path\":\"encoder.gguf\"},"
                       "\"llm\":{\"path\":\"%s\"},\"mmproj\":{\"path\":\"%s\"}}}",
                       model, mmproj));
    free(model);
    free(mmproj);
    return open_rap(f, folder, store, o);
}

static void two_concepts(fixture *f, rap *r)
{
    assert_int_equal(remember(r, "bo", make_picture(f, "bo.png", 64, 64, 1)), RAP_OK);
    assert_int_equal(remember(r, "mug", make_picture(f, "mug.png", 64, 64, 7)), RAP_OK);
}

static rap_query query_of(const char *question, const char *picture)
{
    rap_query q = RAP_QUERY_INIT;

    q.question = question;
    q.image.path = picture;
    q.max_tokens = 4;
    return q;
}

static rap_answer *ask(rap *r, const rap_query *q)
{
    rap_answer *a = NULL;

    if (rap_ask(&a, r, q, NULL, NULL) != RAP_OK)
        fail_msg("%s", rap_error(r));
    return a;
}

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

static void a_conversation_gives_a_concept_once(void **state)
{
    fixture *f = *state;
    rap_image photo = RAP_IMAGE_INIT;
    rap_query q = query_of("Who is this?", NULL);
    rap_chat *chat = NULL;
    rap_answer *a = NULL;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    photo.path = path_of("%s/bo.png", f->folder);
    assert_int_equal(rap_chat_open(&chat, r, &photo), RAP_OK);
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(a->matches->count, 1);
    rap_answer_free(a);
    q.question = "Does bo like the mug?"; /* bo is known already, the mug is new */
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(a->matches->count, 1);
    assert_string_equal(a->matches->match[0].name, "mug");
    assert_int_equal(a->images_encoded, 1); /* the mug; the photo stands in the conversation */
    rap_answer_free(a);
    q.question = "And bo the mug?";
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(a->matches->count, 0);
    assert_int_equal(a->images_encoded, 0);
    rap_answer_free(a);
    q.image.path = photo.path;
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_E_ARGUMENT);
    rap_chat_close(chat);
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

int main(void)
{
#define WORK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WORK(a_concept_is_encoded_once),        WORK(names_alone_are_enough),
        WORK(memory_can_be_left_out_or_chosen), WORK(a_conversation_gives_a_concept_once),
        WORK(questions_that_cannot_be_asked),   WORK(a_read_only_store_still_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
