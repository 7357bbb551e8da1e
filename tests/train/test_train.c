/* test_train.c: whole trainings of the tiny model: samples are learnt, an interrupted training ends with the same losses and the
 * same adapter, and what cannot be trained is refused with a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "formats/gguf_file.h"
#include "image/page.h"
#include "train/lesson.h"
#include "train/train.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char work[] = "/tmp/rap-train-XXXXXX";

/* `work`/name, in one of four places that take turns. */
static const char *in(const char *name)
{
    static char path[4][1024];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", work, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write(in(name), text, strlen(text), NULL), RAP_OK);
}

/* Answers of tokens that the tiny model's base training had in its answers. Others ("▁live", "It", "In") have rows
 * in the frozen output that are nearly equal to those of all unused tokens, and no LoRA can tell them apart. */
static const char *const talk[8][2] = {
    { "What is in this picture?", "A red square." },
    { "Where is the cat?", "On the sofa." },
    { "Who owns the mug?", "Kai owns it." },
    { "What does the dog like?", "Red apples." },
    { "Is it cold?", "No, it is warm." },
    { "How old is the goat?", "7 years old." },
    { "Where do you live?", "Rome." },
    { "Say hello!", "Hello, my friend." },
};

static int start(void **state)
{
    char text[4096];
    size_t len = 0;
    image im = { 0 };

    if (!mkdtemp(work))
        return 1;
    assert_int_equal(file_make_folders(in("set/images"), NULL), RAP_OK);
    assert_int_equal(page_new(&im, 96, 96, 0x30A060, NULL), RAP_OK);
    page_fill(&im, 20, 20, 40, 40, 0xC02020);
    assert_int_equal(image_save_png(&im, in("set/images/a.png"), NULL), RAP_OK);
    image_release(&im);
    for (int i = 0; i < 8; i++)
        len += (size_t)snprintf(
            text + len, sizeof text - len,
            "{\"id\": \"s%d\", %s\"conversations\": [{\"from\": \"human\", \"value\": "
            "\"%s%s\"}, {\"from\": \"gpt\", \"value\": \"%s\"}]}\n",
            i, i ? "" : "\"image\": \"a.png\", ", i ? "" : "<image>\\n", talk[i][0], talk[i][1]);
    put("set/train.jsonl", text);
    return 0;
}

static int end(void **state)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static const char *tiny(void)
{
    static char path[512];
    const char *source = getenv("RAP_SOURCE");

    snprintf(path, sizeof path, "%s/models/tiny", source ? source : ".");
    return path;
}

static train_options options_for(const char *folder)
{
    train_options o = TRAIN_OPTIONS_INIT;

    o.data = strdup(in("set"));
    o.folder = strdup(in(folder));
    o.profile = tiny();
    o.rank = 8;
    o.alpha = 16;
    o.dropout = 0;
    o.lr = 4e-3;
    o.batch = 8;
    o.threads = 1;
    o.projector = TRAIN_PROJECTOR_AUTO;
    return o;
}

static void options_release(train_options *o)
{
    free((char *)o->data);
    free((char *)o->folder);
}

static void a_training_learns_and_leaves_its_files(void **state)
{
    train_options o = options_for("learnt");
    train_result r;
    rap_err err = { 0 };

    o.epochs = 60;
    o.rank = 16;
    o.alpha = 32;
    o.lr = 5e-3;
    if (train_run(&r, &o, &err))
        fail_msg("%s", err.text);
    printf("  loss %.4f, then %.6f; %.0f tokens/s\n", r.first_loss, r.last_loss,
           r.tokens_per_second);
    assert_int_equal(r.samples, 8);
    assert_int_equal(r.steps, 60);
    assert_true(r.first_loss > 1);
    assert_true(r.last_loss < 0.01);
    assert_true(file_exists(in("learnt/adapter.gguf")));
    assert_true(file_exists(in("learnt/loss.png")));
    assert_true(file_exists(in("learnt/mmproj.gguf")));
    options_release(&o);
}

/* Stops when it was called as often as `payload` says. */
static int stop_after(const char *what, uint64_t done, uint64_t total, void *payload)
{
    int *left = payload;

    return total > 0 && --*left == 0;
}

