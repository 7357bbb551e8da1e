/* test_chat.c: questions to a chat endpoint that behaves, and to ones that do not (src/remote/chat.c). */
#include "remote/chat.h"

#include "base/base64.h"
#include "base/threads.h"
#include "image/image.h"
#include "remote/picture.h"
#include "remote/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define WHOLE(content)                                                            \
    "{\"model\": \"m-1\", \"choices\": [{\"message\": {\"role\": \"assistant\", " \
    "\"content\": " content                                                       \
    "}, \"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\": 12, "       \
    "\"completion_tokens\": 3}}"
#define DELTA(content) "data: {\"choices\": [{\"delta\": {\"content\": " content "}}]}\n\n"
#define STOP "data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n"

typedef struct says { /* what the service answers to one request */
    int code;
    const char *type, *head, *body;
    long delay_ms;
    size_t cut;
    int drip, stall;
} says;

typedef struct fixture {
    service *s;
    const says *list; /* ended by code 0, the last one again and again */
    char path[256], head[4096];
    json_t *asked; /* the last request */
    char url[64];
    endpoint_settings set;
    chat *c;
    chat_request request;
    chat_part part;
    chat_message message;
    chat_reply reply;
    rap_err err;
    buf told;
    int tells, stop_after, pauses, asked_pauses, begun;
    long last_pause;
    double cancel_at;
} fixture;

static void answer(service_answer *out, const service_request *r, void *payload)
{
    fixture *f = payload;
    const says *now = f->list;

    for (int i = 0; i < r->number && now[1].code; i++)
        now++;
    snprintf(f->path, sizeof f->path, "%s", r->path);
    snprintf(f->head, sizeof f->head, "%.*s", (int)(r->body - r->head), r->head);
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

static int cancelled(void *payload)
{
    const fixture *f = payload;

    return f->cancel_at > 0 && clock_ms() > f->cancel_at;
}

static int before(void *payload)
{
    ((fixture *)payload)->begun++;
    return 0;
}

static void on_pause(const char *why, long ms, bool asked, void *payload)
{
    fixture *f = payload;

    assert_true(strlen(why) > 0);
    f->pauses++;
    f->asked_pauses += asked;
    f->last_pause = ms;
}

static int on_text(const char *text, size_t size, void *payload)
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
    f->set = (endpoint_settings){ .url = f->url,
                                  .silence_seconds = 1,
                                  .whole_seconds = 20,
                                  .attempts = 2,
                                  .first_pause_ms = 10,
                                  .cancelled = cancelled,
                                  .before = before,
                                  .on_pause = on_pause,
                                  .payload = f };
    f->part.text = "What is it?";
    f->message = (chat_message){ "user", &f->part, 1 };
    f->request = (chat_request){ .model = "m", .message = &f->message, .messages = 1 };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    chat_close(f->c);
    chat_reply_release(&f->reply);
    service_stop(f->s);
    json_decref(f->asked);
    buf_release(&f->told);
    free(f);
    unsetenv("RAP_API_KEY");
    return 0;
}

static rap_status ask(fixture *f, const says *list)
{
    rap_status status = RAP_OK;

    f->list = list;
    f->err = (rap_err){ 0 };
    if (!f->c)
        status = chat_open(&f->c, &f->set, &f->err);
    chat_reply_release(&f->reply);
    return status == RAP_OK ? chat_ask(&f->reply, f->c, &f->request, &f->err) : status;
}

static void assert_says(const fixture *f, const char *what)
{
    if (!strstr(f->err.text, what))
        fail_msg("'%s' does not say '%s'", f->err.text, what);
}

/* ---- servers that behave ---- */

static void asks_and_reads_a_whole_answer(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .body = WHOLE("\"A dog.\"") }, { 0 } };
    const double cold = 0;
    const int64_t seed = 7;

    setenv("RAP_API_KEY", "sk-secret", 1);
    f->request.temperature = &cold;
    f->request.seed = &seed;
    f->request.max_tokens = 50;
    f->request.json = true;
    assert_int_equal(ask(f, list), RAP_OK);
    assert_string_equal(f->reply.text, "A dog.");
    assert_string_equal(f->reply.finish, "stop");
    assert_string_equal(f->reply.model, "m-1");
    assert_int_equal(f->reply.prompt_tokens, 12);
    assert_int_equal(f->reply.answer_tokens, 3);
    assert_string_equal(f->path, "/v1/chat/completions");
    assert_non_null(strstr(f->head, "Authorization: Bearer sk-secret\r\n"));
    assert_string_equal(json_string_value(json_object_get(f->asked, "model")), "m");
    assert_int_equal(json_integer_value(json_object_get(f->asked, "max_tokens")), 50);
    assert_int_equal(json_integer_value(json_object_get(f->asked, "seed")), 7);
    assert_non_null(json_object_get(f->asked, "temperature"));
    assert_non_null(json_object_get(f->asked, "response_format"));
}

