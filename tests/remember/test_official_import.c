/* test_official_import.c: the paper's database.json: what is taken, what is refused with which line, and
 * that a refused file changes nothing. */
#include "remember/transfer_fixture.h"

#include <sys/stat.h>

static void add_picture_file(const fixture *f, const char *name, uint32_t seed)
{
    char *bytes = make_picture(seed, 400);

    fixture_write(fixture_file(f, name), bytes, 400);
    free(bytes);
}

/* Writes the JSON to db/database.json and imports it. */
static rap_status import_text(fixture *f, const char *text, int replace, rap_import_report *out)
{
    char path[128];

    snprintf(path, sizeof path, "%s/db/database.json", f->folder);
    fixture_write_text(path, text);
    return import_file(f, f->s, path, replace, out);
}

static void takes_the_official_form(void **state)
{
    static const char text[] = "{\"concept_dict\": {"
                               "\"<bo>\": {\"name\": \"bo\", \"image\": \"pictures/bo.png\", "
                               "\"info\": \"<bo> is a dog.\\n\","
                               " \"category\": \"dog\", \"extra\": 7},"
                               "\"<mo>\": {\"name\": \"<mo>\", \"image\": \"beside/mo.png\"}},"
                               "\"path_to_concept\": {\"pictures/bo.png\": \"<bo>\"}}";
    fixture *f = *state;
    rap_import_report report;
    rap_record *record = NULL;
    store_vectors vectors;
    store_picture picture;
    char *bytes = make_picture(1, 400);

    add_picture_file(f, "db/pictures/bo.png", 1);
    add_picture_file(f, "beside/mo.png",
                     2); /* in the parent folder, as the official example has it */
    assert_int_equal(import_text(f, text, 0, &report), RAP_OK);
    assert_int_equal(report.added, 2);
    assert_int_equal(report.updated + report.skipped, 0);
    assert_int_equal(store_find(f->s, "bo", &record, &f->err), RAP_OK);
    assert_string_equal(record->info, "<bo> is a dog.\n");
    assert_string_equal(record->category, "dog");
    assert_int_equal(store_avatar(f->s, record->id, &picture, &f->err), RAP_OK);
    assert_memory_equal(picture.bytes, bytes, 400);
    store_picture_release(&picture);
    store_record_free(record);
    assert_int_equal(store_find(f->s, "mo", &record, &f->err), RAP_OK);
    assert_string_equal(record->name, "mo"); /* without the brackets */
    assert_string_equal(record->info, "");
    store_record_free(record);
    assert_int_equal(load_vectors(f->s, "enc-a", &vectors, &f->err), RAP_OK);
    assert_int_equal(vectors.count, 2);
    store_vectors_release(&vectors);
    free(bytes);
}

