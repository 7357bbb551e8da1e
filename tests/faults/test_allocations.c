/* test_allocations.c: every allocation of opening, remembering, listing, finding, exporting, importing, editing and
 * forgetting fails once, in turn, and then all from it on: each time the call answers with a status, nothing is
 * half done, and the store is sound. What fails is said in wrap.h. $FAULTS_STEP (default 101) passes over allocations, 1 tries
 * each: tests/faults/run.sh. */
#include "remember/transfer_fixture.h"

#include "faults/wrap.h"

typedef rap_status attempt(fixture *f, int round);

static int step(void)
{
    const char *set = getenv("FAULTS_STEP");

    return set ? (int)strtol(set, NULL, 10) : 101;
}

static rap_status open_again(fixture *f, int round)
{
    store *s = NULL;
    rap_status status = store_open(&s, f->path, round % 2, &f->err);

    store_close(s);
    return status;
}

static rap_status open_new(fixture *f, int round)
{
    store *s = NULL;
    static int run;
    char name[64];
    rap_status status;

    (void)round;
    snprintf(name, sizeof name, "new%d.db", run++);
    status = store_open(&s, fixture_file(f, name), 0, &f->err);
    store_close(s);
    return status;
}

static rap_status add(fixture *f, int round)
{
    static const char *const aliases[] = { "Sir", NULL };
    static char bytes[2000] = "picture";
    const store_view view = { bytes, sizeof bytes, 4, 4, { 0, 0, 0, 0 } };
    const store_vector vector = make_vector("enc-a", 3);
    char name[64];
    const store_concept c = { name, "dog", "info", aliases, 0 };
    rap_status status;

    snprintf(name, sizeof name, "n%d", round);
    status = store_add(f->s, NULL, &c, &view, &vector, &f->err);
    if (status == RAP_OK) {
        wrap_fail(0, false);
        assert_int_equal(store_forget(f->s, name, &f->err), RAP_OK);
        return RAP_OK;
    }
    return status;
}

static rap_status edit(fixture *f, int round)
{
    const store_change change = { .info = round % 2 ? "one" : "two", .category = "cat" };

    return store_update(f->s, "bo", &change, &f->err);
}

static int no_more(const rap_record *record, void *payload)
{
    (void)record;
    ++*(int *)payload;
    return 0;
}

static rap_status list(fixture *f, int round)
{
    int count = 0;
    rap_status status = store_each(f->s, round % 2 ? "dog" : NULL, no_more, &count, &f->err);

    return status;
}

static rap_status find(fixture *f, int round)
{
    rap_record *record = NULL;
    rap_status status = store_find(f->s, "SIR BO", &record, &f->err);

    (void)round;
    store_record_free(record);
    return status;
}

static rap_status names(fixture *f, int round)
{
    store_name *all = NULL;
    char **category = NULL;
    size_t count = 0, categories = 0;
    rap_status status = store_names(f->s, &all, &count, &f->err);

    (void)round;
    store_names_free(all, count);
    if (status == RAP_OK)
        status = store_categories(f->s, 10000, &category, &categories, &f->err);
    store_strings_free(category, categories);
    return status;
}

static rap_status forget(fixture *f, int round)
{
    rap_status status;

    (void)round;
    status = store_forget(f->s, "mo", &f->err);
    if (status == RAP_OK) {
        wrap_fail(0, false);
        assert_int_equal(add_concept(f->s, "mo", "cat", "", 2, &f->err), RAP_OK);
    }
    return status;
}

static rap_status export_bundle(fixture *f, int round)
{
    static int run;
    char name[64];

    (void)round;
    snprintf(name, sizeof name, "bundle%d", run++);
    return transfer_export_bundle(f->s, fixture_file(f, name), NULL, NULL, &f->err);
}

static rap_status export_official(fixture *f, int round)
{
    static int run;
    char name[64];

    (void)round;
    snprintf(name, sizeof name, "out%d/d.json", run++);
    return transfer_export_official(f->s, fixture_file(f, name), NULL, NULL, &f->err);
}

static rap_status import_official(fixture *f, int round)
{
    (void)round;
    return import_file(f, f->s, fixture_file(f, "official/d.json"), 1, NULL);
}

static rap_status import_bundle(fixture *f, int round)
{
    (void)round;
    return import_file(f, f->s, fixture_file(f, "bundle"), 1, NULL);
}

/* Allocation n of the attempt fails, for n = 1, 1 + step … until it needs fewer. */
static void fail_in_turn(fixture *f, const char *what, attempt *try, bool lasting)
{
    int64_t concepts = count_rows(f->s, "concept");
    int failed = 0;

    for (long n = 1; n < 1000000; n += step()) {
        rap_status status;
        bool reached;

        err_clear(&f->err);
        wrap_fail(n, lasting);
        status = try(f, (int)n);
        reached = wrap_failed();
        wrap_fail(0, false);
        if (status != RAP_OK && *f->err.text == '\0')
            fail_msg("%s: allocation %ld: status %d without a line", what, n, (int)status);
        if (status != RAP_OK && !reached)
            fail_msg("%s: fails by itself: %s", what, f->err.text);
        failed += status != RAP_OK;
        if (count_rows(f->s, "concept") != concepts)
            fail_msg("%s: allocation %ld: half done (status %d: %s)", what, n, (int)status,
                     f->err.text);
        if (!reached)
            break;
    }
    assert_sound(f->s);
    print_message("%s%s: %d allocations failed it\n", what, lasting ? ", lasting" : "", failed);
    assert_true(failed > 0);
}

static void every_allocation_may_fail(void **state)
{
    static const struct {
        const char *what;
        attempt *try;
    } calls[] = { { "open", open_again },
                  { "open a new one", open_new },
                  { "remember", add },
                  { "edit", edit },
                  { "list", list },
                  { "find", find },
                  { "names", names },
                  { "forget", forget },
                  { "export a bundle", export_bundle },
                  { "export a database.json", export_official },
                  { "import a database.json", import_official },
                  { "import a bundle", import_bundle } };
    fixture *f = *state;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "cat", "", 2, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "Sir Bo", &f->err), RAP_OK);
    assert_int_equal(transfer_export_bundle(f->s, fixture_file(f, "bundle"), NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(
        transfer_export_official(f->s, fixture_file(f, "official/d.json"), NULL, NULL, &f->err),
        RAP_OK);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        fail_in_turn(f, calls[i].what, calls[i].try, false);
        fail_in_turn(f, calls[i].what, calls[i].try, true);
    }
}

static int start(void **state)
{
    wrap_start();
    return fixture_setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, start, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