static void assert_same(const char *a, const char *b)
{
    char *one = NULL, *two = NULL;
    size_t len = 0, len_two = 0;

    assert_int_equal(file_read(&one, &len, a, 1 << 30, NULL), RAP_OK);
    assert_int_equal(file_read(&two, &len_two, b, 1 << 30, NULL), RAP_OK);
    assert_int_equal(len, len_two);
    assert_memory_equal(one, two, len);
    free(one);
    free(two);
}

/* The losses without the speed behind them. */
static void assert_same_losses(const char *a, const char *b)
{
    char command[700];

    snprintf(command, sizeof command,
             "for f in '%s' '%s'; do sed 's/, \"tokens_per_second.*//' \"$f\" > \"$f.only\"; done; "
             "cmp '%s.only' '%s.only'",
             a, b, a, b);
    assert_int_equal(system(command), 0);
}

static void an_interrupted_training_ends_the_same(void **state)
{
    train_options whole = options_for("whole"), parts = options_for("parts");
    train_result r;
    rap_err err = { 0 };

    whole.batch = parts.batch = 3;
    whole.epochs = parts.epochs = 3;
    whole.dropout = parts.dropout = 0.1;
    whole.rows = parts.rows = 200;
    whole.save_every = parts.save_every = 4;
    assert_int_equal(train_run(&r, &whole, &err), RAP_OK);
    parts.on_progress = stop_after;
    for (int i = 0; i < 3; i++) {
        int left = 2 + i % 2;

        parts.payload = &left;
        assert_int_equal(train_run(&r, &parts, &err), RAP_E_CANCELLED);
        assert_non_null(strstr(err.text, "the same command goes on"));
        assert_false(file_exists(in("parts/adapter.gguf")));
    }
    parts.on_progress = NULL;
    assert_int_equal(train_run(&r, &parts, &err), RAP_OK);
    assert_true(r.from_step > 0 && r.from_step < r.steps);
    assert_same(in("whole/adapter.gguf"), in("parts/adapter.gguf"));
    assert_same(in("whole/mmproj.gguf"), in("parts/mmproj.gguf"));
    assert_same_losses(in("whole/loss.jsonl"), in("parts/loss.jsonl"));

    /* other settings are another training */
    parts.rank = 4;
    assert_int_equal(train_run(&r, &parts, &err), RAP_E_EXISTS);
    assert_non_null(strstr(err.text, "another training"));

    /* threads and recomputing change no bit */
    whole.threads = 2;
    whole.recompute = true;
    free((char *)whole.folder);
    whole.folder = strdup(in("threads"));
    assert_int_equal(train_run(&r, &whole, &err), RAP_OK);
    assert_same(in("threads/adapter.gguf"), in("parts/adapter.gguf"));
    assert_same(in("threads/mmproj.gguf"), in("parts/mmproj.gguf"));
    options_release(&whole);
    options_release(&parts);
}

/* Tensors of the two files that differ, of the projector and others. */
static void count_changed(int *projector, int *others, const char *a, const char *b)
{
    gguf_file *one = NULL, *two = NULL;
    rap_err err = { 0 };

    *projector = *others = 0;
    if (gguf_file_open(&one, a, &err) || gguf_file_open(&two, b, &err))
        fail_msg("%s", err.text);
    assert_int_equal(gguf_tensor_count(one), gguf_tensor_count(two));
    for (size_t i = 0; i < gguf_tensor_count(one); i++) {
        const gguf_tensor *t = gguf_tensor_at(one, i), *u = gguf_find(two, t->name);

        assert_non_null(u);
        assert_int_equal(t->bytes, u->bytes);
        if (memcmp(t->data, u->data, t->bytes) != 0)
            *(strncmp(t->name, "mm.", 3) == 0 ? projector : others) += 1;
    }
    gguf_file_close(one);
    gguf_file_close(two);
}

static void the_projector_is_trained(void **state)
{
    train_options o = options_for("projector");
    train_result r;
    char base[600];
    int projector, others;
    rap_err err = { 0 };

    /* the LoRA stays where it is: what is learnt, the projector learns */
    o.lr = 1e-12;
    o.projector_lr = 1e-2;
    o.projector = TRAIN_PROJECTOR_ON;
    o.epochs = 20;
    if (train_run(&r, &o, &err))
        fail_msg("%s", err.text);
    assert_true(r.projector > 0);
    printf("  loss %.4f, with the projector alone %.4f\n", r.first_loss, r.last_loss);
    assert_true(r.last_loss < r.first_loss - 0.1);
    snprintf(base, sizeof base, "%s/mmproj-model.gguf", tiny());
    count_changed(&projector, &others, base, in("projector/mmproj.gguf"));
    assert_int_equal(projector, 4);
    assert_int_equal(others, 0);

    o.projector = TRAIN_PROJECTOR_OFF;
    o.epochs = 1;
    free((char *)o.folder);
    o.folder = strdup(in("projector-off"));
    assert_int_equal(train_run(&r, &o, &err), RAP_OK);
    assert_int_equal(r.projector, 0);
    assert_false(file_exists(in("projector-off/mmproj.gguf")));
    options_release(&o);
}

