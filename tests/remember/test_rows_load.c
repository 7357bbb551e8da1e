/* test_rows.c: packed vectors from the snapshot and the store together are always exactly the store's,
 * whatever happened to the snapshot (src/remember/rows.c, snapshot.c). */
#include "remember/fixture.h"

#include "base/hash.h"
#include "remember/rows.h"
#include "remember/snapshot.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { MANY = 40 };

/* What all rows share: how many were in the sample, and the largest first number. */
typedef struct common {
    size_t count;
    float most;
} common;

static void prepare(void *shared, const float *sample, size_t count, int dim)
{
    common *c = shared;

    c->count = count;
    for (size_t i = 0; i < count; i++)
        c->most = fmaxf(c->most, sample[i * (size_t)dim]);
}

/* The first number, the second one, nothing, the largest first number, all of them. */
static int pack(void *const part[STORE_PARTS], const void *shared, const float *vector, int dim)
{
    memcpy(part[0], vector, sizeof *vector);
    memcpy(part[1], vector + 1, sizeof *vector);
    memcpy(part[3], &((const common *)shared)->most, sizeof *vector);
    memcpy(part[4], vector, (size_t)dim * sizeof *vector);
    return vector[0] >= 0; /* −1: cannot be searched for */
}

static const store_packing packing = { 1,
                                       FIXTURE_DIM,
                                       { sizeof(float), sizeof(float), 0, sizeof(float),
                                         FIXTURE_DIM * sizeof(float) },
                                       sizeof(common),
                                       prepare,
                                       pack };

static int setup(void **state)
{
    fixture_setup(state);
    ((fixture *)*state)->s->snapshot_min = 10;
    return 0;
}

static void reopen(fixture *f)
{
    fixture_reopen(f);
    f->s->snapshot_min = 10;
}

static void add(fixture *f, int number)
{
    char name[16];

    snprintf(name, sizeof name, "n%d", number);
    assert_int_equal(add_concept(f->s, name, "", "", number, &f->err), RAP_OK);
}

static void forget(fixture *f, int number)
{
    char name[16];

    snprintf(name, sizeof name, "n%d", number);
    assert_int_equal(store_forget(f->s, name, &f->err), RAP_OK);
}

static const char *snapshot_file(const fixture *f)
{
    return fixture_file(f, "store.db-vectors-1");
}

/* ---- what was loaded against what the store says ---- */

typedef struct vector_row {
    int64_t concept_id;
    float data[FIXTURE_DIM];
} vector_row;

static int compare_rows(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(vector_row));
}

static size_t truth(fixture *f, vector_row *out)
{
    store_vectors v;
    size_t count;

    assert_int_equal(load_vectors(f->s, "enc-a", &v, &f->err), RAP_OK);
    for (size_t i = 0; i < v.count; i++) {
        out[i].concept_id = v.concept_id[i];
        memcpy(out[i].data, v.data + i * FIXTURE_DIM, sizeof out[i].data);
    }
    count = v.count;
    store_vectors_release(&v);
    qsort(out, count, sizeof *out, compare_rows);
    return count;
}

/* A row whose large part is not what its sum says is damaged: counted, and left out. */
static size_t loaded(fixture *f, vector_row *out, size_t *out_lent, size_t *out_damaged)
{
    store_rows rows;
    size_t count = 0;

    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    *out_lent = *out_damaged = 0;
    for (size_t i = 0; i < rows.count; i++) {
        const float *data = (const float *)rows.part[4] + i * FIXTURE_DIM;

        if (rows.concept_id[i] < 0)
            continue;
        ++*out_lent;
        if (hash_fast(data, FIXTURE_DIM * sizeof *data, 0) != rows.last_sum[i]) {
            ++*out_damaged;
            continue;
        }
        assert_true(((const float *)rows.part[0])[i] == data[0]);
        assert_true(((const float *)rows.part[1])[i] == data[1]);
        assert_true(((const float *)rows.part[3])[i] == ((const common *)rows.shared)->most);
        out[count].concept_id = rows.concept_id[i];
        memcpy(out[count++].data, data, sizeof out->data);
    }
    for (size_t i = 0; i < rows.fresh.count; i++) {
        out[count].concept_id = rows.fresh.concept_id[i];
        memcpy(out[count++].data, rows.fresh.data + i * FIXTURE_DIM, sizeof out->data);
    }
    store_rows_release(&rows);
    qsort(out, count, sizeof *out, compare_rows);
    return count;
}

