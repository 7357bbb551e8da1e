/* test_novel.c: new views by a service that behaves, and by ones that lie (src/dataset/novel.c). The encoder is the
 * embedded profile's. */
#include "dataset/novel.h"

#include "base/base64.h"
#include "dataset/dataset.h"
#include "dataset/layouts.h"
#include "remote/service.h"

#include <unistd.h>

static const char train[] =
    "[{\"id\": \"a\", \"image\": \"photo.jpg\", \"conversations\": [{\"from\": \"human\", "
    "\"value\": "
    "\"<image>\\nIs <bo> there?\"}, {\"from\": \"gpt\", \"value\": \"Yes\"}], \"extra\": "
    "{\"crops/bo.jpg\": {\"name\": \"bo\", \"info\": \"\", \"category\": \"dog\"}, "
    "\"crops/luna.jpg\": {\"name\": \"luna\", \"info\": \"\", \"category\": \"\"}}, \"type\": "
    "\"recognition\"},\n"
    "{\"id\": \"i\", \"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": "
    "\"gpt\", "
    "\"value\": \"Hello\"}], \"extra\": {}, \"type\": \"instruction\"}]\n";

typedef enum trick {
    SAME,  /* the picture that was sent */
    OTHER, /* noise */
    NOT_BASE64,
    NOT_PICTURE,
    TOO_LARGE, /* pixels */
    HUGE_TEXT,
    NO_IMAGES,
    CUT,
    ERROR_422,
    ERROR_500
} trick;

typedef struct fixture {
    service *s;
    char url[64];
    trick trick;
    int tricks; /* so many requests get the trick; then SAME */
    json_t *asked;
    char path[128];
    novel_options set;
    novel_result r;
    rap_err err;
} fixture;

