/* test_open.c: the file: new, again, newer, foreign, damaged, read only; a full disk; two writers;
 * kill -9 at random moments. */
#include "remember/fixture.h"

#include "remember/schema.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* ---- opening ---- */

static void makes_a_private_file_in_new_folders(void **state)
{
    fixture *f = *state;
    store *s = NULL;
    struct stat info;
    int64_t count = -1;

    assert_int_equal(store_open(&s, fixture_file(f, "a/b/c.db"), 0, &f->err), RAP_OK);
    assert_int_equal(store_count(s, &count, &f->err), RAP_OK);
    assert_int_equal(count, 0);
    assert_string_equal(store_path(s), fixture_file(f, "a/b/c.db"));
    assert_int_equal(stat(store_path(s), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    store_close(s);
}

static void keeps_what_was_added(void **state)
{
    fixture *f = *state;
    int64_t count = 0, mode = 0;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    fixture_reopen(f);
    assert_int_equal(store_count(f->s, &count, &f->err), RAP_OK);
    assert_int_equal(count, 1);
    assert_int_equal(db_int(&mode, NULL, store_db(f->s), NULL, "PRAGMA synchronous", ""), RAP_OK);
    assert_int_equal(mode, 2);
    assert_int_equal(db_int(&mode, NULL, store_db(f->s), NULL, "PRAGMA foreign_keys", ""), RAP_OK);
    assert_int_equal(mode, 1);
    assert_int_equal(db_int(&mode, NULL, store_db(f->s), NULL, "PRAGMA application_id", ""),
                     RAP_OK);
    assert_int_equal(mode, SCHEMA_STORE_ID);
}

static void odd_paths_are_only_paths(void **state)
{
    static const char *const names[] = { "file:x?mode=memory", ":memory:", "a b%41#c?d",
                                         "ä'\".db" };
    fixture *f = *state;
    char before[512];

    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(f->folder), 0);
    for (size_t i = 0; i < 4; i++) {
        store *s = NULL;
        assert_int_equal(store_open(&s, names[i], 0, &f->err), RAP_OK);
        store_close(s);
        assert_true(file_exists(fixture_file(f, names[i])));
    }
    assert_int_equal(chdir(before), 0);
}

/* Opening `path` fails like this, and changes no byte of it and no other file in its folder. */
static void assert_left_alone(fixture *f, const char *path, rap_status expected, const char *line)
{
    char before[65], after[65], log[600];
    store *s = NULL;

    snprintf(log, sizeof log, "%s-wal", path);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_int_equal(file_sha256(before, path, NULL), RAP_OK);
        assert_int_equal(store_open(&s, path, read_only, &f->err), expected);
        assert_null(s);
        assert_line_has(f, path);
        assert_line_has(f, line);
        assert_int_equal(file_sha256(after, path, NULL), RAP_OK);
        assert_string_equal(before, after);
        assert_false(file_exists(log));
    }
}

static void newer_store_is_left_alone(void **state)
{
    fixture *f = *state;
    char *data = NULL;
    size_t size = 0;

    store_close(f->s);
    f->s = NULL;
    assert_int_equal(file_read(&data, &size, f->path, 1 << 24, NULL), RAP_OK);
    data[63] = 99;
    fixture_write(f->path, data, size);
    assert_left_alone(f, f->path, RAP_E_VERSION, "newer");
    free(data);
}

static void foreign_files_are_left_alone(void **state)
{
    fixture *f = *state;
    char path[128], command[512];

    snprintf(path, sizeof path, "%s/other", f->folder);
    fixture_write_text(path, "hello");
    assert_left_alone(f, path, RAP_E_FORMAT, "is not a concept store");
    char *noise = make_picture(3, 50000);
    fixture_write(path, noise, 50000);
    assert_left_alone(f, path, RAP_E_FORMAT, "is not a concept store");
    free(noise);

    sqlite3 *other = NULL; /* somebody else's database, without and with an application id */
    snprintf(path, sizeof path, "%s/else.db", f->folder);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_left_alone(f, path, RAP_E_FORMAT, "is not a concept store");
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "PRAGMA application_id = 77", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(other);
    assert_left_alone(f, path, RAP_E_FORMAT, "is not a concept store");

    store *s = NULL;
    assert_int_equal(store_open(&s, f->folder, 0, &f->err), RAP_E_ARGUMENT);
    assert_int_equal(store_open(&s, "", 0, &f->err), RAP_E_ARGUMENT);
    snprintf(command, sizeof command, "%s/none.db", f->folder);
    assert_int_equal(store_open(&s, command, 1, &f->err), RAP_E_NOT_FOUND);
    assert_false(file_exists(command));
}