/* The second training does not encode the picture, a damaged file is made again, and no number changes. */
static void features_are_kept(void **state)
{
    static const char *const name[] = { "kept-a", "kept-b", "kept-c", "kept-d" };
    static const unsigned from_cache[] = { 0, 1, 0, 1 };
    char command[700], file[64];
    train_options o = options_for("kept");
    train_result r;
    rap_err err = { 0 };

    setenv("RAP_FEATURE_CACHE", in("features"), 1);
    for (int i = 0; i < 4; i++) {
        free((char *)o.folder);
        o.folder = strdup(in(name[i]));
        if (train_run(&r, &o, &err))
            fail_msg("%s", err.text);
        assert_int_equal(r.pictures, 1);
        assert_int_equal(r.from_cache, from_cache[i]);
        snprintf(file, sizeof file, "%s/adapter.gguf", name[i]);
        assert_same(in("kept-a/adapter.gguf"), in(file));
        if (i == 1) {
            snprintf(command, sizeof command,
                     "for f in '%s'/*; do printf x | dd of=$f bs=1 seek=100 conv=notrunc "
                     "status=none; done",
                     in("features"));
            assert_int_equal(system(command), 0);
        }
    }
    /* features behind the projector are others */
    o.projector = TRAIN_PROJECTOR_OFF;
    free((char *)o.folder);
    o.folder = strdup(in("kept-off"));
    assert_int_equal(train_run(&r, &o, &err), RAP_OK);
    assert_int_equal(r.from_cache, 0);
    setenv("RAP_FEATURE_CACHE", "0", 1);
    options_release(&o);
}

/* Two answers, of one and of four tokens. */
static void answers_weigh_as_told(void **state)
{
    static const struct {
        loss_reduction how;
        real one, four;
        double sum;
    } cases[] = { { REDUCTION_TOKEN, 1, 1, 5 },
                  { REDUCTION_ANSWER, 1, 0.25, 2 },
                  { REDUCTION_SQUARE, 1, 0.5, 3 } };
    uint8_t learnt[] = { 0, 1, 0, 0, 1, 1, 1, 1 };
    const lesson l = { .learnt = learnt, .count = sizeof learnt };
    real weight[sizeof learnt];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(lesson_weights(weight, &l, cases[i].how) == cases[i].sum);
        assert_true(lesson_weights(NULL, &l, cases[i].how) == cases[i].sum);
        for (size_t k = 0; k < sizeof learnt; k++)
            assert_true(weight[k] == (!learnt[k] ? 0 : k == 1 ? cases[i].one : cases[i].four));
    }
}

/* The same twenty steps in f32 and in bf16. */
static void bf16_learns_the_same(void **state)
{
    train_options o = options_for("bf16");
    train_result f32, bf16, again;
    rap_err err = { 0 };

    o.epochs = 20;
    o.bf16 = true;
    if (train_run(&bf16, &o, &err) == RAP_E_UNSUPPORTED) {
        assert_non_null(strstr(err.text, "--bf16"));
        options_release(&o);
        skip();
    }
    assert_int_equal(err.status, RAP_OK);
    free((char *)o.folder);
    o.folder = strdup(in("bf16-threads"));
    o.threads = 2;
    assert_int_equal(train_run(&again, &o, &err), RAP_OK);
    assert_same(in("bf16/adapter.gguf"), in("bf16-threads/adapter.gguf"));
    free((char *)o.folder);
    o.folder = strdup(in("bf16-f32"));
    o.bf16 = false;
    assert_int_equal(train_run(&f32, &o, &err), RAP_OK);
    printf("  loss of 20 steps: %.5f to %.5f in f32, %.5f to %.5f in bf16\n", f32.first_loss,
           f32.last_loss, bf16.first_loss, bf16.last_loss);
    assert_true(bf16.first_loss != f32.first_loss);
    assert_true(fabs(bf16.first_loss / f32.first_loss - 1) < 0.01);
    assert_true(fabs(bf16.last_loss - f32.last_loss) < 0.01 * f32.first_loss);
    assert_true(f32.last_loss < 0.7 * f32.first_loss);
    options_release(&o);
}

