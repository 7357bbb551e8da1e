/* test_trial.c: work that crashes, hangs or is refused does so in a child; models of families that the checks do not know
 * are opened after a trial. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "generate/check/trial.h"
#include "generate/fixture.h"
#include "generate/session.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>

static int say_yes(void *payload)
{
    *(int *)payload = 1; /* in the child's memory only */
    return 0;
}

static int say_no(void *payload)
{
    return 7;
}

static int crash(void *payload)
{
    raise(SIGSEGV);
    return 0;
}

static int give_up(void *payload)
{
    abort();
    return 0;
}

static int leave(void *payload)
{
    _exit(0); /* without a word */
    return 0;
}

static int hang(void *payload)
{
    for (;;)
        pause();
    return 0;
}

static void what_happens_in_the_child_stays_there(void **state)
{
    int touched = 0;

    assert_int_equal(trial_run(say_yes, &touched, 60), TRIAL_GOOD);
    assert_int_equal(touched, 0);
    assert_int_equal(trial_run(say_no, NULL, 60), TRIAL_REFUSED);
    assert_int_equal(trial_run(crash, NULL, 60), TRIAL_DIED);
    assert_int_equal(trial_run(give_up, NULL, 60), TRIAL_DIED);
    assert_int_equal(trial_run(leave, NULL, 60), TRIAL_DIED);
    assert_int_equal(trial_run(hang, NULL, 1), TRIAL_SLOW);
}

/* A host may take its children itself, and ignore signals. */
static void hosts_that_reap_are_no_obstacle(void **state)
{
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(trial_run(say_yes, &(int){ 0 }, 60), TRIAL_GOOD);
    assert_int_equal(trial_run(crash, NULL, 60), TRIAL_DIED);
    signal(SIGCHLD, SIG_DFL);
}

/* ---- models ---- */

/* The fixture `from` under another architecture's name of the same length, at `path`. */
static void rename_architecture(const char *path, const char *from, const char *is,
                                const char *becomes)
{
    size_t size = 0, len = strlen(is);
    char *bytes = NULL, *at;

    assert_int_equal(strlen(becomes), len);
    assert_int_equal(file_read(&bytes, &size, from, 1 << 26, NULL), RAP_OK);
    for (at = bytes; (at = memmem(at, size - (size_t)(at - bytes), is, len)); at += len)
        if (at[len] == '.' || (at > bytes && at[-1] == 0)) /* a key, or the value by itself */
            memcpy(at, becomes, len);
    assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
    free(bytes);
}

static void *open_it(void *payload)
{
    rap_err err = { 0 };
    vlm *v = NULL;
    rap_status status = vlm_open(&v, payload, &err);

    vlm_close(v);
    printf("%s\n", err.text);
    return (void *)(intptr_t)status;
}

/* "llama" weights under names that the checks do not know: one that llama.cpp has, one that it has not. Also from a
 * thread while others run. */
static void unknown_families_are_tried_first(void **state)
{
    char path[] = "/tmp/rap-trial-XXXXXX";
    vlm_options o = { .style = "rap", .turns = rap_turns, .threads = 1 };
    pthread_t threads[4];
    void *status[4];
    rap_err err = { 0 };
    vlm *v = NULL;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    close(mkstemp(path));
    o.model = path;
    rename_architecture(path, p.model, "llama", "zzzzz");
    assert_int_equal(vlm_open(&v, &o, &err), RAP_E_MODEL);
    assert_non_null(strstr(err.text, path));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_it, &o), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &status[i]);
        assert_int_equal((intptr_t)status[i], RAP_E_MODEL);
    }
    unlink(path);
}

static int count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    for (struct dirent *e; dir && (e = readdir(dir));)
        count += *e->d_name != '.';
    if (dir)
        closedir(dir);
    return count;
}

/* What has passed is not tried again until it changes. */
static void a_pair_that_passed_is_remembered(void **state)
{
    char folder[] = "/tmp/rap-tried-XXXXXX", path[] = "/tmp/rap-trial-XXXXXX", mark[400];
    rap_err err = { 0 };
    char *bytes = NULL;
    size_t size = 0;
    DIR *dir;
    pair p;

    if (!find_pair(&p, "random"))
        return;
    assert_non_null(mkdtemp(folder));
    setenv("RAP_TRIAL_CACHE", folder, 1);
    close(mkstemp(path));
    assert_int_equal(file_read(&bytes, &size, p.model, 1 << 26, NULL), RAP_OK);
    assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
    assert_int_equal(trial_load(path, p.mmproj, NULL, &err), RAP_OK);
    assert_int_equal(count_files(folder), 0);
    assert_int_equal(trial_load(path, p.mmproj, "1", &err), RAP_OK);
    assert_int_equal(trial_load(path, p.mmproj, "1", &err), RAP_OK);
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(file_write(path, bytes, size / 2, NULL), RAP_OK); /* torn since */
    assert_int_equal(trial_load(path, p.mmproj, "1", &err), RAP_E_MODEL);
    assert_int_equal(count_files(folder), 1);
    setenv("RAP_TRIAL_CACHE", "0", 1);
    assert_int_equal(trial_load(p.model, p.mmproj, "1", &err), RAP_OK);
    assert_int_equal(count_files(folder), 1);
    unsetenv("RAP_TRIAL_CACHE");

    dir = opendir(folder);
    for (struct dirent *e; (e = readdir(dir));) {
        snprintf(mark, sizeof mark, "%s/%s", folder, e->d_name);
        unlink(mark);
    }
    closedir(dir);
    rmdir(folder);
    unlink(path);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_in_the_child_stays_there),
        cmocka_unit_test(hosts_that_reap_are_no_obstacle),
        cmocka_unit_test(unknown_families_are_tried_first),
        cmocka_unit_test(a_pair_that_passed_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