/* A PNG of w × h pixels with every pixel its own colour. */
static void add_noise(buf *out, int width, int height)
{
    char *bytes = NULL;
    size_t size = 0;
    image im = { 0 };
    uint32_t state = 1;

    assert_int_equal(image_new(&im, width, height, NULL), RAP_OK);
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
        im.rgb[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    assert_int_equal(image_save_png(&im, in("noise.png"), NULL), RAP_OK);
    assert_int_equal(file_read(&bytes, &size, in("noise.png"), 1 << 28, NULL), RAP_OK);
    base64_encode(out, bytes, size);
    image_release(&im);
    free(bytes);
}

static void answer(service_answer *out, const service_request *r, void *payload)
{
    fixture *f = payload;
    trick now = f->tricks > 0 ? f->trick : SAME;
    json_t *asked = json_loadb(r->body, r->body_size, 0, NULL);
    const char *sent = json_string_value(json_array_get(json_object_get(asked, "init_images"), 0));

    f->tricks -= f->tricks > 0;
    snprintf(f->path, sizeof f->path, "%s", r->path);
    json_decref(f->asked);
    f->asked = asked;
    buf_puts(&out->body, "{\"images\": [\"");
    switch (now) {
    case SAME:
        buf_puts(&out->body, sent);
        break;
    case OTHER:
        add_noise(&out->body, 96, 96);
        break;
    case NOT_BASE64:
        buf_puts(&out->body, "this is *not* it");
        break;
    case NOT_PICTURE:
        base64_encode(&out->body, "<html>hello</html>", 18);
        break;
    case TOO_LARGE:
        add_noise(&out->body, 2049, 4);
        break;
    case HUGE_TEXT:
        for (int i = 0; i < 50 << 10; i++)
            for (int j = 0; j < 16; j++)
                buf_puts(&out->body,
                         "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD");
        break;
    case NO_IMAGES:
        buf_clear(&out->body);
        buf_puts(&out->body, "{\"pictures\": [\"");
        break;
    case CUT:
        buf_puts(&out->body, sent);
        out->cut = 100;
        break;
    case ERROR_422:
    case ERROR_500:
        out->code = now == ERROR_422 ? 422 : 500;
        buf_clear(&out->body);
        buf_puts(&out->body, "{\"detail\": \"no model is loaded\"}");
        return;
    }
    buf_puts(&out->body, "\"]}");
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_int_equal(make_work(state), 0);
    unsetenv("RAP_API_KEY");
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    f->s = service_start(answer, f);
    assert_non_null(f->s);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/", service_port(f->s));
    write_text("set/train.json", train);
    write_picture("set/images/photo.jpg", 0xC02020);
    write_picture("set/images/crops/bo.jpg", 0xC03020);
    write_picture("set/images/crops/luna.jpg", 0x20C020);
    f->set = (novel_options){ .folder = strdup(in("set")),
                              .endpoint = f->url,
                              .attempts = -1,
                              .first_pause_ms = 10,
                              .silence_seconds = 5 };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    service_stop(f->s);
    json_decref(f->asked);
    free((char *)f->set.folder);
    free(f);
    return remove_work(state);
}

static rap_status run(fixture *f)
{
    f->err = (rap_err){ 0 };
    return novel(&f->r, &f->set, &f->err);
}

static void views_become_samples(void **state)
{
    fixture *f = *state;
    dataset_stats stats;
    char *now = NULL;
    size_t size = 0;

    f->set.seed = 5;
    f->set.prompt = "a {category} called {name}";
    f->set.negative = "text";
    assert_int_equal(run(f), RAP_OK);
    assert_string_equal(f->r.why, "");
    assert_int_equal(f->r.views, 2);
    assert_int_equal(f->r.made, 2);
    assert_int_equal(f->r.kept, 2);
    assert_true(f->r.least > 0.95);
    assert_int_equal(f->r.samples, 3);
    assert_int_equal(f->r.added, 1);
    assert_string_equal(f->path, "/sdapi/v1/img2img");
    assert_string_equal(json_string_value(json_object_get(f->asked, "prompt")),
                        "an object called <luna>");
    assert_string_equal(json_string_value(json_object_get(f->asked, "negative_prompt")), "text");
    assert_true(json_number_value(json_object_get(f->asked, "denoising_strength")) == 0.5);
    assert_int_equal(json_integer_value(json_object_get(f->asked, "steps")), 20);
    assert_true(json_is_integer(json_object_get(f->asked, "seed")));
    assert_int_equal(dataset_count(&stats, in("set/novel"), &f->err), RAP_OK);
    assert_int_equal(stats.samples, 3);
    assert_int_equal(stats.missing, 0);
    assert_int_equal(file_read(&now, &size, in("set/train.json"), 1 << 20, NULL), RAP_OK);
    assert_string_equal(now, train);
    free(now);
}

static void a_view_of_something_else_is_dropped(void **state)
{
    fixture *f = *state;

    f->trick = OTHER;
    f->tricks = 1;
    f->set.threshold = 0.9;
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.made, 2);
    assert_int_equal(f->r.kept, 1);
    assert_int_equal(f->r.dropped, 1);
    assert_true(f->r.least < 0.9 && f->r.mean > f->r.least);
    f->set.threshold = -1; /* another threshold needs no new views */
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.known, 2);
    assert_int_equal(f->r.made, 0);
    assert_int_equal(f->r.kept, 2);
    assert_int_equal(service_requests(f->s), 2);
}

static void the_seed_decides(void **state)
{
    fixture *f = *state;
    json_int_t first;

    assert_int_equal(run(f), RAP_OK);
    first = json_integer_value(json_object_get(f->asked, "seed"));
    assert_int_equal(unlink(in("set/novel.jsonl")), 0);
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(json_integer_value(json_object_get(f->asked, "seed")), first);
    f->set.seed = 1;
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.known, 0);
    assert_int_not_equal(json_integer_value(json_object_get(f->asked, "seed")), first);
}

static void a_view_whose_file_is_gone_is_made_again(void **state)
{
    fixture *f = *state;
    char command[400];

    f->set.views = 2;
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.made, 4);
    snprintf(command, sizeof command, "rm $(ls '%s'/*.jpg | head -1)", in("set/images/novel"));
    assert_int_equal(system(command), 0);
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.known, 3);
    assert_int_equal(f->r.made, 1);
}

