/* test_memory.c: a large store searched through its snapshot, sketches included, finds what a plain loop finds
 * (src/retrieve/memory.c, search.c). */
#include "retrieve/memory.h"

#include "planar.h"
#include "remember/inside.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIM = 192, MANY = 9000, LATER = 200, QUERIES = 11, K = 3 };

typedef struct fixture {
    char folder[40], path[64];
    store *s;
    float off;     /* of the plane */
    float *vector; /* [MANY + LATER, DIM]; of concept n the n-th, from 1 on */
    rap_err err;
} fixture;

static void add(fixture *f, int from, int to)
{
    assert_int_equal(store_begin(f->s, STORE_DURABLE, &f->err), RAP_OK);
    for (int i = from; i < to; i++) {
        char name[16];
        store_concept c = { name, NULL, NULL, NULL, 0 };
        store_view view = { "x", 1, 1, 1, { 0, 0, 0, 0 } };
        store_vector vector = { "enc", DIM, f->vector + (size_t)i * DIM };
        int64_t id = 0, view_id = 0;

        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(concept_insert(&id, f->s, &c, &f->err), RAP_OK);
        assert_int_equal(id, i + 1);
        assert_int_equal(view_insert(&view_id, f->s, id, &view, true, &f->err), RAP_OK);
        assert_int_equal(vector_insert(f->s, view_id, &vector, &f->err), RAP_OK);
    }
    assert_int_equal(store_end(f->s, RAP_OK, &f->err), RAP_OK);
}

static int setup(void **state, float off)
{
    fixture *f = calloc(1, sizeof *f);

    f->off = off;
    snprintf(f->folder, sizeof f->folder, "/tmp/rap-memory-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/store.db", f->folder);
    assert_int_equal(store_open(&f->s, f->path, 0, &f->err), RAP_OK);
    f->vector = malloc((size_t)(MANY + LATER) * DIM * sizeof *f->vector);
    planar_fill(f->vector, MANY + LATER, DIM, off);
    add(f, 0, MANY);
    *state = f;
    return 0;
}

static int near_the_plane(void **state)
{
    return setup(state, 0.3f);
}

static int nowhere_near(void **state)
{
    return setup(state, 100);
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[64];

    store_close(f->s);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f->vector);
    free(f);
    return 0;
}

static double distance(const float *a, const float *b)
{
    double aa = 0, bb = 0, ab = 0;

    for (int d = 0; d < DIM; d++) {
        aa += (double)a[d] * a[d];
        bb += (double)b[d] * b[d];
        ab += (double)a[d] * b[d];
    }
    return sqrt(fmax(0, 2 - 2 * ab / sqrt(aa * bb)));
}

/* The search against the plainest loop over the first `count` concepts, without number `gone`. */
static void compare(fixture *f, const memory *m, int count, int gone, int threads)
{
    static float query[QUERIES * DIM];
    search_hit hit[QUERIES * K];

    planar_fill(query, QUERIES, DIM, f->off);
    memcpy(query + DIM, f->vector + (count - 1) * DIM, DIM * sizeof *query);
    memset(query + 5 * DIM, 0, DIM * sizeof *query); /* looks like nothing */
    assert_int_equal(search_nearest(memory_index(m), query, QUERIES, K, threads, hit, &f->err),
                     RAP_OK);
    for (int q = 0; q < QUERIES; q++) {
        double last = -1;

        for (int k = 0; k < K; k++) {
            const search_hit *h = &hit[q * K + k];
            int nearer = 0;

            if (q == 5) {
                assert_int_equal(h->id, -1);
                continue;
            }
            assert_in_range(h->id, 1, count);
            assert_int_not_equal(h->id, gone);
            assert_float_equal(h->distance,
                               distance(query + q * DIM, f->vector + (h->id - 1) * DIM), 1e-4);
            assert_true(h->distance >= last);
            last = h->distance;
            for (int i = 0; i < count; i++)
                nearer += i + 1 != gone &&
                          distance(query + q * DIM, f->vector + i * DIM) < h->distance - 1e-5;
            assert_true(nearer <= k);
        }
    }
}

static memory *load(fixture *f)
{
    memory *m = NULL;

    assert_int_equal(memory_load(&m, f->s, "enc", DIM, NULL, NULL, &f->err), RAP_OK);
    return m;
}

static void finds_what_a_plain_loop_finds(void **state)
{
    fixture *f = *state;
    memory *m = load(f);
    char snapshot[80];

    snprintf(snapshot, sizeof snapshot, "%s-vectors-1", f->path);
    assert_int_equal(access(snapshot, F_OK), 0);
    for (int threads = 1; threads <= 3; threads++)
        compare(f, m, MANY, 0, threads);
    memory_free(m);
    add(f, MANY, MANY + LATER); /* too few for another snapshot */
    assert_int_equal(store_forget(f->s, "n6", &f->err), RAP_OK);
    m = load(f);
    assert_int_equal(search_index_count(memory_index(m)), MANY + LATER - 1);
    compare(f, m, MANY + LATER, 7, 2);
    memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_what_a_plain_loop_finds, near_the_plane, teardown),
        cmocka_unit_test_setup_teardown(finds_what_a_plain_loop_finds, nowhere_near, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
