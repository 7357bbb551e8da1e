/* test_pages.c: stores whose pages lead to each other, so that walking them never comes to an end, or whose list of free
 * pages is a circle: every call answers in a bounded time, and a change is made or refused (src/remember/db.c). */
#include "remember/transfer_fixture.h"

#include <sqlite3.h>
#include <time.h>

enum { PAGE = 8192, DEPTH = 6 };

static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, unsigned value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

/* An inner page, each of whose children is the same page; in an index its entries are all those of `leaf`'s first. */
static void make_inner(unsigned char *page, const unsigned char *leaf, unsigned child)
{
    bool index = leaf[0] == 10;
    unsigned first = (unsigned)leaf[8] << 8 | leaf[9], entry = index ? 1u + leaf[first] : 1;
    unsigned size = 4 + entry, cells = (PAGE - 12) / (size + 2), start = PAGE - size * cells;

    memset(page, 0, PAGE);
    page[0] = index ? 2 : 5;
    put16(page + 3, cells);
    put16(page + 5, start);
    put32(page + 8, child);
    for (unsigned i = 0; i < cells; i++) {
        unsigned char *cell = page + start + size * i;

        put16(page + 12 + 2 * i, start + size * i);
        put32(cell, child);
        cell[4] = 1;
        if (index)
            memcpy(cell + 4, leaf + first, entry);
    }
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *s = NULL;
    int64_t value;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(handle);
    return value;
}

/* Hundreds of paths lead from each page to the next, and so trillions from the root of the table or index to its rows. */
static void entangle(const char *path, const char *table)
{
    char sql[128], *bytes = NULL, *grown;
    size_t size = 0;
    unsigned char *leaf;
    unsigned root, pages;

    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    root = (unsigned)ask(path, sql);
    assert_int_equal(file_read(&bytes, &size, path, 1 << 26, NULL), RAP_OK);
    pages = (unsigned)(size / PAGE);
    assert_int_equal(size, (size_t)pages * PAGE);
    grown = malloc(size + (DEPTH + 1) * PAGE);
    memcpy(grown, bytes, size);
    leaf = (unsigned char *)grown + size + DEPTH * PAGE;
    memcpy(leaf, grown + (root - 1) * PAGE, PAGE); /* the rows */
    if ((leaf[0] != 10 && leaf[0] != 13) || !leaf[3] + !leaf[4] == 2)
        fail_msg("%s: page %u is of type %d with %d rows", table, root, leaf[0],
                 leaf[3] << 8 | leaf[4]);
    make_inner((unsigned char *)grown + (root - 1) * PAGE, leaf, pages + 1);
    for (unsigned i = 0; i < DEPTH; i++)
        make_inner((unsigned char *)grown + size + i * PAGE, leaf, pages + i + 2);
    put32((unsigned char *)grown + 28, pages + DEPTH + 1);
    fixture_write(path, grown, size + (DEPTH + 1) * PAGE);
    free(grown);
    free(bytes);
}

/* The first free page comes again after itself. */
static void close_free_list(const char *path)
{
    char *bytes = NULL;
    size_t size = 0;
    unsigned first;

    assert_int_equal(file_read(&bytes, &size, path, 1 << 26, NULL), RAP_OK);
    memcpy(&first, bytes + 32, 4);
    first = __builtin_bswap32(first);
    assert_in_range(first, 2, size / PAGE);
    put32((unsigned char *)bytes + (first - 1) * PAGE, first);
    put32((unsigned char *)bytes + (first - 1) * PAGE + 4, 0);
    fixture_write(path, bytes, size);
    free(bytes);
}

static int ignore_record(const rap_record *record, void *payload)
{
    (void)record;
    return ++*(int *)payload > 1000000;
}

static rap_status ignore_view(int64_t id, const store_picture *picture, void *payload, rap_err *err)
{
    return RAP_OK;
}

/* Everything that a photo or a command asks of a store. The worst status. */
static rap_status use(const char *path, int read_only, rap_err *err)
{
    store *s = NULL;
    store_name *name = NULL;
    char **text = NULL;
    size_t count = 0;
    int64_t number = 0;
    int records = 0;
    rap_record *record = NULL;
    rap_status status = store_open(&s, path, read_only, err), all = status;

    if (status != RAP_OK)
        return status;
#define TRY(call) all = (status = (call)) != RAP_OK ? status : all
    TRY(store_count(s, &number, err));
    TRY(store_each(s, NULL, ignore_record, &records, err));
    TRY(store_find(s, "n3", &record, err));
    store_record_free(record);
    TRY(store_names(s, &name, &count, err));
    store_names_free(name, count);
    TRY(store_categories(s, 100, &text, &count, err));
    store_strings_free(text, count);
    TRY(store_unreadable(s, &text, &count, err));
    store_strings_free(text, count);
    TRY(store_each_unembedded(s, "other", ignore_view, NULL, &number, err));
    TRY(store_each_stale_refusal(s, "other", ignore_view, NULL, err));
    if (!read_only) {
        TRY(add_concept(s, "fresh", "dog", "", 50, err));
        TRY(store_forget(s, "n4", err));
    }
    store_close(s);
    return all;
}

/* A store of some concepts with pages that are free, in one file. */
static void make_store(fixture *f, const char *path)
{
    store *s = NULL;
    char name[16];

    assert_int_equal(store_open(&s, path, 0, &f->err), RAP_OK);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(s, name, "dog", "info", i, &f->err), RAP_OK);
    }
    for (int i = 8; i < 12; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(store_forget(s, name, &f->err), RAP_OK);
    }
    store_close(s);
}

static double used_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pages_that_lead_to_each_other(void **state)
{
    static const char *const tables[] = {
        "concept",
        "name",
        "view",

        "encoder",
        "key",
        "event",
        "name_of_concept",
        "one_name",
        "view_of_concept",
        "one_avatar",
        "category_of_concept",
        "sqlite_autoindex_name_1",
        "sqlite_autoindex_key_1",
    };
    fixture *f = *state;
    int refused = 0;

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (int read_only = 0; read_only < 2; read_only++) {
            double start = used_seconds();
            char name[48];
            const char *path;
            rap_status status;

            snprintf(name, sizeof name, "%s%d.db", tables[i], read_only);
            path = fixture_file(f, name);
            make_store(f, path);
            entangle(path, tables[i]);
            err_clear(&f->err);
            status = use(path, read_only, &f->err);
            refused += status == RAP_E_FORMAT;
            if (status != RAP_OK && !*f->err.text)
                fail_msg("%s: status %d without a line", name, (int)status);
            if (used_seconds() - start > 60)
                fail_msg("%s: took %.0f s", name, used_seconds() - start);
            print_message("%s: %.1f s, status %d %s\n", name, used_seconds() - start, (int)status,
                          status ? f->err.text : "");
        }
    assert_true(refused >= 6);
}

static void free_pages_in_a_circle(void **state)
{
    fixture *f = *state;
    double start = used_seconds();
    const char *path = fixture_file(f, "free.db");

    make_store(f, path);
    close_free_list(path);
    use(path, 1, &f->err);
    use(path, 0, &f->err);
    use(path, 0, &f->err);
    assert_true(used_seconds() - start < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(free_pages_in_a_circle, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(pages_that_lead_to_each_other, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
