/* bench_search.c: exact search of 8 queries in 100,000 vectors of 512 numbers against a plain loop
 * and against the machine's own memory speed. Usage: bench_search [THREADS] */
#include "base/mem.h"
#include "base/threads.h"
#include "retrieve/search.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 100000, DIM = 512, QUERIES = 8, K = 2, ROUNDS = 9 };

static uint64_t seed = 88172645463325252u;

static float noise(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (float)(seed >> 40) / (1 << 23) - 1;
}

/* What one writes first: a squared distance for each pair, the best two kept. */
static void plain_loop(int64_t *out, const float *data, const float *query)
{
    for (int q = 0; q < QUERIES; q++) {
        float best[K] = { INFINITY, INFINITY };

        for (int64_t row = 0; row < ROWS; row++) {
            float sum = 0;

            for (int d = 0; d < DIM; d++) {
                float delta = query[q * DIM + d] - data[row * DIM + d];

                sum += delta * delta;
            }
            if (sum < best[0]) {
                best[1] = best[0], out[q * K + 1] = out[q * K];
                best[0] = sum, out[q * K] = row;
            } else if (sum < best[1]) {
                best[1] = sum, out[q * K + 1] = row;
            }
        }
    }
}

static double read_all(const float *data, int threads) /* ms to touch every number once */
{
    double start = clock_ms();
    float sum = 0;

#pragma omp parallel for simd num_threads(threads) reduction(+ : sum)
    for (size_t i = 0; i < (size_t)ROWS * DIM; i++)
        sum += data[i];
    return sum == 12345.0f ? 0 : clock_ms() - start;
}

static void unit_rows(float *data, int rows)
{
    for (int r = 0; r < rows; r++) {
        double sum = 0;

        for (int d = 0; d < DIM; d++) {
            data[r * DIM + d] = noise();
            sum += (double)data[r * DIM + d] * data[r * DIM + d];
        }
        for (int d = 0; d < DIM; d++)
            data[r * DIM + d] /= (float)sqrt(sum);
    }
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : threads_available();
    float *data = mem_array((size_t)ROWS * DIM, sizeof *data);
    float *query = mem_array((size_t)QUERIES * DIM, sizeof *query);
    int64_t *id = mem_array(ROWS, sizeof *id), plain[QUERIES * K];
    search_index *index = NULL;
    search_hit hit[QUERIES * K];
    double naive, best = INFINITY, memory = INFINITY, start;
    int wrong = 0;

    if (!data || !query || !id)
        return 1;
    unit_rows(data, ROWS);
    unit_rows(query, QUERIES);
    for (int64_t i = 0; i < ROWS; i++)
        id[i] = i;
    if (search_index_new(&index, data, id, ROWS, DIM, NULL) != RAP_OK)
        return 1;
    start = clock_ms();
    plain_loop(plain, data, query);
    naive = clock_ms() - start;
    for (int i = 0; i < ROUNDS; i++) {
        double once = read_all(data, threads);

        memory = once < memory ? once : memory;
        start = clock_ms();
        if (search_nearest(index, query, QUERIES, K, threads, hit, NULL) != RAP_OK)
            return 1;
        once = clock_ms() - start;
        best = once < best ? once : best;
    }
    for (int i = 0; i < QUERIES * K; i++)
        wrong += hit[i].id != plain[i];
    printf("exact top-%d of %d queries in %d x %d, %d thread%s\n", K, QUERIES, ROWS, DIM, threads,
           threads == 1 ? "" : "s");
    printf("  plain loop, 1 thread  %8.1f ms\n", naive);
    printf("  reading the vectors   %8.1f ms\n", memory);
    printf("  rap                   %8.1f ms   %.1f x the plain loop, %.2f x reading   %d wrong\n",
           best, naive / best, best / memory, wrong);
    search_index_free(index);
    free(data);
    free(query);
    free(id);
    return wrong != 0;
}