static void sends_pictures_downscaled(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .body = WHOLE("\"ok\"") }, { 0 } };
    char path[] = "/tmp/rap-chat-XXXXXX.png";
    image im = { 0 };
    remote_picture p = { 0 };
    buf back = BUF_INIT;
    chat_part parts[2] = { { .text = "Look:" } };
    const char *uri, prefix[] = "data:image/jpeg;base64,";

    close(mkstemps(path, 4));
    assert_int_equal(image_new(&im, 800, 400, NULL), RAP_OK);
    assert_int_equal(image_save_png(&im, path, NULL), RAP_OK);
    image_release(&im);
    assert_int_equal(remote_picture_load(&p, path, 200, 85, &f->err), RAP_OK);
    assert_int_equal(p.width, 200);
    assert_int_equal(p.height, 100);
    parts[1] = (chat_part){ .picture = p.jpeg.data, .size = p.jpeg.len };
    f->message = (chat_message){ "user", parts, 2 };
    assert_int_equal(ask(f, list), RAP_OK);
    uri = json_string_value(json_object_get(
        json_object_get(
            json_array_get(json_object_get(json_array_get(json_object_get(f->asked, "messages"), 0),
                                           "content"),
                           1),
            "image_url"),
        "url"));
    assert_non_null(uri);
    assert_memory_equal(uri, prefix, strlen(prefix));
    assert_true(base64_decode(&back, uri + strlen(prefix), strlen(uri + strlen(prefix))));
    assert_int_equal(image_decode(&im, back.data, back.len, "sent", NULL), RAP_OK);
    assert_int_equal(im.width, 200);
    image_release(&im);
    buf_release(&back);
    remote_picture_release(&p);
    unlink(path);
}

static void reads_a_stream_as_it_comes(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = "text/event-stream",
                            .body = ": hi\n\n" DELTA("\"A \"") DELTA("null") DELTA("\"d\\u00f6g\"")
                                STOP "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 5, "
                                     "\"completion_tokens\": 2}}\n\ndata: [DONE]\n\n",
                            .drip = 1 },
                          { 0 } };

    f->request.stream = true;
    f->request.on_text = on_text;
    f->request.payload = f;
    assert_int_equal(ask(f, list), RAP_OK);
    assert_string_equal(f->reply.text, "A dög");
    assert_string_equal(buf_text(&f->told), "A dög");
    assert_int_equal(f->tells, 2);
    assert_int_equal(f->reply.prompt_tokens, 5);
    assert_true(json_is_true(json_object_get(f->asked, "stream")));
}

static void takes_whichever_form_comes(void **state)
{
    fixture *f = *state;
    const says whole[] = { { 200, .body = WHOLE("[{\"type\": \"text\", \"text\": \"A\"}, "
                                                "{\"type\": \"text\", \"text\": \"B\"}]") },
                           { 0 } };
    const says stream[] = {
        { 200, .type = "text/event-stream; charset=utf-8", .body = DELTA("\"C\"") STOP }, { 0 }
    };

    f->request.stream = true;
    assert_int_equal(ask(f, whole), RAP_OK);
    assert_string_equal(f->reply.text, "AB");
    f->request.stream = false;
    assert_int_equal(ask(f, stream), RAP_OK);
    assert_string_equal(f->reply.text, "C");
}

static void control_characters_never_come_through(void **state)
{
    fixture *f = *state;
    const says list[] = {
        { 200, .body = WHOLE("\"a\\u001b[31mb\\u0000c\\r\\nd\\re\\tf\\u009bg\\u2028h\\u007f\"") },
        { 0 }
    };

    assert_int_equal(ask(f, list), RAP_OK);
    assert_string_equal(f->reply.text, "a[31mbc\nd\ne\tfg\nh");
}

