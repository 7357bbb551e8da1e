/* bench_search.c: exact search of 8 queries, top 2, in vectors of 512 numbers, against faiss IndexFlatL2
 * (where it was built in), a plain loop, and what the machine can do at all: the time to read the bytes
 * and the time of the arithmetic in cache. Usage: bench_search [THREADS [ROWS]] */
#include "base/mem.h"
#include "base/threads.h"
#include "retrieve/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIM = 512, QUERIES = 8, K = 2, ROUNDS = 15, CACHED_ROWS = 256 };

#ifdef RAP_BENCH_FAISS
void *faiss_peer_open(const float *data, long rows, int dim);
void faiss_peer_search(void *index, const float *query, int queries, int k, int threads, int blas,
                       float *distance, int64_t *id);
void faiss_peer_close(void *index);
#else /* the functions are there, and find nothing */
static void *faiss_peer_open(const float *data, long rows, int dim)
{
    return NULL;
}
static void faiss_peer_search(void *index, const float *query, int queries, int k, int threads,
                              int blas, float *distance, int64_t *id)
{
}
static void faiss_peer_close(void *index)
{
}
#endif

static uint64_t seed = 88172645463325252u;

static float noise(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (float)(seed >> 40) / (1 << 23) - 1;
}

static void unit_rows(float *data, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;

        for (int d = 0; d < DIM; d++) {
            data[r * DIM + d] = noise();
            sum += (double)data[r * DIM + d] * data[r * DIM + d];
        }
        for (int d = 0; d < DIM; d++)
            data[r * DIM + d] /= (float)sqrt(sum);
    }
}

/* What one writes first: a squared distance for each pair, the best two kept. */
static void plain_loop(int64_t *out, const float *data, size_t rows, const float *query)
{
    for (int q = 0; q < QUERIES; q++) {
        float best[K] = { INFINITY, INFINITY };

        for (size_t row = 0; row < rows; row++) {
            float sum = 0;

            for (int d = 0; d < DIM; d++) {
                float delta = query[q * DIM + d] - data[row * DIM + d];

                sum += delta * delta;
            }
            if (sum < best[0]) {
                best[1] = best[0], out[q * K + 1] = out[q * K];
                best[0] = sum, out[q * K] = (int64_t)row;
            } else if (sum < best[1]) {
                best[1] = sum, out[q * K + 1] = (int64_t)row;
            }
        }
    }
}

/* ms to touch every number once */
static double read_all(const float *data, size_t count, int threads)
{
    double start = clock_ms();
    float sum = 0;

#pragma omp parallel for simd num_threads(threads) reduction(+ : sum) schedule(static)
    for (size_t i = 0; i < count; i++)
        sum += data[i];
    return sum == 12345.0f ? 0 : clock_ms() - start;
}

/* ms of the arithmetic alone for as many rows as fit the cache */
static double in_cache(void)
{
    static _Alignas(64) int8_t code[CACHED_ROWS * DIM];
    static _Alignas(64) int16_t query[QUERIES * DIM];
    static int32_t dot[QUERIES * CACHED_ROWS];
    double start;

    search_kernel_get(0)->dots(dot, CACHED_ROWS, code, CACHED_ROWS, query, QUERIES, DIM);
    start = clock_ms();
    search_kernel_get(0)->dots(dot, CACHED_ROWS, code, CACHED_ROWS, query, QUERIES, DIM);
    return clock_ms() - start;
}

typedef struct timing {
    double faiss, faiss_blas, rap, memory, cached; /* the best of all rounds, ms */
} timing;

static double less(double a, double b)
{
    return a < b ? a : b;
}

