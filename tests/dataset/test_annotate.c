/* test_annotate.c: a data set annotated by a service that behaves, and by ones that do not (src/dataset/annotate.c). */
#include "dataset/annotate.h"

#include "base/threads.h"
#include "dataset/annotate_folder.h"
#include "dataset/dataset.h"
#include "dataset/layouts.h"
#include "remote/service.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE(id, type, image, human, gpt, extra)                                                   \
    "{\"id\": \"" id "\", " image "\"conversations\": [{\"from\": \"human\", \"value\": \"" human  \
    "\"}, {\"from\": \"gpt\", \"value\": \"" gpt "\"}], \"extra\": {" extra "}, \"type\": \"" type \
    "\"}"
#define BO \
    "\"crops/bo.jpg\": {\"name\": \"bo\", \"info\": \"<bo> is a dog.\", \"category\": \"dog\"}"
#define LUNA "\"crops/luna.jpg\": {\"name\": \"luna\", \"info\": \"\", \"category\": \"cat\"}"
#define PHOTO "\"image\": \"photo.jpg\", "
#define ASK "<image>\\n"

static const char train[] =
    "[\n" LINE("d", "description", "", "Describe <bo>.", "<bo> is a dog.", BO) ",\n" LINE(
        "c", "caption", PHOTO, ASK "Caption it.", "<bo> sits.",
        BO
        ", " LUNA) ",\n" LINE("q", "qa", PHOTO, ASK "What is <bo>?", "<bo> is a dog.",
                              BO
                              ", " LUNA) ",\n" LINE("y", "recognition", PHOTO, ASK "Is <bo> there?",
                                                    "Yes",
                                                    BO) ",\n" LINE("n", "recognition", PHOTO,
                                                                   ASK "Is <luna> there?", "No",
                                                                   LUNA) ",\n" LINE("i",
                                                                                    "instruction",
                                                                                    PHOTO,
                                                                                    ASK
                                                                                    "What is it?",
                                                                                    "A square.",
                                                                                    "") "\n]\n";

typedef struct fixture {
    service *s;
    char url[64];
    const char *replies[4]; /* by word of the prompt: describe, caption, questions, verify */
    int code;               /* of errors */
    int errors;             /* so many requests get it first */
    const char *head;
    _Atomic long delay_ms; /* changed while a request may still be under way */
    size_t cut;
    int pictures; /* of the last request */
    long bytes;   /* of all */
    annotate_options set;
    annotate_result r;
    rap_err err;
    int progress, cancel_after;
} fixture;

static int count(const char *text, const char *what)
{
    int n = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void answer(service_answer *out, const service_request *r, void *payload)
{
    fixture *f = payload;
    int which = strstr(r->body, "could recognise it") ? 0
                : strstr(r->body, "Write a caption")  ? 1
                : strstr(r->body, "three questions")  ? 2
                                                      : 3;
    json_t *reply;
    char *text;

    f->pictures = count(r->body, "data:image/jpeg;base64,");
    f->bytes += (long)r->body_size;
    out->delay_ms = f->delay_ms;
    if (f->errors > 0) {
        f->errors--;
        out->code = f->code;
        out->head = f->head ? f->head : "";
        out->cut = f->cut;
        buf_puts(&out->body, "{\"error\": {\"message\": \"trouble\"}}");
        return;
    }
    reply =
        json_pack("{s:s, s:[{s:{s:s}, s:s}], s:{s:i, s:i}}", "model", "served", "choices",
                  "message", "content",
                  which == 0 && strstr(r->body, "luna") ? "<luna> is a cat with a white paw."
                                                        : f->replies[which],
                  "finish_reason", "stop", "usage", "prompt_tokens", 100, "completion_tokens", 10);
    text = json_dumps(reply, 0);
    buf_puts(&out->body, text);
    free(text);
    json_decref(reply);
}

static int on_progress(const char *what, uint64_t done, uint64_t total, void *payload)
{
    fixture *f = payload;

    f->progress++;
    return f->cancel_after > 0 && f->progress >= f->cancel_after;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_int_equal(make_work(state), 0);
    unsetenv("RAP_API_KEY");
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    f->replies[0] = "<bo> is a red dog with a blue collar.";
    f->replies[1] = "<bo> sits on a lawn.";
    f->replies[2] = "{\"pairs\": [{\"question\": \"Who is bo?\", \"answer\": \"My dog.\"}]}";
    f->replies[3] = "{\"same\": true}";
    f->s = service_start(answer, f);
    assert_non_null(f->s);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/v1", service_port(f->s));
    write_text("set/train.json", train);
    write_picture("set/images/photo.jpg", 0xC02020);
    write_picture("set/images/crops/bo.jpg", 0xC03020);
    write_picture("set/images/crops/luna.jpg", 0x20C020);
    f->set = (annotate_options){ .folder = strdup(in("set")),
                                 .endpoint = f->url,
                                 .model = "m",
                                 .parallel = 2,
                                 .attempts = 1,
                                 .first_pause_ms = 10,
                                 .silence_seconds = 2,
                                 .on_progress = on_progress,
                                 .payload = f };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    service_stop(f->s);
    free((char *)f->set.folder);
    free(f);
    return remove_work(state);
}

static rap_status run(fixture *f, const char *task)
{
    f->set.task = task;
    f->err = (rap_err){ 0 };
    f->progress = 0;
    return annotate(&f->r, &f->set, &f->err);
}

/* The samples of a file that annotate wrote. */
static json_t *written(const char *name)
{
    json_t *list = json_load_file(in(name), 0, NULL);

    assert_true(json_is_array(list));
    return list;
}

static json_t *sample_of(const json_t *list, const char *id)
{
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) if (strcmp(json_string_value(json_object_get(one, "id")),
                                                id) == 0) return one;
    return NULL;
}

