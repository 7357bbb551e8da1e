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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_plain_loop),
        cmocka_unit_test(views_of_one_concept_count_once),
        cmocka_unit_test(more_wanted_than_there_are),
        cmocka_unit_test(empty_index_finds_nobody),
        cmocka_unit_test(the_same_vector_is_at_distance_zero),
        cmocka_unit_test(vectors_without_direction_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