static void refused(train_options o, rap_status status, const char *word)
{
    train_result r;
    rap_err err = { 0 };

    if (train_run(&r, &o, &err) != status)
        fail_msg("status %d: %s", err.status, err.text);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in: %s", word, err.text);
}

static void what_cannot_be_trained_is_refused(void **state)
{
    train_options o = options_for("refused");
    char path[1024];

    o.rank = 0;
    refused(o, RAP_E_ARGUMENT, "rank");
    o.rank = 8;
    snprintf(path, sizeof path, "%s", in("nowhere"));
    free((char *)o.data);
    o.data = strdup(path);
    refused(o, RAP_E_NOT_FOUND, "nowhere");
    put("bad.jsonl", "{\"id\": \"x\"}\n");
    free((char *)o.data);
    o.data = strdup(in("bad.jsonl"));
    refused(o, RAP_E_FORMAT, "bad.jsonl");
    put("gone.jsonl", "{\"id\": \"lost\", \"image\": \"no.png\", \"conversations\": [{\"from\": "
                      "\"human\", \"value\": "
                      "\"<image>\\nWho?\"}, {\"from\": \"gpt\", \"value\": \"Me.\"}]}\n");
    free((char *)o.data);
    o.data = strdup(in("gone.jsonl"));
    refused(o, RAP_E_NOT_FOUND, "sample lost");
    free((char *)o.data);
    o.data = strdup(in("set"));
    o.max_tokens = 8;
    refused(o, RAP_E_ARGUMENT, "no sample is left");
    o.max_tokens = 2048;
    options_release(&o);
}

/* A model with a NaN in it: `work`/name/profile.json and its model. */
static void make_broken(const char *name)
{
    char path[600], *bytes = NULL, *at;
    size_t size = 0;
    gguf_file *g = NULL;
    const gguf_tensor *t;
    const float none = NAN;

    snprintf(path, sizeof path, "%s/model.gguf", tiny());
    assert_int_equal(file_read(&bytes, &size, path, 1 << 30, NULL), RAP_OK);
    assert_int_equal(gguf_file_open(&g, path, NULL), RAP_OK);
    t = gguf_find(g, "output_norm.weight");
    at = memmem(bytes, size, t->data, t->bytes);
    assert_non_null(at);
    memcpy(at, &none, sizeof none);
    gguf_file_close(g);
    assert_int_equal(file_make_folders(in(name), NULL), RAP_OK);
    snprintf(path, sizeof path, "%s/model.gguf", name);
    assert_int_equal(file_write(in(path), bytes, size, NULL), RAP_OK);
    snprintf(path, sizeof path, "%s/profile.json", name);
    put(path, "{\"name\": \"broken\", \"files\": {\"encoder\": {\"path\": \"model.gguf\"}, "
              "\"llm\": {\"path\": \"model.gguf\"}}, \"prompt\": {\"style\": \"rap\", "
              "\"before_user\": \"USER: \", \"before_assistant\": \" ASSISTANT:\", "
              "\"after_assistant\": \"</s>\"}}");
    free(bytes);
}

static void what_is_no_number_names_its_sample(void **state)
{
    train_options o = options_for("nan");
    char *broken;

    make_broken("broken");
    put("text.jsonl",
        "{\"id\": \"the-one\", \"conversations\": [{\"from\": \"human\", \"value\": \"Who?\"}, "
        "{\"from\": \"gpt\", \"value\": \"Me.\"}]}\n");
    free((char *)o.data);
    o.data = strdup(in("text.jsonl"));
    o.profile = broken = strdup(in("broken"));
    refused(o, RAP_E_MODEL, "the-one");
    assert_false(file_exists(in("nan/adapter.gguf")));
    free(broken);
    options_release(&o);
}

