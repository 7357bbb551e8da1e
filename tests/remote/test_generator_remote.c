/* test_generator_remote.c: conversations with a chat endpoint that behaves, and with ones that do not
 * (src/remote/generator_remote.c). */
#include "remote/generator_remote.h"

#include "base/threads.h"
#include "image/image.h"
#include "remote/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define DELTA(content) "data: {\"choices\": [{\"delta\": {\"content\": " content "}}]}\n\n"
#define STOP "data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n"
#define USAGE                                                     \
    "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 40, " \
    "\"completion_tokens\": 5}}\n\ndata: [DONE]\n\n"
#define BO DELTA("\" This is\"") DELTA("\" <bo>.\"") STOP USAGE
#define EVENTS "text/event-stream"

typedef struct says { /* what the service answers to one request */
    int code;
    const char *type, *body, *head;
    long delay_ms;
    size_t cut;
    int drip, stall;
} says;

typedef struct fixture {
    service *s;
    const says *list; /* ended by code 0, the last one again and again */
    int from;         /* the number of the first request of the list */
    json_t *asked;    /* the last request */
    char url[64];
    generator_remote_options set;
    generator *g;
    conversation *talk;
    session_answer reply;
    rap_err err;
    buf told;
    int tells, stop_after;
    image photo, avatar;
} fixture;

static void answer(service_answer *out, const service_request *r, void *payload)
{
    fixture *f = payload;
    const says *now = f->list;

    for (int i = f->from; i < r->number && now[1].code; i++)
        now++;
    json_decref(f->asked);
    f->asked = json_loadb(r->body, r->body_size, 0, NULL);
    out->code = now->code;
    out->type = now->type ? now->type : "application/json";
    out->head = now->head ? now->head : "";
    buf_puts(&out->body, now->body ? now->body : "");
    out->delay_ms = now->delay_ms;
    out->cut = now->cut;
    out->drip = now->drip;
    out->stall = now->stall;
}