/* All in turn, so that whatever else the machine does meets all of them. */
static int measure(timing *out, const float *data, size_t rows, const float *query,
                   const search_index *index, int threads, search_hit *hit, int64_t *faiss_id)
{
    float distance[QUERIES * K];
    void *faiss = faiss_peer_open(data, (long)rows, DIM);

    *out = (timing){ INFINITY, INFINITY, INFINITY, INFINITY, INFINITY };
    for (int i = 0; i < ROUNDS; i++) {
        double t[4] = { clock_ms() };

        faiss_peer_search(faiss, query, QUERIES, K, threads, 1, distance, faiss_id);
        t[1] = clock_ms();
        faiss_peer_search(faiss, query, QUERIES, K, threads, 0, distance, faiss_id);
        t[2] = clock_ms();
        if (search_nearest(index, query, QUERIES, K, threads, hit, NULL) != RAP_OK)
            return 0;
        t[3] = clock_ms();
        out->faiss_blas = less(out->faiss_blas, t[1] - t[0]);
        out->faiss = less(out->faiss, t[2] - t[1]);
        out->rap = less(out->rap, t[3] - t[2]);
        out->cached = less(out->cached, in_cache());
        out->memory = less(out->memory, read_all(data, rows * DIM, threads));
    }
    faiss_peer_close(faiss);
    return 1;
}

static void report(const timing *t, size_t rows, int threads, double naive, int wrong)
{
    double codes = (double)rows * DIM, floats = codes * sizeof(float);
    double bandwidth = floats / t->memory / 1e6; /* GB/s */
    double rate = (double)CACHED_ROWS * DIM * QUERIES / t->cached / 1e6 * threads;
    double bound = fmax(codes / bandwidth / 1e6, codes * QUERIES / rate / 1e6);

    printf("exact top-%d of %d queries in %zu x %d, %d thread%s, kernel %s, best of %d rounds in "
           "turn\n",
           K, QUERIES, rows, DIM, threads, threads == 1 ? "" : "s", search_kernel_get(0)->name,
           ROUNDS);
    printf("  rap                      %8.2f ms   %5.1f GB/s of codes, %d wrong\n", t->rap,
           codes / t->rap / 1e6, wrong);
#ifdef RAP_BENCH_FAISS
    printf("  faiss IndexFlatL2        %8.2f ms   %5.1f x rap's time\n", t->faiss,
           t->faiss / t->rap);
    printf("  faiss, matrix products   %8.2f ms   %5.1f x rap's time\n", t->faiss_blas,
           t->faiss_blas / t->rap);
#else
    printf("  faiss                    not built in: install libfaiss-dev and configure again\n");
#endif
    printf("  plain loop, 1 thread     %8.2f ms   %5.1f x rap's time\n", naive, naive / t->rap);
    printf("  reading all f32 once     %8.2f ms   %5.1f GB/s\n", t->memory, bandwidth);
    printf("  the bound                %8.2f ms   of reading the codes (%.2f ms) and of their "
           "products at "
           "%.0f G/s\n",
           bound, codes / bandwidth / 1e6, rate);
    printf("  fraction of the bound    %8.2f\n", bound / t->rap);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2;
    size_t rows = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    float *data = mem_array(rows * DIM, sizeof *data);
    float *query = mem_array((size_t)QUERIES * DIM, sizeof *query);
    int64_t *id = mem_array(rows, sizeof *id), plain[QUERIES * K], faiss_id[QUERIES * K];
    search_index *index = NULL;
    search_hit hit[QUERIES * K];
    timing t;
    double start, naive;
    int wrong = 0;

    if (!data || !query || !id || threads < 1 || rows < CACHED_ROWS)
        return 1;
    unit_rows(data, rows);
    unit_rows(query, QUERIES);
    for (size_t i = 0; i < rows; i++)
        id[i] = (int64_t)i;
    if (search_index_new(&index, data, id, rows, DIM, NULL) != RAP_OK)
        return 1;
    start = clock_ms();
    plain_loop(plain, data, rows, query);
    naive = clock_ms() - start;
    if (!measure(&t, data, rows, query, index, threads, hit, faiss_id))
        return 1;
    for (int i = 0; i < QUERIES * K; i++)
        wrong += hit[i].id != plain[i];
    report(&t, rows, threads, naive, wrong);
    search_index_free(index);
    free(data);
    free(query);
    free(id);
    return wrong != 0;
}