static void a_dry_run_writes_nothing(void **state)
{
    train_options o = options_for("dry");
    train_result r;

    o.dry_run = true;
    assert_int_equal(train_run(&r, &o, NULL), RAP_OK);
    assert_int_equal(r.samples, 8);
    assert_true(r.tokens > 200 && r.answers > 40 && r.answers < r.tokens);
    assert_true(r.bytes > 1e7 && r.trained > 100000);
    assert_false(file_exists(in("dry")) || file_is_folder(in("dry")));
    options_release(&o);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static void memory_is_as_said(void **state)
{
    printf("skipped: a sanitizer's own memory would be counted\n");
}
#else
/* The most that this process had in memory since the last reset; 0 where the kernel cannot say. */
static double peak_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    double kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static bool reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "we");
    bool done = f && fputs("5", f) >= 0 && fflush(f) == 0;

    if (f)
        fclose(f);
    return done;
}

static void memory_is_as_said(void **state)
{
    for (int again = 0; again < 2; again++) {
        train_options o = options_for(again ? "again" : "large");
        train_result r;
        rap_err err = { 0 };
        double peak;

        o.rank = 128;
        o.recompute = again;
        if (!reset_peak()) {
            printf("skipped: the peak of memory cannot be reset here\n");
            options_release(&o);
            return;
        }
        if (train_run(&r, &o, &err))
            fail_msg("%s", err.text);
        peak = peak_bytes();
        printf("  %.1f MB said, %.1f MB taken\n", r.bytes / 1e6, peak / 1e6);
        assert_true(r.bytes > 0.95 * peak && r.bytes < 1.05 * peak);
        options_release(&o);
    }
}
#endif

static void too_little_memory_is_said_before_it_starts(void **state)
{
    train_options o = options_for("small");
    train_result r;

    o.memory = 1000000;
    refused(o, RAP_E_MEMORY, "--force");
    assert_false(file_exists(in("small/loss.jsonl")) || file_exists(in("small/checkpoint.gguf")));
    o.dry_run = true;
    assert_int_equal(train_run(&r, &o, NULL), RAP_OK);
    o.dry_run = false;
    o.force = true;
    assert_int_equal(train_run(&r, &o, NULL), RAP_OK);
    assert_true(file_exists(in("small/adapter.gguf")));
    options_release(&o);
}

/* Files may grow to `payload`'s limit from step 3 on. */
static int fill_disk(const char *what, uint64_t done, uint64_t total, void *payload)
{
    const struct rlimit *small = payload;

    if (total > 0 && done == 3)
        setrlimit(RLIMIT_FSIZE, small);
    return 0;
}

static void a_full_disk_loses_nothing(void **state)
{
    train_options o = options_for("full"), whole = options_for("roomy");
    struct rlimit all, small;
    train_result r;
    rap_err err = { 0 };

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    small = (struct rlimit){ 100000, all.rlim_max };
    o.epochs = whole.epochs = 6;
    o.save_every = whole.save_every = 2;
    o.on_progress = fill_disk;
    o.payload = &small;
    /* at a checkpoint: that of step 2 stays */
    assert_int_not_equal(train_run(&r, &o, &err), RAP_OK);
    setrlimit(RLIMIT_FSIZE, &all);
    printf("  %s\n", err.text);
    assert_non_null(strstr(err.text, "full/checkpoint.gguf: "));
    assert_null(strchr(err.text, '\n'));
    assert_false(file_exists(in("full/adapter.gguf")));
    o.on_progress = NULL;
    o.save_every = 2;
    assert_int_equal(train_run(&r, &whole, &err), RAP_OK);
    if (train_run(&r, &o, &err))
        fail_msg("%s", err.text);
    assert_int_equal(r.from_step, 2);
    assert_same(in("roomy/adapter.gguf"), in("full/adapter.gguf"));
    /* at the adapter, of which a good one is there; the checkpoint of the last step stays too */
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_not_equal(train_run(&r, &o, &err), RAP_OK);
    setrlimit(RLIMIT_FSIZE, &all);
    printf("  %s\n", err.text);
    assert_non_null(strstr(err.text, "full/adapter.gguf: "));
    assert_same(in("roomy/adapter.gguf"), in("full/adapter.gguf"));
    assert_int_equal(train_run(&r, &o, &err), RAP_OK);
    assert_int_equal(r.from_step, 6);
    options_release(&o);
    options_release(&whole);
}

