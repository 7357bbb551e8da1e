/* test_chat.c: conversations (src/rap/chat.c, given.c): photos that come and go, concepts that were given, edited or
 * forgotten, and answers that are stopped. */
#include "rap/talker.h"

static rap_answer *say(rap *r, rap_chat *chat, const rap_query *q)
{
    rap_answer *a = NULL;

    if (rap_chat_ask(&a, chat, q, NULL, NULL) != RAP_OK)
        fail_msg("%s", rap_error(r));
    return a;
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
    rap_chat_close(chat);
}

static void a_new_photo_comes_into_the_conversation(void **state)
{
    fixture *f = *state;
    rap_image photo = RAP_IMAGE_INIT;
    rap_query q = query_of("Hello?", NULL);
    rap_chat *chat = NULL;
    rap_matches *m = NULL;
    rap_answer *a;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    assert_int_equal(rap_chat_open(&chat, r, NULL), RAP_OK);
    assert_int_equal(rap_chat_see(&m, chat, 0), RAP_E_NOT_FOUND);
    assert_null(m);
    a = say(r, chat, &q);
    assert_int_equal(a->recognised, -1);
    assert_int_equal(a->images_encoded, 0);
    rap_answer_free(a);
    photo.path = path_of("%s/mug.png", f->folder);
    assert_int_equal(rap_chat_image(chat, &photo), RAP_OK);
    assert_int_equal(rap_chat_see(&m, chat, 1), RAP_OK);
    assert_int_equal(m->count, 1);
    assert_string_equal(m->match[0].name, "mug");
    rap_matches_free(m);
    q.limit = 1;
    a = say(r, chat, &q);
    assert_int_equal(a->recognised, 1);
    assert_int_equal(a->matches->count, 1);
    assert_string_equal(a->matches->match[0].name, "mug");
    assert_int_equal(a->images_encoded, 2); /* the photo and the mug */
    rap_answer_free(a);
    a = say(r, chat, &q); /* the photo is searched again, and shown once */
    assert_int_equal(a->recognised, 1);
    assert_int_equal(a->matches->count, 0);
    assert_string_equal(a->already_given[0], "mug");
    assert_int_equal(a->images_encoded, 0);
    rap_answer_free(a);
    q.image.path = path_of("%s/bo.png", f->folder); /* the same in one call */
    a = say(r, chat, &q);
    assert_string_equal(a->matches->match[0].name, "bo");
    assert_int_equal(a->images_encoded, 2);
    rap_answer_free(a);
    q.image.path = path_of("%s/none.png", f->folder); /* the photo before it stays */
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_E_NOT_FOUND);
    q.image.path = NULL;
    a = say(r, chat, &q);
    assert_string_equal(a->already_given[0], "bo");
    assert_int_equal(a->images_encoded, 0);
    rap_answer_free(a);
    assert_int_equal(rap_chat_image(chat, NULL), RAP_OK);
    a = say(r, chat, &q);
    assert_int_equal(a->recognised, -1);
    rap_answer_free(a);
    rap_chat_close(chat);
}

static void a_conversation_begins_anew(void **state)
{
    fixture *f = *state;
    rap_image photo = RAP_IMAGE_INIT;
    rap_query q = query_of("Who is this?", NULL);
    rap_chat *chat = NULL;
    rap_answer *first, *again;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    photo.path = path_of("%s/bo.png", f->folder);
    assert_int_equal(rap_chat_open(&chat, r, &photo), RAP_OK);
    first = say(r, chat, &q);
    rap_answer_free(say(r, chat, &q));
    rap_chat_restart(chat);
    again = say(r, chat, &q);
    assert_string_equal(again->text, first->text);
    assert_int_equal(again->prompt_tokens, first->prompt_tokens);
    assert_int_equal(again->matches->count, first->matches->count);
    assert_null(again->already_given[0]);
    rap_answer_free(first);
    rap_answer_free(again);
    rap_chat_restart(chat);
    rap_chat_restart(NULL);
    rap_chat_close(chat);
}

