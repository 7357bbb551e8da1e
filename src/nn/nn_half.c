/* nn_half.c: see nn_half.h. Work is split as in nn_linear.c: a chunk of rows × a group of panels, each sum in pieces that
 * stay in L2 while all rows of the chunk use them. */
#include "nn/nn_half.h"

#include "nn/nn_panel.h"

enum {
    CHUNK = NN_MAX_CHUNK,
    TASKS = 8,        /* per thread */
    GROUP = 2 << 20,  /* bytes of panels per group */
    PIECE_PAIRS = 512 /* of a panel: 96 KiB */
};

bool nn_half_is_there(void)
{
#if defined(__x86_64__)
    return nn_kernels_used()->vector == 16 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

int64_t nn_half_row(int64_t k)
{
    return (k + 1) & ~(int64_t)1;
}

size_t nn_half_count(int64_t n, int64_t k)
{
    return (size_t)(nn_panel_columns(nn_kernels_used(), n) * nn_half_row(k));
}

#if defined(__x86_64__)

void nn_half_pack_strip(uint16_t *packed, const float *strip, int64_t ldb, nn_matrix_layout layout,
                        int64_t n, int64_t k, int64_t i)
{
    const nn_kernels *kernels = nn_kernels_used();
    int64_t panels = nn_panel_count(kernels, n), height = nn_half_row(k);
    nn_strip s = nn_product_strip(layout, n, k, i);
    if (layout == NN_ROWS) {
        nn_panel p = nn_panel_at(kernels, n, i);
        nn_half_pack_rows(packed + p.first * height, p.width, strip, ldb, p.columns, k);
        return;
    }
    for (int64_t q = 0; q < panels; q++) {
        nn_panel p = nn_panel_at(kernels, n, q);
        nn_half_pack_columns(packed + p.first * height + s.first * p.width, p.width,
                             strip + p.first, ldb, p.columns, s.rows);
    }
}

typedef struct rounding {
    uint16_t *out;
    const float *a;
    int64_t k;
} rounding;

static void round_one(void *payload, int64_t row, int lane)
{
    const rounding *r = payload;
    nn_half_round_row(r->out + row * nn_half_row(r->k), r->a + row * r->k, r->k);
}

void nn_half_round(uint16_t *out, const float *a, int64_t m, int64_t k, int threads)
{
    nn_each(threads, m, round_one, &(rounding){ out, a, k });
}

typedef struct job {
    float *out;
    const uint16_t *a, *packed;
    int64_t m, n, k, chunk, chunks, panels, groups;
    bool add;
} job;

static void run_panel(const job *j, int64_t first, int64_t rows, nn_panel p)
{
    float acc[CHUNK * NN_MAX_PANEL] __attribute__((aligned(64)));
    int64_t height = nn_half_row(j->k), pairs = height / 2;
    nn_half_sum s = { .acc = acc, .lda = height, .rows = rows, .width = p.width, .fresh = true };
    for (int64_t at = 0; at < pairs; at += PIECE_PAIRS) {
        s.a = j->a + first * height + 2 * at;
        s.panel = j->packed + p.first * height + 2 * at * p.width;
        s.pairs = pairs - at < PIECE_PAIRS ? pairs - at : PIECE_PAIRS;
        nn_half_add(&s);
        s.fresh = false;
    }
    nn_half_finish(j->out + first * j->n + p.first, j->n, acc, p.width, rows, p.columns, j->add);
}

static void run_task(void *payload, int64_t task, int lane)
{
    const job *j = payload;
    int64_t first = task % j->chunks * j->chunk, group = task / j->chunks;
    int64_t rows = j->m - first < j->chunk ? j->m - first : j->chunk;
    int64_t end = j->panels * (group + 1) / j->groups;
    for (int64_t i = j->panels * group / j->groups; i < end; i++)
        run_panel(j, first, rows, nn_panel_at(nn_kernels_used(), j->n, i));
}

void nn_half_product(float *out, const uint16_t *a, const uint16_t *packed, int64_t m, int64_t n,
                     int64_t k, bool add, int threads)
{
    job j = { .out = out, .a = a, .packed = packed, .m = m, .n = n, .k = k, .add = add };
    int64_t fit, wanted;
    if (m < 1)
        return;
    threads = m * n * k < 65536 ? 1 : threads;
    j.panels = nn_panel_count(nn_kernels_used(), n);
    j.chunks = (m + CHUNK - 1) / CHUNK;
    j.chunk = ((m + j.chunks - 1) / j.chunks + NN_HALF_ROWS - 1) / NN_HALF_ROWS * NN_HALF_ROWS;
    j.chunks = (m + j.chunk - 1) / j.chunk;
    fit = k * n * (int64_t)sizeof(uint16_t) / GROUP + 1;
    wanted = threads > 1 ? (TASKS * threads + j.chunks - 1) / j.chunks : 1;
    j.groups = wanted > fit ? wanted : fit;
    j.groups = j.groups < j.panels ? j.groups : j.panels;
    nn_each(threads, j.chunks * j.groups, run_task, &j);
}

#else /* never called: nn_half_is_there() is false */

void nn_half_pack_strip(uint16_t *packed, const float *strip, int64_t ldb, nn_matrix_layout layout,
                        int64_t n, int64_t k, int64_t i)
{
}

void nn_half_round(uint16_t *out, const float *a, int64_t m, int64_t k, int threads)
{
}

void nn_half_product(float *out, const uint16_t *a, const uint16_t *packed, int64_t m, int64_t n,
                     int64_t k, bool add, int threads)
{
}

#endif
