/* search.c: exact search that reads a quarter of the bytes.
 *
 * A scan goes over the codes of the rows (search_rows.h) in blocks, all queries at once, so that a row is
 * read from memory once. Where a row's upper bound reaches the k-th best of a query so far, and only
 * there, its distance is computed in f32. What is found is therefore exactly what computing every
 * distance finds. Reading order: the index and its two parts; the best of a query; the scan. */
#include "retrieve/search.h"

#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BLOCK 256                  /* rows a thread takes at a time */
#define THREAD_BYTES ((size_t)2 << 20) /* codes that are worth another thread */

/* Rows of the index's own. */
typedef struct owned_rows {
    size_t count, room;
    int64_t *id;
    search_bound *bound;
    int8_t *code;
    float *unit;
} owned_rows;

struct search_index {
    int dim, stride;
    search_rows lent; /* first */
    owned_rows own;   /* numbered behind them */
    size_t live;
};

/* ---- the index ---- */

static rap_status index_make(search_index **out, int dim, rap_err *err)
{
    search_index *index = mem_array(1, sizeof *index);

    *out = index;
    if (!index)
        return err_memory(err, "building the search index");
    index->dim = dim;
    index->stride = search_stride(dim);
    return RAP_OK;
}

/* `old` [count] in new memory of `room` entries; the old memory is freed only when that worked. */
static int grow(void **memory, size_t count, size_t room, size_t size)
{
    size_t bytes;
    void *fresh = mem_mul(&bytes, room, size) ? mem_aligned(bytes) : NULL;

    if (!fresh)
        return 0;
    if (count)
        memcpy(fresh, *memory, count * size);
    free(*memory);
    *memory = fresh;
    return 1;
}

static int own_reserve(search_index *index, size_t more)
{
    owned_rows *own = &index->own;
    size_t room, stride = (size_t)index->stride;
    void *id = own->id, *bound = own->bound, *code = own->code, *unit = own->unit;
    int ok;

    if (!mem_add(&room, own->count, more))
        return 0;
    if (room <= own->room)
        return 1;
    if (own->count && room < own->count + own->count / 2)
        room = own->count + own->count / 2;
    ok = grow(&id, own->count, room, sizeof *own->id) &&
         grow(&bound, own->count, room, sizeof *own->bound) &&
         grow(&code, own->count, room, stride) &&
         grow(&unit, own->count, room, stride * sizeof *own->unit);
    own->id = id, own->bound = bound, own->code = code, own->unit = unit;
    if (ok)
        own->room = room;
    return ok;
}

rap_status search_index_add(search_index *index, const float *data, const int64_t *id, size_t count,
                            rap_err *err)
{
    owned_rows *own = &index->own;
    size_t stride = (size_t)index->stride;

    if (!own_reserve(index, count))
        return err_memory(err, "building the search index");
    for (size_t i = 0; i < count; i++) {
        size_t row = own->count;

        if (!search_pack(&own->bound[row], own->code + row * stride, own->unit + row * stride,
                         data + i * (size_t)index->dim, index->dim))
            continue;
        own->id[row] = id[i];
        own->count++;
        index->live++;
    }
    return RAP_OK;
}

rap_status search_index_new(search_index **out, const float *data, const int64_t *id, size_t count,
                            int dim, rap_err *err)
{
    rap_status status;

    *out = NULL;
    if (dim < 1)
        return err_set(err, RAP_E_ARGUMENT, "vectors of %d numbers make no sense", dim);
    status = index_make(out, dim, err);
    if (status == RAP_OK)
        status = search_index_add(*out, data, id, count, err);
    if (status != RAP_OK) {
        search_index_free(*out);
        *out = NULL;
    }
    return status;
}

rap_status search_index_over(search_index **out, const search_rows *rows, int dim, rap_err *err)
{
    rap_status status = index_make(out, dim, err);

    if (status != RAP_OK)
        return status;
    (*out)->lent = *rows;
    for (size_t i = 0; i < rows->count; i++)
        (*out)->live += rows->id[i] >= 0;
    return RAP_OK;
}

void search_index_free(search_index *index)
{
    if (!index)
        return;
    free(index->own.id);
    free(index->own.bound);
    free(index->own.code);
    free(index->own.unit);
    free(index);
}

size_t search_index_count(const search_index *index)
{
    return index ? index->live : 0;
}