static void adapts_to_models_that_want_other_parameters(void **state)
{
    fixture *f = *state;
    const says list[] = {
        { 400, .body = "{\"error\": {\"message\": \"Unsupported parameter: 'max_tokens'. Use "
                       "'max_completion_tokens' instead.\"}}" },
        { 400, .body = "{\"error\": {\"message\": \"'temperature' does not support 0\"}}" },
        { 200, .body = WHOLE("\"ok\"") },
        { 0 }
    };
    const double cold = 0;

    f->request.max_tokens = 9;
    f->request.temperature = &cold;
    assert_int_equal(ask(f, list), RAP_OK);
    assert_null(json_object_get(f->asked, "max_tokens"));
    assert_null(json_object_get(f->asked, "temperature"));
    assert_int_equal(json_integer_value(json_object_get(f->asked, "max_completion_tokens")), 9);
}

/* ---- the address and the key ---- */

static void addresses_are_completed_and_checked(void **state)
{
    static const struct {
        const char *given, *becomes; /* NULL: refused */
    } list[] = {
        { "http://localhost:8080", "http://localhost:8080/v1/chat/completions" },
        { "http://localhost:8080/", "http://localhost:8080/v1/chat/completions" },
        { "https://host/v1", "https://host/v1/chat/completions" },
        { "https://host/api/v1//", "https://host/api/v1/chat/completions" },
        { "https://host/v1/chat/completions", "https://host/v1/chat/completions" },
        { "host/v1", NULL },
        { "ftp://host", NULL },
        { "https://", NULL },
        { "https:///v1", NULL },
        { "https://user:word@host/v1", NULL },
        { "https://host/v1?key=word", NULL },
        { "https://host/v1#word", NULL },
        { "https://host/a b", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        endpoint_settings set = { .url = list[i].given };
        endpoint *e = NULL;
        rap_err err = { 0 };
        rap_status status = endpoint_open(&e, &set, "/v1", "/chat/completions", &err);

        if (list[i].becomes) {
            assert_int_equal(status, RAP_OK);
            assert_string_equal(endpoint_url(e), list[i].becomes);
        } else {
            assert_int_equal(status, RAP_E_ARGUMENT);
            assert_null(strstr(err.text, "word@"));
            assert_null(strstr(err.text, "key=word"));
        }
        endpoint_close(e);
    }
}

static void a_key_that_is_none_is_refused(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .body = WHOLE("\"ok\"") }, { 0 } };

    setenv("RAP_API_KEY", "sk\r\nX-Evil: 1", 1);
    assert_int_equal(ask(f, list), RAP_E_ARGUMENT);
    assert_says(f, "RAP_API_KEY holds");
    assert_null(strstr(f->err.text, "Evil"));
    assert_int_equal(service_requests(f->s), 0);
}

static void the_key_is_in_no_message(void **state)
{
    fixture *f = *state;
    const says list[] = {
        { 401, .body = "{\"error\": {\"message\": \"Incorrect API key provided: sk-secret. Find "
                       "yours.\"}}" },
        { 0 }
    };
    const says event[] = { { 200, .type = "text/event-stream",
                             .body = "data: {\"error\": \"no sk-secret\"}\n\n" },
                           { 0 } };

    setenv("RAP_API_KEY", "sk-secret", 1);
    assert_int_equal(ask(f, list), RAP_E_ARGUMENT);
    assert_null(strstr(f->err.text, "sk-secret"));
    assert_says(
        f, "401: Incorrect API key provided: ***. Find yours; is the key in RAP_API_KEY right?");
    assert_int_equal(service_requests(f->s), 1);
    assert_int_equal(ask(f, event), RAP_E_IO);
    assert_says(f, "the server reports: no ***");
}

static void a_missing_key_is_named(void **state)
{
    fixture *f = *state;
    const says list[] = { { 401, .body = "{\"error\": {\"message\": \"no key\"}}" }, { 0 } };

    assert_int_equal(ask(f, list), RAP_E_ARGUMENT);
    assert_says(f, "401: no key; set RAP_API_KEY to your key");
}

/* ---- servers that do not behave ---- */

