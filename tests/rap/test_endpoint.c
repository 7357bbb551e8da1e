/* test_endpoint.c: a profile whose language model is behind an endpoint, through the public calls and the program. The
 * encoder and detector are those of the tiny profile, the pictures those of the toy set. */
#include "rap/fixture.h"

#include "remote/service.h"

#include <jansson.h>

#define REPLY                                                                          \
    "{\"choices\": [{\"message\": {\"content\": \"It is <bo>.\"}, \"finish_reason\": " \
    "\"stop\"}], \"usage\": {\"prompt_tokens\": 40, \"completion_tokens\": 5}}"

typedef struct endpoint_fixture {
    fixture *f;
    service *s;
    char url[64];
    int fail;    /* so many requests are refused first */
    int busy;    /* so many are put off first */
    char *asked; /* the last request's messages */
    char *model;
    size_t messages;
} endpoint_fixture;

static endpoint_fixture e;

static void answer(service_answer *out, const service_request *r, void *payload)
{
    json_t *asked = json_loadb(r->body, r->body_size, 0, NULL);
    json_t *list = json_object_get(asked, "messages");
    const char *model = json_string_value(json_object_get(asked, "model"));

    (void)payload;
    free(e.asked);
    free(e.model);
    e.asked = json_dumps(list, JSON_COMPACT);
    e.model = strdup(model ? model : "");
    e.messages = json_array_size(list);
    json_decref(asked);
    if (e.busy > 0) {
        e.busy--;
        out->code = 429;
        return;
    }
    out->code = e.fail > 0 ? 401 : 200;
    buf_puts(&out->body, e.fail-- > 0 ? "{\"error\": {\"message\": \"no\"}}" : REPLY);
}

static int setup(void **state)
{
    unsetenv("RAP_API_KEY");
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    if (fixture_setup(state))
        return 1;
    e = (endpoint_fixture){ .f = *state, .s = service_start(answer, NULL) };
    snprintf(e.url, sizeof e.url, "http://127.0.0.1:%d", service_port(e.s));
    return 0;
}

static int teardown(void **state)
{
    service_stop(e.s);
    free(e.asked);
    free(e.model);
    return fixture_teardown(state);
}

static const char *source(const char *name)
{
    const char *folder = getenv("RAP_SOURCE");

    return path_of("%s/%s", folder && *folder ? folder : ".", name);
}

/* `more`: further members of profile.json */
static const char *profile_with(const char *more)
{
    const char *folder = path_of("%s/remote", e.f->folder);
    char *tiny = realpath(source("models/tiny"), NULL);

    assert_non_null(tiny);
    write_text(
        path_of("%s/profile.json", folder),
        path_of("{\"name\":\"remote\",\"files\":{\"encoder\":{\"path\":\"%s/clip.gguf\"}}%s}", tiny,
                more));
    free(tiny);
    return folder;
}

static const char *generator(const char *more)
{
    return path_of(",\"generator\":{\"endpoint\":\"%s\",\"model\":\"big\"%s}", e.url, more);
}

static rap_query query_of(const char *question, const char *picture)
{
    rap_query q = RAP_QUERY_INIT;

    q.question = question;
    q.image.path = picture;
    return q;
}

static void assert_says(const char *what)
{
    if (!strstr(rap_error(e.f->r), what))
        fail_msg("'%s' does not say '%s'", rap_error(e.f->r), what);
}

static int pictures(void)
{
    int count = 0;

    for (const char *at = e.asked; (at = strstr(at, "data:image/jpeg;base64,")); at++)
        count++;
    return count;
}

static void a_profile_without_a_model_asks_its_endpoint(void **state)
{
    fixture *f = *state;
    const char *bo = make_picture(f, "bo.png", 64, 64, 1);
    rap *r = open_rap(f, profile_with(generator("")), "store.db", NULL);
    rap_query q = query_of("Who is this?", bo);
    rap_answer *a = NULL;
    char *described = NULL;

    assert_int_equal(remember(r, "bo", bo), RAP_OK);
    rap_matches_free(see(r, bo, NULL));
    if (rap_ask(&a, r, &q, NULL, NULL) != RAP_OK)
        fail_msg("%s", rap_error(r));
    assert_string_equal(a->text, "It is <bo>.");
    assert_int_equal(a->matches->count, 1);
    assert_string_equal(a->used[0], "bo");
    assert_null(a->used[1]);
    assert_non_null(strstr(a->model, "big at http://127.0.0.1"));
    assert_string_equal(a->profile, "remote");
    assert_int_equal(a->prompt_tokens, 40);
    assert_int_equal(a->answer_tokens, 5);
    assert_int_equal(a->images_encoded, 0);
    assert_string_equal(e.model, "big");
    assert_int_equal(pictures(), 2); /* the photo and bo */
    assert_non_null(strstr(e.asked, "Name: <bo>, Info: It is a thing."));
    assert_non_null(strstr(e.asked, "Who is this?"));
    rap_answer_free(a);
    q.no_avatars = 1;
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_OK);
    assert_int_equal(pictures(), 1);
    assert_non_null(strstr(e.asked, "Name: <bo>"));
    assert_int_equal(rap_describe(&described, r), RAP_OK);
    assert_non_null(strstr(described, "\"model\": \"big\""));
    rap_free(described);
}

