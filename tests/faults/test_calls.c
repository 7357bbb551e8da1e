/* test_calls.c: each call of open(), write(), fsync(), ftruncate(), rename() and mkdir() that remembering, editing,
 * forgetting, exporting, importing and the making of a store need fails once, in turn, and then all from it on, because the
 * disk is full or broken (calls.h). Each answer is true: who opens the store next finds what was said, no temporary file is
 * left, and the same handle goes on when the disk is well again. And what was said to be stored keeps its name when
 * the power goes, which fails as soon as folders are not synced. */
#include "remember/transfer_fixture.h"

#include "faults/calls.h"

#include <dirent.h>
#include <errno.h>

static int runs; /* each attempt has names of its own */

static const char *new_file(fixture *f, const char *ending)
{
    char name[64];

    snprintf(name, sizeof name, "out%d/%s", ++runs, ending);
    return fixture_file(f, name);
}

/* ---- what is tried ---- */

static rap_status add_new(fixture *f)
{
    return add_concept(f->s, "new", "dog", "info", 3, &f->err);
}

static rap_status edit(fixture *f)
{
    const store_change change = { .name = "new", .info = "other" };

    return store_update(f->s, "bo", &change, &f->err);
}

static rap_status edit_back(fixture *f)
{
    const store_change change = { .name = "bo", .info = "info" };

    return store_update(f->s, "new", &change, &f->err);
}

static rap_status forget_mo(fixture *f)
{
    return store_forget(f->s, "mo", &f->err);
}

static rap_status add_mo(fixture *f)
{
    return add_concept(f->s, "mo", "cat", "", 2, &f->err);
}

static rap_status forget_new(fixture *f)
{
    return store_forget(f->s, "new", &f->err);
}

static char last_output[512];

static rap_status export_bundle(fixture *f)
{
    snprintf(last_output, sizeof last_output, "%s", new_file(f, "bundle"));
    return transfer_export_bundle(f->s, last_output, NULL, NULL, &f->err);
}

static rap_status export_official(fixture *f)
{
    snprintf(last_output, sizeof last_output, "%s", new_file(f, "d.json"));
    return transfer_export_official(f->s, last_output, NULL, NULL, &f->err);
}

static rap_status import_bundle(fixture *f)
{
    return import_file(f, f->s, fixture_file(f, "in/bundle"), 1, NULL);
}

static rap_status import_official(fixture *f)
{
    return import_file(f, f->s, fixture_file(f, "in/d.json"), 1, NULL);
}

static rap_status make_store(fixture *f)
{
    store *s = NULL;
    rap_status status;

    snprintf(last_output, sizeof last_output, "%s", new_file(f, "deep/er/store.db"));
    status = store_open(&s, last_output, 0, &f->err);
    if (status == RAP_OK && (status = add_concept(s, "bo", "", "", 1, &f->err)) != RAP_OK)
        *last_output = '\0'; /* the store itself is there */
    store_close(s);
    return status;
}

typedef struct attempt {
    const char *what;
    rap_status (*call)(fixture *f);
    rap_status (*undo)(fixture *f); /* NULL: none is needed */
    const char *there;              /* a concept that is there after it; NULL: nothing changes */
    const char *gone;               /* one that is not */
    bool writes;                    /* a file of its own: last_output */
} attempt;

static const attempt attempts[] = {
    { "remember", add_new, forget_new, "new", NULL, false },
    { "edit", edit, edit_back, "new", "bo", false },
    { "forget", forget_mo, add_mo, NULL, "mo", false },
    { "export a bundle", export_bundle, NULL, NULL, NULL, true },
    { "export a database.json", export_official, NULL, NULL, NULL, true },
    { "import a bundle", import_bundle, forget_new, "new", NULL, false },
    { "import a database.json", import_official, forget_new, "new", NULL, false },
    { "make a store", make_store, NULL, NULL, NULL, true },
};

/* ---- what has to be true then ---- */

static bool has(store *s, const char *name)
{
    rap_record *record = NULL;
    rap_status status = store_find(s, name, &record, NULL);

    store_record_free(record);
    assert_true(status == RAP_OK || status == RAP_E_NOT_FOUND);
    return status == RAP_OK;
}

/* Whether the change is in the store; it is there as a whole or not at all. */
static bool is_done(store *s, const attempt *a, const char *when)
{
    bool there = a->there && has(s, a->there), gone = a->gone && !has(s, a->gone);

    if (a->there && a->gone && there != gone)
        fail_msg("%s: %s: half done", a->what, when);
    return there || gone;
}

/* Files and folders with the mark of temporary ones, anywhere in it. */
static void assert_no_temporary(const char *folder, const char *when)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[1024];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".rap-tmp-"))
            fail_msg("%s: left %s", when, path);
        if (entry->d_type == DT_DIR)
            assert_no_temporary(path, when);
    }
    closedir(dir);
}

static void check_output(rap_status status, const char *when)
{
    if (!*last_output)
        return;
    if (status == RAP_OK && !file_exists(last_output))
        fail_msg("%s: said OK, and %s is not there", when, last_output);
    if (status != RAP_OK && file_exists(last_output) && strstr(last_output, "store.db") == NULL)
        fail_msg("%s: said it failed, and %s is there", when, last_output);
}

/* Who opens the store anew finds what was said. */
static void check_change(fixture *f, const attempt *a, rap_status status, const char *when)
{
    bool unknown = status != RAP_OK && strstr(f->err.text, "not known"), here, there;
    char line[sizeof f->err.text];
    store *other = NULL;

    memcpy(line, f->err.text, sizeof line);
    here = is_done(f->s, a, when);
    if (store_open(&other, f->path, 1, &f->err) != RAP_OK)
        fail_msg("%s: the store cannot be opened: %s", when, f->err.text);
    there = is_done(other, a, when);
    store_close(other);
    if (!unknown && (here != there || ((a->there || a->gone) && here != (status == RAP_OK))))
        fail_msg("%s: status %d (%s), done here: %d, there: %d", when, (int)status, line, here,
                 there);
    if (unknown) {
        fixture_reopen(f);
        here = is_done(f->s, a, when);
    }
    if (here && a->undo && a->undo(f) != RAP_OK)
        fail_msg("%s: then: %s", when, f->err.text);
}