static int on_token(const char *text, size_t size, void *payload)
{
    fixture *f = payload;

    buf_add(&f->told, text, size);
    return ++f->tells == f->stop_after;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    unsetenv("RAP_API_KEY");
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    f->s = service_start(answer, f);
    assert_non_null(f->s);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", service_port(f->s));
    f->set = (generator_remote_options){ .endpoint = { .url = f->url,
                                                       .silence_seconds = 1,
                                                       .whole_seconds = 20,
                                                       .attempts = 2,
                                                       .first_pause_ms = 10 },
                                         .model = "m" };
    assert_int_equal(image_new(&f->photo, 2400, 1200, NULL), RAP_OK);
    assert_int_equal(image_new(&f->avatar, 90, 60, NULL), RAP_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    conversation_close(f->talk);
    generator_close(f->g);
    session_answer_release(&f->reply);
    service_stop(f->s);
    json_decref(f->asked);
    buf_release(&f->told);
    image_release(&f->photo);
    image_release(&f->avatar);
    free(f);
    unsetenv("RAP_API_KEY");
    return 0;
}

static void start(fixture *f)
{
    assert_int_equal(generator_open_remote(&f->g, &f->set, &f->err), RAP_OK);
    assert_int_equal(conversation_open(&f->talk, f->g, &f->err), RAP_OK);
}

static rap_status ask_turn(fixture *f, const says *list, session_turn *turn)
{
    if (!f->talk)
        start(f);
    f->list = list;
    f->from = service_requests(f->s);
    f->tells = 0;
    buf_clear(&f->told);
    err_clear(&f->err);
    session_answer_release(&f->reply);
    turn->on_token = on_token;
    turn->payload = f;
    return conversation_ask(f->talk, turn, &f->reply, &f->err);
}

static rap_status ask(fixture *f, const says *list, const char *question)
{
    session_turn turn = { .question = question, .max_tokens = 50 };

    return ask_turn(f, list, &turn);
}

static void assert_says(const fixture *f, const char *what)
{
    if (!strstr(f->err.text, what))
        fail_msg("'%s' does not say '%s'", f->err.text, what);
    assert_null(strchr(f->err.text, '\n'));
}

static const json_t *message(const fixture *f, size_t i)
{
    return json_array_get(json_object_get(f->asked, "messages"), i);
}

static size_t messages(const fixture *f)
{
    return json_array_size(json_object_get(f->asked, "messages"));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "(none)";
}

static const json_t *part(const fixture *f, size_t i, size_t at)
{
    return json_array_get(json_object_get(message(f, i), "content"), at);
}

/* The next question is answered, and the request has so many messages. */
static void assert_goes_on(fixture *f, size_t count)
{
    static const says good[] = { { 200, .type = EVENTS, .body = BO }, { 0 } };

    assert_int_equal(ask(f, good, "And now?"), RAP_OK);
    assert_string_equal(f->reply.text, "This is <bo>.");
    assert_int_equal(messages(f), count);
    assert_string_equal(text_of(message(f, count - 1), "content"), "And now?");
}

/* ---- what goes out, and what comes back ---- */

static void sends_the_personal_conversation(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO, .drip = 1 }, { 0 } };
    const prompt_concept concept[] = { { "bo", "<bo> is a dog.", 1 }, { "mug", "It is blue.", 1 } };
    const session_picture photo = { .pixels = &f->photo };
    const session_picture shown[] = { { .pixels = &f->avatar }, { NULL, NULL, 0 } };
    session_turn turn = { .query = &photo,
                          .concept = concept,
                          .concept_picture = shown,
                          .concepts = 2,
                          .question = "Who is this?",
                          .max_tokens = 50 };

    f->set.system = "Be brief.";
    assert_int_equal(ask_turn(f, list, &turn), RAP_OK);
    assert_string_equal(f->reply.text, "This is <bo>.");
    assert_string_equal(buf_text(&f->told), "This is <bo>.");
    assert_true(f->tells >= 2);
    assert_int_equal(f->reply.finish, RAP_FINISH_STOP);
    assert_int_equal(f->reply.prompt_tokens, 40);
    assert_int_equal(f->reply.answer_tokens, 5);
    assert_true(f->reply.first_token_ms > 0);
    assert_string_equal(text_of(f->asked, "model"), "m");
    assert_int_equal(json_integer_value(json_object_get(f->asked, "max_tokens")), 50);
    assert_int_equal(messages(f), 2);
    assert_string_equal(text_of(message(f, 0), "role"), "system");
    assert_string_equal(text_of(message(f, 0), "content"), "Be brief.");
    assert_string_equal(text_of(part(f, 1, 0), "type"), "image_url");
    assert_string_equal(text_of(part(f, 1, 1), "text"), "\n[1.");
    assert_string_equal(text_of(part(f, 1, 2), "type"), "image_url");
    assert_string_equal(text_of(part(f, 1, 3), "text"),
                        "\n Name: <bo>, Info: <bo> is a dog.\n2. Name: <mug>, Info: It is blue.\n]"
                        "Who is this?");
    assert_null(part(f, 1, 4));
}

static size_t longer_side(const json_t *image_part)
{
    const char *uri = text_of(json_object_get(image_part, "image_url"), "url");
    const char prefix[] = "data:image/jpeg;base64,";
    unsigned char *bytes = malloc(strlen(uri));
    size_t size = 0, side;
    unsigned held = 0, bits = 0;
    image im = { 0 };

    assert_memory_equal(uri, prefix, sizeof prefix - 1);
    for (const char *c = uri + sizeof prefix - 1; *c && *c != '='; c++) {
        const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        held = held << 6 | (unsigned)(strchr(digits, *c) - digits);
        if ((bits += 6) >= 8)
            bytes[size++] = (unsigned char)(held >> (bits -= 8));
    }
    assert_int_equal(image_decode(&im, bytes, size, "what was sent", NULL), RAP_OK);
    side = (size_t)(im.width > im.height ? im.width : im.height);
    image_release(&im);
    free(bytes);
    return side;
}

static void pictures_have_the_stated_size(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO }, { 0 } };
    const prompt_concept concept[] = { { "bo", "", 1 }, { "mug", "", 1 } };
    const session_picture photo = { .pixels = &f->photo };
    const session_picture shown[] = { { .pixels = &f->avatar }, { .pixels = &f->photo } };
    session_turn turn = { .query = &photo,
                          .concept = concept,
                          .concept_picture = shown,
                          .concepts = 2,
                          .question = "?" };

    assert_int_equal(ask_turn(f, list, &turn), RAP_OK);
    assert_int_equal(longer_side(part(f, 0, 0)), REMOTE_PHOTO_SIDE);
    assert_int_equal(longer_side(part(f, 0, 2)), 90); /* never enlarged */
    assert_int_equal(longer_side(part(f, 0, 4)), REMOTE_CONCEPT_SIDE);
    conversation_close(f->talk);
    generator_close(f->g);
    f->talk = NULL;
    f->g = NULL;
    f->set.photo_side = 300;
    assert_int_equal(ask_turn(f, list, &turn), RAP_OK);
    assert_int_equal(longer_side(part(f, 0, 0)), 300);
}