static const char *turn_of(const json_t *list, const char *id, size_t turn)
{
    return json_string_value(json_object_get(
        json_array_get(json_object_get(sample_of(list, id), "conversations"), turn), "value"));
}

static void assert_says(const fixture *f, const char *what)
{
    if (!strstr(f->err.text, what))
        fail_msg("'%s' does not say '%s'", f->err.text, what);
}

static void assert_untouched(void)
{
    char *now = NULL;
    size_t size = 0;

    assert_int_equal(file_read(&now, &size, in("set/train.json"), 1 << 20, NULL), RAP_OK);
    assert_string_equal(now, train);
    free(now);
}

/* ---- a service that behaves ---- */

static void concepts_are_described(void **state)
{
    fixture *f = *state;
    json_t *list;
    dataset_stats stats;

    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.requests, 2); /* each concept once, in however many samples it is */
    assert_int_equal(f->r.asked, 2);
    assert_int_equal(f->r.prompt_tokens, 200);
    assert_int_equal(f->pictures, 1);
    list = written("set/annotated-describe/train.json");
    assert_int_equal(json_array_size(list), 6);
    assert_string_equal(turn_of(list, "d", 1), f->replies[0]); /* the answer was the info */
    assert_string_equal(turn_of(list, "q", 1), f->replies[0]);
    assert_string_equal(turn_of(list, "c", 1), "<bo> sits.");
    assert_string_equal(
        json_string_value(json_object_get(
            json_object_get(json_object_get(sample_of(list, "c"), "extra"), "crops/luna.jpg"),
            "info")),
        "<luna> is a cat with a white paw.");
    json_decref(list);
    assert_untouched();
    assert_int_equal(dataset_count(&stats, in("set/annotated-describe"), &f->err), RAP_OK);
    assert_int_equal(stats.samples, 6);
    assert_int_equal(stats.missing, 0); /* the pictures are found from there */
}

static void captions_and_questions_are_rewritten(void **state)
{
    fixture *f = *state;
    json_t *list;

    assert_int_equal(run(f, "caption"), RAP_OK);
    assert_int_equal(f->r.requests, 1);
    assert_int_equal(f->pictures, 2); /* photo and bo; luna is noise */
    list = written("set/annotated-caption/train.json");
    assert_string_equal(turn_of(list, "c", 0), "<image>\nCaption it.");
    assert_string_equal(turn_of(list, "c", 1), "<bo> sits on a lawn.");
    assert_string_equal(turn_of(list, "d", 1), "<bo> is a dog.");
    json_decref(list);
    assert_int_equal(run(f, "qa"), RAP_OK);
    list = written("set/annotated-qa/train.json");
    assert_string_equal(turn_of(list, "q", 0), "<image>\nWho is <bo>?");
    assert_string_equal(turn_of(list, "q", 1), "My dog.");
    assert_int_equal(json_object_size(json_object_get(sample_of(list, "q"), "extra")), 2);
    json_decref(list);
    assert_untouched();
}