/* It says "It is <bo>." to everything, which describes nothing. */
static void an_endpoint_is_asked_for_a_description(void **state)
{
    fixture *f = *state;
    const rap_image bo = { .path = make_picture(f, "bo.png", 64, 64, 1) };
    rap *r = open_rap(f, profile_with(generator("")), "store.db", NULL);
    const rap_box all = { 0, 0, 0, 0 };
    char *info = NULL;

    assert_int_equal(rap_propose_info(&info, r, "bo", "dog", &bo, all), RAP_E_MODEL);
    assert_null(info);
    assert_says("does not describe it; it says 'It is <bo>.'");
    assert_int_equal(pictures(), 1);
    assert_non_null(strstr(e.asked, "What is <bo>? It is a dog. Describe it so that"));
}

static void the_chat_goes_on_after_a_failure(void **state)
{
    fixture *f = *state;
    const char *bo = make_picture(f, "bo.png", 64, 64, 1);
    rap *r = open_rap(f, profile_with(generator("")), "store.db", NULL);
    const rap_image photo = { bo, NULL, 0 };
    rap_query q = query_of("Who is this?", NULL);
    rap_chat *chat = NULL;

    assert_int_equal(remember(r, "bo", bo), RAP_OK);
    assert_int_equal(rap_chat_open(&chat, r, &photo), RAP_OK);
    e.fail = 1;
    assert_int_equal(rap_chat_ask(NULL, chat, &q, NULL, NULL), RAP_E_ARGUMENT);
    assert_says("401: no; set RAP_API_KEY");
    assert_int_equal(rap_chat_ask(NULL, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(e.messages, 1);
    assert_int_equal(pictures(), 2);
    q.question = "And where?";
    assert_int_equal(rap_chat_ask(NULL, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(e.messages, 3);
    assert_int_equal(pictures(), 2); /* bo is not given twice */
    rap_chat_close(chat);
}

typedef struct waiting {
    int times, stop; /* stop: at the first pause */
    double seconds;
    char why[200];
} waiting;

static void on_wait(const char *why, double seconds, void *payload)
{
    waiting *w = payload;

    w->times++;
    w->seconds = seconds;
    snprintf(w->why, sizeof w->why, "%s", why);
}

static int stop(void *payload)
{
    const waiting *w = payload;

    return w->stop && w->times > 0;
}

static void a_busy_endpoint_is_waited_for_aloud(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, profile_with(generator("")), "store.db", NULL);
    rap_query q = query_of("Who is this?", NULL);
    waiting w = { 0 };
    rap_chat *chat = NULL;

    q.on_wait = on_wait;
    q.stop = stop;
    e.busy = 1;
    assert_int_equal(rap_ask(NULL, r, &q, NULL, &w), RAP_OK);
    assert_int_equal(w.times, 1);
    assert_true(w.seconds == 1);
    assert_non_null(strstr(w.why, "429"));
    assert_int_equal(rap_chat_open(&chat, r, NULL), RAP_OK);
    w = (waiting){ .stop = 1 };
    e.busy = 9;
    assert_int_equal(rap_chat_ask(NULL, chat, &q, NULL, &w), RAP_E_CANCELLED);
    assert_says("stopped");
    assert_int_equal(w.times, 1);
    e.busy = 0;
    w.stop = 0;
    assert_int_equal(rap_chat_ask(NULL, chat, &q, NULL, &w), RAP_OK);
    assert_int_equal(e.messages, 1); /* the conversation was as before */
    rap_chat_close(chat);
}

static void an_answer_names_what_it_was_given(void **state)
{
    fixture *f = *state;
    const char *bo = make_picture(f, "bo.png", 64, 64, 1);
    rap *r = open_rap(f, profile_with(generator("")), "store.db", NULL);
    rap_query q = query_of("Do BO and mo get along?", NULL);
    rap_chat *chat = NULL;
    rap_answer *a = NULL;

    assert_int_equal(remember(r, "Bo", bo), RAP_OK);
    assert_int_equal(remember(r, "mo", make_picture(f, "mo.png", 64, 64, 7)), RAP_OK);
    assert_int_equal(rap_chat_open(&chat, r, NULL), RAP_OK);
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(a->matches->count, 2);
    assert_string_equal(a->used[0], "Bo"); /* compared as names are */
    assert_null(a->used[1]);
    rap_answer_free(a);
    q.question = "And now?"; /* it was given with an earlier question */
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_OK);
    assert_int_equal(a->matches->count, 0);
    assert_string_equal(a->used[0], "Bo");
    rap_answer_free(a);
    rap_chat_restart(chat);
    assert_int_equal(rap_chat_ask(&a, chat, &q, NULL, NULL), RAP_OK);
    assert_null(a->used[0]); /* a guess of the model */
    rap_answer_free(a);
    rap_chat_close(chat);
}

static void options_take_precedence(void **state)
{
    fixture *f = *state;
    rap_options o = RAP_OPTIONS_INIT;
    rap_query q = query_of("Who?", NULL);
    rap_engine *shared_engine = NULL;
    rap_engine_options eo = RAP_ENGINE_OPTIONS_INIT;
    rap *r;

    o.endpoint = e.url;
    o.model = "other";
    r = open_rap(f, profile_with(""), "store.db", &o);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_OK);
    assert_string_equal(e.model, "other");
    rap_close(r);
    o.model = NULL; /* and the profile names none */
    r = open_rap(f, profile_with(""), "store.db", &o);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_ARGUMENT);
    assert_says("which model?");
    rap_close(r);
    r = open_rap(f, profile_with(generator("")), "store.db", &o);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_OK);
    assert_string_equal(e.model, "big");
    rap_close(r);
    o.vision = "own";
    r = open_rap(f, profile_with(generator("")), "store.db", &o);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_ARGUMENT);
    assert_says("--vision");
    rap_close(r);
    o.vision = NULL;
    o.lora = (const char *const[]){ NULL };
    r = open_rap(f, profile_with(generator("")), "store.db", &o);
    assert_int_equal(rap_ask(NULL, r, &q, NULL, NULL), RAP_E_ARGUMENT);
    assert_says("--lora");
    rap_close(r);
    o = (rap_options)RAP_OPTIONS_INIT;
    o.model = "other";
    assert_int_equal(rap_open(&f->r, &o), RAP_E_ARGUMENT);
    assert_says("needs an endpoint");
    rap_close(f->r);
    eo.profile = profile_with(generator(""));
    assert_int_equal(rap_engine_open(&shared_engine, &eo), RAP_OK);
    o.engine = shared_engine;
    o.store_use = RAP_STORE_EMPTY;
    assert_int_equal(rap_open(&f->r, &o), RAP_E_ARGUMENT);
    assert_says("options.model must be NULL");
    rap_engine_close(shared_engine);
}