static void memory_first_puts_concepts_in_front_by_name(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO }, { 0 } };
    const prompt_concept concept[] = { { "mug", "blue", 1 }, { "bo", "a dog", 1 } };
    const session_picture photo = { .pixels = &f->photo };
    const session_picture shown[] = { { .pixels = &f->photo }, { .pixels = &f->avatar } };
    session_turn turn = { .query = &photo,
                          .concept = concept,
                          .concept_picture = shown,
                          .concepts = 2,
                          .question = "?" };

    f->set.memory_first = 1;
    assert_int_equal(ask_turn(f, list, &turn), RAP_OK);
    assert_string_equal(text_of(part(f, 0, 0), "text"), "[1.");
    assert_int_equal(longer_side(part(f, 0, 1)), 90); /* bo's */
    assert_string_equal(text_of(part(f, 0, 2), "text"), "\n Name: <bo>, Info: a dog\n2.");
    assert_int_equal(longer_side(part(f, 0, 3)), REMOTE_CONCEPT_SIDE);
    assert_string_equal(text_of(part(f, 0, 4), "text"), "\n Name: <mug>, Info: blue\n]");
    assert_int_equal(longer_side(part(f, 0, 5)), REMOTE_PHOTO_SIDE);
    assert_string_equal(text_of(part(f, 0, 6), "text"), "\n?");
}

static void each_turn_carries_those_before(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO }, { 0 } };

    assert_int_equal(ask(f, list, "Who?"), RAP_OK);
    assert_goes_on(f, 3);
    assert_string_equal(text_of(message(f, 0), "content"), "Who?");
    assert_string_equal(text_of(message(f, 1), "role"), "assistant");
    assert_string_equal(text_of(message(f, 1), "content"), "This is <bo>.");
}

static void sampling_goes_along_only_when_asked_for(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO }, { 0 } };
    session_turn turn = { .question = "Who?",
                          .sampling = { .temperature = 0.5f, .top_p = 0.75f, .seed = 9 } };

    assert_int_equal(ask_turn(f, list, &turn), RAP_OK);
    assert_true(json_real_value(json_object_get(f->asked, "temperature")) == 0.5);
    assert_true(json_real_value(json_object_get(f->asked, "top_p")) == 0.75);
    assert_int_equal(json_integer_value(json_object_get(f->asked, "seed")), 9);
    assert_null(json_object_get(f->asked, "max_tokens"));
    turn.sampling.temperature = 0;
    assert_int_equal(ask_turn(f, list, &turn), RAP_OK);
    assert_true(json_number_value(json_object_get(f->asked, "temperature")) == 0);
    assert_null(json_object_get(f->asked, "top_p"));
    assert_null(json_object_get(f->asked, "seed"));
    turn.sampling.top_k = 5;
    assert_int_equal(ask_turn(f, list, &turn), RAP_E_UNSUPPORTED);
    assert_says(f, "top-k");
    turn.sampling = (sampling){ .repeat_penalty = 1.2f };
    assert_int_equal(ask_turn(f, list, &turn), RAP_E_UNSUPPORTED);
    assert_says(f, "repeat penalty");
    turn.sampling = (sampling){ 0 };
    turn.concept_budget = 10;
    assert_int_equal(ask_turn(f, list, &turn), RAP_E_UNSUPPORTED);
    assert_says(f, "concept budget");
    assert_int_equal(service_requests(f->s), 2);
}

static void a_listener_stops_the_answer(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO, .drip = 1 }, { 0 } };

    f->stop_after = 1;
    assert_int_equal(ask(f, list, "Who?"), RAP_OK);
    assert_int_equal(f->reply.finish, RAP_FINISH_LISTENER);
    assert_string_equal(f->reply.text, "This is");
    f->stop_after = 0;
    assert_goes_on(f, 3);
    assert_string_equal(text_of(message(f, 1), "content"), "This is");
}