static void samples_that_the_model_denies_are_left_out(void **state)
{
    fixture *f = *state;
    json_t *list;

    assert_int_equal(run(f, "verify"), RAP_OK);
    assert_int_equal(f->r.requests, 2); /* bo and luna in the photo */
    assert_int_equal(f->r.denied, 1);
    list = written("set/annotated-verify/train.json");
    assert_null(sample_of(list, "n")); /* "No", but the model sees luna */
    assert_non_null(sample_of(list, "y"));
    assert_non_null(sample_of(list, "i"));
    json_decref(list);
}

static void every_reply_is_kept_with_its_prompt(void **state)
{
    fixture *f = *state;
    json_t *entry;
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(run(f, "caption"), RAP_OK);
    assert_int_equal(file_read(&text, &size, in("set/annotations.jsonl"), 1 << 20, NULL), RAP_OK);
    assert_int_equal(count(text, "\n"), 1);
    entry = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(entry, "model")), "m");
    assert_string_equal(json_string_value(json_object_get(entry, "answered_by")), "served");
    assert_string_equal(json_string_value(json_object_get(entry, "reply")), f->replies[1]);
    assert_string_equal(json_string_value(json_object_get(entry, "verdict")), "good");
    assert_non_null(strstr(json_string_value(json_object_get(entry, "prompt")), "- <bo> (dog)"));
    assert_int_equal(strlen(json_string_value(json_object_get(entry, "time"))), 20);
    assert_int_equal(json_array_size(json_object_get(entry, "pictures")), 2);
    json_decref(entry);
    free(text);
}

static void what_is_answered_is_not_asked_again(void **state)
{
    fixture *f = *state;

    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.known, 2);
    assert_int_equal(f->r.asked, 0);
    assert_int_equal(service_requests(f->s), 2);
    f->set.endpoint = NULL;
    f->set.replay = true;
    assert_int_equal(unlink(in("set/annotated-describe/train.json")), 0);
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.changed, 5);
    f->set.model = "other"; /* another model's answers are other answers */
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.known, 0);
    assert_int_equal(f->r.changed, 0);
}

static void prompts_can_be_ones_own(void **state)
{
    fixture *f = *state;

    write_text("mine/caption.txt", "# mine\nWrite a caption with {concepts}. {\"a\": 1}\n");
    f->set.prompts = in("mine");
    assert_int_equal(run(f, "caption"), RAP_OK);
    write_text("mine/caption.txt", "Write {nmae}.\n");
    assert_int_equal(run(f, "caption"), RAP_E_FORMAT);
    assert_says(f, "{nmae} is not one of");
    write_text("mine/caption.txt", "# nothing\n");
    assert_int_equal(run(f, "caption"), RAP_E_FORMAT);
    assert_int_equal(run(f, "qa"), RAP_E_NOT_FOUND);
    assert_says(f, "qa.txt");
}

static void a_dry_run_counts_and_sends_nothing(void **state)
{
    fixture *f = *state;

    f->set.dry_run = true;
    f->set.endpoint = NULL;
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.requests, 2);
    assert_int_equal(f->r.pictures, 2);
    assert_true(f->r.picture_bytes > 500 && f->r.picture_bytes < 20000);
    assert_true(f->r.prompt_tokens > 2 * 255);
    assert_int_equal(f->r.answer_tokens, 2048);
    assert_int_equal(service_requests(f->s), 0);
    assert_false(file_exists(in("set/annotations.jsonl")));
    assert_false(file_exists(in("set/annotated-describe")));
}

static void requests_keep_their_distance(void **state)
{
    fixture *f = *state;
    double start = clock_ms();

    f->set.per_minute = 100; /* 0.6 s apart */
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_true(clock_ms() - start >= 590);
    assert_true(service_most_open(f->s) <= 2);
}

static void requests_in_flight_are_limited(void **state)
{
    fixture *f = *state;

    f->set.parallel = 1;
    f->delay_ms = 100;
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(service_most_open(f->s), 1);
}

/* ---- services that do not ---- */

static void bad_answers_are_counted_and_left_out(void **state)
{
    fixture *f = *state;
    json_t *list;

    f->replies[1] = "<bo> sits beside luna.";
    assert_int_equal(run(f, "caption"), RAP_OK);
    assert_int_equal(f->r.fault[FAULT_NAMES], 1);
    assert_int_equal(f->r.dropped, 1);
    assert_non_null(strstr(f->r.first_fault, "beside luna"));
    list = written("set/annotated-caption/train.json");
    assert_null(sample_of(list, "c"));
    assert_int_equal(json_array_size(list), 5);
    json_decref(list);
    f->replies[2] = "Here are the questions:";
    assert_int_equal(run(f, "qa"), RAP_OK);
    assert_int_equal(f->r.fault[FAULT_JSON], 1);
    f->replies[0] = "A dog.";
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.fault[FAULT_NO_NAME], 1);
    list = written("set/annotated-describe/train.json");
    assert_string_equal(turn_of(list, "d", 1), "<bo> is a dog."); /* the old info stays */
    json_decref(list);
}

