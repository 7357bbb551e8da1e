/* test_search.c: exact search against a plain loop (src/retrieve/search.c). */
#include "retrieve/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 88172645463325252u;

static float noise(void) /* −1..1, the same in every run */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (float)(seed >> 40) / (1 << 23) - 1;
}

static void fill(float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = noise();
}

static double distance(const float *a, const float *b, int dim)
{
    double aa = 0, bb = 0, sum = 0;

    for (int d = 0; d < dim; d++) {
        aa += (double)a[d] * a[d];
        bb += (double)b[d] * b[d];
    }
    for (int d = 0; d < dim; d++) {
        double delta = a[d] / sqrt(aa) - b[d] / sqrt(bb);

        sum += delta * delta;
    }
    return sqrt(sum);
}

/* The k best distinct ids by the plainest means: k passes over everything. */
static void brute(search_hit *out, const float *data, const int64_t *id, size_t count, int dim,
                  const float *query, int k)
{
    for (int i = 0; i < k; i++) {
        out[i] = (search_hit){ -1, INFINITY };
        for (size_t row = 0; row < count; row++) {
            double d = distance(query, data + row * (size_t)dim, dim);
            int taken = 0;

            for (int j = 0; j < i; j++)
                taken |= out[j].id == id[row];
            if (!taken && d < out[i].distance)
                out[i] = (search_hit){ id[row], (float)d };
        }
    }
}

/* `ids` distinct concepts share `count` rows. */
static void compare(size_t count, int dim, int queries, int k, int ids, int threads)
{
    float *data = malloc((count * (size_t)dim + 1) * sizeof *data);
    float *query = malloc((size_t)queries * (size_t)dim * sizeof *query);
    int64_t *id = malloc((count + 1) * sizeof *id);
    search_hit *got = malloc((size_t)(queries * k) * sizeof *got),
               *want = malloc((size_t)k * sizeof *want);
    search_index *index = NULL;

    fill(data, count * (size_t)dim);
    fill(query, (size_t)queries * (size_t)dim);
    for (size_t i = 0; i < count; i++)
        id[i] = (int64_t)(i * 7919 % (size_t)ids) + 100;
    assert_int_equal(search_index_new(&index, data, id, count, dim, NULL), RAP_OK);
    assert_int_equal(search_index_count(index), count);
    assert_int_equal(search_nearest(index, query, queries, k, threads, got, NULL), RAP_OK);
    for (int q = 0; q < queries; q++) {
        brute(want, data, id, count, dim, query + q * dim, k);
        for (int i = 0; i < k; i++) {
            assert_int_equal(got[q * k + i].id, want[i].id);
            if (want[i].id >= 0)
                assert_float_equal(got[q * k + i].distance, want[i].distance, 1e-5);
        }
    }
    search_index_free(index);
    free(data);
    free(query);
    free(id);
    free(got);
    free(want);
}

static void equals_the_plain_loop(void **state)
{
    compare(1, 3, 1, 1, 1, 1);
    compare(7, 16, 2, 3, 7, 1);
    compare(500, 192, 8, 2, 500, 1);
    compare(3001, 33, 5, 4, 3001, 2);
    compare(5000, 64, 11, 10, 5000, 4);
}

static void views_of_one_concept_count_once(void **state)
{
    compare(1000, 32, 4, 5, 40, 1);
    compare(4000, 16, 3, 7, 9, 3);
}

static void more_wanted_than_there_are(void **state)
{
    compare(3, 8, 2, 10, 3, 1);
    compare(3000, 8, 2, 6, 4, 2);
}

static void empty_index_finds_nobody(void **state)
{
    search_index *index = NULL;
    search_hit hit[2];
    float query[4] = { 1, 0, 0, 0 };

    assert_int_equal(search_index_new(&index, NULL, NULL, 0, 4, NULL), RAP_OK);
    assert_int_equal(search_nearest(index, query, 1, 2, 2, hit, NULL), RAP_OK);
    assert_int_equal(hit[0].id, -1);
    assert_int_equal(hit[1].id, -1);
    search_index_free(index);
}

static void the_same_vector_is_at_distance_zero(void **state)
{
    float data[2 * 100], query[100];
    int64_t id[2] = { 5, 6 };
    search_index *index = NULL;
    search_hit hit[2];

    fill(data, 200);
    for (int d = 0; d < 100; d++)
        query[d] = 1000 * data[d]; /* length does not matter */
    assert_int_equal(search_index_new(&index, data, id, 2, 100, NULL), RAP_OK);
    assert_int_equal(search_nearest(index, query, 1, 2, 1, hit, NULL), RAP_OK);
    assert_int_equal(hit[0].id, 5);
    assert_true(hit[0].distance < 1e-6f);
    search_index_free(index);
}

