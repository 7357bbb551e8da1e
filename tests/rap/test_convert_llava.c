/* test_convert_llava.c: rap_convert() of a LLaVA: a folder with two files, no input overwritten, progress, a full disk. */
#include "convert/made_llava.h"
#include "convert/work_folder.h"

#include "base/file.h"
#include "generate/quantise.h"
#include "rap.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static char error[1024];

static int fresh(void **state)
{
    lv_model m;
    buf b = BUF_INIT;
    snprintf(work, sizeof work, "/tmp/rap-llava-XXXXXX");
    if (!mkdtemp(work) || file_make_folders(in("ck"), NULL))
        return 1;
    lv_make(&m, LV_NEW, false, true);
    lv_save_part(&m, 0, m.count, in("ck/model.safetensors"));
    spm_make(&b, 2);
    save_as(in("ck/tokenizer.model"), &b);
    buf_release(&b);
    save_text(in("ck/config.json"), lv_config(LV_NEW, false));
    return 0;
}

static int clean(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", work);
    return system(command);
}

static int count(const char *what, uint64_t done, uint64_t total, void *payload)
{
    (void)what;
    assert_true(done <= total);
    ++*(int *)payload;
    return 0;
}

static void a_folder_gets_both_files(void **state)
{
    int told = 0;
    rap_convert_options o = { .type = "q4_k_m", .on_progress = count, .payload = &told };
    if (rap_convert(in("ck"), in("a/b"), &o, error, sizeof error) != RAP_OK)
        fail_msg("%s", error);
    assert_true(file_exists(in("a/b/model.gguf")) && file_exists(in("a/b/mmproj.gguf")));
    assert_true(told > 45); /* both files, and the quantiser */
    /* once more over what is there, and into the folder of the checkpoint itself */
    assert_int_equal(rap_convert(in("ck"), in("a/b"), NULL, error, sizeof error), RAP_OK);
    assert_int_equal(rap_convert(in("ck"), in("ck"), NULL, error, sizeof error), RAP_OK);
    assert_true(file_exists(in("ck/model.gguf")));
    assert_int_equal(rap_convert(in("ck"), in("ck"), NULL, error, sizeof error), RAP_OK);
}

static void inputs_are_spared(void **state)
{
    assert_int_equal(file_make_folders(in("out"), NULL), RAP_OK);
    assert_int_equal(symlink(in("ck/model.safetensors"), in("out/model.gguf")), 0);
    assert_int_equal(rap_convert(in("ck"), in("out"), NULL, error, sizeof error), RAP_E_ARGUMENT);
    assert_non_null(strstr(error, "out/model.gguf"));
    assert_false(file_exists(in("out/mmproj.gguf")));
    assert_int_equal(rap_convert(in("ck"), in("ck/config.json"), NULL, error, sizeof error),
                     RAP_E_ARGUMENT);
    rap_convert_options o = { .type = "q4_9" };
    assert_int_equal(rap_convert(in("ck"), in("new"), &o, error, sizeof error), RAP_E_ARGUMENT);
    assert_false(file_exists(in("new")));
}

/* A limit on the size of files stands in for a full disk: both fail in write(). */
static void limit(rlim_t bytes)
{
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = bytes < now.rlim_max ? bytes : now.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void a_full_disk_leaves_nothing(void **state)
{
    char command[160];
    rap_err err = { 0 };
    rap_convert_options o = { .type = "q8_0" };
    signal(SIGXFSZ, SIG_IGN);
    limit(400 << 10);
    assert_int_equal(rap_convert(in("ck"), in("out"), &o, error, sizeof error), RAP_E_IO);
    assert_non_null(strstr(error, "out/model.gguf: "));
    limit(RLIM_INFINITY);
    snprintf(command, sizeof command, "find '%s/out' -name '*rap-tmp*' | grep -q .", work);
    assert_int_not_equal(system(command), 0);
    assert_false(file_exists(in("out/model.gguf")));
    assert_int_equal(rap_convert(in("ck"), in("out"), NULL, error, sizeof error), RAP_OK);
    limit(64 << 10);
    assert_int_equal(
        quantise(in("out/model.gguf"), in("q.gguf"), "q.gguf", "q4_k_m", NULL, NULL, &err),
        RAP_E_MODEL);
    limit(RLIM_INFINITY);
    assert_non_null(strstr(err.text, "q.gguf: llama.cpp cannot quantise it: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_gets_both_files, fresh, clean),
        cmocka_unit_test_setup_teardown(inputs_are_spared, fresh, clean),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing, fresh, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
