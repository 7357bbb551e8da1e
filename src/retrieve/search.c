/* search.c: exact search as blocked dot products.
 *
 * On unit vectors |q − v|² = 2 − 2·q·v, so the nearest row is the one with the largest dot product, and
 * rows are normalised once, when the index is built. Reading order: building; the dot-product kernel
 * (2 rows × 4 queries at a time, so that eight sums share six loads and a row is read from memory
 * once for all queries); the short list of the best per query; the threaded scan. The few survivors
 * get their distance recomputed by subtraction, because 2 − 2·dot loses digits where vectors agree. */
#include "retrieve/search.h"

#include "base/mem.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16     /* rows are padded to whole vector registers */
#define QUERY_TILE 4 /* queries are padded to whole tiles */
#define ROW_BLOCK \
    512 /* rows a thread takes at a time: also the rows whose dots wait to be ranked */

struct search_index {
    size_t count;
    int dim, stride; /* floats of a row, and with its padding */
    float *data;     /* [count, stride], unit length */
    int64_t *id;     /* [count] */
};

/* ---- building ---- */

/* False where no direction exists: zero, infinite or not a number. */
static int normalise(float *out, const float *in, int dim)
{
    double sum = 0, scale;

    for (int d = 0; d < dim; d++)
        sum += (double)in[d] * in[d];
    if (!(sum > 0) || !isfinite(sum))
        return 0;
    scale = 1 / sqrt(sum);
    for (int d = 0; d < dim; d++)
        out[d] = (float)(in[d] * scale);
    return 1;
}

rap_status search_index_new(search_index **out, const float *data, const int64_t *id, size_t count,
                            int dim, rap_err *err)
{
    search_index *index = mem_array(1, sizeof *index);
    size_t stride = ((size_t)dim + LANES - 1) / LANES * LANES, floats, bytes;

    *out = NULL;
    if (!index)
        goto memory;
    index->dim = dim;
    index->stride = (int)stride;
    if (dim < 1 || !mem_mul(&floats, count + 1, stride) || !mem_mul(&bytes, floats, sizeof(float)))
        goto memory;
    index->data = mem_aligned(bytes);
    index->id = mem_array(count + 1, sizeof *index->id);
    if (!index->data || !index->id)
        goto memory;
    for (size_t i = 0; i < count; i++) {
        if (!normalise(index->data + index->count * stride, data + i * (size_t)dim, dim))
            continue;
        index->id[index->count++] = id[i];
    }
    *out = index;
    return RAP_OK;
memory:
    search_index_free(index);
    return err_memory(err, "building the search index");
}

void search_index_free(search_index *index)
{
    if (!index)
        return;
    free(index->data);
    free(index->id);
    free(index);
}

size_t search_index_count(const search_index *index)
{
    return index ? index->count : 0;
}

/* ---- the kernel ---- */

/* Dots of rows a, b with four queries: out [2][QUERY_TILE]. */
static inline __attribute__((always_inline)) void dots(float *out, const float *a, const float *b,
                                                       const float *q, int stride)
{
    const float *q0 = q, *q1 = q + stride, *q2 = q1 + stride, *q3 = q2 + stride;
    float a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;

#pragma omp simd reduction(+ : a0, a1, a2, a3, b0, b1, b2, b3) aligned(a, b, q0, q1, q2, q3 : 64)
    for (int d = 0; d < stride; d++) {
        a0 += a[d] * q0[d];
        a1 += a[d] * q1[d];
        a2 += a[d] * q2[d];
        a3 += a[d] * q3[d];
        b0 += b[d] * q0[d];
        b1 += b[d] * q1[d];
        b2 += b[d] * q2[d];
        b3 += b[d] * q3[d];
    }
    out[0] = a0, out[1] = a1, out[2] = a2, out[3] = a3;
    out[4] = b0, out[5] = b1, out[6] = b2, out[7] = b3;
}