static void a_wrong_profile_says_what_is_wrong(void **state)
{
    fixture *f = *state;
    const struct {
        const char *generator, *says;
    } wrong[] = {
        { "\"x\"", "\"generator\" must be an object" },
        { "{}", "\"generator.endpoint\" is missing" },
        { "{\"endpoint\":\"http://h\"}", "\"generator.model\" is missing" },
        { "{\"endpoint\":\"http://h\",\"model\":5}", "generator.model" },
        { "{\"endpoint\":\"http://h\",\"model\":\"m\",\"photo_side\":1}", "generator.photo_side" },
        { "{\"endpoint\":\"http://h\",\"model\":\"m\",\"api_key\":\"sk\"}", "set RAP_API_KEY" },
    };
    rap_options o = RAP_OPTIONS_INIT;

    o.store_use = RAP_STORE_EMPTY;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        o.profile = profile_with(path_of(",\"generator\":%s", wrong[i].generator));
        assert_int_equal(rap_open(&f->r, &o), RAP_E_FORMAT);
        assert_says(wrong[i].says);
        rap_close(f->r);
    }
    f->r = NULL;
}

static void names_that_nobody_remembered_are_found(void **state)
{
    fixture *f = *state;
    const struct {
        const char *text, *unknown[3];
    } cases[] = {
        { "How old is <gus>?", { "gus" } },
        { "<bo>, <BO>, bo and gus", { NULL } },
        { "<gus> and <mo>, <gus>, <bo>", { "gus", "mo" } },
        { "3 < 4 and 5 > 2, a</b>, <>, < x>, <x >, <a", { NULL } },
        { "<<gus>>", { "gus" } },
        { "", { NULL } },
    };
    const char *bo = make_picture(f, "bo.png", 64, 64, 1), **unknown = NULL;
    rap *r = open_rap(f, profile_with(generator("")), "store.db", NULL);
    rap_query q = query_of("Does <bo> know <gus>?", NULL);
    rap_answer *a = NULL;

    assert_int_equal(remember(r, "bo", bo), RAP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;

        assert_int_equal(rap_unknown(&unknown, r, cases[i].text), RAP_OK);
        for (; cases[i].unknown[n]; n++)
            assert_string_equal(unknown[n], cases[i].unknown[n]);
        assert_null(unknown[n]);
        rap_free(unknown);
    }
    assert_int_equal(rap_unknown(&unknown, r, "<g\xff>"), RAP_E_ARGUMENT);
    assert_null(unknown);
    assert_int_equal(rap_ask(&a, r, &q, NULL, NULL), RAP_OK);
    assert_string_equal(a->unknown[0], "gus");
    assert_null(a->unknown[1]);
    rap_answer_free(a);
    q.no_memory = 1;
    assert_int_equal(rap_ask(&a, r, &q, NULL, NULL), RAP_OK);
    assert_null(a->unknown[0]);
    rap_answer_free(a);
}