/* False when the attempt needs fewer such calls. */
static bool fail_one(fixture *f, const attempt *a, calls_kind kind, long n, int reason,
                     bool lasting)
{
    static const char *const name[] = { "open",      "write",  "fsync", "fsync of folders",
                                        "ftruncate", "rename", "mkdir" };
    char when[128];
    rap_status status;
    bool reached;

    snprintf(when, sizeof when, "%s: %s %ld%s fails by %s", a->what, name[kind], n,
             lasting ? " and all after it" : "", strerrorname_np(reason));
    err_clear(&f->err);
    *last_output = '\0';
    calls_fail(kind, n, reason, lasting);
    status = a->call(f);
    reached = calls_failed();
    calls_fail(kind, 0, 0, false);
    if (status != RAP_OK && !*f->err.text)
        fail_msg("%s: status %d without a line", when, (int)status);
    if (status != RAP_OK && !reached)
        fail_msg("%s: fails by itself: %s", a->what, f->err.text);
    if (a->writes)
        check_output(status, when);
    assert_no_temporary(f->folder, when);
    check_change(f, a, status, when);
    return reached;
}

static void fill(fixture *f)
{
    assert_int_equal(add_concept(f->s, "new", "dog", "info", 3, &f->err), RAP_OK);
    assert_int_equal(
        transfer_export_bundle(f->s, fixture_file(f, "in/bundle"), NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(
        transfer_export_official(f->s, fixture_file(f, "in/d.json"), NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "new", &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(add_mo(f), RAP_OK);
}

static void every_call_may_fail(void **state)
{
    fixture *f = *state;
    bool all = getenv("FAULTS_STEP") != NULL; /* else one reason a call, in turn */

    fill(f);
    calls_watch(f->folder);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        long total = 0;

        for (int kind = 0; kind < CALLS_KINDS; kind++)
            for (int way = 0; way < 4; way++) {
                bool more = all || way == (kind + (int)i) % 2 || way == 2 + (kind + (int)i) % 2;

                for (long n = 1; more; n++, total++)
                    more = fail_one(f, &attempts[i], kind, n, way % 2 ? EIO : ENOSPC, way / 2);
            }
        assert_sound(f->s);
        print_message("%s: %ld calls failed\n", attempts[i].what, total);
    }
    calls_watch(NULL);
}

/* ---- folders ---- */

/* Those who write files say when a folder is not on the disk; where folders cannot be synced, they go on. */
static void folders_that_are_not_synced_are_said(void **state)
{
    static const struct {
        int reason;
        bool said;
    } tries[] = {
        { EIO, true }, { ENOSPC, true }, { EINVAL, false }, { ENOTSUP, false }, { EROFS, false }
    };
    fixture *f = *state;

    fill(f);
    calls_watch(f->folder);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        for (size_t k = 0; attempts[i].writes && k < sizeof tries / sizeof *tries; k++) {
            rap_status status;

            err_clear(&f->err);
            calls_fail(CALLS_SYNC_FOLDER, 1, tries[k].reason, true);
            status = attempts[i].call(f);
            assert_true(calls_failed());
            calls_fail(CALLS_SYNC_FOLDER, 0, 0, false);
            if (status != (tries[k].said ? RAP_E_IO : RAP_OK))
                fail_msg("%s: %s: status %d: %s", attempts[i].what,
                         strerrorname_np(tries[k].reason), (int)status, f->err.text);
            assert_true(!tries[k].said || strstr(f->err.text, "syncing its folder failed"));
            assert_true(!tries[k].said || strncmp(f->err.text, f->folder, strlen(f->folder)) == 0);
        }
    calls_watch(NULL);
}

/* ---- names ---- */

/* Everything that a first store, a bundle and a database.json need to be found again. */
static int count_lost(fixture *f)
{
    static const char *const files[] = { "a/b/store.db", "a/b/store.db-wal", "c/d/bundle",
                                         "e/f/d.json", "e/f/images" };
    store *s = NULL;
    int lost = 0;

    assert_int_equal(store_open(&s, fixture_file(f, "a/b/store.db"), 0, &f->err), RAP_OK);
    assert_int_equal(add_concept(s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(transfer_export_bundle(s, fixture_file(f, "c/d/bundle"), NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(
        transfer_export_official(s, fixture_file(f, "e/f/d.json"), NULL, NULL, &f->err), RAP_OK);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (access(fixture_file(f, files[i]), F_OK) != 0)
            fail_msg("%s is not there", files[i]);
        if (!calls_is_durable(fixture_file(f, files[i]))) {
            print_message("%s may vanish\n", files[i]);
            lost++;
        }
    }
    store_close(s);
    return lost;
}

static void names_outlast_a_power_cut(void **state)
{
    fixture *f = *state;

    calls_watch(f->folder);
    assert_int_equal(count_lost(f), 0);
    calls_watch(NULL);
}

static void without_syncs_of_folders_they_do_not(void **state)
{
    fixture *f = *state;

    calls_watch(f->folder);
    calls_skip_folder_syncs(true);
    assert_int_equal(count_lost(f), 5);
    calls_watch(NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(names_outlast_a_power_cut),
        CASE(without_syncs_of_folders_they_do_not),
        CASE(folders_that_are_not_synced_are_said),
        CASE(every_call_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
