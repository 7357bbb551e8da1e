/* test_build.c: a data set from all sources: the same bytes whatever happens (src/dataset/build.c). */
#include "dataset/dataset.h"
#include "dataset/layouts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIX                                                                                    \
    "\"mix\": {\"grounding\": 20, \"recognition\": 20, \"caption\": 20, \"description\": 20, " \
    "\"qa\": 20, \"instruction\": 20}"

static const char config[] =
    "{\"seed\": 3, " MIX
    ", \"validation\": 0.3, \"noise\": {\"share\": 0.7, \"least\": 1, \"most\": 3},\n"
    "\"sources\": [{\"type\": \"coco\", \"annotations\": \"coco/instances.json\", \"captions\": "
    "\"coco/captions.json\", \"images\": \"coco/images\"},\n"
    "{\"type\": \"tao\", \"annotations\": \"tao/train.json\", \"images\": \"tao/frames\"},\n"
    "{\"type\": \"vid\", \"annotations\": \"vid/annotations\", \"images\": \"vid/data\"},\n"
    "{\"type\": \"folders\", \"images\": \"objects\"},\n"
    "{\"type\": \"custom101\", \"annotations\": \"c101/dataset.json\", \"images\": \"c101\"},\n"
    "{\"type\": \"myvlm\", \"images\": \"myvlm\"},\n"
    "{\"type\": \"yollava\", \"images\": \"yollava\", \"questions\": "
    "\"yollava/conversations.json\", \"annotations\": \"yollava/database.json\"},\n"
    "{\"type\": \"mcllava\", \"images\": \"mc\", \"split\": \"test\"},\n"
    "{\"type\": \"llava\", \"annotations\": \"llava/instruct.json\", \"images\": "
    "\"llava/images\"}]}";

static int make_sources(void **state)
{
    if (make_work(state) != 0)
        return -1;
    make_coco();
    make_tao();
    make_vid();
    make_folders();
    make_custom101();
    make_myvlm();
    make_yollava();
    make_mcllava();
    make_llava();
    write_text("config.json", config);
    return 0;
}

static rap_status build(dataset_result *out, const char *folder, int threads, rap_err *err)
{
    const char *path = in("config.json");
    dataset_options options = { .config = path, .folder = folder, .threads = threads };

    return dataset_build(out, &options, err);
}

/* Are both folders the same, file by file? */
static int same_folders(const char *a, const char *b)
{
    char command[700];

    snprintf(command, sizeof command, "diff -r '%s' '%s'", a, b);
    return system(command) == 0;
}

static void every_kind_and_source_is_there(void **state)
{
    dataset_result r;
    dataset_stats s;
    rap_err err = { 0 };

    assert_int_equal(build(&r, in("out"), 2, &err), RAP_OK);
    assert_int_equal(dataset_count(&s, in("out"), &err), RAP_OK);
    assert_true(s.samples > 20);
    for (int k = 0; k < KIND_COUNT; k++)
        assert_true(s.kind[k] > 0); /* none is lost to a damaged picture of another concept */
    assert_true(s.yes > 0 && s.no > 0);
    assert_true(s.text_only > 0);
    assert_true(s.concepts[2] + s.concepts[3] + s.concepts[4] > 0);
    assert_int_equal(s.missing, 0);
    assert_int_equal(s.both_sides, 0);
    assert_int_equal(s.other, 0);
    assert_int_equal(s.samples, r.train + r.validation);
    assert_true(r.validation > 0);
    assert_true(r.report.dropped[DROP_NO_PICTURE] > 0); /* COCO's gone.jpg */
}

static void threads_change_nothing(void **state)
{
    dataset_result one, three;

    assert_int_equal(build(&one, in("a"), 1, NULL), RAP_OK);
    assert_int_equal(build(&three, in("b"), 3, NULL), RAP_OK);
    assert_true(same_folders(in("a"), in("b")));
    assert_memory_equal(one.made, three.made, sizeof one.made);
}

