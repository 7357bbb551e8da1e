/* test_power.c: the machine loses power. Every write, truncation and sync of the store's file and log is recorded
 * while concepts come and go; then disks are made as they may have been at any moment: what was synced is there, of
 * what was written since then any part, in sectors. Each is opened: it is sound, and what was acknowledged before that
 * moment is as it was acknowledged. The same disks under a program that never syncs lose something: that is checked as
 * well, so that the test is known to be able to fail. $FAULTS_POWER: how many moments (default 60). */
#include "remember/fixture.h"

#include <sqlite3.h>

enum { SECTOR = 512, FILES = 2 };

typedef enum kind { WRITE, TRUNCATE, SYNC, DONE } kind;

typedef struct record {
    kind kind;
    int file;    /* 0: the store, 1: its log */
    size_t at;   /* DONE: how many concepts there are */
    size_t size; /* DONE: how many were added in all */
    char *bytes;
} record;

static struct {
    sqlite3_vfs vfs, *below;
    sqlite3_io_methods methods[FILES];
    const sqlite3_io_methods *original;
    record *record; /* [count] */
    size_t count, room;
    bool on;
} tape;

static void note(kind k, int file, size_t at, size_t size, const void *bytes)
{
    if (!tape.on)
        return;
    if (tape.count == tape.room) {
        tape.room = 2 * tape.room + 64;
        tape.record = realloc(tape.record, tape.room * sizeof *tape.record);
    }
    tape.record[tape.count++] = (record){ k, file, at, size, bytes ? mem_copy(bytes, size) : NULL };
}

static int file_of(const sqlite3_file *file)
{
    return file->pMethods == &tape.methods[1];
}

static int tape_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    note(WRITE, file_of(file), (size_t)at, (size_t)size, data);
    return tape.original->xWrite(file, data, size, at);
}

static int tape_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    note(TRUNCATE, file_of(file), (size_t)size, 0, NULL);
    return tape.original->xTruncate(file, size);
}

static int tape_sync(sqlite3_file *file, int flags)
{
    note(SYNC, file_of(file), 0, 0, NULL);
    return tape.original->xSync(file, flags);
}

/* The store's own VFS has replaced a database's methods by a copy of ours already when it writes: it calls these
 * with the file, whose pMethods are then its own. So a log is known by its methods, and all else is the store. */
static int tape_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int code = tape.below->xOpen(tape.below, name, file, flags, out);
    int log = (flags & SQLITE_OPEN_WAL) != 0;

    (void)vfs;
    if (code != SQLITE_OK || !file->pMethods)
        return code;
    tape.original = file->pMethods;
    tape.methods[log] = *file->pMethods;
    tape.methods[log].xWrite = tape_write;
    tape.methods[log].xTruncate = tape_truncate;
    tape.methods[log].xSync = tape_sync;
    file->pMethods = &tape.methods[log];
    return code;
}

