/* test_sketch.c: no row that a query may want is ever ruled out (src/retrieve/sketch.c, sketch_sieve.c). */
#include "retrieve/sketch.h"

#include "planar.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DIM = 192, ROWS = 256, QUERIES = 11, GROUPS = 2, BASIS = SKETCH_LINES * SKETCH_DIMS * DIM };

typedef struct made {
    float *basis, *row, *query;         /* unit vectors [ROWS, DIM], [QUERIES, DIM] */
    sketch_line *line[SKETCH_LINES];    /* [ROWS] */
    sketch_group *group;                /* [GROUPS] */
    float reach[GROUPS * SKETCH_GROUP]; /* what tests ask for */
} made;

static void unit_rows(float *data, int count)
{
    for (int i = 0; i < count; i++) {
        float *v = data + i * DIM;
        double sum = 0;

        for (int d = 0; d < DIM; d++)
            sum += (double)v[d] * v[d];
        for (int d = 0; d < DIM; d++)
            v[d] = (float)(v[d] / sqrt(sum));
    }
}

static double dot(const float *a, const float *b)
{
    double sum = 0;

    for (int d = 0; d < DIM; d++)
        sum += (double)a[d] * b[d];
    return sum;
}

/* Rows with `off` of noise, sketched in a basis made from vectors with none. */
static int make(made *m, float off)
{
    float *sample = malloc(SKETCH_SAMPLE * DIM * sizeof *sample);
    int fine;

    m->basis = malloc(BASIS * sizeof *m->basis);
    m->row = malloc(ROWS * DIM * sizeof *m->row);
    m->query = malloc(QUERIES * DIM * sizeof *m->query);
    m->group = aligned_alloc(64, GROUPS * sizeof *m->group);
    memset(m->group, 0, GROUPS * sizeof *m->group);
    planar_fill(sample, SKETCH_SAMPLE, DIM, 0.2f);
    fine = sketch_basis_make(m->basis, sample, SKETCH_SAMPLE, DIM);
    planar_fill(m->row, ROWS, DIM, off);
    planar_fill(m->query, QUERIES, DIM, off);
    memcpy(m->query, m->row, DIM * sizeof *m->query);         /* the very same, */
    memset(m->query + DIM, 0, DIM * sizeof *m->query);        /* and the direction */
    memcpy(m->query + DIM, m->basis, DIM * sizeof *m->query); /* of the basis itself */
    unit_rows(m->row, ROWS);
    unit_rows(m->query, QUERIES);
    for (int i = 0; i < SKETCH_LINES; i++)
        m->line[i] = aligned_alloc(64, ROWS * SKETCH_BYTES);
    for (int r = 0; r < ROWS; r++)
        sketch_pack((sketch_line *const[]){ m->line[0] + r, m->line[1] + r }, m->basis,
                    m->row + r * DIM, DIM);
    for (int q = 0; q < GROUPS * SKETCH_GROUP; q++) {
        if (q < QUERIES)
            sketch_pack_query(&m->group[q / SKETCH_GROUP], q % SKETCH_GROUP, m->basis,
                              m->query + q * DIM, DIM);
        else
            sketch_no_query(&m->group[q / SKETCH_GROUP], q % SKETCH_GROUP);
        m->reach[q] = INFINITY;
    }
    free(sample);
    return fine;
}

static void release(made *m)
{
    free(m->basis);
    free(m->row);
    free(m->query);
    free(m->group);
    for (int i = 0; i < SKETCH_LINES; i++)
        free(m->line[i]);
}

typedef void sieve_fn(sketch_left *left, int number, const sketch_line *line,
                      const sketch_group *group, int groups, const float *reach);

/* Whether each row is left: out [ROWS]; how many. */
static int sieve(char *out, const made *m, sieve_fn *fn)
{
    int row[ROWS];
    float base[ROWS * GROUPS * SKETCH_GROUP];
    sketch_left left = { ROWS, row, base };

    for (int r = 0; r < ROWS; r++)
        row[r] = r;
    for (int i = 0; i < SKETCH_LINES; i++)
        fn(&left, i, m->line[i], m->group, GROUPS, m->reach);
    memset(out, 0, ROWS);
    for (int i = 0; i < left.count; i++)
        out[row[i]] = 1;
    return left.count;
}