static void refuses_with_file_concept_and_field(void **state)
{
#define IN(entry) \
    "{\"concept_dict\": {\"<ok>\": {\"name\": \"ok\", \"image\": \"a.png\"}, " entry "}}"
    static const struct {
        const char *text, *line;
    } cases[] = {
        { "[1, 2", "not valid JSON" },
        { "[]", "not an object" },
        { "{}", "concept_dict" },
        { "{\"concept_dict\": 3}", "concept_dict" },
        { IN("\"<x>\": 3"), "'<x>': is not an object" },
        { IN("\"<x>\": {\"image\": \"a.png\"}"), "'<x>': the field 'name' is missing" },
        { IN("\"<x>\": {\"name\": \"x\"}"), "'<x>': the field 'image' is missing" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": 3}"), "the field 'image' is not text" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"\"}"), "the field 'image' is empty" },
        { IN("\"<x>\": {\"name\": \"\", \"image\": \"a.png\"}"), "the name is empty" },
        { IN("\"<x>\": {\"name\": \"a\\nb\", \"image\": \"a.png\"}"), "line break" },
        { IN("\"<x>\": {\"name\": \"a\\u0000b\", \"image\": \"a.png\"}"), "not valid JSON" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"a.png\", \"info\": []}"),
          "'info' is not text" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"a.png\", \"category\": 1}"), "'category'" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"a.png\", \"box\": [1, 2]}"), "'box'" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"a.png\", \"box\": [1, 2, 3, -4]}"), "'box'" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"a.png\", \"aliases\": [1]}"), "'aliases'" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"a.png\", \"aliases\": [\"OK\"]}"),
          "already the name" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"none.png\"}"), "'none.png' is not there" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"../../etc/passwd\"}"), "climbs out" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"../beside.png\"}"), "climbs out" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"p/../../a.png\"}"), "climbs out" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"/etc/passwd\"}"), "not relative" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"link.png\"}"), "leads out" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"folder\"}"), "is a folder" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"empty.png\"}"), "picture is empty" },
        { IN("\"<x>\": {\"name\": \"x\", \"image\": \"tiny.png\"}"), "not a picture" },
        { IN("\"<OK>\": {\"name\": \"OK\", \"image\": \"a.png\"}"), "there twice" },
        { IN("\"<x>\": {\"name\": \"Taken\", \"image\": \"a.png\"}"), "already the name" },
        { IN("\"<x>\": {\"name\": \"other\", \"image\": \"a.png\"}"),
          "already an alias of 'taken'" },
    };
    fixture *f = *state;
    char before[65], after[65];

    assert_int_equal(add_concept(f->s, "taken", "", "", 1, &f->err), RAP_OK);
    assert_int_equal(store_add_alias(f->s, "taken", "other", &f->err), RAP_OK);
    fixture_reopen(f);
    assert_int_equal(file_sha256(before, f->path, NULL), RAP_OK);
    add_picture_file(f, "db/a.png", 1);
    add_picture_file(f, "beside.png", 2);
    fixture_write_text(fixture_file(f, "db/empty.png"), "");
    fixture_write_text(fixture_file(f, "db/tiny.png"), "x");
    fixture_write_text(fixture_file(f, "db/folder/x"), "x");
    assert_int_equal(symlink("/etc/passwd", fixture_file(f, "db/link.png")), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rap_import_report report;

        assert_int_not_equal(import_text(f, cases[i].text, 0, &report), RAP_OK);
        assert_line_has(f, cases[i].line);
        assert_line_has(f, "database.json");
        assert_int_equal(count_rows(f->s, "concept"), 1);
        assert_int_equal(count_rows(f->s, "view"), 1);
        assert_int_equal(report.added, 0);
    }
    fixture_reopen(f);
    assert_int_equal(file_sha256(after, f->path, NULL), RAP_OK);
    assert_string_equal(before, after); /* not a byte */
}

static int stop_at_last(const char *what, uint64_t done, uint64_t total, void *payload)
{
    assert_non_null(what);
    assert_int_equal(total, 3);
    ++*(int *)payload;
    return done == 3;
}