static void as_many_unknown_names_as_a_text_may_have(void **state)
{
    fixture *f = *state;
    rap *r = open_rap(f, profile_with(""), "store.db", NULL);
    const char **unknown = NULL;
    char text[1000] = "";
    size_t n = 0;

    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "<n%d>", i);
    assert_int_equal(rap_unknown(&unknown, r, text), RAP_OK);
    while (unknown[n])
        n++;
    assert_int_equal(n, 64);
    assert_string_equal(unknown[63], "n63");
    rap_free(unknown);
}

/* ---- the program ---- */

static int run(char **out, const char *command)
{
    size_t size = 0;
    const char *file = path_of("%s/out.txt", e.f->folder);
    int status = system(path_of("cd '%s' && %s >out.txt 2>&1", e.f->folder, command));

    free(*out);
    *out = NULL;
    assert_int_equal(file_read(out, &size, file, 1 << 20, NULL), RAP_OK);
    return status < 0 ? status : status >> 8;
}

static void the_program_asks_an_endpoint(void **state)
{
    fixture *f = *state;
    const char *program = getenv("RAP_BIN"), *profile = profile_with("");
    char *out = NULL;

    if (!program)
        skip();
    make_picture(f, "bo.png", 64, 64, 1);
    setenv("RAP_PROFILE", profile, 1);
    setenv("RAP_STORE", path_of("%s/store.db", f->folder), 1);
    assert_int_equal(run(&out, path_of("'%s' remember bo --image bo.png --quiet", program)), 0);
    assert_int_not_equal(run(&out, path_of("'%s' ask bo.png 'Who?'", program)), 0);
    assert_non_null(strstr(out, "no language model"));
    assert_int_equal(
        run(&out, path_of("'%s' ask bo.png 'Who?' --endpoint %s --model m", program, e.url)), 0);
    assert_string_equal(out, "It is <bo>.\n");
    assert_int_equal(pictures(), 2);
    e.fail = 1;
    assert_int_equal(run(&out, path_of("printf 'Who?\\nWhere?\\n' | '%s' chat --json bo.png "
                                       "--endpoint %s --model m",
                                       program, e.url)),
                     rap_status_exit_code(RAP_E_ARGUMENT));
    assert_non_null(strstr(out, "\"error\":\"http://127.0.0.1"));
    assert_non_null(strstr(out, "\"question\":\"Where?\",\"answer\":\"It is <bo>.\""));
    assert_int_equal(run(&out, path_of("'%s' ask 'Who?' --model m", program)), 2);
    assert_non_null(strstr(out, "--endpoint"));
    assert_int_equal(run(&out, path_of("'%s' ask 'Where is <gus>, <bo>?' --endpoint %s --model m",
                                       program, e.url)),
                     0);
    assert_string_equal(out, "rap: <gus> is not in the store; the answer knows nothing of it\n"
                             "It is <bo>.\n");
    assert_int_equal(run(&out, path_of("'%s' ask 'Where is <gus>?' --json --endpoint %s --model m "
                                       "2>/dev/null | tr -d ' \\n'",
                                       program, e.url)),
                     0);
    assert_non_null(strstr(out, "\"unknown\":[\"gus\"]"));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_profile_without_a_model_asks_its_endpoint),
        TEST(an_endpoint_is_asked_for_a_description),
        TEST(the_chat_goes_on_after_a_failure),
        TEST(a_busy_endpoint_is_waited_for_aloud),
        TEST(an_answer_names_what_it_was_given),
        TEST(options_take_precedence),
        TEST(a_wrong_profile_says_what_is_wrong),
        TEST(names_that_nobody_remembered_are_found),
        TEST(as_many_unknown_names_as_a_text_may_have),
        TEST(the_program_asks_an_endpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