static void errors_are_one_line(void **state)
{
    static const struct {
        says said;
        rap_status status;
        const char *says;
    } list[] = {
        { { 404,
            .body = "{\"error\":{\"message\":\"The model `x` does not exist\",\"code\":404}}" },
          RAP_E_NOT_FOUND,
          "404: The model `x` does not exist; check the endpoint's address and the model's name" },
        { { 404, .type = "text/html", .body = "<html><head><title>404 Not Found</title></head>" },
          RAP_E_NOT_FOUND,
          "404: 404 Not Found; check" },
        { { 400, .body = "{\"detail\": [{\"msg\": \"field required\"}]}" },
          RAP_E_IO,
          "the server answered 400: field required" },
        { { 400, .body = "{\"object\": \"error\", \"message\": \"too\\nlong\"}" },
          RAP_E_IO,
          "answered 400: too long" },
        { { 500, .body = "" }, RAP_E_IO, "the server answered 500" },
        { { 503, .type = "text/html", .body = "<h1>Busy</h1>\n<p>later" },
          RAP_E_IO,
          "answered 503: Busy later" },
        { { 500, .body = "plain \033[31mtrouble" }, RAP_E_IO, "answered 500: plain [31mtrouble" },
        { { 429, .body = "{\"error\": \"slow down\"}" },
          RAP_E_BUSY,
          "429, too many requests: slow down" },
        { { 200, .body = "" }, RAP_E_IO, "the reply is empty" },
        { { 200, .body = " \n " }, RAP_E_IO, "the reply is empty" },
        { { 200, .type = "text/html", .body = "<html><title>Hello</title>" },
          RAP_E_FORMAT,
          "the reply is not JSON of a chat endpoint; it begins: Hello" },
        { { 200, .body = "[1, 2]" }, RAP_E_FORMAT, "is not JSON of a chat endpoint" },
        { { 200, .body = "{\"answer\": 42}" }, RAP_E_FORMAT, "has no \"choices\"" },
        { { 200, .body = "{\"choices\": []}" }, RAP_E_FORMAT, "has no \"message\"" },
        { { 200, .body = "{\"choices\": [{\"text\": \"x\"}]}" },
          RAP_E_FORMAT,
          "has no \"message\"" },
        { { 200, .body = "{\"choices\": [{\"message\"" }, RAP_E_IO, "ends in the middle" },
        { { 200, .body = WHOLE("\"x\""), .cut = 20 }, RAP_E_IO, "partial" },
        { { 200, .body = "{\"error\": {\"message\": \"overloaded\"}}" },
          RAP_E_IO,
          "the server reports: overloaded" },
        { { 200, .body = "{\"error\": {}}" }, RAP_E_IO, "an error that it does not explain" },
        { { 200, .type = "text/event-stream", .body = DELTA("\"A\"") }, RAP_E_IO, "cut off" },
        { { 200, .type = "text/event-stream", .body = "" }, RAP_E_IO, "cut off" },
        { { 200, .type = "text/event-stream", .body = "data: {\n\n" },
          RAP_E_IO,
          "an event of the reply ends in the middle" },
        { { 200, .type = "text/event-stream", .body = "data: nonsense\n\n" },
          RAP_E_FORMAT,
          "an event of the reply is not JSON" },
        { { 302, .head = "Location: https://elsewhere/\r\n" },
          RAP_E_IO,
          "redirects to https://elsewhere/" },
    };
    fixture *f = *state;

    f->set.attempts = -1;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const says two[] = { list[i].said, { 0 } };

        assert_int_equal(ask(f, two), list[i].status);
        assert_says(f, list[i].says);
        assert_int_equal(strncmp(f->err.text, f->url, strlen(f->url)), 0);
        assert_null(strpbrk(f->err.text, "\n\033"));
        assert_null(f->reply.text);
    }
}

static void tries_again_where_that_may_help(void **state)
{
    fixture *f = *state;
    const says list[] = { { .code = 500 },
                          { 200, .body = WHOLE("\"x\""), .cut = 10 },
                          { 200, .body = WHOLE("\"ok\"") },
                          { 0 } };

    assert_int_equal(ask(f, list), RAP_OK);
    assert_string_equal(f->reply.text, "ok");
    assert_int_equal(f->pauses, 2);
    assert_int_equal(f->last_pause, 20); /* doubled */
    assert_int_equal(f->asked_pauses, 0);
    assert_int_equal(f->begun, 3);
}

static void gives_up_after_so_many_attempts(void **state)
{
    fixture *f = *state;
    const says list[] = { { 500, .body = "{\"error\": \"down\"}" }, { 0 } };

    assert_int_equal(ask(f, list), RAP_E_IO);
    assert_says(f, "answered 500: down");
    assert_int_equal(service_requests(f->s), 3);
}

static void does_what_retry_after_says(void **state)
{
    fixture *f = *state;
    const says list[] = { { 429, .head = "Retry-After: 1\r\n" },
                          { 200, .body = WHOLE("\"ok\"") },
                          { 0 } };

    assert_int_equal(ask(f, list), RAP_OK);
    assert_int_equal(f->asked_pauses, 1);
    assert_int_equal(f->last_pause, 1000);
    assert_true(f->reply.ms >= 990);
}