static void trouble_that_passes_is_outlived(void **state)
{
    static const int codes[] = { 429, 500, 503, 200 };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char model[16];

        snprintf(model, sizeof model, "m%zu", i);
        f->set.model = model;
        f->code = codes[i];
        f->head = codes[i] == 429 ? "Retry-After: 1\r\n" : NULL;
        f->cut = codes[i] == 200 ? 5 : 0;
        f->errors = 1;
        assert_int_equal(run(f, "caption"), RAP_OK);
        assert_int_equal(f->r.asked, 1);
        assert_int_equal(f->r.failed, 0);
    }
}

static void a_wrong_key_ends_the_run(void **state)
{
    fixture *f = *state;

    f->code = 401;
    f->errors = 100;
    assert_int_equal(run(f, "describe"), RAP_E_ARGUMENT);
    assert_says(f, "401: trouble; set RAP_API_KEY");
    assert_true(service_requests(f->s) <= 2);
    assert_false(file_exists(in("set/annotated-describe")));
    f->errors = 0; /* and once it is right the same call does the rest */
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.asked, 2);
}

static void a_request_that_fails_leaves_the_others(void **state)
{
    fixture *f = *state;

    f->code = 400;
    f->errors = 1;
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.failed, 1);
    assert_int_equal(f->r.asked, 1);
    assert_non_null(strstr(f->r.first_failure, "400: trouble"));
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.known, 1);
    assert_int_equal(f->r.asked, 1);
}

static void a_cancelled_run_goes_on(void **state)
{
    fixture *f = *state;
    double start = clock_ms();

    f->delay_ms = 5000;
    f->set.silence_seconds = 30;
    f->cancel_after = 4;
    assert_int_equal(run(f, "describe"), RAP_E_CANCELLED);
    assert_true(clock_ms() - start < 4000);
    assert_false(file_exists(in("set/annotated-describe")));
    f->delay_ms = 0;
    f->cancel_after = 0;
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.changed, 5);
}

static void a_torn_line_is_cut_off_and_a_foreign_one_is_named(void **state)
{
    fixture *f = *state;
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(file_read(&text, &size, in("set/annotations.jsonl"), 1 << 20, NULL), RAP_OK);
    assert_int_equal(file_write(in("set/annotations.jsonl"), text, size - 40, NULL), RAP_OK);
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.known, 1);
    assert_int_equal(f->r.asked, 1);
    free(text);
    write_text("set/annotations.jsonl", "{\"mine\": 1}\n");
    assert_int_equal(run(f, "describe"), RAP_E_FORMAT);
    assert_says(f, "annotations.jsonl:1: not a line of this file");
}

static void pictures_that_are_missing_or_elsewhere_are_not_sent(void **state)
{
    fixture *f = *state;

    write_text("secret.jpg", "secret");
    write_text("set/train.json",
               "[" LINE("a", "description", "", "Describe <bo>.", "x",
                        "\"../../secret.jpg\": {\"name\": \"bo\", \"info\": \"\", \"category\": "
                        "\"\"}") ", " LINE("b", "description", "", "Describe <eve>.", "x",
                                           "\"crops/gone.jpg\": {\"name\": \"eve\", \"info\": "
                                           "\"\", \"category\": \"\"}") "]");
    assert_int_equal(run(f, "describe"), RAP_OK);
    assert_int_equal(f->r.failed, 2);
    assert_int_equal(service_requests(f->s), 0);
    assert_true(path_stays("a/..b/c"));
    assert_false(path_stays("a/../b"));
    assert_false(path_stays(".."));
    assert_false(path_stays("/a"));
}

/* The embedded model knows no JSON, so that its verdicts are bad ones; but it is asked, and nothing goes out. */
static void a_profile_answers_without_an_endpoint(void **state)
{
    fixture *f = *state;

    f->set.endpoint = f->set.model = NULL;
    f->set.profile = "models/tiny";
    assert_int_equal(run(f, "verify"), RAP_OK);
    assert_int_equal(service_requests(f->s), 0);
    assert_true(f->r.asked > 0);
    assert_int_equal(f->r.asked, f->r.requests);
    assert_int_equal(f->r.failed, 0);
    assert_true(f->r.prompt_tokens > 64 && f->r.answer_tokens > 0 && f->r.pictures > 0);
    f->set.replay = true;
    assert_int_equal(run(f, "verify"), RAP_OK);
    assert_int_equal(f->r.known, f->r.requests);
    f->set.model = "m";
    assert_int_equal(run(f, "verify"), RAP_E_ARGUMENT);
    assert_says(f, "leave out --endpoint and --model");
    f->set.model = NULL;
    f->set.profile = "/nowhere";
    assert_int_equal(run(f, "verify"), RAP_E_NOT_FOUND);
}