/* out [queries, ROW_BLOCK] of `rows` rows; queries is a whole number of tiles. */
static inline __attribute__((always_inline)) void
dot_block(float *out, const float *row, int rows, const float *query, int queries, int stride)
{
    for (int r = 0; r < rows; r += 2) {
        const float *a = row + (size_t)r * (size_t)stride;
        const float *b = r + 1 < rows ? a + stride : a;

        /* The rows after next are asked for now: the hardware's own prefetching starts anew with every
         * page, and waiting for it took half of the time. */
        if (r + 6 <= rows)
            for (int d = 0; d < 2 * stride; d += LANES)
                __builtin_prefetch(a + 4 * (ptrdiff_t)stride + d);
        for (int q = 0; q < queries; q += QUERY_TILE) {
            float dot[2 * QUERY_TILE];

            dots(dot, a, b, query + (size_t)q * (size_t)stride, stride);
            for (int i = 0; i < QUERY_TILE; i++) {
                out[(q + i) * ROW_BLOCK + r] = dot[i];
                if (r + 1 < rows)
                    out[(q + i) * ROW_BLOCK + r + 1] = dot[QUERY_TILE + i];
            }
        }
    }
}

typedef void dot_block_fn(float *out, const float *row, int rows, const float *query, int queries,
                          int stride);