uint64_t search_sum(const float *unit, int stride)
{
    return hash_fast(unit, (size_t)stride * sizeof *unit, 0);
}

/* ---- the best of a query: at most k rows of distinct ids, best first ---- */

typedef struct entry {
    double square; /* of the distance; INFINITY: unused */
    int64_t id;
} entry;

static int better(const entry *a, const entry *b)
{
    return a->square < b->square || (a->square == b->square && a->id < b->id);
}

/* Puts the entry in unless its id already stands better. */
static void keep(entry *best, int k, entry e)
{
    int last = k - 1;

    if (!better(&e, &best[last]))
        return;
    for (int i = 0; i < k && isfinite(best[i].square); i++) {
        if (best[i].id != e.id)
            continue;
        if (!better(&e, &best[i]))
            return;
        last = i; /* its own worse entry makes room */
        break;
    }
    for (; last > 0 && better(&e, &best[last - 1]); last--)
        best[last] = best[last - 1];
    best[last] = e;
}

/* ---- the scan ---- */

typedef struct scan {
    const search_index *index;
    const search_kernel *kernel;
    const int16_t *code; /* of the queries [padded, stride] */
    const float *unit;   /* [padded, stride] */
    search_bound *bound; /* [padded] */
    int queries, padded, k, threads;
    entry *best;  /* [threads, queries, k] */
    int32_t *dot; /* [threads, padded, ROW_BLOCK] */
    float *reach; /* [queries]: an upper bound below it cannot be among the best k of any thread */
    int damaged;  /* a lent row is not what its sum says */
} scan;

static float reach_of(const entry *last)
{
    return isfinite(last->square) ? (float)(1 - last->square / 2) : -INFINITY;
}

static void look_closely(scan *s, const search_rows *rows, size_t r, int q, entry *best)
{
    size_t stride = (size_t)s->index->stride;
    const float *unit = rows->unit + r * stride;

    if (rows->sum && rows->sum[r] != search_sum(unit, (int)stride)) {
#pragma omp atomic write
        s->damaged = 1;
        return;
    }
    keep(
        best, s->k,
        (entry){ s->kernel->square(unit, s->unit + (size_t)q * stride, (int)stride), rows->id[r] });
}

/* The rows of a block that may be among the best of query q. */
static void pick(scan *s, const search_rows *rows, size_t first, int count, int q,
                 const int32_t *dot, entry *best)
{
    float reach;

#pragma omp atomic read
    reach = s->reach[q];
    reach = fmaxf(reach, reach_of(&best[s->k - 1]));
    for (int r = 0; r < count; r++) {
        size_t row = first + (size_t)r;

        if (!(search_upper(dot[r], rows->bound[row], s->bound[q]) >= reach) || rows->id[row] < 0)
            continue;
        look_closely(s, rows, row, q, best);
        reach = fmaxf(reach, reach_of(&best[s->k - 1]));
    }
    /* Another thread may write a smaller one at the same moment: every one of them is true. */
#pragma omp atomic write
    s->reach[q] = reach;
}

static void scan_block(scan *s, const search_rows *rows, size_t first, int thread)
{
    size_t left = rows->count - first;
    int count = left < ROW_BLOCK ? (int)left : ROW_BLOCK;
    int32_t *dot = s->dot + (size_t)thread * (size_t)s->padded * ROW_BLOCK;
    entry *best = s->best + (size_t)thread * (size_t)s->queries * (size_t)s->k;

    s->kernel->dots(dot, ROW_BLOCK, rows->code + first * (size_t)s->index->stride, count, s->code,
                    s->padded, s->index->stride);
    for (int q = 0; q < s->queries; q++)
        pick(s, rows, first, count, q, dot + q * ROW_BLOCK, best + q * s->k);
}