static void is_all_or_nothing(void **state)
{
    static const char text[] = "{\"concept_dict\": {\"1\": {\"name\": \"1\", \"image\": \"a.png\"},"
                               "\"2\": {\"name\": \"2\", \"image\": \"a.png\"},"
                               "\"3\": {\"name\": \"3\", \"image\": \"a.png\"}}}";
    fixture *f = *state;
    fake_encoder e = { .fail_at = 3 };
    int calls = 0;
    const char *path = fixture_file(f, "db/database.json");

    add_picture_file(f, "db/a.png", 1);
    fixture_write_text(path, text);
    assert_int_equal(transfer_import(f->s, path, 0, fake_embed, &e, NULL, NULL, NULL, &f->err),
                     RAP_E_FORMAT);
    assert_int_equal(count_rows(f->s, "concept"), 0);
    e.fail_at = 0;
    assert_int_equal(
        transfer_import(f->s, path, 0, fake_embed, &e, stop_at_last, &calls, NULL, &f->err),
        RAP_E_CANCELLED);
    assert_int_equal(calls, 2); /* before the first group, after it */
    assert_int_equal(count_rows(f->s, "concept"), 0);
    assert_int_equal(transfer_import(f->s, path, 0, NULL, NULL, NULL, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(count_rows(f->s, "concept"), 3);
    assert_int_equal(count_rows(f->s, "key"), 0); /* no encoder, no vectors yet */
}

static void replaces_what_it_names(void **state)
{
    static const char first[] =
        "{\"concept_dict\": {\"<bo>\": {\"name\": \"bo\", \"image\": \"a.png\","
        " \"info\": \"one\"}, \"<mo>\": {\"name\": \"mo\", \"image\": \"a.png\"}}}";
    static const char second[] =
        "{\"concept_dict\": {\"<BO>\": {\"name\": \"BO\", \"image\": \"b.png\","
        " \"info\": \"two\"}, \"<mo>\": {\"name\": \"mo\", \"image\": \"a.png\"},"
        "\"<new>\": {\"name\": \"new\", \"image\": \"b.png\"}}}";
    fixture *f = *state;
    rap_import_report report;
    rap_record *before = NULL, *after = NULL;

    add_picture_file(f, "db/a.png", 1);
    add_picture_file(f, "db/b.png", 2);
    assert_int_equal(import_text(f, first, 0, &report), RAP_OK);
    assert_int_equal(import_text(f, first, 0, &report), RAP_E_EXISTS);
    assert_int_equal(store_add_alias(f->s, "bo", "rover", &f->err), RAP_OK);
    assert_int_equal(store_find(f->s, "bo", &before, &f->err), RAP_OK);
    assert_int_equal(import_text(f, second, 1, &report), RAP_OK);
    assert_int_equal(report.added, 1);
    assert_int_equal(report.updated, 1);
    assert_int_equal(report.skipped, 1); /* mo is the same as before */
    assert_int_equal(store_find(f->s, "rover", &after, &f->err), RAP_OK);
    assert_string_equal(after->name, "BO");
    assert_string_equal(after->info, "two");
    assert_int_equal(after->views, 1);
    assert_int_equal(after->id, before->id);
    store_record_free(before);
    store_record_free(after);
    assert_int_equal(count_rows(f->s, "view"), 3);
    assert_int_equal(count_rows(f->s, "key"), 3);
}

static void is_bounded(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "db/deep.json");
    buf text = BUF_INIT;

    for (int i = 0; i < 100000; i++)
        buf_puts(&text, "{\"concept_dict\":");
    fixture_write(path, text.data, text.len);
    assert_int_equal(import_file(f, f->s, path, 0, NULL), RAP_E_FORMAT);
    assert_int_equal(truncate(path, (256 << 20) + 1), 0);
    assert_int_equal(import_file(f, f->s, path, 0, NULL), RAP_E_LIMIT);
    assert_int_equal(import_file(f, f->s, f->folder, 0, NULL), RAP_E_ARGUMENT);
    assert_int_equal(import_file(f, f->s, fixture_file(f, "no"), 0, NULL), RAP_E_NOT_FOUND);
    assert_int_equal(mkfifo(fixture_file(f, "pipe"), 0600), 0);
    assert_int_equal(import_file(f, f->s, fixture_file(f, "pipe"), 0, NULL), RAP_E_ARGUMENT);
    buf_release(&text);
}

/* The example files of the paper and of the photos, where they are at hand. */
static void takes_the_files_at_hand(void **state)
{
    fixture *f = *state;
    const char *shared = getenv("RAP_SHARED");
    char *path = path_join(shared ? shared : "../shared", "photos/dreambooth/database.json");
    rap_import_report report;

    if (!file_exists(path)) {
        print_message("skipped: %s is not there\n", path);
        free(path);
        return;
    }
    assert_int_equal(import_file(f, f->s, path, 0, &report), RAP_OK);
    assert_int_equal(report.added, 15);
    free(path);
}

static void every_picture_of_a_concept_is_a_view(void **state)
{
    static const char json[] =
        "{\"concept_dict\": {\"<bo>\": {\"name\": \"bo\", \"image\": \"p/a.png\", \"boxes\":"
        " {\"p/c.png\": [1, 2, 3, 4]}}, \"<mo>\": {\"name\": \"mo\", \"image\": \"p/d.png\"}},"
        " \"path_to_concept\": {\"p/b.png\": \"<bo>\", \"./p/a.png\": \"<bo>\", \"p/c.png\": "
        "\"BO\","
        " \"p/d.png\": \"<mo>\", \"p/nowhere.png\": \"<nobody>\"}}";
    fixture *f = *state;
    rap_import_report report;
    char name[32];

    for (char c = 'a'; c <= 'd'; c++) {
        char *bytes = make_picture((uint32_t)c, 300);

        snprintf(name, sizeof name, "p/%c.png", c);
        fixture_write(fixture_file(f, name), bytes, 300);
        free(bytes);
    }
    fixture_write_text(fixture_file(f, "d.json"), json);
    assert_int_equal(import_file(f, f->s, fixture_file(f, "d.json"), 0, &report), RAP_OK);
    assert_int_equal(report.added, 2);
    assert_int_equal(report.views, 2);
    assert_int_equal(count_rows(f->s, "view"), 4);
    assert_int_equal(count_rows(f->s, "key"), 4);
    assert_int_equal(count_rows(f->s, "view WHERE box_w = 3 AND avatar = 0"), 1);
    assert_non_null(strstr(store_note(f->s), "path_to_concept"));
    assert_int_equal(import_file(f, f->s, fixture_file(f, "d.json"), 1, &report), RAP_OK);
    assert_int_equal(report.skipped, 2); /* they differ in nothing */
    unlink(fixture_file(f, "p/b.png"));
    assert_int_equal(import_file(f, f->s, fixture_file(f, "d.json"), 1, &report), RAP_E_NOT_FOUND);
    assert_line_has(f, "p/b.png");
    assert_line_has(f, "<bo>");
}

static void backslashes_separate_where_no_file_has_them(void **state)
{
    static const struct {
        const char *path;
        rap_status status;
        const char *line;
    } cases[] = {
        { "p\\\\a.png", RAP_OK, "" },
        { ".\\\\p/a.png", RAP_OK, "" },
        { "p\\\\..\\\\p\\\\a.png", RAP_OK, "" },
        { "with\\\\one.png", RAP_OK, "" }, /* a file of this very name */
        { "..\\\\p\\\\a.png", RAP_E_FORMAT, "climbs" },
        { "p\\\\..\\\\..\\\\x\\\\..\\\\..\\\\a.png", RAP_E_FORMAT, "climbs" },
        { "\\\\\\\\server\\\\a.png", RAP_E_FORMAT, "not relative" },
        { "C:\\\\p\\\\a.png", RAP_E_FORMAT, "drive of Windows" },
        { "c:/p/a.png", RAP_E_FORMAT, "drive of Windows" },
        { "p\\\\b.png", RAP_E_NOT_FOUND, "is not there" },
    };
    fixture *f = *state;
    char *bytes = make_picture(1, 300), json[300];

    fixture_write(fixture_file(f, "p/a.png"), bytes, 300);
    fixture_write(fixture_file(f, "with\\one.png"), bytes, 300);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(json, sizeof json,
                 "{\"concept_dict\": {\"<n>\": {\"name\": \"n%zu\", \"image\": \"%s\"}}}", i,
                 cases[i].path);
        fixture_write_text(fixture_file(f, "d.json"), json);
        if (import_file(f, f->s, fixture_file(f, "d.json"), 0, NULL) != cases[i].status)
            fail_msg("%s: %s", cases[i].path, f->err.text);
        if (cases[i].status != RAP_OK)
            assert_line_has(f, cases[i].line);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_the_official_form, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_with_file_concept_and_field, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(is_all_or_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(replaces_what_it_names, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(is_bounded, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(takes_the_files_at_hand, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(every_picture_of_a_concept_is_a_view, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(backslashes_separate_where_no_file_has_them, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