static void dot_block_any(float *out, const float *row, int rows, const float *query, int queries,
                          int stride)
{
    dot_block(out, row, rows, query, queries, stride);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void
dot_block_avx2(float *out, const float *row, int rows, const float *query, int queries, int stride)
{
    dot_block(out, row, rows, query, queries, stride);
}

__attribute__((target("avx512f,avx512vl,avx512dq,fma,prefer-vector-width=512"))) static void
dot_block_avx512(float *out, const float *row, int rows, const float *query, int queries,
                 int stride)
{
    dot_block(out, row, rows, query, queries, stride);
}
#endif

static dot_block_fn *pick_kernel(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return dot_block_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return dot_block_avx2;
#endif
    return dot_block_any;
}

/* ---- the best of a query: at most k rows of distinct ids, best first ---- */

typedef struct entry {
    float dot;
    int64_t row; /* −1: unused */
} entry;

static int better(const entry *a, const entry *b)
{
    return a->dot > b->dot || (a->dot == b->dot && a->row < b->row);
}

/* Puts the row in unless its id already stands better. */
static void keep(entry *best, int k, const int64_t *id, entry e)
{
    int last = k - 1;

    if (best[k - 1].row >= 0 && !better(&e, &best[k - 1]))
        return;
    for (int i = 0; i < k && best[i].row >= 0; i++) {
        if (id[best[i].row] != id[e.row])
            continue;
        if (!better(&e, &best[i]))
            return;
        last = i; /* its own worse entry makes room */
        break;
    }
    while (last > 0 && (best[last - 1].row < 0 || better(&e, &best[last - 1]))) {
        best[last] = best[last - 1];
        last--;
    }
    best[last] = e;
}

static void clear(entry *best, size_t count)
{
    for (size_t i = 0; i < count; i++)
        best[i] = (entry){ -2.0f, -1 };
}

/* ---- the scan ---- */

typedef struct scan {
    const search_index *index;
    const float *query; /* [padded, stride], unit length, 64-byte aligned */
    int queries, padded, k, threads;
    entry *best; /* [threads, queries, k] */
    float *dot;  /* [threads, padded, ROW_BLOCK] */
    dot_block_fn *kernel;
} scan;

static void scan_block(const scan *s, size_t first, int thread)
{
    const search_index *index = s->index;
    size_t left = index->count - first;
    int rows = left < ROW_BLOCK ? (int)left : ROW_BLOCK;
    float *dot = s->dot + (size_t)thread * (size_t)s->padded * ROW_BLOCK;
    entry *best = s->best + (size_t)thread * (size_t)s->queries * (size_t)s->k;

    s->kernel(dot, index->data + first * (size_t)index->stride, rows, s->query, s->padded,
              index->stride);
    for (int q = 0; q < s->queries; q++, best += s->k, dot += ROW_BLOCK) {
        for (int r = 0; r < rows; r++)
            if (dot[r] >= best[s->k - 1].dot)
                keep(best, s->k, index->id, (entry){ dot[r], (int64_t)(first + (size_t)r) });
    }
}

static void scan_all(const scan *s)
{
    size_t blocks = (s->index->count + ROW_BLOCK - 1) / ROW_BLOCK;

#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (size_t b = 0; b < blocks; b++)
        scan_block(s, b * ROW_BLOCK, omp_get_thread_num());

    for (int t = 1; t < s->threads; t++) {
        const entry *from = s->best + (size_t)t * (size_t)s->queries * (size_t)s->k;

        for (int i = 0; i < s->queries * s->k; i++)
            if (from[i].row >= 0)
                keep(s->best + i / s->k * s->k, s->k, s->index->id, from[i]);
    }
}

static float exact_distance(const float *a, const float *b, int dim)
{
    double sum = 0;

    for (int d = 0; d < dim; d++)
        sum += ((double)a[d] - b[d]) * ((double)a[d] - b[d]);
    return (float)sqrt(sum);
}

static int compare_hits(const void *left, const void *right)
{
    const search_hit *a = left, *b = right;

    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static void write_hits(search_hit *out, const scan *s, const int *usable)
{
    for (int q = 0; q < s->queries; q++, out += s->k) {
        const entry *best = s->best + (size_t)q * (size_t)s->k;
        int count = 0;

        for (int i = 0; i < s->k; i++) {
            out[i] = (search_hit){ -1, INFINITY };
            if (!usable[q] || best[i].row < 0)
                continue;
            out[count++] = (search_hit){
                s->index->id[best[i].row],
                exact_distance(s->query + (size_t)q * (size_t)s->index->stride,
                               s->index->data + (size_t)best[i].row * (size_t)s->index->stride,
                               s->index->dim)
            };
        }
        qsort(out, (size_t)count, sizeof *out, compare_hits);
    }
}

rap_status search_nearest(const search_index *index, const float *query, int queries, int k,
                          int threads, search_hit *out, rap_err *err)
{
    size_t stride = (size_t)index->stride, bytes, lists;
    int padded = (queries + QUERY_TILE - 1) / QUERY_TILE * QUERY_TILE;
    int *usable = NULL;
    float *unit = NULL;
    scan s = { .index = index, .queries = queries, .padded = padded, .k = k };
    rap_status status = RAP_OK;

    if (queries < 1 || k < 1)
        return RAP_OK;
    s.threads = index->count < 4 * ROW_BLOCK || threads < 1 ? 1 : threads;
    if (!mem_mul(&bytes, (size_t)padded, stride * sizeof *unit) ||
        !mem_mul(&lists, (size_t)s.threads * (size_t)queries, (size_t)k))
        return err_memory(err, "searching");
    usable = mem_array((size_t)queries, sizeof *usable);
    unit = mem_aligned(bytes);
    s.best = mem_array(lists, sizeof *s.best);
    s.dot = mem_aligned((size_t)s.threads * (size_t)padded * ROW_BLOCK * sizeof *s.dot);
    if (!usable || !unit || !s.best || !s.dot) {
        status = err_memory(err, "searching");
        goto cleanup;
    }
    for (int q = 0; q < queries; q++)
        usable[q] = normalise(unit + (size_t)q * stride, query + (size_t)q * (size_t)index->dim,
                              index->dim);
    s.query = unit;
    s.kernel = pick_kernel();
    clear(s.best, lists);
    scan_all(&s);
    write_hits(out, &s, usable);
cleanup:
    free(usable);
    free(unit);
    free(s.best);
    free(s.dot);
    return status;
}