static void strange_tables_are_refused(void **state)
{
    static const char *const sql[] = {
        "CREATE TRIGGER t AFTER INSERT ON concept BEGIN DELETE FROM name; END",
        "CREATE VIEW w AS SELECT 1", "CREATE TABLE more (a)", "DROP TABLE cache",
        "DROP INDEX one_name"
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        char path[128];
        sqlite3 *other = NULL;
        store *s = NULL;

        snprintf(path, sizeof path, "%s/strange%zu.db", f->folder, i);
        assert_int_equal(store_open(&s, path, 0, &f->err), RAP_OK);
        store_close(s);
        assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, sql[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(other);
        assert_int_equal(store_open(&s, path, 0, &f->err), RAP_E_FORMAT);
        assert_line_has(f, path);
    }
}

/* Reads everything there is; anything but a crash may happen. */
static int count_record(const rap_record *record, void *payload)
{
    (void)record;
    ++*(int *)payload;
    return 0;
}

static rap_status use_everything(store *s, rap_err *err)
{
    static const store_packing packing = { .version = 1, .dim = FIXTURE_DIM };
    store_rows rows;
    store_name *names = NULL;
    char **strings = NULL;
    size_t count = 0;
    int records = 0;
    rap_status status = store_each(s, NULL, count_record, &records, err), one;

    for (int64_t id = 1; id <= 20; id++) {
        store_picture picture;
        one = store_avatar(s, id, &picture, err);
        status = status == RAP_OK && one != RAP_E_NOT_FOUND ? one : status;
        if (one == RAP_OK)
            store_picture_release(&picture);
    }
    one = store_rows_load(&rows, s, "enc-a", &packing, NULL, NULL, err);
    status = status == RAP_OK ? one : status;
    store_rows_release(&rows);
    one = store_names(s, &names, &count, err);
    status = status == RAP_OK ? one : status;
    store_names_free(names, count);
    one = store_categories(s, 100, &strings, &count, err);
    status = status == RAP_OK ? one : status;
    store_strings_free(strings, one == RAP_OK ? count : 0);
    return status;
}

static void damage_is_an_error_and_no_crash(void **state)
{
    fixture *f = *state;
    char name[16], path[128], *data = NULL, *copy;
    size_t size = 0;
    unsigned random = 5;
    int refused = 0;

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(f->s, name, "cat", "info", i, &f->err), RAP_OK);
    }
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(file_read(&data, &size, f->path, 1 << 24, NULL), RAP_OK);
    copy = malloc(size);
    snprintf(path, sizeof path, "%s/damaged.db", f->folder);
    for (int round = 0; round < 60; round++) {
        size_t len = round % 3 ? size : size * (size_t)(1 + round % 7) / 8;
        store *s = NULL;
        rap_status status;

        memcpy(copy, data, size);
        for (int hit = 0; hit < 400 && round % 3; hit++) {
            random = random * 1103515245u + 12345u;
            size_t at = (size_t)(random >> 1) % (size / 2) * 2;
            copy[at < 100 ? at + 100 : at] = (char)(random >> 24);
        }
        fixture_write(path, copy, len);
        status = store_open(&s, path, 0, &f->err);
        if (status == RAP_OK)
            status = use_everything(s, &f->err);
        store_close(s);
        refused += status != RAP_OK;
        assert_true(status == RAP_OK || status == RAP_E_FORMAT || status == RAP_E_NOT_FOUND ||
                    status == RAP_E_IO || status == RAP_E_LIMIT);
        unlink(path);
    }
    assert_true(refused > 30);
    free(copy);
    free(data);
}

/* ---- reading only ---- */

static void reader_reads_and_never_writes(void **state)
{
    fixture *f = *state;
    store *reader = NULL;
    int64_t count = 0, generation;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&reader, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(add_concept(reader, "mo", "", "", 2, &f->err), RAP_E_UNSUPPORTED);
    assert_int_equal(store_forget(reader, "bo", &f->err), RAP_E_UNSUPPORTED);
    generation = store_generation(reader);
    assert_int_equal(store_generation(reader), generation);
    assert_int_equal(add_concept(f->s, "mo", "", "", 2, &f->err), RAP_OK);
    assert_int_not_equal(store_generation(reader), generation);
    assert_int_equal(store_count(reader, &count, &f->err), RAP_OK);
    assert_int_equal(count, 2);
    store_close(reader);
}