static void a_full_answer_says_so(void **state)
{
    fixture *f = *state;
    const says list[] = {
        { 200,
          .body =
              "{\"choices\":[{\"message\":{\"content\":\"A\"},\"finish_reason\":\"length\"}]}" },
        { 0 }
    };

    assert_int_equal(ask(f, list, "Who?"), RAP_OK);
    assert_int_equal(f->reply.finish, RAP_FINISH_LENGTH);
    assert_int_equal(f->reply.prompt_tokens, -1);
}

/* ---- servers that do not behave ---- */

static void a_slow_server_is_waited_for_and_given_up(void **state)
{
    fixture *f = *state;
    const says slow[] = { { 200, .type = EVENTS, .body = BO, .delay_ms = 400 }, { 0 } };
    const says silent[] = { { 200, .type = EVENTS, .body = BO, .delay_ms = 8000 }, { 0 } };
    double before;

    assert_int_equal(ask(f, slow, "Who?"), RAP_OK);
    assert_true(f->reply.first_token_ms >= 300);
    f->set.endpoint.attempts = -1;
    conversation_close(f->talk);
    generator_close(f->g);
    start(f);
    before = clock_ms();
    assert_int_equal(ask(f, silent, "Who?"), RAP_E_IO);
    assert_true(clock_ms() - before < 6000);
    assert_goes_on(f, 1);
}

static void an_answer_that_is_cut_off_is_an_error(void **state)
{
    fixture *f = *state;
    const says list[] = {
        { 200, .type = EVENTS, .body = BO, .cut = sizeof DELTA("\" This is\"") + 5 }, { 0 }
    };

    assert_int_equal(ask(f, list, "Who?"), RAP_E_IO);
    assert_says(f, "cut off");
    assert_string_equal(buf_text(&f->told), "This is");
    assert_null(f->reply.text);
    assert_int_equal(service_requests(f->s), 1); /* what was said cannot be taken back */
    assert_goes_on(f, 1);
}

static void without_a_listener_a_cut_answer_is_asked_for_again(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = EVENTS, .body = BO,
                            .cut = sizeof DELTA("\" This is\"") + 5 },
                          { 200, .type = EVENTS, .body = BO },
                          { 0 } };
    session_turn turn = { .question = "Who?" };

    start(f);
    f->list = list;
    assert_int_equal(conversation_ask(f->talk, &turn, &f->reply, &f->err), RAP_OK);
    assert_string_equal(f->reply.text, "This is <bo>.");
    assert_int_equal(service_requests(f->s), 2);
}

static void nonsense_is_an_error(void **state)
{
    fixture *f = *state;
    const says page[] = {
        { 200, .type = "text/html", .body = "<html><title>Welcome</title></html>" }, { 0 }
    };
    const says other[] = { { 200, .body = "{\"hello\": 1}" }, { 0 } };
    const says event[] = { { 200, .type = EVENTS, .body = "data: {]}\n\n" }, { 0 } };
    const says empty[] = { { 200, .type = EVENTS, .body = STOP }, { 0 } };
    const says thinking[] = {
        { 200,
          .body = "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}" },
        { 0 }
    };

    assert_int_equal(ask(f, page, "Who?"), RAP_E_FORMAT);
    assert_int_equal(ask(f, other, "Who?"), RAP_E_FORMAT);
    assert_says(f, "choices");
    assert_int_equal(ask(f, event, "Who?"), RAP_E_FORMAT);
    assert_int_equal(ask(f, empty, "Who?"), RAP_E_FORMAT);
    assert_says(f, "the answer of m is empty");
    assert_int_equal(ask(f, thinking, "Who?"), RAP_E_FORMAT);
    assert_says(f, "allow it more tokens");
    assert_goes_on(f, 1);
}

static void a_wrong_key_is_said_and_not_shown(void **state)
{
    fixture *f = *state;
    const says list[] = {
        { 401, .body = "{\"error\": {\"message\": \"Incorrect key sk-secret\\u000aGo away\"}}" },
        { 0 }
    };

    setenv("RAP_API_KEY", "sk-secret", 1);
    assert_int_equal(ask(f, list, "Who?"), RAP_E_ARGUMENT);
    assert_says(f, "401: Incorrect key ***");
    assert_null(strstr(f->err.text, "sk-secret"));
    assert_int_equal(service_requests(f->s), 1);
    assert_goes_on(f, 1);
}