/* How many rows came out of the snapshot; `damage`: how many may be damaged in their large part. */
static size_t assert_true_to_store(fixture *f, size_t damage)
{
    static vector_row want[4200], got[4200];
    size_t lent = 0, damaged = 0, count = truth(f, want);

    assert_int_equal(loaded(f, got, &lent, &damaged), count - damaged);
    assert_true(damaged <= damage);
    if (!damaged)
        assert_memory_equal(got, want, count * sizeof *want);
    return lent;
}

/* The row of a concept in what was loaded; its large part is what its sum says. */
static bool has_row(const store_rows *rows, int64_t concept_id)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->concept_id[i] == concept_id)
            return hash_fast((const float *)rows->part[4] + i * FIXTURE_DIM,
                             FIXTURE_DIM * sizeof(float), 0) == rows->last_sum[i];
    return false;
}

/* ---- following the store ---- */

static void few_need_no_snapshot(void **state)
{
    fixture *f = *state;

    assert_int_equal(assert_true_to_store(f, 0), 0);
    for (int i = 0; i < 9; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), 0);
    assert_false(file_exists(snapshot_file(f)));
}

static void follows_every_change(void **state)
{
    fixture *f = *state;
    store_vector vector;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    add(f, 100);
    assert_int_equal(assert_true_to_store(f, 0), MANY); /* and one from the store */
    forget(f, 7);
    forget(f, 100);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 1);
    reopen(f);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 1);
    vector = make_vector("enc-a", 999); /* replaced in place */
    assert_int_equal(store_put_vector(f->s, 3, &vector, &f->err), RAP_OK);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 2);
    for (int i = 200; i < 220; i++) /* many: a new snapshot */
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY + 19);
}

static void packing_is_prepared_with_a_sample(void **state)
{
    fixture *f = *state;
    store_packing other = packing;
    store_rows rows;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(((const common *)rows.shared)->count, MANY);
    assert_int_equal(rows.count, MANY);
    store_rows_release(&rows);
    other.shared_size += 8; /* a snapshot of another kind is replaced */
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &other, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(rows.count, MANY);
    store_rows_release(&rows);
    other.shared_size = 0;
    assert_int_equal(store_rows_load(&rows, f->s, "enc-b", &other, NULL, NULL, &f->err), RAP_OK);
    assert_null(rows.shared);
    store_rows_release(&rows);
}