static int stop_after(const char *what, uint64_t done, uint64_t total, void *payload)
{
    int *left = payload;

    return strncmp(what, "making samples", 14) == 0 && --*left < 0;
}

static void an_interrupted_build_goes_on(void **state)
{
    dataset_result r;
    rap_err err = { 0 };
    int left = 0;
    char path[320];
    dataset_options options = {
        .config = path, .folder = NULL, .on_progress = stop_after, .payload = &left
    };
    char folder[320];

    snprintf(path, sizeof path, "%s", in("config.json"));
    snprintf(folder, sizeof folder, "%s", in("b"));
    options.folder = folder;
    assert_int_equal(build(&r, in("a"), 1, NULL), RAP_OK);
    assert_int_equal(dataset_build(&r, &options, &err), RAP_E_CANCELLED);
    assert_string_equal(err.text, "cancelled; the same command goes on from here");
    assert_false(file_exists(in("b/train.json")));
    assert_int_equal(build(&r, folder, 2, NULL), RAP_OK);
    assert_true(same_folders(in("a"), in("b")));
    assert_int_equal(build(&r, folder, 2, NULL), RAP_OK); /* finished: nothing to do */
    assert_true(same_folders(in("a"), in("b")));
}

/* Killed five times at different moments, each time continued. */
static void a_killed_build_gives_the_same_bytes(void **state)
{
    dataset_result r;
    char command[900];

    assert_int_equal(build(&r, in("a"), 1, NULL), RAP_OK);
    snprintf(command, sizeof command, "exec '%s' dataset build '%s' --out '%s' --quiet",
             getenv("RAP_BIN"), in("config.json"), in("b"));
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();

        if (child == 0) { /* other threads may hold any lock: nothing but exec */
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
            _exit(127);
        }
        usleep((useconds_t)(15000 + 20000 * i));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    assert_int_equal(build(&r, in("b"), 2, NULL), RAP_OK);
    assert_true(same_folders(in("a"), in("b")));
}

static void a_killed_build_gives_the_same_bytes_or_skips(void **state)
{
    if (!getenv("RAP_BIN")) {
        print_message("skipped: no $RAP_BIN\n");
        skip();
    }
    a_killed_build_gives_the_same_bytes(state);
}

/* The shell's limit on the size of files stands for a full disk; 6 blocks are less than the samples need. */
static void a_full_disk_leaves_nothing_under_the_final_name(void **state)
{
    dataset_result r;
    char command[1200], folder[320];

    if (!getenv("RAP_BIN")) {
        print_message("skipped: no $RAP_BIN\n");
        skip();
    }
    snprintf(folder, sizeof folder, "%s", in("b"));
    snprintf(command, sizeof command,
             "trap '' XFSZ; ulimit -f 6; '%s' dataset build '%s' --out '%s' --quiet 2>'%s'",
             getenv("RAP_BIN"), in("config.json"), folder, in("line"));
    assert_int_not_equal(system(command), 0);
    assert_false(file_exists(in("b/train.json")));
    assert_int_equal(build(&r, folder, 1, NULL), RAP_OK); /* room again: it goes on */
    assert_int_equal(build(&r, in("a"), 1, NULL), RAP_OK);
    assert_true(same_folders(in("a"), in("b")));
}

static void other_folders_are_left_alone(void **state)
{
    dataset_result r;
    rap_err err = { 0 };

    write_text("mine/letter.txt", "dear");
    assert_int_equal(build(&r, in("mine"), 1, &err), RAP_E_EXISTS);
    assert_non_null(strstr(err.text, "the folder is not empty"));
    assert_int_equal(build(&r, in("out"), 1, NULL), RAP_OK);
    write_text("config.json",
               "{\"seed\": 4, \"sources\": [{\"type\": \"folders\", \"images\": \"objects\"}]}");
    assert_int_equal(build(&r, in("out"), 1, &err), RAP_E_EXISTS);
    assert_non_null(strstr(err.text, "another configuration"));
}