static void a_busy_server_is_asked_again_when_it_says(void **state)
{
    fixture *f = *state;
    const says later[] = { { 429, .body = "{\"error\": {\"message\": \"slow down\"}}",
                             .head = "Retry-After: 1\r\n" },
                           { 200, .type = EVENTS, .body = BO },
                           { 0 } };
    const says never[] = { { 429, .body = "{\"error\": {\"message\": \"slow down\"}}" }, { 0 } };
    double before = clock_ms();

    assert_int_equal(ask(f, later, "Who?"), RAP_OK);
    assert_true(clock_ms() - before >= 990);
    assert_int_equal(ask(f, never, "Who?"), RAP_E_BUSY);
    assert_says(f, "429, too many requests: slow down");
    assert_int_equal(service_requests(f->s), 2 + 3);
    assert_goes_on(f, 3);
}

static void a_failing_server_is_tried_again(void **state)
{
    fixture *f = *state;
    const says once[] = { { 500, .body = "" }, { 200, .type = EVENTS, .body = BO }, { 0 } };
    const says always[] = { { 500, .body = "{\"error\": \"out of memory\"}" }, { 0 } };

    assert_int_equal(ask(f, once, "Who?"), RAP_OK);
    assert_int_equal(ask(f, always, "Who?"), RAP_E_IO);
    assert_says(f, "the server answered 500: out of memory");
    assert_int_equal(service_requests(f->s), 2 + 3);
    assert_goes_on(f, 3);
}

static void a_photo_is_sent_again_after_a_failure(void **state)
{
    fixture *f = *state;
    const says bad[] = { { 400, .body = "{\"error\": {\"message\": \"too long\"}}" }, { 0 } };
    const says good[] = { { 200, .type = EVENTS, .body = BO }, { 0 } };
    const session_picture photo = { .pixels = &f->photo };
    session_turn turn = { .query = &photo, .question = "Who?" };

    assert_int_equal(ask_turn(f, bad, &turn), RAP_E_IO);
    assert_says(f, "too long");
    assert_int_equal(ask_turn(f, good, &turn), RAP_OK);
    assert_int_equal(messages(f), 1);
    assert_string_equal(text_of(part(f, 0, 0), "type"), "image_url");
}

static void what_cannot_be_used_is_found_on_opening(void **state)
{
    fixture *f = *state;

    f->set.endpoint.url = "ftp://host/v1";
    assert_int_equal(generator_open_remote(&f->g, &f->set, &f->err), RAP_E_ARGUMENT);
    assert_null(f->g);
    assert_says(f, "ftp://host/v1");
    f->set.endpoint.url = f->url;
    setenv("RAP_API_KEY", "sk\r\nX: 1", 1);
    assert_int_equal(generator_open_remote(&f->g, &f->set, &f->err), RAP_E_ARGUMENT);
    assert_says(f, "RAP_API_KEY");
    unsetenv("RAP_API_KEY");
    start(f);
    assert_true(generator_has_vision(f->g));
    assert_false(generator_encodes(f->g));
    assert_non_null(strstr(generator_fingerprint(f->g), "m at http://127.0.0.1"));
    assert_int_equal(ask(f, NULL, ""), RAP_E_ARGUMENT);
    assert_int_equal(service_requests(f->s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(sends_the_personal_conversation),
        TEST(pictures_have_the_stated_size),
        TEST(memory_first_puts_concepts_in_front_by_name),
        TEST(each_turn_carries_those_before),
        TEST(sampling_goes_along_only_when_asked_for),
        TEST(a_listener_stops_the_answer),
        TEST(a_full_answer_says_so),
        TEST(a_slow_server_is_waited_for_and_given_up),
        TEST(an_answer_that_is_cut_off_is_an_error),
        TEST(without_a_listener_a_cut_answer_is_asked_for_again),
        TEST(nonsense_is_an_error),
        TEST(a_wrong_key_is_said_and_not_shown),
        TEST(a_busy_server_is_asked_again_when_it_says),
        TEST(a_failing_server_is_tried_again),
        TEST(a_photo_is_sent_again_after_a_failure),
        TEST(what_cannot_be_used_is_found_on_opening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