static void what_was_told_is_not_told_twice(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = "text/event-stream", .body = DELTA("\"A\"") },
                          { 200, .type = "text/event-stream", .body = DELTA("\"B\"") STOP },
                          { 0 } };

    f->request.on_text = on_text;
    f->request.payload = f;
    assert_int_equal(ask(f, list), RAP_E_IO);
    assert_string_equal(buf_text(&f->told), "A");
    assert_int_equal(service_requests(f->s), 1);
}

static void an_attempt_begins_anew(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = "text/event-stream", .body = DELTA("\"A\"") },
                          { 200, .type = "text/event-stream", .body = DELTA("\"B\"") STOP },
                          { 0 } };

    assert_int_equal(ask(f, list), RAP_OK);
    assert_string_equal(f->reply.text, "B");
}

static void a_listener_ends_an_answer(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .type = "text/event-stream", .body = DELTA("\"A\"") DELTA("\"B\""),
                            .stall = 1 },
                          { 0 } };

    f->request.on_text = on_text;
    f->request.payload = f;
    f->stop_after = 1;
    assert_int_equal(ask(f, list), RAP_E_CANCELLED);
    assert_string_equal(buf_text(&f->told), "A");
}

static void a_silent_server_is_left(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .body = "{", .delay_ms = 15000 }, { 0 } };
    double start = clock_ms();

    f->set.attempts = -1;
    assert_int_equal(ask(f, list), RAP_E_IO);
    assert_says(f, "no answer within the time limit");
    assert_true(clock_ms() - start < 6000);
}

static void an_endless_answer_is_cut(void **state)
{
    fixture *f = *state;
    const says slow[] = { { 200, .type = "text/event-stream", .body = ": x\n", .stall = 1 },
                          { 0 } };
    buf body = BUF_INIT;
    says large[2] = { { .code = 200 }, { 0 } };

    f->set.attempts = -1;
    f->set.whole_seconds = 2;
    f->set.silence_seconds = 1;
    assert_int_equal(ask(f, slow), RAP_E_IO);
    buf_puts(&body, "{\"choices\": [{\"message\": {\"content\": \"");
    for (int i = 0; i < 9 << 10; i++) /* 9 MiB */
        for (int j = 0; j < 16; j++)
            buf_puts(&body, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    large[0].body = buf_text(&body);
    assert_int_equal(ask(f, large), RAP_E_LIMIT);
    buf_release(&body);
}

static void a_person_can_stop_it(void **state)
{
    fixture *f = *state;
    const says list[] = { { 200, .delay_ms = 15000 }, { 0 } };
    double start = clock_ms();

    f->set.silence_seconds = 60;
    f->cancel_at = start + 300;
    assert_int_equal(ask(f, list), RAP_E_CANCELLED);
    assert_true(clock_ms() - start < 4000);
}

static void nobody_listens_there(void **state)
{
    fixture *f = *state;

    f->set.url = "http://127.0.0.1:1";
    f->set.attempts = -1;
    assert_int_equal(ask(f, NULL), RAP_E_IO);
    assert_says(f, "http://127.0.0.1:1/v1/chat/completions: ");
}

static void a_text_that_is_no_utf8_is_not_sent(void **state)
{
    fixture *f = *state;

    f->part.text = "\xff\xfe";
    assert_int_equal(ask(f, NULL), RAP_E_ARGUMENT);
    assert_says(f, "not UTF-8");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks_and_reads_a_whole_answer),
        TEST(sends_pictures_downscaled),
        TEST(reads_a_stream_as_it_comes),
        TEST(takes_whichever_form_comes),
        TEST(control_characters_never_come_through),
        TEST(adapts_to_models_that_want_other_parameters),
        TEST(addresses_are_completed_and_checked),
        TEST(a_key_that_is_none_is_refused),
        TEST(the_key_is_in_no_message),
        TEST(a_missing_key_is_named),
        TEST(errors_are_one_line),
        TEST(tries_again_where_that_may_help),
        TEST(gives_up_after_so_many_attempts),
        TEST(does_what_retry_after_says),
        TEST(what_was_told_is_not_told_twice),
        TEST(an_attempt_begins_anew),
        TEST(a_listener_ends_an_answer),
        TEST(a_silent_server_is_left),
        TEST(an_endless_answer_is_cut),
        TEST(a_person_can_stop_it),
        TEST(nobody_listens_there),
        TEST(a_text_that_is_no_utf8_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