static void mistakes_are_named(void **state)
{
    fixture *f = *state;

    assert_int_equal(run(f, "praise"), RAP_E_ARGUMENT);
    assert_says(f, "'praise' is no task");
    f->set.endpoint = NULL;
    assert_int_equal(run(f, "qa"), RAP_E_ARGUMENT);
    assert_says(f, "no endpoint is given");
    f->set.endpoint = "localhost";
    assert_int_equal(run(f, "qa"), RAP_E_ARGUMENT);
    f->set.endpoint = f->url;
    f->set.model = NULL;
    assert_int_equal(run(f, "qa"), RAP_E_ARGUMENT);
    f->set.model = "m";
    free((char *)f->set.folder);
    f->set.folder = strdup(in("nowhere"));
    assert_int_equal(run(f, "qa"), RAP_E_NOT_FOUND);
    write_text("nowhere/train.json", "[{\"id\": 1}]");
    assert_int_equal(run(f, "qa"), RAP_E_FORMAT);
}

/* ---- the program ---- */

static void the_program_annotates(void **state)
{
    fixture *f = *state;
    const char *program = getenv("RAP_BIN");
    char command[900], *text = NULL;
    size_t size = 0;

    if (!program)
        skip();
    f->replies[1] = "<bo> sits with\033 luna.";
    snprintf(command, sizeof command,
             "'%s' dataset annotate '%s' --endpoint %s --model m --task caption >'%s' 2>&1",
             program, f->set.folder, f->url, in("out.txt"));
    assert_int_equal(system(command), 0);
    assert_int_equal(file_read(&text, &size, in("out.txt"), 1 << 20, NULL), RAP_OK);
    assert_non_null(strstr(text, "bad answers: 1: the answer uses a name that it must not\n"));
    assert_non_null(strstr(text, "0 with an answer, 5 as they were, 1 left out"));
    free(text);
    snprintf(command, sizeof command, "'%s' dataset annotate '%s' --task caption --model m 2>'%s'",
             program, f->set.folder, in("out.txt"));
    assert_int_not_equal(system(command), 0);
    assert_int_equal(file_read(&text, &size, in("out.txt"), 1 << 20, NULL), RAP_OK);
    assert_non_null(strstr(text, "no endpoint is given"));
    free(text);
}

static void ctrl_c_ends_the_program_cleanly(void **state)
{
    fixture *f = *state;
    const char *program = getenv("RAP_BIN");
    int status = 0;
    double start;
    pid_t child;

    if (!program)
        skip();
    f->delay_ms = 8000;
    child = fork();
    if (child == 0) {
        execl(program, program, "dataset", "annotate", f->set.folder, "--endpoint", f->url,
              "--model", "m", "--task", "describe", "--quiet", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && service_requests(f->s) == 0; i++)
        usleep(10000);
    start = clock_ms();
    kill(child, SIGINT);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_true(clock_ms() - start < 4000);
    assert_false(file_exists(in("set/annotated-describe")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(concepts_are_described),
        TEST(captions_and_questions_are_rewritten),
        TEST(samples_that_the_model_denies_are_left_out),
        TEST(every_reply_is_kept_with_its_prompt),
        TEST(what_is_answered_is_not_asked_again),
        TEST(prompts_can_be_ones_own),
        TEST(a_dry_run_counts_and_sends_nothing),
        TEST(requests_keep_their_distance),
        TEST(requests_in_flight_are_limited),
        TEST(bad_answers_are_counted_and_left_out),
        TEST(trouble_that_passes_is_outlived),
        TEST(a_wrong_key_ends_the_run),
        TEST(a_request_that_fails_leaves_the_others),
        TEST(a_cancelled_run_goes_on),
        TEST(a_torn_line_is_cut_off_and_a_foreign_one_is_named),
        TEST(pictures_that_are_missing_or_elsewhere_are_not_sent),
        TEST(a_profile_answers_without_an_endpoint),
        TEST(mistakes_are_named),
        TEST(the_program_annotates),
        TEST(ctrl_c_ends_the_program_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
