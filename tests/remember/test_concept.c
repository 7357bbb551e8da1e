/* test_concept.c: add, change, forget: what changes, what stays, what goes with it. */
#include "remember/fixture.h"
#include "remember/transfer.h"

#include <math.h>
#include <time.h>

static rap_record *find(fixture *f, const char *name)
{
    rap_record *record = NULL;

    assert_int_equal(store_find(f->s, name, &record, &f->err), RAP_OK);
    return record;
}

static void adds_everything_it_is_given(void **state)
{
    fixture *f = *state;
    const char *aliases[] = { "Sir Bo", "rover", NULL };
    store_concept c = { "bo", " dog ", "<bo> likes\ncheese & \"quotes\".", aliases, 0 };
    char *bytes = make_picture(1, 5000);
    store_view view = { bytes, 5000, 64, 48, { 1.5f, 2, 30, 40 } };
    store_vector vector = make_vector("enc-a", 1);
    store_picture picture;
    rap_record *record;
    int64_t id = 0;

    assert_int_equal(store_add(f->s, &id, &c, &view, &vector, &f->err), RAP_OK);
    assert_true(id > 0);
    record = find(f, "rover");
    assert_int_equal(record->id, id);
    assert_string_equal(record->name, "bo");
    assert_string_equal(record->category, "dog");
    assert_string_equal(record->info, c.info);
    assert_int_equal(record->views, 1);
    assert_int_equal(strlen(record->created), 24);
    assert_string_equal(record->created, record->updated);
    assert_int_equal(store_avatar(f->s, id, &picture, &f->err), RAP_OK);
    assert_int_equal(picture.size, 5000);
    assert_memory_equal(picture.bytes, bytes, 5000);
    assert_true(picture.box.x == 1.5f && picture.box.h == 40);
    store_picture_release(&picture);
    store_record_free(record);
    free(bytes);
}

static void views_come_in_together(void **state)
{
    fixture *f = *state;
    store_concept c = { "bo", "dog", "info", NULL, 0 };
    char *bytes = make_picture(1, 5000);
    store_view view[STORE_MAX_VIEWS + 1] = { { bytes, 5000, 64, 48, { 0, 0, 0, 0 } },
                                             { bytes, 4000, 32, 24, { 0, 0, 0, 0 } },
                                             { bytes, 0, 1, 1, { 0, 0, 0, 0 } } };
    store_picture picture;
    rap_record *record;
    int64_t id = 0;

    assert_int_equal(store_add_views(f->s, &id, &c, view, NULL, 3, &f->err), RAP_E_ARGUMENT);
    assert_int_equal(count_rows(f->s, "concept"), 0); /* the third is empty: nothing is there */
    assert_int_equal(store_add_views(f->s, &id, &c, view, NULL, STORE_MAX_VIEWS + 1, &f->err),
                     RAP_E_LIMIT);
    assert_int_equal(store_add_views(f->s, &id, &c, view, NULL, 0, &f->err), RAP_E_ARGUMENT);
    assert_int_equal(store_add_views(f->s, &id, &c, view, NULL, 2, &f->err), RAP_OK);
    record = find(f, "bo");
    assert_int_equal(record->views, 2);
    assert_int_equal(store_avatar(f->s, id, &picture, &f->err), RAP_OK);
    assert_int_equal(picture.size, 5000);
    store_picture_release(&picture);
    store_record_free(record);
    free(bytes);
}

static int automatic_of(fixture *f, const char *name)
{
    rap_record *record = find(f, name);
    int flags = record->automatic;

    store_record_free(record);
    return flags;
}