static void scan_all(scan *s)
{
    const search_index *index = s->index;
    const owned_rows *own = &index->own;
    const search_rows mine = { own->count, own->id, own->bound, own->code, own->unit, NULL };
    size_t lent = (index->lent.count + ROW_BLOCK - 1) / ROW_BLOCK;
    size_t blocks = lent + (own->count + ROW_BLOCK - 1) / ROW_BLOCK;

#pragma omp parallel for num_threads(s->threads) schedule(dynamic, 4)
    for (size_t b = 0; b < blocks; b++) {
        if (b < lent)
            scan_block(s, &index->lent, b * ROW_BLOCK, omp_get_thread_num());
        else
            scan_block(s, &mine, (b - lent) * ROW_BLOCK, omp_get_thread_num());
    }
    for (int t = 1; t < s->threads; t++) {
        const entry *from = s->best + (size_t)t * (size_t)s->queries * (size_t)s->k;

        for (int i = 0; i < s->queries * s->k; i++)
            if (isfinite(from[i].square))
                keep(s->best + i / s->k * s->k, s->k, from[i]);
    }
}

static void write_hits(search_hit *out, const scan *s)
{
    for (int i = 0; i < s->queries * s->k; i++) {
        const entry *e = &s->best[i];

        out[i] = isfinite(e->square) ? (search_hit){ e->id, (float)sqrt(e->square) }
                                     : (search_hit){ -1, INFINITY };
    }
}

/* ---- a search ---- */

static int scan_threads(const search_index *index, int wanted)
{
    size_t bytes = (index->lent.count + index->own.count) * (size_t)index->stride;
    size_t useful = bytes / THREAD_BYTES + 1;

    return wanted < 1 ? 1 : useful < (size_t)wanted ? (int)useful : wanted;
}

/* Queries without a direction find nobody: no row reaches them. */
static rap_status pack_queries(scan *s, int16_t *code, float *unit, const float *query,
                               rap_err *err)
{
    const search_index *index = s->index;
    size_t stride = (size_t)index->stride;
    search_bound unused;
    int8_t *bytes = mem_array(stride, 1);

    if (!bytes)
        return err_memory(err, "searching");
    for (int q = 0; q < s->queries; q++) {
        float *to = unit + (size_t)q * stride;

        s->reach[q] = INFINITY;
        if (!search_pack(&unused, bytes, to, query + (size_t)q * (size_t)index->dim, index->dim))
            continue;
        s->reach[q] = -INFINITY;
        search_pack_query(&s->bound[q], code + (size_t)q * stride, to, index->dim);
    }
    free(bytes);
    return RAP_OK;
}

rap_status search_nearest_by(const search_kernel *kernel, const search_index *index,
                             const float *query, int queries, int k, int threads, search_hit *out,
                             rap_err *err)
{
    size_t floats, lists;
    float *unit = NULL;
    int16_t *code = NULL;
    scan s = { .index = index, .kernel = kernel, .queries = queries, .k = k };
    rap_status status = RAP_OK;

    if (queries < 1 || k < 1)
        return RAP_OK;
    s.padded = (queries + SEARCH_TILE - 1) / SEARCH_TILE * SEARCH_TILE;
    s.threads = scan_threads(index, threads);
    if (!mem_mul(&floats, (size_t)s.padded, (size_t)index->stride) ||
        !mem_mul(&lists, (size_t)s.threads * (size_t)queries, (size_t)k))
        return err_memory(err, "searching");
    unit = mem_aligned(floats * sizeof *unit);
    code = mem_aligned(floats * sizeof *code);
    s.bound = mem_array((size_t)s.padded, sizeof *s.bound);
    s.reach = mem_array((size_t)s.padded, sizeof *s.reach);
    s.best = mem_array(lists, sizeof *s.best);
    s.dot = mem_aligned((size_t)s.threads * (size_t)s.padded * ROW_BLOCK * sizeof *s.dot);
    if (unit && code && s.bound && s.reach && s.best && s.dot)
        status = pack_queries(&s, code, unit, query, err);
    else
        status = err_memory(err, "searching");
    if (status != RAP_OK)
        goto cleanup;
    s.unit = unit;
    s.code = code;
    for (size_t i = 0; i < lists; i++)
        s.best[i] = (entry){ INFINITY, INT64_MAX };
    scan_all(&s);
    if (s.damaged)
        status = err_set(err, RAP_E_FORMAT, "the copy of the vectors is damaged");
    else
        write_hits(out, &s);
cleanup:
    free(unit);
    free(code);
    free(s.bound);
    free(s.reach);
    free(s.best);
    free(s.dot);
    return status;
}

rap_status search_nearest(const search_index *index, const float *query, int queries, int k,
                          int threads, search_hit *out, rap_err *err)
{
    return search_nearest_by(search_kernel_get(0), index, query, queries, k, threads, out, err);
}