static void a_folder_is_built_by_one_at_a_time(void **state)
{
    dataset_result r;
    rap_err err = { 0 };
    int fd;

    assert_int_equal(file_make_folders(in("out"), NULL), RAP_OK);
    fd = open(in("out"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(build(&r, in("out"), 1, &err), RAP_E_BUSY);
    assert_non_null(strstr(err.text, "another process is building it"));
    close(fd);
    assert_int_equal(build(&r, in("out"), 1, NULL), RAP_OK);
}

static void a_folder_inside_a_source_is_refused(void **state)
{
    dataset_result r;
    rap_err err = { 0 };

    assert_int_equal(build(&r, in("objects/out"), 1, &err), RAP_E_ARGUMENT);
    assert_non_null(strstr(err.text, "which the source \"folders\" reads"));
    assert_false(file_exists(in("objects/out")));
}

static void sources_that_changed_meanwhile_are_noticed(void **state)
{
    dataset_result r;
    rap_err err = { 0 };
    int left = 0;
    char config_path[320], folder[320];
    dataset_options options = {
        .config = config_path, .folder = folder, .on_progress = stop_after, .payload = &left
    };

    snprintf(config_path, sizeof config_path, "%s", in("config.json"));
    snprintf(folder, sizeof folder, "%s", in("b"));
    assert_int_equal(dataset_build(&r, &options, &err), RAP_E_CANCELLED);
    write_picture("objects/dog6/11.jpg", 0xA01040);
    assert_int_equal(build(&r, folder, 1, &err), RAP_E_EXISTS);
    assert_non_null(strstr(err.text, "the sources held other items"));
}

/* The configuration with other fields in front. */
static void configure(const char *fields)
{
    buf text = BUF_INIT;

    buf_printf(&text, "{%s, %s", fields, config + 1);
    write_text("config.json", buf_text(&text));
    buf_release(&text);
}

static void copied_pictures_need_no_source(void **state)
{
    dataset_result r;
    dataset_stats a, b;
    struct stat info;

    assert_int_equal(build(&r, in("a"), 1, NULL), RAP_OK);
    assert_int_equal(dataset_count(&a, in("a"), NULL), RAP_OK);
    configure("\"copy_pictures\": true");
    assert_int_equal(build(&r, in("b"), 2, NULL), RAP_OK);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "b/images/coco" : "b/images/yollava";

        assert_int_equal(lstat(in(name), &info), 0);
        assert_true(S_ISDIR(info.st_mode));
    }
    assert_int_equal(rename(in("coco"), in("coco.gone")), 0);
    assert_int_equal(rename(in("vid"), in("vid.gone")), 0);
    assert_int_equal(dataset_count(&b, in("b"), NULL), RAP_OK);
    assert_int_equal(b.missing, 0);
    assert_memory_equal(&a, &b, sizeof a);
}

static void a_picture_of_another_size_is_left_out(void **state)
{
    image im = { 0 };
    dataset_result r;

    assert_int_equal(page_new(&im, 100, 80, 0x404040, NULL), RAP_OK);
    assert_int_equal(image_save_jpeg(&im, in("coco/images/one.jpg"), 90, NULL), RAP_OK);
    image_release(&im);
    assert_int_equal(build(&r, in("out"), 1, NULL), RAP_OK);
    assert_true(r.report.dropped[DROP_SIZE] > 0);
    assert_string_equal(r.report.first[DROP_SIZE],
                        "coco/one.jpg: 100 x 80 pixels, annotated as 200 x 160");
}

static int stop_embedding(const char *what, uint64_t done, uint64_t total, void *payload)
{
    return strcmp(what, "embedding concepts") == 0 && done > 0;
}

static void the_encoder_finds_hard_noise(void **state)
{
    char folder[320], path[320], with_noise[sizeof config + 64];
    dataset_result r;
    rap_err err = { 0 };
    dataset_options options = {
        .config = path, .folder = folder, .threads = 1, .on_progress = stop_embedding
    };
    const char *most = strstr(config, "\"most\": 3");

    snprintf(with_noise, sizeof with_noise, "%.*s\"hard\": 1, \"by\": \"encoder\", %s",
             (int)(most - config), config, most);
    write_text("config.json", with_noise);
    snprintf(folder, sizeof folder, "%s", in("a"));
    snprintf(path, sizeof path, "%s", in("config.json"));
    if (dataset_build(&r, &options, &err) != RAP_E_CANCELLED)
        fail_msg("%s", err.text);
    assert_true(file_exists(in("a/features.part")));
    assert_int_equal(build(&r, folder, 2, &err), RAP_OK);
    assert_false(file_exists(in("a/features.part")));
    assert_int_equal(build(&r, in("b"), 1, &err), RAP_OK);
    assert_true(same_folders(in("a"), in("b")));
}

static void a_drawing_spares_the_data_set(void **state)
{
    dataset_result r;
    dataset_stats s;
    rap_err err = { 0 };

    assert_int_equal(build(&r, in("out"), 1, NULL), RAP_OK);
    assert_int_equal(dataset_count(&s, in("out"), NULL), RAP_OK);
    assert_int_equal(dataset_draw_stats(&s, in("out"), in("out/train.json"), &err), RAP_E_ARGUMENT);
    assert_int_equal(dataset_show(in("out"), 0, in("coco/images/one.jpg"), &err), RAP_E_ARGUMENT);
    assert_int_equal(dataset_draw_stats(&s, in("out"), in("stats.png"), &err), RAP_OK);
}

static void lines_hold_the_same_samples(void **state)
{
    dataset_result r;
    dataset_stats a, b;
    buf text = BUF_INIT;

    assert_int_equal(build(&r, in("a"), 1, NULL), RAP_OK);
    buf_puts(&text, "{\"jsonl\": true, ");
    buf_puts(&text, config + 1);
    write_text("config.json", buf_text(&text));
    buf_release(&text);
    assert_int_equal(build(&r, in("b"), 1, NULL), RAP_OK);
    assert_true(file_exists(in("b/train.jsonl")));
    assert_int_equal(dataset_count(&a, in("a"), NULL), RAP_OK);
    assert_int_equal(dataset_count(&b, in("b"), NULL), RAP_OK);
    assert_memory_equal(&a, &b, sizeof a);
}

static void a_sample_is_drawn(void **state)
{
    dataset_result r;
    rap_err err = { 0 };
    image page = { 0 };

    assert_int_equal(build(&r, in("out"), 1, NULL), RAP_OK);
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(dataset_show(in("out"), i, in("show.png"), &err), RAP_OK);
    assert_int_equal(image_load(&page, in("show.png"), NULL), RAP_OK);
    assert_true(page.width > 400 && page.height > 150);
    image_release(&page);
    assert_int_equal(dataset_show(in("out"), 100000, in("show.png"), &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "samples, counted from 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_and_source_is_there, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(threads_change_nothing, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(an_interrupted_build_goes_on, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(a_killed_build_gives_the_same_bytes_or_skips, make_sources,
                                        remove_work),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing_under_the_final_name,
                                        make_sources, remove_work),
        cmocka_unit_test_setup_teardown(other_folders_are_left_alone, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(a_folder_is_built_by_one_at_a_time, make_sources,
                                        remove_work),
        cmocka_unit_test_setup_teardown(a_folder_inside_a_source_is_refused, make_sources,
                                        remove_work),
        cmocka_unit_test_setup_teardown(sources_that_changed_meanwhile_are_noticed, make_sources,
                                        remove_work),
        cmocka_unit_test_setup_teardown(copied_pictures_need_no_source, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(a_picture_of_another_size_is_left_out, make_sources,
                                        remove_work),
        cmocka_unit_test_setup_teardown(the_encoder_finds_hard_noise, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(a_drawing_spares_the_data_set, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(lines_hold_the_same_samples, make_sources, remove_work),
        cmocka_unit_test_setup_teardown(a_sample_is_drawn, make_sources, remove_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