static int make_tape(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    tape.below = sqlite3_vfs_find(NULL);
    tape.vfs = *tape.below;
    tape.vfs.zName = "tape";
    tape.vfs.pNext = NULL;
    tape.vfs.xOpen = tape_open;
    tape.on = true;
    return sqlite3_vfs_register(&tape.vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* ---- a disk ---- */

typedef struct disk {
    char *bytes;
    size_t size;
} disk;

static unsigned chance(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state >> 20);
}

static void grow(disk *d, size_t size)
{
    if (size <= d->size)
        return;
    d->bytes = realloc(d->bytes, size);
    memset(d->bytes + d->size, 0, size - d->size);
    d->size = size;
}

static void apply(disk *d, const record *r, bool whole)
{
    if (r->kind == TRUNCATE) {
        if (whole || chance() % 2)
            d->size = r->at < d->size ? r->at : d->size;
        return;
    }
    for (size_t from = 0, part; r->kind == WRITE && from < r->size; from += part) {
        part = SECTOR - (r->at + from) % SECTOR;
        part = part < r->size - from ? part : r->size - from;
        if (!whole && chance() % 3 == 0)
            continue;
        grow(d, r->at + from + part);
        memcpy(d->bytes + r->at + from, r->bytes + from, part);
    }
}

/* The file as it may be when the power fails after `length` records; with `lazy` nothing was ever synced. */
static disk make_disk(int file, size_t length, bool lazy)
{
    disk d = { NULL, 0 };
    size_t synced = 0;

    for (size_t i = 0; i < length; i++)
        if (tape.record[i].kind == SYNC && tape.record[i].file == file && !lazy)
            synced = i;
    for (size_t i = 0; i < length; i++)
        if (tape.record[i].kind < SYNC && tape.record[i].file == file)
            apply(&d, &tape.record[i], i < synced);
    return d;
}

/* ---- what happens ---- */

static void live(fixture *f)
{
    char name[32];
    int64_t there = 0;

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add_concept(f->s, name, "dog", "info", i, &f->err), RAP_OK);
        note(DONE, 0, (size_t)++there, (size_t)i + 1, NULL);
        if (i % 5 != 4)
            continue;
        snprintf(name, sizeof name, "n%d", i - 2);
        assert_int_equal(store_forget(f->s, name, &f->err), RAP_OK);
        note(DONE, 0, (size_t)--there, (size_t)i + 1, NULL);
    }
    tape.on = false;
}

/* What is on disk, from the first record to this one. */
static void write_disks(fixture *f, size_t length, bool lazy)
{
    for (int i = 0; i < FILES; i++) {
        disk d = make_disk(i, length, lazy);

        fixture_write(fixture_file(f, i ? "lost/store.db-wal" : "lost/store.db"),
                      d.bytes ? d.bytes : "", d.size);
        free(d.bytes);
    }
    unlink(fixture_file(f, "lost/store.db-shm"));
}

/* Whether the store is there as it was acknowledged, or as it would have been next; else f->err says why not. */
static bool survives(fixture *f, size_t length, bool lazy)
{
    size_t before = 0, next = 0;
    bool known = false, sound;
    store *s = NULL;
    int64_t count;

    for (size_t i = 0; i < tape.count; i++)
        if (tape.record[i].kind == DONE && i < length)
            before = tape.record[i].at, known = true;
        else if (tape.record[i].kind == DONE && !next)
            next = tape.record[i].at;
    write_disks(f, length, lazy);
    if (store_open(&s, fixture_file(f, "lost/store.db"), 0, &f->err) != RAP_OK)
        return false;
    sound =
        db_int(&count, NULL, store_db(s), &f->err, "SELECT count(*) FROM concept", "") == RAP_OK &&
        (!known || count == (int64_t)before || count == (int64_t)next);
    if (!sound && !*f->err.text)
        err_set(&f->err, RAP_E_FORMAT, "%lld concepts, %zu were acknowledged", (long long)count,
                before);
    if (sound && !lazy)
        assert_sound(s);
    store_close(s);
    return sound;
}

static void power_loss_loses_nothing_acknowledged(void **state)
{
    fixture *f = *state;
    const char *set = getenv("FAULTS_POWER");
    long moments = set ? strtol(set, NULL, 10) : 60, lost = 0;

    live(f);
    for (long i = 0; i < moments; i++) {
        size_t length = 1 + chance() % tape.count;

        if (!survives(f, length, false))
            fail_msg("after %zu of %zu: %s", length, tape.count, f->err.text);
    }
    for (long i = 0; i < moments; i++) {
        err_clear(&f->err);
        lost += !survives(f, 1 + chance() % tape.count, true);
    }
    print_message(
        "%ld moments of %zu writes and syncs; without syncs %ld would have lost something\n",
        moments, tape.count, lost);
    assert_true(lost > moments / 2);
    for (size_t i = 0; i < tape.count; i++)
        free(tape.record[i].bytes);
    free(tape.record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(power_loss_loses_nothing_acknowledged, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, make_tape, NULL);
}