static void a_models_texts_are_marked(void **state)
{
    fixture *f = *state;
    store_concept c = { "bo", "dog", "<bo> is a dog.", NULL, RAP_AUTOMATIC_BOTH };
    char *bytes = make_picture(1, 100);
    store_view view = { bytes, 100, 1, 1, { 0, 0, 0, 0 } };
    store_change own = { .info = "mine" }, named = { .name = "rex" };
    store_change again = { .info = "<rex> is a cat.", .automatic = RAP_AUTOMATIC_BOTH };

    assert_int_equal(store_add(f->s, NULL, &c, &view, NULL, &f->err), RAP_OK);
    assert_int_equal(automatic_of(f, "bo"), RAP_AUTOMATIC_BOTH);
    fixture_reopen(f);
    assert_int_equal(store_update(f->s, "bo", &named, &f->err), RAP_OK);
    assert_int_equal(automatic_of(f, "rex"), RAP_AUTOMATIC_BOTH); /* no text was given */
    assert_int_equal(store_update(f->s, "rex", &own, &f->err), RAP_OK);
    assert_int_equal(automatic_of(f, "rex"), RAP_AUTOMATIC_CATEGORY);
    own = (store_change){ .category = "cat" };
    assert_int_equal(store_update(f->s, "rex", &own, &f->err), RAP_OK);
    assert_int_equal(automatic_of(f, "rex"), 0);
    assert_int_equal(store_update(f->s, "rex", &again, &f->err), RAP_OK);
    assert_int_equal(automatic_of(f, "rex"), RAP_AUTOMATIC_INFO); /* a category was not given */
    free(bytes);
}

/* A store of the version before the marks: as it is to a reader, with the column to a writer. */
static void an_older_store_has_no_marks(void **state)
{
    fixture *f = *state;
    char file[128], exported[128];

    snprintf(file, sizeof file, "%s", f->path);
    snprintf(exported, sizeof exported, "%s", fixture_file(f, "out.rap"));
    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(db_exec(store_db(f->s),
                             "DROP TABLE learnt; ALTER TABLE concept DROP COLUMN automatic;"
                             "PRAGMA user_version = 6",
                             &f->err),
                     RAP_OK);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, file, 1, &f->err), RAP_OK);
    assert_int_equal(automatic_of(f, "bo"), 0);
    assert_int_equal(transfer_export_bundle(f->s, exported, NULL, NULL, &f->err), RAP_OK);
    fixture_reopen(f);
    assert_int_equal(automatic_of(f, "bo"), 0);
    assert_int_equal(transfer_import(f->s, exported, 1, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(automatic_of(f, "bo"), 0);
}

static void marks_travel_in_a_bundle(void **state)
{
    fixture *f = *state;
    store_concept c = { "bo", "dog", "<bo> is a dog.", NULL, RAP_AUTOMATIC_INFO };
    char *bytes = make_picture(1, 100);
    store_view view = { bytes, 100, 1, 1, { 0, 0, 0, 0 } };
    const char *exported = fixture_file(f, "out.rap");

    assert_int_equal(store_add(f->s, NULL, &c, &view, NULL, &f->err), RAP_OK);
    assert_int_equal(transfer_export_bundle(f->s, exported, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_OK);
    assert_int_equal(transfer_import(f->s, exported, 0, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(automatic_of(f, "bo"), RAP_AUTOMATIC_INFO);
    assert_int_equal(transfer_import(f->s, exported, 1, NULL, NULL, NULL, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(automatic_of(f, "bo"), RAP_AUTOMATIC_INFO);
    free(bytes);
}

static void a_failed_add_leaves_nothing(void **state)
{
    fixture *f = *state;
    const char *aliases[] = { "new", "mo", NULL }; /* the second is taken */
    store_concept c = { "bo", "dog", "info", aliases, 0 };
    char *bytes = make_picture(1, 100), *info = malloc(STORE_MAX_INFO + 2);
    store_view view = { bytes, 100, 1, 1, { 0, 0, 0, 0 } };
    store_vector vector = make_vector("enc-a", 1);
    float nan_data[FIXTURE_DIM] = { 0 };

    assert_int_equal(add_concept(f->s, "mo", "", "", 2, &f->err), RAP_OK);
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_E_EXISTS);
    c.aliases = NULL;
    assert_int_equal(store_add(f->s, NULL, &c, NULL, &vector, &f->err), RAP_E_ARGUMENT);
    view.size = 0;
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_E_ARGUMENT);
    view.size = STORE_MAX_PICTURE + 1; /* refused before it is read */
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_E_LIMIT);
    view.size = 100;
    view.box.w = -1;
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_E_ARGUMENT);
    view.box.w = 0;
    nan_data[3] = NAN;
    vector.data = nan_data;
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_E_MODEL);
    vector = make_vector("enc-a", 1);
    memset(info, 'i', STORE_MAX_INFO + 1);
    info[STORE_MAX_INFO + 1] = '\0';
    c.info = info;
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_E_LIMIT);
    info[STORE_MAX_INFO] = '\0';
    assert_int_equal(count_rows(f->s, "concept"), 1);
    assert_int_equal(count_rows(f->s, "name"), 1);
    assert_int_equal(count_rows(f->s, "view"), 1);
    assert_int_equal(count_rows(f->s, "event"), 1);
    assert_int_equal(store_add(f->s, NULL, &c, &view, &vector, &f->err), RAP_OK);
    free(bytes);
    free(info);
}

