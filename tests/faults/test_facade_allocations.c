/* test_facade_allocations.c: every allocation of rap_open(), rap_remember(), rap_retrieve(), rap_each() and rap_forget()
 * fails once, in turn, and then all from it on: each time the call answers with a status and a line, nothing is half done,
 * and the same handle then does what was asked. What fails is said in wrap.h: calls of our own, of SQLite and of jansson.
 * $FAULTS_STEP passes over allocations; 1 tries each: tests/faults/run.sh. */
#include "base/file.h"
#include "faults/wrap.h"
#include "rap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    char folder[64], store[96], root[400]; /* root: of the source */
    char photo[512], other[512], profile[512];
    rap *r;
} fixture;

/* One call whose allocations fail. `undo` (NULL: there is nothing to) makes room for the next attempt. */
typedef struct attempt {
    const char *what;
    rap_status (*call)(fixture *f, rap **used);
    void (*undo)(fixture *f);
    long step; /* by default: the whole takes a few seconds */
} attempt;

static rap_options options_of(fixture *f)
{
    rap_options o = RAP_OPTIONS_INIT;

    o.profile = f->profile;
    o.store = f->store;
    o.threads = 1;
    return o;
}

static void open_rap(fixture *f)
{
    rap_options o = options_of(f);

    if (rap_open(&f->r, &o) != RAP_OK)
        fail_msg("%s", rap_error(f->r));
}

static rap_concept concept_of(const char *name, const char *picture)
{
    rap_concept c = RAP_CONCEPT_INIT;

    c.name = name;
    c.category = "chick";
    c.info = "It chirps.";
    c.image.path = picture;
    return c;
}

static int count_one(const rap_record *record, void *payload)
{
    (void)record;
    ++*(int *)payload;
    return 0;
}

static int count_concepts(fixture *f)
{
    int count = 0;

    assert_int_equal(rap_each(f->r, NULL, count_one, &count), RAP_OK);
    return count;
}

/* ---- the calls ---- */

static rap *fresh; /* what call_open() opened last */

static rap_status call_open(fixture *f, rap **used)
{
    rap_options o = options_of(f);
    rap_status status;

    rap_close(fresh);
    status = rap_open(&fresh, &o);
    *used = fresh;
    return status;
}

static rap_status call_open_and_load(fixture *f, rap **used)
{
    rap_status status = call_open(f, used);
    rap_image photo = RAP_IMAGE_INIT;
    rap_matches *m = NULL;

    photo.path = f->photo;
    if (status == RAP_OK)
        status = rap_retrieve(&m, fresh, &photo, NULL, 0);
    rap_matches_free(m);
    return status;
}

static rap_status call_remember(fixture *f, rap **used)
{
    static const char *const aliases[] = { "Sir", NULL };
    rap_concept c = concept_of("new", f->other);
    int64_t id = 0;

    *used = f->r;
    c.aliases = aliases;
    return rap_remember(&id, f->r, &c);
}

static void forget_new(fixture *f)
{
    assert_int_equal(rap_forget(f->r, "new"), RAP_OK);
}

static rap_status call_see(fixture *f, rap **used)
{
    rap_image photo = RAP_IMAGE_INIT;
    rap_matches *m = NULL;
    rap_status status;

    *used = f->r;
    photo.path = f->photo;
    status = rap_retrieve(&m, f->r, &photo, "is bo here?", 0);
    if (status == RAP_OK) { /* not less than there is */
        assert_true(m->count > 0);
        assert_string_equal(m->match[0].name, "bo");
    } else
        assert_null(m);
    rap_matches_free(m);
    return status;
}

/* After a change of the store: vocabulary and index are read again. */
static rap_status call_see_anew(fixture *f, rap **used)
{
    wrap_pause(true);
    assert_int_equal(rap_add_alias(f->r, "bo", "Bobo"), RAP_OK);
    assert_int_equal(rap_remove_alias(f->r, "bo", "Bobo"), RAP_OK);
    wrap_pause(false);
    return call_see(f, used);
}

static rap_status call_list(fixture *f, rap **used)
{
    int count = 0;
    rap_status status = rap_each(f->r, NULL, count_one, &count);

    *used = f->r;
    if (status == RAP_OK)
        assert_int_equal(count, 2);
    return status;
}