/* For each query, asking for just what each row has: that row is left, by both sieves alike. */
static void whatever_the_vectors_nothing_wanted_is_lost(void **state)
{
    static const float offs[] = { 0, 0.1f, 1, 100 };
    char left[ROWS], plain[ROWS];

    for (size_t o = 0; o < sizeof offs / sizeof *offs; o++) {
        made m;

        assert_true(make(&m, offs[o]));
        for (int q = 0; q < QUERIES; q++) {
            for (int r = 0; r < ROWS; r++) {
                m.reach[q] = (float)dot(m.row + r * DIM, m.query + q * DIM);
                sieve(left, &m, sketch_sieve);
                assert_true(left[r]);
                if (r % 16)
                    continue;
                sieve(plain, &m, sketch_sieve_plain);
                assert_memory_equal(left, plain, ROWS);
            }
            m.reach[q] = INFINITY;
        }
        release(&m);
    }
}

/* Near the plane few others are left beside the row that is wanted; in noise, most are. */
static void near_the_plane_little_is_left(void **state)
{
    char left[ROWS];
    made m;

    assert_true(make(&m, 0.1f));
    m.reach[0] = 0.999f; /* query 0 is row 0 */
    assert_in_range(sieve(left, &m, sketch_sieve), 1, 3);
    assert_true(left[0]);
    m.reach[0] = INFINITY;
    assert_int_equal(sieve(left, &m, sketch_sieve), 0);
    release(&m);
    assert_true(make(&m, 100));
    m.reach[3] = 0.2f;
    assert_true(sieve(left, &m, sketch_sieve) > ROWS / 2);
    release(&m);
}

/* All of its coordinates are exactly 0: no code is divided by their largest. */
static void a_query_outside_of_the_plane_is_all_rest(void **state)
{
    static float basis[BASIS], query[DIM];
    static sketch_group group;

    for (int i = 0; i < SKETCH_LINES * SKETCH_DIMS; i++)
        basis[i * DIM + i] = 1;
    query[DIM - 1] = 1;
    assert_true(sketch_basis_is_whole(basis, DIM));
    sketch_pack_query(&group, 3, basis, query, DIM);
    for (int i = 0; i < SKETCH_LINES; i++) {
        for (int d = 0; d < SKETCH_DIMS; d++)
            assert_int_equal(group.code_of[i][3][d], 0);
        assert_true(group.line[i].dot[3] == 0 && group.line[i].code[3] == 0);
        assert_true(group.line[i].rest[3] >= 1 && group.line[i].rest[3] < 1.001f);
        assert_true(group.line[i].slack[3] > 0 && group.line[i].slack[3] < 0.001f);
    }
}

static void a_basis_is_made_or_refused(void **state)
{
    float *sample = calloc(SKETCH_SAMPLE * DIM, sizeof *sample),
          *basis = calloc(BASIS, sizeof *basis);

    assert_false(sketch_useful(128));
    assert_false(sketch_useful(193));
    assert_false(sketch_basis_is_whole(basis, DIM));
    assert_false(sketch_basis_make(basis, sample, SKETCH_SAMPLE - 1, DIM));
    assert_true(sketch_basis_make(basis, sample, SKETCH_SAMPLE, DIM)); /* of no directions at all */
    for (int i = 0; i < SKETCH_SAMPLE; i++)
        sample[i * DIM + i % 3] = i % 5 ? 1 : NAN; /* of three */
    assert_true(sketch_basis_make(basis, sample, SKETCH_SAMPLE, DIM));
    assert_true(sketch_basis_is_whole(basis, DIM));
    for (int d = 0; d < 3; d++) {
        double inside = 0;

        for (int i = 0; i < SKETCH_DIMS; i++)
            inside += (double)basis[i * DIM + d] * basis[i * DIM + d];
        assert_true(inside > 0.999);
    }
    basis[7] += 0.001f;
    assert_false(sketch_basis_is_whole(basis, DIM));
    basis[7] = NAN;
    assert_false(sketch_basis_is_whole(basis, DIM));
    free(sample);
    free(basis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_vectors_nothing_wanted_is_lost),
        cmocka_unit_test(near_the_plane_little_is_left),
        cmocka_unit_test(a_query_outside_of_the_plane_is_all_rest),
        cmocka_unit_test(a_basis_is_made_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