static void what_others_do_meanwhile_is_said(void **state)
{
    fixture *f = *state;
    rap_options o = RAP_OPTIONS_INIT;
    rap_query q = query_of("Do bo and the mug get along?", NULL);
    rap_change change = RAP_CHANGE_INIT;
    rap_chat *chat = NULL;
    rap_answer *a;
    rap *r, *other = NULL;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    o.profile = path_of("%s/talker", f->folder);
    o.store = path_of("%s/store.db", f->folder);
    assert_int_equal(rap_open(&other, &o), RAP_OK);
    assert_int_equal(rap_chat_open(&chat, r, NULL), RAP_OK);
    rap_answer_free(say(r, chat, &q));
    q.question = "And now?"; /* names nobody */
    a = say(r, chat, &q);
    assert_int_equal(a->matches->count, 0);
    assert_null(a->edited[0]);
    rap_answer_free(a);
    change.info = "It is another thing.";
    assert_int_equal(rap_update(other, "bo", &change), RAP_OK);
    a = say(r, chat, &q);
    assert_string_equal(a->edited[0], "bo");
    assert_null(a->edited[1]);
    assert_int_equal(a->matches->count, 1);
    assert_string_equal(a->matches->match[0].info, "It is another thing.");
    assert_int_equal(a->matches->match[0].reason, RAP_REASON_EDITED);
    rap_answer_free(a);
    a = say(r, chat, &q); /* once is enough */
    assert_int_equal(a->matches->count, 0);
    assert_null(a->edited[0]);
    rap_answer_free(a);
    change =
        (rap_change)RAP_CHANGE_INIT; /* another picture is an edit as well, a further one is not */
    change.view.path = path_of("%s/mug.png", f->folder);
    assert_int_equal(rap_update(other, "bo", &change), RAP_OK);
    a = say(r, chat, &q);
    assert_null(a->edited[0]);
    rap_answer_free(a);
    change = (rap_change)RAP_CHANGE_INIT;
    change.avatar.path = path_of("%s/mug.png", f->folder);
    assert_int_equal(rap_update(other, "bo", &change), RAP_OK);
    a = say(r, chat, &q);
    assert_string_equal(a->edited[0], "bo");
    assert_int_equal(a->images_encoded, 1);
    rap_answer_free(a);
    assert_int_equal(rap_forget(other, "bo"), RAP_OK);
    a = say(r, chat, &q);
    assert_string_equal(a->forgotten[0], "bo");
    assert_int_equal(a->matches->count, 0);
    rap_answer_free(a);
    q.question = "Where is bo?";
    a = say(r, chat, &q);
    assert_null(a->forgotten[0]);
    assert_int_equal(a->matches->count, 0);
    rap_answer_free(a);
    rap_chat_close(chat);
    rap_close(other);
}

static int count_down(void *payload)
{
    return --*(int *)payload < 0;
}

static int ignore(const char *text, size_t len, void *payload)
{
    return 0;
}

static void an_answer_can_be_stopped(void **state)
{
    fixture *f = *state;
    rap_query q = query_of("Who is bo?", NULL);
    rap_chat *chat = NULL;
    rap_answer *a = NULL, *whole = NULL;
    int calls = 0, needed = 0;
    rap *r;

    if (!have_models())
        skip();
    r = open_talker(f, "store.db", NULL);
    two_concepts(f, r);
    assert_int_equal(rap_chat_open(&chat, r, NULL), RAP_OK);
    q.max_tokens = 12;
    q.stop = count_down;
    for (int at = 0; at < 3; at++) { /* while the prompt is read: nothing was asked */
        calls = at;
        assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, &calls), RAP_E_CANCELLED);
        assert_null(a);
    }
    for (int i = 0; i < 2; i++) { /* the second time the prompt is in memory already */
        rap_answer_free(whole);
        calls = needed = 1 << 20;
        assert_int_equal(rap_chat_ask(&whole, chat, &q, NULL, &calls), RAP_OK);
        needed -= calls;
        assert_int_equal(whole->matches->count, 1);
        assert_int_equal(whole->finish, RAP_FINISH_LENGTH);
        rap_chat_restart(chat);
    }
    calls = needed - 3; /* three tokens before the end */
    assert_int_equal(rap_chat_ask(&a, chat, &q, ignore, &calls), RAP_OK);
    assert_int_equal(a->finish, RAP_FINISH_LISTENER);
    assert_true(a->answer_tokens < whole->answer_tokens);
    assert_int_equal(strncmp(whole->text, a->text, strlen(a->text)), 0);
    rap_answer_free(a);
    q.stop = NULL; /* the conversation goes on */
    q.question = "And where?";
    rap_answer_free(say(r, chat, &q));
    rap_answer_free(whole);
    rap_chat_close(chat);
}

int main(void)
{
#define WORK(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WORK(a_conversation_gives_a_concept_once),
        WORK(a_new_photo_comes_into_the_conversation),
        WORK(a_conversation_begins_anew),
        WORK(what_others_do_meanwhile_is_said),
        WORK(an_answer_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