static void without_an_endpoint_the_rest_goes_on(void **state)
{
    fixture *f = *state;

    f->set.endpoint = NULL;
    assert_int_equal(run(f), RAP_OK);
    assert_non_null(strstr(f->r.why, "no endpoint is given"));
    assert_int_equal(f->r.samples, 2);
    f->set.endpoint = "http://127.0.0.1:1";
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.failed, 2);
    assert_non_null(strstr(f->r.first_failure, "http://127.0.0.1:1/sdapi/v1/img2img: "));
    assert_true(file_exists(in("set/novel/train.json")));
    f->set.endpoint = "ftp://x";
    assert_int_equal(run(f), RAP_OK);
    assert_non_null(strstr(f->r.why, "no address of a service"));
}

static void lies_are_named_and_leave_nothing(void **state)
{
    static const struct {
        trick trick;
        const char *says;
    } list[] = {
        { NOT_BASE64, "the picture that came is not base64" },
        { NOT_PICTURE, "what came is no picture" },
        { TOO_LARGE, "2049 x 4 pixels; 2048 is the most" },
        { HUGE_TEXT, "the server sends more than" },
        { NO_IMAGES, "has no \"images\"" },
        { CUT, "partial" },
        { ERROR_422, "the server answered 422: no model is loaded" },
        { ERROR_500, "the server answered 500: no model is loaded" },
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char command[400];

        f->trick = list[i].trick;
        f->tricks = 100;
        assert_int_equal(run(f), RAP_OK);
        assert_int_equal(f->r.failed, 2);
        assert_int_equal(f->r.made, 0);
        if (!strstr(f->r.first_failure, list[i].says))
            fail_msg("'%s' does not say '%s'", f->r.first_failure, list[i].says);
        assert_int_equal(f->r.samples, 2);
        snprintf(command, sizeof command, "test -z \"$(ls '%s')\"", in("set/images/novel"));
        assert_int_equal(system(command), 0);
    }
}

static void a_service_that_keeps_failing_is_left(void **state)
{
    fixture *f = *state;

    f->set.views = 10;
    f->trick = ERROR_500;
    f->tricks = 100;
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(service_requests(f->s), 3);
    assert_non_null(strstr(f->r.why, "no model is loaded"));
}

static int stop(const char *what, uint64_t done, uint64_t total, void *payload)
{
    return done >= 1;
}

static void it_can_be_stopped_and_goes_on(void **state)
{
    fixture *f = *state;

    f->set.on_progress = stop;
    assert_int_equal(run(f), RAP_E_CANCELLED);
    assert_false(file_exists(in("set/novel/train.json")));
    f->set.on_progress = NULL;
    assert_int_equal(run(f), RAP_OK);
    assert_int_equal(f->r.known, 1);
    assert_int_equal(f->r.made, 1);
}

static void a_source_s_own_pictures_stay_alone(void **state)
{
    fixture *f = *state;

    write_picture("mine/a.jpg", 0);
    assert_int_equal(symlink("../../mine", in("set/images/novel")), 0);
    assert_int_equal(run(f), RAP_E_EXISTS);
    assert_int_equal(service_requests(f->s), 0);
}

static void mistakes_are_named(void **state)
{
    fixture *f = *state;

    f->set.strength = 1.5;
    assert_int_equal(run(f), RAP_E_ARGUMENT);
    f->set.strength = 0.5;
    f->set.threshold = 2;
    assert_int_equal(run(f), RAP_E_ARGUMENT);
    f->set.threshold = 0;
    f->set.views = 17;
    assert_int_equal(run(f), RAP_E_ARGUMENT);
    f->set.views = 1;
    f->set.profile = "no-such-profile";
    assert_int_not_equal(run(f), RAP_OK);
    assert_true(strlen(f->err.text) > 0);
}