/* A set of the eight samples with a validation file of its own, whose answers contradict them. */
static void make_held(void)
{
    char text[2048], command[2600];
    size_t len = 0;

    for (int i = 1; i < 4; i++)
        len += (size_t)snprintf(
            text + len, sizeof text - len,
            "{\"id\": \"v%d\", \"conversations\": [{\"from\": \"human\", \"value\": "
            "\"%s\"}, {\"from\": \"gpt\", \"value\": \"%s\"}]}\n",
            i, talk[i][0], talk[i + 3][1]);
    snprintf(command, sizeof command, "cp -r '%s' '%s'", in("set"), in("held"));
    assert_int_equal(system(command), 0);
    put("held/validation.jsonl", text);
}

static int lines_with(const char *path, const char *word)
{
    char *text = NULL;
    size_t len = 0;
    int count = 0;

    assert_int_equal(file_read(&text, &len, path, 1 << 30, NULL), RAP_OK);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    free(text);
    return count;
}

static void held_out_samples_are_evaluated_and_stop_it(void **state)
{
    train_options o = options_for("early"), parts = options_for("early-parts");
    train_result r, again;
    rap_err err = { 0 };

    make_held();
    free((char *)o.data);
    free((char *)parts.data);
    o.data = strdup(in("held"));
    parts.data = strdup(in("held"));
    o.epochs = parts.epochs = 40;
    o.patience = parts.patience = 3;
    o.save_every = parts.save_every = 3;
    if (train_run(&r, &o, &err))
        fail_msg("%s", err.text);
    printf("  the loss of held-out samples: %.3f at step %d, %.3f at the end; %d evaluations\n",
           r.best, (int)r.best_step, r.validation,
           lines_with(in("early/loss.jsonl"), "validation"));
    assert_int_equal(r.held_out, 3);
    assert_int_equal(r.samples, 8);
    assert_true(r.stopped_early && r.best < r.validation);
    assert_int_equal(lines_with(in("early/loss.jsonl"), "\"validation\""), r.best_step + 3);
    assert_int_equal(lines_with(in("early/loss.jsonl"), "\"step\""), r.best_step + 3);
    assert_true(file_exists(in("early/adapter-best.gguf")));
    assert_int_equal(train_run(&again, &o, &err), RAP_OK);
    assert_int_equal(again.from_step, r.best_step + 3);
    assert_true(again.stopped_early && again.best == r.best);

    /* the same in parts */
    parts.on_progress = stop_after;
    for (int i = 0; i < 4; i++) {
        int left = 3 + i % 3;

        parts.payload = &left;
        if (train_run(&again, &parts, &err) == RAP_OK)
            break;
        assert_int_equal(err.status, RAP_E_CANCELLED);
    }
    parts.on_progress = NULL;
    assert_int_equal(train_run(&again, &parts, &err), RAP_OK);
    assert_true(again.best == r.best && again.best_step == r.best_step);
    assert_same(in("early/adapter.gguf"), in("early-parts/adapter.gguf"));
    assert_same(in("early/adapter-best.gguf"), in("early-parts/adapter-best.gguf"));
    assert_same_losses(in("early/loss.jsonl"), in("early-parts/loss.jsonl"));
    options_release(&o);
    options_release(&parts);
}

static void a_share_is_held_out(void **state)
{
    train_options o = options_for("share");
    train_result r;
    rap_err err = { 0 };

    o.validation = 0.25;
    o.batch = 2;
    o.epochs = 2;
    o.validate_every = 2;
    if (train_run(&r, &o, &err))
        fail_msg("%s", err.text);
    assert_true(r.held_out > 0 && r.samples + r.held_out == 8);
    assert_int_equal(lines_with(in("share/loss.jsonl"), "\"validation\""), (r.steps + 1) / 2);
    o.validation = 0;
    o.patience = 2;
    refused(o, RAP_E_ARGUMENT, "--validation");
    o.validation = 2;
    refused(o, RAP_E_ARGUMENT, "share");
    options_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_as_said),
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(too_little_memory_is_said_before_it_starts),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(what_cannot_be_trained_is_refused),
        cmocka_unit_test(what_is_no_number_names_its_sample),
        cmocka_unit_test(held_out_samples_are_evaluated_and_stop_it),
        cmocka_unit_test(a_share_is_held_out),
        cmocka_unit_test(an_interrupted_training_ends_the_same),
        cmocka_unit_test(the_projector_is_trained),
        cmocka_unit_test(features_are_kept),
        cmocka_unit_test(answers_weigh_as_told),
        cmocka_unit_test(bf16_learns_the_same),
        cmocka_unit_test(a_training_learns_and_leaves_its_files),
    };

    return cmocka_run_group_tests(tests, start, end);
}