/* As a user who may not write there. */
static void reader_works_in_a_folder_it_cannot_write_to(void **state)
{
    fixture *f = *state;
    pid_t child;
    int result = 0;

    if (geteuid() != 0) {
        print_message("skipped: only root can become a user without rights\n");
        return;
    }
    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(chmod(f->folder, 0555), 0);
    assert_int_equal(chmod(f->path, 0444), 0);
    child = fork();
    if (child == 0) {
        int64_t count = 0;
        store *s = NULL;

        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(9);
        if (store_open(&s, f->path, 0, NULL) != RAP_E_IO)
            _exit(1);
        if (store_open(&s, f->path, 1, NULL) != RAP_OK)
            _exit(2);
        if (store_count(s, &count, NULL) != RAP_OK || count != 1)
            _exit(3);
        store_close(s);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

/* Calls `look` in a child that may write neither here nor there: 0 is fine. */
static int as_nobody(fixture *f, int (*look)(const fixture *f))
{
    int result = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(setgid(65534) != 0 || setuid(65534) != 0 ? 99 : look(f));
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return WEXITSTATUS(result);
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
    char *data = NULL;
    size_t size = 0;

    assert_int_equal(file_read(&data, &size, from, 1 << 24, NULL), RAP_OK);
    fixture_write(to, data, size);
    assert_int_equal(chmod(to, mode), 0);
    free(data);
}

static int read_two(const fixture *f)
{
    int64_t count = 0;
    store *s = NULL;
    rap_err err;
    rap_record *record = NULL;

    if (store_open(&s, fixture_file(f, "copy/store.db"), 1, &err) != RAP_OK)
        return 1;
    if (store_count(s, &count, &err) != RAP_OK || count != 2)
        return 2;
    if (store_find(s, "mo", &record, &err) != RAP_OK)
        return 3;
    store_record_free(record);
    store_close(s);
    return 0;
}

static int be_told_of_the_log(const fixture *f)
{
    store *s = NULL;
    rap_err err;

    if (store_open(&s, fixture_file(f, "copy/store.db"), 1, &err) != RAP_E_IO)
        return 1;
    return strstr(err.text, "-wal: cannot be read") ? 0 : 2;
}

/* A log that the last writer left, in a folder where nothing can be written: its contents are read, or it is said
 * that it cannot be. */
static void reader_sees_a_log_that_it_cannot_play_back(void **state)
{
    fixture *f = *state;

    if (geteuid() != 0) {
        print_message("skipped: only root can become a user without rights\n");
        return;
    }
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    fixture_reopen(f);
    assert_int_equal(add_concept(f->s, "mo", "dog", "info", 2, &f->err), RAP_OK);
    copy_file(f->path, fixture_file(f, "copy/store.db"), 0444);
    copy_file(fixture_file(f, "store.db-wal"), fixture_file(f, "copy/store.db-wal"), 0444);
    assert_int_equal(chmod(fixture_file(f, "copy"), 0555), 0);
    assert_int_equal(as_nobody(f, read_two), 0);
    assert_int_equal(chmod(fixture_file(f, "copy/store.db-wal"), 0), 0);
    assert_int_equal(as_nobody(f, be_told_of_the_log), 0);
    assert_int_equal(chmod(fixture_file(f, "copy/store.db-wal"), 0444), 0);
    copy_file(fixture_file(f, "store.db-shm"), fixture_file(f, "copy/store.db-shm"), 0444);
    assert_int_equal(as_nobody(f, read_two), 0);
}

/* A store of version 1, which has no table of refusals, is read as it is. */
static void reader_reads_an_older_store(void **state)
{
    fixture *f = *state;
    store *s = NULL;
    int64_t count = 0, refusals = 0;
    char before[65], after[65];

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(db_exec(store_db(f->s),
                             "DROP INDEX refusal_by_maker; DROP TABLE learnt; DROP TABLE "
                             "unreadable; DROP TABLE refusal;"
                             "ALTER TABLE concept DROP COLUMN automatic;"
                             "PRAGMA user_version = 2",
                             &f->err),
                     RAP_OK);
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(file_sha256(before, f->path, NULL), RAP_OK);
    assert_int_equal(store_open(&s, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(store_count(s, &count, &f->err), RAP_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_count_stale_refusals(s, "enc-a", &refusals, &f->err), RAP_OK);
    store_close(s);
    assert_int_equal(file_sha256(after, f->path, NULL), RAP_OK);
    assert_string_equal(before, after);
}

/* ---- what must not be touched, or run ---- */

/* A rollback journal that names another file as its super-journal: SQLite would delete that file. */
static void a_journal_beside_the_store_is_refused(void **state)
{
    static const unsigned char magic[8] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7 };
    fixture *f = *state;
    const char *victim = fixture_file(f, "precious");
    unsigned char journal[1024 + 128] = { 0 };
    size_t len = strlen(victim), at = 512;
    uint32_t sum = 0;
    store *s = NULL;

    fixture_write_text(victim, "precious");
    store_close(f->s);
    f->s = NULL;
    memcpy(journal, magic, 8);
    journal[18] = 2, journal[22] = 2; /* sector and page sizes */
    journal[27] = 1;
    memcpy(journal + at + 4, victim,
           len); /* the lock page's number, the name, its length, its sum */
    for (size_t i = 0; i < len; i++)
        sum += (unsigned char)victim[i];
    at += 4 + len;
    for (int i = 0; i < 4; i++) {
        journal[at + (size_t)i] = (unsigned char)(len >> (24 - 8 * i));
        journal[at + 4 + (size_t)i] = (unsigned char)(sum >> (24 - 8 * i));
    }
    memcpy(journal + at + 8, magic, 8);
    fixture_write(fixture_file(f, "store.db-journal"), journal, at + 16);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_int_equal(store_open(&s, f->path, read_only, &f->err), RAP_E_FORMAT);
        assert_line_has(f, "store.db-journal");
        assert_true(file_exists(victim));
        assert_true(file_exists(fixture_file(f, "store.db-journal")));
    }
    unlink(fixture_file(f, "store.db-journal"));
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
}

/* The table of statistics is read with the schema: its columns must not be computed. */
static void statistics_are_not_computed(void **state)
{
    static const char evil[] =
        "CREATE TABLE x(tbl, idx, stat AS (1));"
        "INSERT INTO x(tbl, idx) VALUES ('concept', 'x'), ('name', 'y');"
        "PRAGMA writable_schema = ON;"
        "UPDATE sqlite_schema SET name = 'sqlite_stat1', tbl_name = 'sqlite_stat1', sql ="
        " 'CREATE TABLE sqlite_stat1(tbl, idx, stat AS (instr(hex(zeroblob(4000000)),"
        " hex(zeroblob(2000000))||1)))' WHERE name = 'x'";
    fixture *f = *state;
    store *s = NULL;
    sqlite3 *plain = NULL;
    struct timespec start, end;

    store_close(f->s);
    f->s = NULL;
    assert_int_equal(sqlite3_open(f->path, &plain), SQLITE_OK);
    assert_int_equal(sqlite3_exec(plain, evil, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(plain);
    for (int read_only = 0; read_only < 2; read_only++) {
        clock_gettime(CLOCK_MONOTONIC, &start);
        assert_int_equal(store_open(&s, f->path, read_only, &f->err), RAP_E_FORMAT);
        clock_gettime(CLOCK_MONOTONIC, &end);
        assert_line_has(f, "tables");
        assert_true(end.tv_sec - start.tv_sec < 5);
    }
    unlink(f->path);
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
}

static void a_log_of_an_older_store_is_not_played_back(void **state)
{
    fixture *f = *state;
    store *s = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    copy_file(fixture_file(f, "store.db-wal"), fixture_file(f, "new.db-wal"), 0600);
    assert_int_equal(store_open(&s, fixture_file(f, "new.db"), 0, &f->err), RAP_OK);
    assert_int_equal(count_rows(s, "concept"), 0);
    store_close(s);
}

static void a_copy_without_a_log_gets_one(void **state)
{
    fixture *f = *state;
    store *s = NULL;
    char sql[600];
    sqlite3 *plain = NULL;
    sqlite3_stmt *mode = NULL;
    bool row = false;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", fixture_file(f, "backup.db"));
    assert_int_equal(sqlite3_open(f->path, &plain), SQLITE_OK);
    assert_int_equal(sqlite3_exec(plain, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(plain);
    assert_int_equal(store_open(&s, fixture_file(f, "backup.db"), 0, &f->err), RAP_OK);
    assert_int_equal(count_rows(s, "concept"), 1);
    assert_int_equal(db_query(&mode, store_db(s), &f->err, "PRAGMA journal_mode", ""), RAP_OK);
    assert_int_equal(db_step(&row, store_db(s), mode, &f->err), RAP_OK);
    assert_string_equal((const char *)sqlite3_column_text(mode, 0), "wal");
    sqlite3_finalize(mode);
    store_close(s);
}

/* Opening the file a second time in one process must not take the first handle's locks away: else another process
 * assumes that it is alone, and deletes the log that the first handle goes on writing to. */
static void a_second_handle_leaves_the_first_its_locks(void **state)
{
    fixture *f = *state;
    store *second = NULL;
    pid_t child;
    int result = 0;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_int_equal(store_open(&second, f->path, 0, &f->err), RAP_OK);
    store_close(second);
    child = fork();
    if (child == 0) { /* a program of its own: forks may not use a handle */
        char program[64];

        snprintf(program, sizeof program, "/proc/%d/exe", (int)getppid());
        execl(program, "test_open", "add", f->path, (char *)NULL);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(WEXITSTATUS(result), 0);
    assert_int_equal(add_concept(f->s, "lu", "dog", "info", 3, &f->err), RAP_OK);
    fixture_reopen(f);
    assert_int_equal(count_rows(f->s, "concept"), 3);
}

/* ---- generation ---- */

static void generation_follows_changes_but_not_caches(void **state)
{
    fixture *f = *state;
    int64_t before = store_generation(f->s);
    store_vector vector;
    float token = 1;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    assert_true(store_generation(f->s) > before);
    before = store_generation(f->s);
    assert_int_equal(store_put_tokens(f->s, 1, "model", &token, 1, &f->err), RAP_OK);
    vector = make_vector("words", 1);
    assert_int_equal(store_put_text_vector(f->s, "dog", &vector, &f->err), RAP_OK);
    assert_int_equal(store_generation(f->s), before);
    vector = make_vector("enc-b", 1);
    assert_int_equal(store_put_vector(f->s, 1, &vector, &f->err), RAP_OK);
    assert_true(store_generation(f->s) > before);
}

/* ---- a full disk ---- */

/* No file of this process may grow past `limit` bytes. */
static void limit_files(rlim_t limit)
{
    struct rlimit now;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = limit < now.rlim_max ? limit : now.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void full_disk_is_an_error_and_the_store_goes_on(void **state)
{
    fixture *f = *state;
    store_concept c = { "big", "", "", NULL, 0 };
    char *bytes = make_picture(1, 2000000);
    store_view view = { bytes, 2000000, 10, 10, { 0, 0, 0, 0 } };
    rap_record *record = NULL;

    assert_int_equal(add_concept(f->s, "bo", "dog", "info", 1, &f->err), RAP_OK);
    limit_files(1000000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_add(f->s, NULL, &c, &view, NULL, &f->err), RAP_E_IO);
        assert_line_has(f, f->path);
        assert_line_has(f, "failed");
    }
    assert_int_equal(store_find(f->s, "big", &record, &f->err), RAP_E_NOT_FOUND);
    assert_int_equal(add_concept(f->s, "small", "", "", 2, &f->err), RAP_OK);
    assert_int_equal(store_forget(f->s, "small", &f->err), RAP_OK);
    limit_files(RLIM_INFINITY);
    assert_int_equal(store_add(f->s, NULL, &c, &view, NULL, &f->err), RAP_OK);
    assert_int_equal(store_find(f->s, "bo", &record, &f->err), RAP_OK);
    store_record_free(record);
    assert_sound(f->s);
    free(bytes);
}

/* The log fills the disk first; its room is given back, so that forgetting makes more. */
static void full_log_gives_its_room_back(void **state)
{
    fixture *f = *state;
    char name[32];
    int added = 0;
    rap_status status = RAP_OK;

    limit_files(3000000);
    for (; added < 400 && status == RAP_OK; added += status == RAP_OK) {
        snprintf(name, sizeof name, "n%d", added);
        status = add_concept(f->s, name, "", "", added, &f->err);
    }
    assert_int_equal(status, RAP_E_IO);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(store_forget(f->s, name, &f->err), RAP_OK);
    }
    assert_int_equal(add_concept(f->s, "again", "", "", 1, &f->err), RAP_OK);
    limit_files(RLIM_INFINITY);
    assert_int_equal(count_rows(f->s, "concept"), added - 4);
    assert_sound(f->s);
}

/* ---- several processes ---- */

static int add_numbered(const char *path, const char *prefix, int count)
{
    store *s = NULL;
    int failed = store_open(&s, path, 0, NULL) != RAP_OK;

    for (int i = 0; i < count && !failed; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%d", prefix, i);
        failed = add_concept(s, name, "thing", "", i, NULL) != RAP_OK;
    }
    store_close(s);
    return failed;
}

/* Both start while there is no file yet. */
static void two_processes_write_at_once(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "shared.db");
    int64_t count = 0;
    int result = 0;
    store *s = NULL;
    pid_t child = fork();

    if (child == 0)
        _exit(add_numbered(path, "child", 100));
    assert_int_equal(add_numbered(path, "parent", 100), 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    assert_int_equal(store_open(&s, path, 0, &f->err), RAP_OK);
    assert_int_equal(store_count(s, &count, &f->err), RAP_OK);
    assert_int_equal(count, 200);
    assert_sound(s);
    store_close(s);
}

/* Adds for ever, a byte into the pipe for each add that was acknowledged. */
static void add_until_killed(const char *path, int round, int pipe_end)
{
    store *s = NULL;

    if (store_open(&s, path, 0, NULL) != RAP_OK)
        _exit(1);
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "r%d-%d", round, i);
        if (add_concept(s, name, "thing", "info", i, NULL) != RAP_OK)
            _exit(2);
        if (write(pipe_end, "+", 1) != 1)
            _exit(3);
    }
    pause();
}

static int adds_before_kill(const char *path, int round, unsigned milliseconds)
{
    struct timespec wait = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };
    int ends[2], count = 0;
    char byte;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        close(ends[0]);
        add_until_killed(path, round, ends[1]);
        _exit(4);
    }
    close(ends[1]);
    nanosleep(&wait, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &byte, 1) == 1)
        count++;
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return count;
}

static void kill_loses_nothing_acknowledged(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "killed.db");
    int total = 0;

    srandom((unsigned)time(NULL));
    for (int round = 0; round < 12; round++) {
        int acknowledged = adds_before_kill(path, round, 5 + (unsigned)(random() % 400));
        store *s = NULL;

        total += acknowledged;
        assert_int_equal(store_open(&s, path, 0, &f->err), RAP_OK);
        for (int i = 0; i < acknowledged; i++) {
            rap_record *record = NULL;
            char name[32];

            snprintf(name, sizeof name, "r%d-%d", round, i);
            assert_int_equal(store_find(s, name, &record, &f->err), RAP_OK);
            store_record_free(record);
        }
        assert_sound(s);
        store_close(s);
    }
    print_message("%d adds acknowledged in 12 rounds of kill -9, all present\n", total);
    assert_true(total > 0);
}

static int add_and_leave(const char *path)
{
    store *s = NULL;
    int failed = store_open(&s, path, 0, NULL) != RAP_OK ||
                 add_concept(s, "mo", "dog", "info", 2, NULL) != RAP_OK;

    store_close(s);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "add") == 0)
        return add_and_leave(argv[2]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_a_private_file_in_new_folders, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(keeps_what_was_added, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(odd_paths_are_only_paths, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(newer_store_is_left_alone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(foreign_files_are_left_alone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(strange_tables_are_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(damage_is_an_error_and_no_crash, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(reader_reads_and_never_writes, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(reader_works_in_a_folder_it_cannot_write_to, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(reader_sees_a_log_that_it_cannot_play_back, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(reader_reads_an_older_store, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_journal_beside_the_store_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(statistics_are_not_computed, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_log_of_an_older_store_is_not_played_back, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_copy_without_a_log_gets_one, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_second_handle_leaves_the_first_its_locks, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(generation_follows_changes_but_not_caches, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(full_disk_is_an_error_and_the_store_goes_on, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(full_log_gives_its_room_back, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(two_processes_write_at_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(kill_loses_nothing_acknowledged, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