static void forgotten_bytes_are_gone_from_it(void **state)
{
    fixture *f = *state;
    char *bytes = NULL;
    size_t size = 0;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_true_to_store(f, 0);
    for (int i = 0; i < MANY; i += 3) {
        store_vector vector = make_vector("enc-a", i);

        for (int after = 0; after < 2; after++) {
            assert_int_equal(file_read(&bytes, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
            assert_int_equal(!memmem(bytes, size, vector.data, sizeof(float) * FIXTURE_DIM), after);
            free(bytes);
            if (!after)
                forget(f, i);
            vector = make_vector("enc-a", i);
        }
        assert_int_equal(count_in_files(f, vector.data, sizeof(float) * FIXTURE_DIM), 0);
    }
    assert_true_to_store(f, 0);
}

/* The snapshot of another process that missed the change, and rows that were never scrubbed. */
static void dead_rows_are_scrubbed_when_seen(void **state)
{
    fixture *f = *state;
    store_vector vector;
    char *bytes = NULL;
    size_t size = 0;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_true_to_store(f, 0);
    assert_int_equal(db_exec(store_db(f->s), "DELETE FROM concept WHERE id = 5", &f->err), RAP_OK);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 1);
    vector = make_vector("enc-a", 4);
    assert_int_equal(file_read(&bytes, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
    assert_null(memmem(bytes, size, vector.data, sizeof(float) * FIXTURE_DIM));
    free(bytes);
}

static void vectors_that_cannot_be_packed_come_from_the_store(void **state)
{
    fixture *f = *state;

    for (int i = -3; i < MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
}

/* ---- damage ---- */

static void every_wrong_byte_is_noticed(void **state)
{
    fixture *f = *state;
    char *whole = NULL, *bytes;
    size_t size = 0;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_true_to_store(f, 0);
    assert_int_equal(file_read(&whole, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
    for (size_t at = 0; at < size; at += at % 4096 < 400 ? 7 : 211) {
        bytes = mem_copy(whole, size);
        bytes[at] ^= 0x10;
        fixture_write(snapshot_file(f), bytes, size);
        assert_true_to_store(f, 1);
        free(bytes);
        if (!file_exists(snapshot_file(f)))
            break;
        fixture_write(snapshot_file(f), whole, size);
    }
    free(whole);
}

static void anything_else_in_its_place_is_replaced(void **state)
{
    fixture *f = *state;
    char *whole = NULL;
    size_t size = 0;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_true_to_store(f, 0);
    assert_int_equal(file_read(&whole, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
    for (size_t length = 0; length < size; length += length < 300 ? 29 : 1500) {
        fixture_write(snapshot_file(f), whole, length); /* truncated */
        assert_int_equal(assert_true_to_store(f, 0), MANY);
    }
    free(whole);
    fixture_write_text(snapshot_file(f), "something else entirely");
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    fixture_write_text(snapshot_file(f), "and now a concept is forgotten");
    forget(f, 3);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 1);
    assert_int_equal(unlink(snapshot_file(f)), 0);
    assert_int_equal(mkdir(snapshot_file(f), 0700), 0); /* then there is none, and all is read */
    assert_int_equal(assert_true_to_store(f, 0), 0);
}

/* Copies a file of the folder. */
static void copy(const fixture *f, const char *from, const char *to)
{
    char *bytes = NULL;
    size_t size = 0;

    assert_int_equal(file_read(&bytes, &size, fixture_file(f, from), 1 << 26, NULL), RAP_OK);
    fixture_write(fixture_file(f, to), bytes, size);
    free(bytes);
}

/* The store comes back from a backup that names the first snapshot, next to the second one, and gives the
 * numbers of what was added since to other views. Nothing in the second one is what it says. */
static void one_of_another_history_is_not_used(void **state)
{
    fixture *f = *state;
    store_rows rows;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    store_close(f->s);
    copy(f, "store.db", "backup.db");
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    f->s->snapshot_min = 10;
    for (int i = 1000; i < 1000 + MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), 2 * MANY); /* a second one */
    store_close(f->s);
    copy(f, "backup.db", "store.db");
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    f->s->snapshot_min = SIZE_MAX; /* no third one */
    for (int i = 2000; i < 2000 + MANY; i++)
        add(f, i);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(rows.count, 0);
    store_rows_release(&rows);
    f->s->snapshot_min = 10;
    assert_int_equal(assert_true_to_store(f, 0), 2 * MANY);
}

/* One file, however the store is reached: what is forgotten through one path is gone from it. */
static void a_link_or_another_folder_changes_nothing(void **state)
{
    fixture *f = *state;
    store *real = f->s;
    char here[512], *bytes = NULL;
    size_t size = 0;
    store_vector vector;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    assert_int_equal(symlink(f->path, fixture_file(f, "link.db")), 0);
    assert_int_equal(store_open(&f->s, fixture_file(f, "link.db"), 0, &f->err), RAP_OK);
    f->s->snapshot_min = 10;
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    assert_false(file_exists(fixture_file(f, "link.db-vectors-1")));
    forget(f, 7);
    store_close(f->s);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(f->folder), 0);
    assert_int_equal(store_open(&f->s, "store.db", 0, &f->err), RAP_OK);
    f->s->snapshot_min = 10;
    assert_int_equal(chdir(here), 0);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 1);
    assert_false(file_exists("store.db-vectors-1"));
    forget(f, 8);
    store_close(f->s);
    f->s = real;
    assert_int_equal(file_read(&bytes, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
    for (int i = 7; i < 9; i++) {
        vector = make_vector("enc-a", i);
        assert_null(memmem(bytes, size, vector.data, sizeof(float) * FIXTURE_DIM));
    }
    free(bytes);
}

static void reading_only_leaves_everything(void **state)
{
    fixture *f = *state;
    store *writer = f->s;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(store_open(&f->s, f->path, 1, &f->err), RAP_OK);
    f->s->snapshot_min = 10;
    assert_int_equal(assert_true_to_store(f, 0), 0);
    assert_false(file_exists(snapshot_file(f)));
    store_close(f->s);
    f->s = writer;
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    assert_int_equal(store_open(&f->s, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    store_close(f->s);
    f->s = writer;
}

/* Nothing can be removed there, but it need not be trusted either; another one is. */
static void a_damaged_one_is_not_read_twice(void **state)
{
    fixture *f = *state;
    store *writer = f->s;
    store_rows rows;
    char *bytes = NULL;
    size_t size = 0;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    assert_int_equal(file_read(&bytes, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
    bytes[size - 4096] ^= 1; /* the first number of the last part */
    fixture_write(snapshot_file(f), bytes, size);
    assert_int_equal(store_open(&f->s, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_false(has_row(&rows, 1));
    store_rows_release(&rows);
    store_rows_distrust(f->s, "enc-a");
    assert_true(file_exists(snapshot_file(f)));
    assert_int_equal(assert_true_to_store(f, 0), 0);
    store_rows_distrust(writer, "enc-a");
    assert_false(file_exists(snapshot_file(f)));
    assert_int_equal(store_rows_load(&rows, writer, "enc-a", &packing, NULL, NULL, &f->err),
                     RAP_OK);
    assert_int_equal(rows.count, MANY);
    store_rows_release(&rows);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    store_close(f->s);
    f->s = writer;
    free(bytes);
}

/* They cannot be the encoder's: nothing is found by them, until the encoder has made others. */
static void vectors_of_another_size_are_none(void **state)
{
    fixture *f = *state;
    store_packing other = packing;
    store_rows rows;

    other.dim = 9;
    add(f, 1);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &other, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(rows.count + rows.fresh.count, 0);
    store_rows_release(&rows);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-b", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(rows.count + rows.fresh.count, 0);
    store_rows_release(&rows);
}

static int stop(const char *what, uint64_t done, uint64_t total, void *payload)
{
    return 1;
}

/* So many that the maker of a snapshot says how far it is. */
static void add_thousands(fixture *f)
{
    for (int i = 0; i < 4096; i++) {
        store_vector vector = make_vector("enc-a", i);
        int64_t id = 0, view = 0;
        char name[16];
        store_concept c = { name, NULL, NULL, NULL, 0 };
        store_view picture = { "x", 1, 1, 1, { 0, 0, 0, 0 } };

        if (i == 0)
            assert_int_equal(store_begin(f->s, STORE_DURABLE, &f->err), RAP_OK);
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(concept_insert(&id, f->s, &c, &f->err), RAP_OK);
        assert_int_equal(view_insert(&view, f->s, id, &picture, true, &f->err), RAP_OK);
        assert_int_equal(vector_insert(f->s, view, &vector, &f->err), RAP_OK);
    }
    assert_int_equal(store_end(f->s, RAP_OK, &f->err), RAP_OK);
}

static void writing_one_can_be_cancelled(void **state)
{
    fixture *f = *state;
    store_rows rows;

    add_thousands(f);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, stop, NULL, &f->err),
                     RAP_E_CANCELLED);
    assert_false(file_exists(fixture_file(f, "store.db-vectors-1.new")));
}

/* Another process replaces a vector that is packed already. */
static int replace(const char *what, uint64_t done, uint64_t total, void *payload)
{
    const fixture *f = payload;
    store_vector vector = make_vector("enc-a", 9999);
    store *other = NULL;

    assert_int_equal(store_open(&other, f->path, 0, NULL), RAP_OK);
    assert_int_equal(store_put_vector(other, 3, &vector, NULL), RAP_OK);
    store_close(other);
    return 0;
}

static void a_vector_replaced_while_packing_is_the_new_one(void **state)
{
    fixture *f = *state;
    store_rows rows;

    add_thousands(f);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, replace, f, &f->err), RAP_OK);
    store_rows_release(&rows);
    assert_false(file_exists(fixture_file(f, "store.db-vectors-1.new")));
    assert_int_equal(assert_true_to_store(f, 0), 4096);
}

/* ---- changes that come to nothing ---- */

static void a_change_that_is_given_up_leaves_the_rows(void **state)
{
    fixture *f = *state;
    store_rows rows;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_begin(f->s, STORE_DURABLE, &f->err), RAP_OK);
    assert_int_equal(view_remove_all(f->s, 3, &f->err), RAP_OK);
    assert_int_equal(view_remove_all(f->s, 4, &f->err), RAP_OK);
    assert_int_equal(store_end(f->s, RAP_E_CANCELLED, &f->err), RAP_E_CANCELLED);
    assert_true(has_row(&rows, 3));
    assert_true(has_row(&rows, 4));
    assert_false(store_rows_outdated(&rows));
    add(f, 1000); /* nor does the next change take them */
    assert_true(has_row(&rows, 3));
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    store_rows_release(&rows);
}

static int refuse_commit(void *payload)
{
    return 1;
}

static int die(void *payload)
{
    _exit(0);
}

/* The rows are zero then, which the store's generation does not say: every handle has to notice. */
static void a_commit_that_fails_makes_every_handle_look_again(void **state)
{
    fixture *f = *state;
    store *other = NULL;
    store_rows mine, its;
    pid_t child;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(assert_true_to_store(f, 0), MANY);
    assert_int_equal(store_open(&other, f->path, 1, &f->err), RAP_OK);
    assert_int_equal(store_rows_load(&its, other, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_int_equal(store_rows_load(&mine, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    sqlite3_commit_hook(store_db(f->s)->handle, refuse_commit, NULL);
    assert_true(store_forget(f->s, "n2", &f->err) != RAP_OK);
    sqlite3_commit_hook(store_db(f->s)->handle, NULL, NULL);
    assert_true(store_rows_outdated(&mine));
    assert_true(store_rows_outdated(&its));
    store_rows_release(&its);
    store_rows_release(&mine);
    assert_int_equal(assert_true_to_store(f, 0), MANY - 1); /* and that one from the store */

    assert_int_equal(store_rows_load(&its, other, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    assert_false(store_rows_outdated(&its));
    store_close(f->s);
    if ((child = fork()) == 0) {
        store *s = NULL;

        if (store_open(&s, f->path, 0, NULL) != RAP_OK)
            _exit(1);
        sqlite3_commit_hook(store_db(s)->handle, die, NULL);
        store_forget(s, "n5", NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(store_rows_outdated(&its));
    store_rows_release(&its);
    store_close(other);
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    f->s->snapshot_min = 10;
    assert_int_equal(assert_true_to_store(f, 0), MANY - 2);
}

static void another_encoder_leaves_the_rows(void **state)
{
    fixture *f = *state;
    store_vector vector;
    store_rows rows;

    for (int i = 0; i < MANY; i++)
        add(f, i);
    assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err), RAP_OK);
    for (int i = 1; i <= MANY; i++) {
        vector = make_vector("enc-b", i);
        assert_int_equal(store_put_vector(f->s, i, &vector, &f->err), RAP_OK);
    }
    for (int i = 1; i <= MANY; i++)
        assert_true(has_row(&rows, i));
    store_rows_release(&rows);
}

/* ---- several processes ---- */

/* It may contain what was forgotten after it was packed. Without a lock on it no process is making it. */
static void a_killed_makers_file_goes_with_the_next_look(void **state)
{
    fixture *f = *state;
    const char *left = fixture_file(f, "store.db-vectors-1.new");
    store_rows rows;
    int fd;

    add(f, 1);
    for (int loads = 0; loads < 2; loads++) {
        fixture_write_text(left, "what was packed so far");
        if (loads) {
            assert_int_equal(store_rows_load(&rows, f->s, "enc-a", &packing, NULL, NULL, &f->err),
                             RAP_OK);
            store_rows_release(&rows);
        } else {
            reopen(f);
        }
        assert_false(file_exists(left));
    }
    fixture_write_text(left, "at work");
    assert_true((fd = open(left, O_RDWR | O_CLOEXEC)) >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    reopen(f);
    assert_true(file_exists(left));
    close(fd);
}

/* Forgets and adds and loads, over and over, until it is killed. */
static void busy_child(const fixture *f, unsigned seed)
{
    store *s = NULL;

    if (store_open(&s, f->path, 0, NULL) != RAP_OK)
        _exit(1);
    s->snapshot_min = 5;
    for (int i = 0;; i++) {
        store_rows rows;
        char name[32];

        seed = seed * 1103515245u + 12345u;
        snprintf(name, sizeof name, "n%u", seed >> 16 & 63);
        if (store_forget(s, name, NULL) != RAP_OK)
            add_concept(s, name, "", "", (int)(seed >> 16 & 63), NULL);
        if (store_rows_load(&rows, s, "enc-a", &packing, NULL, NULL, NULL) == RAP_OK)
            store_rows_release(&rows);
        if (i % 5 == 4) /* the next one makes it anew */
            store_rows_distrust(s, "enc-a");
    }
}

static void killed_and_side_by_side(void **state)
{
    fixture *f = *state;
    char *bytes = NULL;
    size_t size = 0;

    for (int i = 0; i < 30; i++)
        add(f, i);
    for (int round = 0; round < 12; round++) {
        const struct timespec pause = { 0, (20 + 17 * round) * 1000000L };
        pid_t child[3];

        store_close(f->s);
        for (int i = 0; i < 3; i++)
            if ((child[i] = fork()) == 0)
                busy_child(f, (unsigned)(round * 3 + i + 1));
        nanosleep(&pause, NULL);
        for (int i = 0; i < 3; i++) {
            kill(child[i], SIGKILL);
            assert_int_equal(waitpid(child[i], NULL, 0), child[i]);
        }
        assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
        f->s->snapshot_min = 5;
        assert_true_to_store(f, 0);
        for (int i = 0; i < 64; i++) { /* what is forgotten now is gone, leftovers included */
            char name[16];

            snprintf(name, sizeof name, "n%d", i);
            if (i % 4 == round % 4)
                store_forget(f->s, name, NULL);
        }
        assert_true_to_store(f, 0);
        assert_false(file_exists(fixture_file(f, "store.db-vectors-1.new")));
        for (int i = round % 4; i < 64 && file_exists(snapshot_file(f)); i += 4) {
            store_vector vector = make_vector("enc-a", i);

            assert_int_equal(file_read(&bytes, &size, snapshot_file(f), 1 << 24, NULL), RAP_OK);
            assert_null(memmem(bytes, size, vector.data, sizeof(float) * FIXTURE_DIM));
            free(bytes);
        }
    }
    assert_sound(f->s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(few_need_no_snapshot, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(follows_every_change, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(packing_is_prepared_with_a_sample, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(forgotten_bytes_are_gone_from_it, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(dead_rows_are_scrubbed_when_seen, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(vectors_that_cannot_be_packed_come_from_the_store, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(every_wrong_byte_is_noticed, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(anything_else_in_its_place_is_replaced, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_of_another_history_is_not_used, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_link_or_another_folder_changes_nothing, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(reading_only_leaves_everything, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_one_is_not_read_twice, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(vectors_of_another_size_are_none, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(writing_one_can_be_cancelled, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_vector_replaced_while_packing_is_the_new_one, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_change_that_is_given_up_leaves_the_rows, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_commit_that_fails_makes_every_handle_look_again, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(another_encoder_leaves_the_rows, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_killed_makers_file_goes_with_the_next_look, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(killed_and_side_by_side, setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