static void changes_only_what_is_given(void **state)
{
    const struct timespec moment = { 0, 3000000 };
    fixture *f = *state;
    store_change change = { .info = "old now" };
    const char *aliases[] = { "rex", NULL }, *none[] = { NULL };
    rap_record *before, *after;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    before = find(f, "bo");
    nanosleep(&moment, NULL);
    assert_int_equal(store_update(f->s, "BO", &change, &f->err), RAP_OK);
    after = find(f, "bo");
    assert_string_equal(after->info, "old now");
    assert_string_equal(after->category, "dog");
    assert_string_equal(after->created, before->created);
    assert_true(strcmp(after->updated, before->updated) > 0);
    store_record_free(before);
    store_record_free(after);
    change = (store_change){ .name = "bobo", .category = "puppy", .info = "", .aliases = aliases };
    assert_int_equal(store_update(f->s, "bo", &change, &f->err), RAP_OK);
    after = find(f, "rex");
    assert_string_equal(after->name, "bobo");
    assert_string_equal(after->category, "puppy");
    assert_string_equal(after->info, "");
    store_record_free(after);
    change = (store_change){ .aliases = none };
    assert_int_equal(store_update(f->s, "bobo", &change, &f->err), RAP_OK);
    assert_int_equal(store_find(f->s, "rex", &after, &f->err), RAP_E_NOT_FOUND);
    assert_int_equal(store_update(f->s, "bo", &change, &f->err), RAP_E_NOT_FOUND);
}

static void a_failed_change_changes_nothing(void **state)
{
    fixture *f = *state;
    store_change change = { .name = "bobo", .category = "puppy\n" };
    rap_record *record;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_update(f->s, "bo", &change, &f->err), RAP_E_ARGUMENT);
    assert_line_has(f, "category");
    record = find(f, "bo");
    assert_string_equal(record->category, "dog");
    store_record_free(record);
}

/* A change is one transaction: whichever part of it is wrong, no part of it is done. */
static void a_change_is_done_whole_or_not_at_all(void **state)
{
    fixture *f = *state;
    const char *add[] = { "rex", "mo", NULL }, *remove[] = { "rover", NULL },
               *gone[] = { "x", NULL };
    char *bytes = make_picture(7, 200);
    store_view view = { bytes, 200, 1, 1, { 0, 0, 0, 0 } };
    const store_change good = {
        .name = "rover", .info = "new", .remove_alias = remove, .view = &view
    };
    store_change bad[] = { good, good, good };
    rap_record *record;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    bad[0].add_alias = add; /* the second is another's name */
    bad[1].remove_alias = gone;
    bad[2].category = "a\nb";
    for (size_t i = 0; i < 3; i++) {
        assert_int_not_equal(store_update(f->s, "bo", &bad[i], &f->err), RAP_OK);
        record = find(f, "rover");
        assert_string_equal(record->name, "bo");
        assert_string_equal(record->info, "info");
        assert_string_equal(record->aliases[0], "rover");
        assert_null(record->aliases[1]);
        assert_int_equal(record->views, 1);
        store_record_free(record);
    }
    assert_int_equal(store_update(f->s, "bo", &good, &f->err), RAP_OK);
    record = find(f, "rover");
    assert_string_equal(record->name, "rover");
    assert_null(record->aliases[0]);
    assert_int_equal(record->views, 2);
    store_record_free(record);
    free(bytes);
}