static void vectors_without_direction_are_left_out(void **state)
{
    float data[4][2] = { { 0, 0 }, { NAN, 1 }, { INFINITY, 1 }, { 0, 2 } };
    float query[2][2] = { { 0, 1 }, { 0, 0 } };
    int64_t id[4] = { 1, 2, 3, 4 };
    search_index *index = NULL;
    search_hit hit[4];

    assert_int_equal(search_index_new(&index, data[0], id, 4, 2, NULL), RAP_OK);
    assert_int_equal(search_index_count(index), 1);
    assert_int_equal(search_nearest(index, query[0], 2, 2, 1, hit, NULL), RAP_OK);
    assert_int_equal(hit[0].id, 4);
    assert_int_equal(hit[1].id, -1);
    assert_int_equal(hit[2].id, -1); /* a query of zeros looks like nothing */
    search_index_free(index);
}

/* Every kernel that this processor can run against the plain loop, and their sums against each other. */
static void every_kernel_finds_the_same(void **state)
{
    enum { ROWS = 2500, QUERIES = 6, K = 5 };
    static const int dims[] = { 1, 63, 64, 100, 512, 768 };
    const search_kernel *kernel;

    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        int dim = dims[i];
        float *data = malloc((size_t)(ROWS * dim) * sizeof *data);
        float *query = malloc((size_t)(QUERIES * dim) * sizeof *query);
        search_hit got[QUERIES * K], want[K];
        search_index *index = NULL;
        int64_t id[ROWS];

        fill(data, (size_t)(ROWS * dim));
        fill(query, (size_t)(QUERIES * dim));
        for (int row = 0; row < ROWS; row++)
            id[row] = dim == 1 ? row % 2 : row; /* one number has two directions */
        if (dim == 1)
            for (int row = 0; row < ROWS; row++)
                data[row] = row % 2 ? 2.0f : -3.0f;
        assert_int_equal(search_index_new(&index, data, id, ROWS, dim, NULL), RAP_OK);
        for (int n = 0; (kernel = search_kernel_get(n)); n++) {
            assert_int_equal(search_nearest_by(kernel, index, query, QUERIES, K, 2, got, NULL),
                             RAP_OK);
            for (int q = 0; q < QUERIES; q++) {
                brute(want, data, id, ROWS, dim, query + q * dim, K);
                for (int j = 0; j < K; j++)
                    assert_int_equal(got[q * K + j].id, want[j].id);
            }
        }
        search_index_free(index);
        free(data);
        free(query);
    }
}

static void kernels_sum_alike(void **state)
{
    enum { ROWS = 37, QUERIES = 8, DIM = 192 };
    static _Alignas(64) int8_t row[ROWS * DIM];
    static _Alignas(64) int16_t query[QUERIES * DIM];
    static int32_t got[QUERIES * ROWS];

    for (int i = 0; i < ROWS * DIM; i++)
        row[i] = (int8_t)(noise() * 127);
    for (int i = 0; i < QUERIES * DIM; i++)
        query[i] = (int16_t)(noise() * 32767);
    for (int n = 0; search_kernel_get(n); n++) {
        search_kernel_get(n)->dots(got, ROWS, row, ROWS, query, QUERIES, DIM);
        for (int q = 0; q < QUERIES; q++)
            for (int r = 0; r < ROWS; r++) {
                int32_t sum = 0;

                for (int d = 0; d < DIM; d++)
                    sum += row[r * DIM + d] * query[q * DIM + d];
                assert_int_equal(got[q * ROWS + r], sum);
            }
    }
}