static rap_status call_forget(fixture *f, rap **used)
{
    *used = f->r;
    return rap_forget(f->r, "mo");
}

static void remember_mo(fixture *f)
{
    rap_concept c = concept_of("mo", f->other);

    assert_int_equal(rap_remember(NULL, f->r, &c), RAP_OK);
}

/* ---- failing ---- */

/* The handle is as good as before. */
static void check_handle(fixture *f, const char *what, long n)
{
    rap *used = NULL;

    if (count_concepts(f) != 2)
        fail_msg("%s: allocation %ld: half done", what, n);
    if (n % 5 == 0 && call_see(f, &used) != RAP_OK)
        fail_msg("%s: after allocation %ld: %s", what, n, rap_error(f->r));
}

/* Allocation n fails; false when the call needed fewer. */
static bool fail_one(fixture *f, const attempt *a, long n, bool lasting, int *failures)
{
    rap *used = NULL;
    rap_status status;
    bool reached;

    wrap_fail(n, lasting);
    status = a->call(f, &used);
    reached = wrap_failed();
    wrap_fail(0, false);
    *failures += status != RAP_OK;
    if (status != RAP_OK && used && !*rap_error(used))
        fail_msg("%s: allocation %ld: status %d without a line", a->what, n, (int)status);
    if (status != RAP_OK && status != RAP_E_MEMORY)
        print_message("%s: allocation %ld: status %d: %s\n", a->what, n, (int)status,
                      rap_error(used));
    if (status != RAP_OK && !reached)
        fail_msg("%s: fails by itself: %s", a->what, rap_error(used));
    if (status == RAP_OK && a->undo)
        a->undo(f);
    rap_close(fresh);
    fresh = NULL;
    check_handle(f, a->what, n);
    return reached;
}

static void every_allocation_may_fail(void **state)
{
    static const attempt attempts[] = {
        { "open", call_open, NULL, 211 },
        { "open, and see", call_open_and_load, NULL, 307 },
        { "remember", call_remember, forget_new, 23 },
        { "see", call_see, NULL, 47 },
        { "see after a change", call_see_anew, NULL, 101 },
        { "list", call_list, NULL, 7 },
        { "forget", call_forget, remember_mo, 23 },
    };
    fixture *f = *state;
    const char *set = getenv("FAULTS_STEP");
    long opened = 1; /* allocations of opening, which opening and seeing begins with */

    if (!f->r)
        skip();
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        for (int lasting = 0; lasting < 2; lasting++) {
            long step = set ? strtol(set, NULL, 10) : attempts[i].step;
            long n = attempts[i].call == call_open_and_load ? opened : 1;
            int failures = 0;

            while (fail_one(f, &attempts[i], n, lasting, &failures))
                n += step;
            if (attempts[i].call == call_open)
                opened = n;
            print_message("%s%s: %ld allocations, %d failures\n", attempts[i].what,
                          lasting ? ", lasting" : "", n, failures);
            assert_true(failures > 0);
        }
}

/* ---- the fixture ---- */

static void find_source(fixture *f)
{
    const char *root = getenv("RAP_SOURCE");

    snprintf(f->root, sizeof f->root, "%s", root && *root ? root : ".");
    snprintf(f->photo, sizeof f->photo, "%s/examples/toy/concepts/bo.jpg", f->root);
    snprintf(f->other, sizeof f->other, "%s/examples/toy/concepts/buddy.jpg", f->root);
    snprintf(f->profile, sizeof f->profile, "%s/models/tiny/profile.json", f->root);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    rap_concept bo;

    wrap_start();
    *state = f;
    find_source(f);
    if (!file_exists(f->photo) || !file_exists(f->profile)) {
        print_message("skipped: the tiny models are not there\n");
        return 0;
    }
    snprintf(f->folder, sizeof f->folder, "%s/rap-allocations-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->store, sizeof f->store, "%s/store.db", f->folder);
    open_rap(f);
    bo = concept_of("bo", f->photo);
    assert_int_equal(rap_remember(NULL, f->r, &bo), RAP_OK);
    remember_mo(f);
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[96];
    int failed = 0;

    rap_close(f->r);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    if (*f->folder)
        failed = system(command);
    free(f);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