static rap_status build(fixture *f, dataset_result *out, const char *novel)
{
    char config[1024], path[320], folder[320];
    dataset_options options = { .config = path, .folder = folder, .attempts = -1 };

    snprintf(config, sizeof config,
             "{\"mix\": {\"description\": 4, \"recognition\": 4}, \"validation\": 0, \"sources\": "
             "[{\"type\": \"coco\", \"annotations\": \"coco/instances.json\", \"images\": "
             "\"coco/images\"}]%s}",
             novel);
    make_coco();
    write_text("config.json", config);
    snprintf(path, sizeof path, "%s", in("config.json"));
    snprintf(folder, sizeof folder, "%s", in("built"));
    return dataset_build(out, &options, &f->err);
}

static json_t *report_of_views(void)
{
    json_t *report = json_load_file(in("built/report.json"), 0, NULL);
    json_t *views = json_incref(json_object_get(report, "novel"));

    json_decref(report);
    return views;
}

/* Without an endpoint the samples are there and one line says why the views are not; with one, the same command makes
 * them and changes no sample. */
static void a_build_makes_views(void **state)
{
    fixture *f = *state;
    char novel[256], *before = NULL, *after = NULL;
    size_t size = 0, again = 0;
    dataset_result r;
    json_t *views;

    assert_int_equal(build(f, &r, ", \"novel\": {}"), RAP_OK);
    assert_true(r.has_novel && r.train > 0 && r.novel.views > 0);
    assert_int_equal(r.novel.kept + r.novel.dropped, 0);
    assert_non_null(strstr(r.novel.why, "no endpoint is given"));
    assert_int_equal(file_read(&before, &size, in("built/train.json"), 1 << 20, NULL), RAP_OK);
    views = report_of_views();
    assert_non_null(strstr(json_string_value(json_object_get(views, "missing")), "no endpoint"));
    json_decref(views);

    snprintf(novel, sizeof novel, ", \"novel\": {\"endpoint\": \"%s\", \"threshold\": 0.6}",
             f->url);
    f->trick = OTHER;
    f->tricks = 1;
    assert_int_equal(build(f, &r, novel), RAP_OK);
    assert_true(service_requests(f->s) > 0);
    assert_int_equal(r.novel.made, r.novel.views);
    assert_int_equal(r.novel.dropped, 1);
    assert_int_equal(file_read(&after, &again, in("built/train.json"), 1 << 20, NULL), RAP_OK);
    assert_int_equal(size, again);
    assert_memory_equal(before, after, size);
    views = report_of_views();
    assert_int_equal(json_integer_value(json_object_get(views, "dropped")), 1);
    assert_int_equal(json_integer_value(json_object_get(views, "kept")), r.novel.kept);
    assert_null(json_object_get(views, "missing"));
    json_decref(views);
    assert_true(file_exists(in("built/novel/train.json")));
    assert_int_equal(build(f, &r, ", \"novel\": {\"steps\": 0}"), RAP_E_FORMAT);
    free(before);
    free(after);
}

static void the_program_makes_views(void **state)
{
    fixture *f = *state;
    const char *program = getenv("RAP_BIN");
    char command[900], *text = NULL;
    size_t size = 0;

    if (!program)
        skip();
    snprintf(command, sizeof command,
             "'%s' dataset novel '%s' --endpoint %s --strength 0.4 >'%s' 2>&1", program,
             f->set.folder, f->url, in("out.txt"));
    assert_int_equal(system(command), 0);
    assert_int_equal(file_read(&text, &size, in("out.txt"), 1 << 20, NULL), RAP_OK);
    assert_non_null(strstr(text, "kept: 2; dropped: 0"));
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(views_become_samples),
        TEST(a_view_of_something_else_is_dropped),
        TEST(the_seed_decides),
        TEST(a_view_whose_file_is_gone_is_made_again),
        TEST(without_an_endpoint_the_rest_goes_on),
        TEST(lies_are_named_and_leave_nothing),
        TEST(a_service_that_keeps_failing_is_left),
        TEST(it_can_be_stopped_and_goes_on),
        TEST(a_source_s_own_pictures_stay_alone),
        TEST(mistakes_are_named),
        TEST(a_build_makes_views),
        TEST(the_program_makes_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