/* The bound must hold for vectors of every make, also where one number outweighs all others. */
static void no_row_exceeds_its_bound(void **state)
{
    enum { DIM = 192 };
    static _Alignas(64) int8_t code[DIM];
    static _Alignas(64) int16_t query_code[DIM];
    float unit[DIM], query[DIM], row[DIM];
    search_bound bound, query_bound;

    for (int round = 0; round < 20000; round++) {
        int8_t unused[DIM];
        int32_t dot = 0;
        double exact = 0;

        fill(row, DIM);
        fill(query, DIM);
        if (round % 3 == 1)
            row[round % DIM] = 300; /* all others lose their digits */
        if (round % 3 == 2)
            for (int d = 0; d < DIM; d++)
                query[d] = row[d] + 0.01f * query[d]; /* nearly the same */
        assert_true(search_pack(&query_bound, unused, unit, query, DIM));
        memcpy(query, unit, sizeof query);
        search_pack_query(&query_bound, query_code, query, DIM);
        assert_true(search_pack(&bound, code, unit, row, DIM));
        for (int d = 0; d < DIM; d++) {
            dot += code[d] * query_code[d];
            exact += (double)unit[d] * query[d];
        }
        assert_true(search_upper(dot, bound, query_bound) >= exact);
        assert_true(search_upper(dot, bound, query_bound) <= exact + 2.5 * bound.slack + 0.01);
    }
}

/* All alike, but for the last digits: codes cannot tell these apart, distances must. */
static void near_duplicates_are_told_apart(void **state)
{
    enum { ROWS = 3000, DIM = 64 };
    float *data = malloc(ROWS * DIM * sizeof *data), query[DIM];
    int64_t id[ROWS];
    search_hit got[3], want[3];
    search_index *index = NULL;

    fill(query, DIM);
    for (int i = 0; i < ROWS; i++) {
        id[i] = i + 1;
        for (int d = 0; d < DIM; d++)
            data[i * DIM + d] = query[d] + 1e-4f * noise();
    }
    assert_int_equal(search_index_new(&index, data, id, ROWS, DIM, NULL), RAP_OK);
    assert_int_equal(search_nearest(index, query, 1, 3, 3, got, NULL), RAP_OK);
    brute(want, data, id, ROWS, DIM, query, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(got[i].id, want[i].id);
    search_index_free(index);
    free(data);
}

/* Rows that lie elsewhere, some of them gone, with rows of the index's own behind them. */
static void lent_rows_and_own_rows(void **state)
{
    enum { LENT = 1000, OWN = 700, DIM = 64 };
    static _Alignas(64) int8_t code[LENT * DIM];
    static _Alignas(64) float unit[LENT * DIM];
    static search_bound bound[LENT];
    static float data[(LENT + OWN) * DIM];
    static int64_t id[LENT + OWN];
    static uint64_t sum[LENT];
    search_rows rows = {
        .count = LENT, .id = id, .bound = bound, .code = code, .unit = unit, .sum = sum
    };
    search_index *index = NULL;
    search_hit hit[2];

    fill(data, (LENT + OWN) * DIM);
    for (int i = 0; i < LENT + OWN; i++)
        id[i] = i % 10 == 3 && i < LENT ? -1 : i;
    for (int i = 0; i < LENT; i++) {
        assert_true(search_pack(&bound[i], code + i * DIM, unit + i * DIM, data + i * DIM, DIM));
        sum[i] = search_sum(unit + i * DIM, DIM);
    }
    assert_int_equal(search_index_over(&index, &rows, DIM, NULL), RAP_OK);
    assert_int_equal(search_index_add(index, data + LENT * DIM, id + LENT, 300, NULL), RAP_OK);
    assert_int_equal(
        search_index_add(index, data + (LENT + 300) * DIM, id + LENT + 300, OWN - 300, NULL),
        RAP_OK);
    assert_int_equal(search_index_count(index), LENT + OWN - 100);
    for (int i = 0; i < LENT + OWN; i += 7) {
        assert_int_equal(search_nearest(index, data + i * DIM, 1, 2, 2, hit, NULL), RAP_OK);
        assert_int_equal(hit[0].id == i, id[i] >= 0);
    }
    unit[5 * DIM + 1] += 0.25f; /* damage shows when the row is looked at */
    assert_int_equal(search_nearest(index, data + 5 * DIM, 1, 1, 1, hit, NULL), RAP_E_FORMAT);
    search_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_plain_loop),
        cmocka_unit_test(views_of_one_concept_count_once),
        cmocka_unit_test(more_wanted_than_there_are),
        cmocka_unit_test(empty_index_finds_nobody),
        cmocka_unit_test(the_same_vector_is_at_distance_zero),
        cmocka_unit_test(vectors_without_direction_are_left_out),
        cmocka_unit_test(every_kernel_finds_the_same),
        cmocka_unit_test(kernels_sum_alike),
        cmocka_unit_test(no_row_exceeds_its_bound),
        cmocka_unit_test(near_duplicates_are_told_apart),
        cmocka_unit_test(lent_rows_and_own_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