static void several_are_forgotten_or_none(void **state)
{
    fixture *f = *state;
    const char *wrong[] = { "bo", "nobody", NULL }, *right[] = { "bo", "ROVER", "mo", NULL };

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "mo", "dog", "info", 2, &f->err), RAP_OK);
    assert_int_equal(add_concept(f->s, "je", "dog", "info", 3, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    assert_int_equal(store_forget_all(f->s, wrong, &f->err), RAP_E_NOT_FOUND);
    assert_line_has(f, "'nobody'");
    assert_int_equal(count_rows(f->s, "concept"), 3);
    assert_int_equal(store_forget_all(f->s, right, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "concept"), 1);
}

static void views_are_added_and_one_is_the_avatar(void **state)
{
    fixture *f = *state;
    char *second = make_picture(2, 200), *third = make_picture(3, 300);
    store_view view = { second, 200, 1, 1, { 0, 0, 0, 0 } };
    store_vector vector = make_vector("enc-a", 9);
    store_change avatar = { .avatar = &view, .avatar_vector = &vector };
    store_picture picture;
    rap_record *record;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_view(f->s, "bo", &view, &vector, &f->err), RAP_OK);
    record = find(f, "bo");
    assert_int_equal(record->views, 2);
    assert_int_equal(store_avatar(f->s, record->id, &picture, &f->err), RAP_OK);
    assert_int_equal(picture.size, 3000); /* the first one still */
    store_picture_release(&picture);
    view.bytes = third;
    view.size = 300;
    assert_int_equal(store_update(f->s, "bo", &avatar, &f->err), RAP_OK);
    assert_int_equal(store_avatar(f->s, record->id, &picture, &f->err), RAP_OK);
    assert_int_equal(picture.size, 300);
    store_picture_release(&picture);
    assert_int_equal(count_rows(f->s, "view"), 3);
    assert_int_equal(count_rows(f->s, "key"), 3);
    store_record_free(record);
    free(second);
    free(third);
}

static void forgetting_takes_everything_along(void **state)
{
    static const char *const tables[] = { "concept", "name", "view", "picture", "key", "cache" };
    fixture *f = *state;
    float token[4] = { 1, 2, 3, 4 };
    rap_record *record;
    int64_t id;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    assert_int_equal(store_put_tokens(f->s, 1, "model", token, 4, &f->err), RAP_OK);
    record = find(f, "bo");
    id = record->id;
    store_record_free(record);
    assert_int_equal(store_forget(f->s, "Rover", &f->err), RAP_OK);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        assert_int_equal(count_rows(f->s, tables[i]), 0);
    assert_int_equal(store_forget(f->s, "bo", &f->err), RAP_E_NOT_FOUND);
    assert_line_has(f, "'bo'");
    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    record = find(f, "bo");
    assert_true(record->id > id); /* a number is never given twice */
    store_record_free(record);
    assert_int_equal(count_rows(f->s, "event"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adds_everything_it_is_given, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failed_add_leaves_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(views_come_in_together, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_models_texts_are_marked, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_older_store_has_no_marks, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(marks_travel_in_a_bundle, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(changes_only_what_is_given, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_failed_change_changes_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_change_is_done_whole_or_not_at_all, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(several_are_forgotten_or_none, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(views_are_added_and_one_is_the_avatar, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(forgetting_takes_everything_along, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
