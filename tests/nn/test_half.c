/* test_half.c: products in bf16 equal sums of the rounded numbers' products, for every rest of rows, columns and depth, and on
 * any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "nn/nn_half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float number(uint32_t i)
{
    i = (i ^ i >> 16) * 0x7feb352du;
    i = (i ^ i >> 15) * 0x846ca68bu;
    return (float)((i ^ i >> 16) & 0xffff) / 32768.0f - 1;
}

/* To the nearest bf16, halves to the even one. */
static float rounded(float x)
{
    uint32_t bits;
    float out;

    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static uint16_t *packed(const float *b, int64_t ldb, nn_matrix_layout layout, int64_t n, int64_t k)
{
    uint16_t *to = mem_aligned_raw((nn_half_count(n, k) + 32) * sizeof *to);

    assert_non_null(to);
    for (int64_t i = 0; i < nn_product_strips(layout, n, k); i++) {
        nn_strip s = nn_product_strip(layout, n, k, i);

        nn_half_pack_strip(to, b + s.first * ldb, ldb, layout, n, k, i);
    }
    return to;
}

static void check(int64_t m, int64_t n, int64_t k, nn_matrix_layout layout, bool add)
{
    int64_t ldb = layout == NN_ROWS ? k : n;
    float *a = malloc((size_t)(m * k) * sizeof *a), *b = malloc((size_t)(n * k) * sizeof *b);
    float *out = malloc((size_t)(m * n) * sizeof *out),
          *threads = malloc((size_t)(m * n) * sizeof *out);
    uint16_t *half = malloc((size_t)(m * nn_half_row(k)) * sizeof *half), *w;

    assert_true(a && b && out && threads && half);
    for (int64_t i = 0; i < m * k; i++)
        a[i] = number((uint32_t)i);
    for (int64_t i = 0; i < n * k; i++)
        b[i] = number((uint32_t)i + 1000003);
    for (int64_t i = 0; i < m * n; i++)
        out[i] = threads[i] = 0.5f;
    w = packed(b, ldb, layout, n, k);
    nn_half_round(half, a, m, k, 1);
    nn_half_product(out, half, w, m, n, k, add, 1);
    nn_half_product(threads, half, w, m, n, k, add, 3);
    assert_memory_equal(out, threads, (size_t)(m * n) * sizeof *out);
    for (int64_t r = 0; r < m; r++)
        for (int64_t c = 0; c < n; c++) {
            double sum = add ? 0.5 : 0;

            for (int64_t i = 0; i < k; i++)
                sum += (double)rounded(a[r * k + i]) *
                       rounded(layout == NN_ROWS ? b[c * k + i] : b[i * n + c]);
            if (fabs(out[r * n + c] - sum) > 1e-5 * (double)k + 1e-6)
                fail_msg("[%d, %d] of m %d n %d k %d: %g, not %g", (int)r, (int)c, (int)m, (int)n,
                         (int)k, (double)out[r * n + c], sum);
        }
    free(a);
    free(b);
    free(out);
    free(threads);
    free(half);
    free(w);
}

static void products_are_right(void **state)
{
    static const int64_t columns[] = { 1, 15, 16, 17, 33, 48, 49, 64, 65, 100, 145 };
    static const int64_t depths[] = { 1, 2, 15, 31, 32, 33, 64, 129, 1500 };

    if (!nn_half_is_there())
        skip();
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (size_t j = 0; j < sizeof depths / sizeof *depths; j++)
            for (int layout = 0; layout < 2; layout++)
                check(1 + (int64_t)(3 * i + j) % 19, columns[i], depths[j],
                      layout ? NN_COLUMNS : NN_ROWS, (i + j) % 2);
    check(200, 50, 70, NN_ROWS, true);
    check(193, 96, 64, NN_COLUMNS, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(products_are_right) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
