/* fixture.h: what the tests of the store share: a folder of their own, made-up pictures and vectors. */
#ifndef RAP_TESTS_REMEMBER_FIXTURE_H
#define RAP_TESTS_REMEMBER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "remember/inside.h"
#include "remember/rows.h"
#include "remember/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FIXTURE_DIM 8

typedef struct fixture {
    char folder[64]; /* removed at the end */
    char path[96];   /* of the store in it */
    store *s;        /* open */
    rap_err err;
} fixture;

/* Memory where there is enough of it: the tests sync thousands of times. */
static const char *fixture_place(void)
{
    struct statvfs room;

    if (access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &room) == 0 &&
        (uint64_t)room.f_bavail * room.f_bsize > 2u << 30)
        return "/dev/shm";
    return "/tmp";
}

__attribute__((unused)) static int fixture_setup(void **state)
{
    fixture *f = mem_array(1, sizeof *f);

    snprintf(f->folder, sizeof f->folder, "%s/rap-store-XXXXXX", fixture_place());
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/store.db", f->folder);
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    *state = f;
    return 0;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    fixture *f = *state;
    char command[96];

    store_close(f->s);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

__attribute__((unused)) static void fixture_reopen(fixture *f)
{
    store_close(f->s);
    f->s = NULL;
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
}

/* A path in the folder, valid until the next four calls. */
__attribute__((unused)) static const char *fixture_file(const fixture *f, const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", f->folder, name);
    return path;
}

__attribute__((unused)) static void fixture_write(const char *path, const void *bytes, size_t size)
{
    char *folder = path_folder(path);

    assert_int_equal(file_make_folders(folder, NULL), RAP_OK);
    assert_int_equal(file_write(path, bytes, size, NULL), RAP_OK);
    free(folder);
}

__attribute__((unused)) static void fixture_write_text(const char *path, const char *text)
{
    fixture_write(path, text, strlen(text));
}

/* `size` bytes that begin like a PNG and are different for each seed; free(). */
__attribute__((unused)) static char *make_picture(uint32_t seed, size_t size)
{
    uint64_t state = seed * 2654435761u + 1;
    char *bytes = malloc(size);

    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (char)(state >> 56);
    }
    memcpy(bytes, "\x89PNG\r\n\x1a\n", size < 8 ? size : 8);
    return bytes;
}

/* A vector that depends on the seed; data lives until the next call. */
__attribute__((unused)) static store_vector make_vector(const char *encoder, int seed)
{
    static float data[FIXTURE_DIM];

    for (int i = 0; i < FIXTURE_DIM; i++)
        data[i] = (float)(seed * 31 + i * i) / 7.0f;
    return (store_vector){encoder, FIXTURE_DIM, data};
}

/* Adds a concept with a picture of 3,000 bytes, and gives what store_add() said. */
__attribute__((unused)) static rap_status add_concept(store *s, const char *name, const char *category,
                                                      const char *info, int seed, rap_err *err)
{
    store_concept c = {name, category, info, NULL, 0};
    store_vector vector = make_vector("enc-a", seed);
    char *bytes = make_picture((uint32_t)seed, 3000);
    store_view view = {bytes, 3000, 64, 48, {1, 2, 30, 40}};
    rap_status status = store_add(s, NULL, &c, &view, &vector, err);

    free(bytes);
    return status;
}

/* Every vector of an encoder, as the store has them, in the order in which they came in. */
__attribute__((unused)) static rap_status load_vectors(store *s, const char *encoder,
                                                       store_vectors *out, rap_err *err)
{
    sqlite3_stmt *rows = NULL;
    bool row = false;
    rap_status status =
        db_query(&rows, store_db(s), err,
                 "SELECT v.concept_id, k.vector, e.dim FROM key k JOIN view v ON v.id = k.view_id"
                 " JOIN encoder e ON e.id = k.encoder_id WHERE e.fingerprint = ? ORDER BY k.id",
                 "s", encoder);

    *out = (store_vectors){0};
    while (status == RAP_OK && (status = db_step(&row, store_db(s), rows, err)) == RAP_OK && row) {
        size_t size;

        out->dim = sqlite3_column_int(rows, 2);
        size = (size_t)out->dim * sizeof(float);
        out->concept_id = realloc(out->concept_id, (out->count + 1) * sizeof *out->concept_id);
        out->data = realloc(out->data, (out->count + 1) * size);
        out->concept_id[out->count] = sqlite3_column_int64(rows, 0);
        assert_int_equal(sqlite3_column_bytes(rows, 1), size);
        vector_copy(out->data + out->count++ * (size_t)out->dim, sqlite3_column_blob(rows, 1),
                    (size_t)out->dim);
    }
    sqlite3_finalize(rows);
    return status;
}

/* How often the bytes occur in the store's file, its log and its index together. */
__attribute__((unused)) static int count_in_files(const fixture *f, const void *bytes, size_t size)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    int count = 0;

    for (size_t i = 0; i < 4; i++) {
        char name[32], *data = NULL;
        size_t len = 0;

        snprintf(name, sizeof name, "store.db%s", endings[i]);
        if (file_read(&data, &len, fixture_file(f, name), 1u << 30, NULL) != RAP_OK)
            continue;
        for (char *at = data; (at = memmem(at, len - (size_t)(at - data), bytes, size)); at++)
            count++;
        free(data);
    }
    return count;
}

__attribute__((unused)) static int count_text_in_files(const fixture *f, const char *text)
{
    return count_in_files(f, text, strlen(text));
}

__attribute__((unused)) static int64_t count_rows(store *s, const char *table)
{
    char sql[64];
    int64_t count = -1;

    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(db_int(&count, NULL, store_db(s), NULL, sql, ""), RAP_OK);
    return count;
}

__attribute__((unused)) static void assert_sound(store *s)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;

    assert_int_equal(db_query(&statement, store_db(s), NULL, "PRAGMA integrity_check", ""), RAP_OK);
    assert_int_equal(db_step(&row, store_db(s), statement, NULL), RAP_OK);
    assert_true(row);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
}

#define assert_line_has(f, part)                                                                   \
    do {                                                                                           \
        if (!strstr((f)->err.text, part))                                                          \
            fail_msg("\"%s\" does not say \"%s\"", (f)->err.text, part);                           \
    } while (0)

#endif
