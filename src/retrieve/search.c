/* search.c: exact search that reads only a part of the bytes.
 *
 * A scan goes over the rows in blocks, with all queries at once, so that a row is read from memory once. Before the
 * distance in f32 come two upper bounds of the dot product, each of which reads more bytes of fewer rows: the sketch
 * (sketch.h), then the codes (search_rows.h). A row is skipped if its bound is below the k-th best of a query so far,
 * so the result is exactly that of computing every distance. Rows that the sketches leave are gathered into blocks of
 * their own. Reading order: the index and its two parts; the best of a query; the scan by codes; the sieve of sketches
 * before it. */
#include "retrieve/search.h"

#include "base/hash.h"
#include "base/mem.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BLOCK 256                  /* rows a thread takes at a time */
#define SIEVE_WORTH 2                  /* the sketches must leave less than half of a block; */
#define SIEVE_REST 64                  /* otherwise up to so many blocks are scanned without them */
#define THREAD_BYTES ((size_t)2 << 20) /* bytes of codes that are worth another thread */

/* Rows owned by the index. */
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
    owned_rows own;   /* numbered after them */
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
        return err_set(err, RAP_E_ARGUMENT, "vectors cannot have %d numbers", dim);
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
    if (rows->basis && !sketch_basis_is_whole(rows->basis, dim))
        (*out)->lent.basis = NULL;
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

/* Inserts the entry unless its id is already there with a better one. */
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
        last = i; /* replaces its own worse entry */
        break;
    }
    for (; last > 0 && better(&e, &best[last - 1]); last--)
        best[last] = best[last - 1];
    best[last] = e;
}

/* ---- the scan ---- */

/* The state of one thread. */
typedef struct worker {
    entry *best;  /* [queries, k] */
    int32_t *dot; /* [padded, ROW_BLOCK] */
    int8_t *code; /* [ROW_BLOCK, stride] of rows that the sketches left, until they fill a block */
    size_t *row;  /* [ROW_BLOCK] their numbers */
    int gathered;
    sketch_left left; /* room for a block */
    float *wanted;    /* [groups, SKETCH_GROUP] */
    int pause,
        rest; /* blocks to scan without sketches after the last failure, and how many of them are left */
} worker;

typedef struct scan {
    const search_index *index;
    const search_kernel *kernel;
    int16_t *code;       /* of the queries [padded, stride] */
    float *unit;         /* [padded, stride] */
    search_bound *bound; /* [padded] */
    sketch_group *group; /* [groups] the queries, for the sketches */
    int queries, padded, groups, k, threads;
    worker *worker; /* [threads] */
    float *reach;   /* [queries]: rows with an upper bound below it cannot be among the best k */
    int damaged;    /* a borrowed row does not match its sum */
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

static float reach_now(const scan *s, int q)
{
    float reach;

#pragma omp atomic read
    reach = s->reach[q];
    return reach;
}

/* Rows of a block: consecutive or gathered. */
typedef struct block {
    const int8_t *code; /* [count, stride] */
    size_t first;
    const size_t *row; /* [count]; NULL: from the first one on */
    int count;
} block;

/* Finds the rows of a block that may be among the best of query q. */
static void pick(scan *s, const search_rows *rows, const block *b, int q, const int32_t *dot,
                 entry *best)
{
    float reach = fmaxf(reach_now(s, q), reach_of(&best[s->k - 1]));

    for (int r = 0; r < b->count; r++) {
        size_t row = b->row ? b->row[r] : b->first + (size_t)r;

        if (!(search_upper(dot[r], rows->bound[row], s->bound[q]) >= reach) || rows->id[row] < 0)
            continue;
        look_closely(s, rows, row, q, best);
        reach = fmaxf(reach, reach_of(&best[s->k - 1]));
    }
    /* Another thread may write a smaller bound at the same time; both are valid. */
#pragma omp atomic write
    s->reach[q] = reach;
}

static void scan_codes(scan *s, worker *w, const search_rows *rows, const block *b)
{
    s->kernel->dots(w->dot, ROW_BLOCK, b->code, b->count, s->code, s->padded, s->index->stride);
    for (int q = 0; q < s->queries; q++)
        pick(s, rows, b, q, w->dot + q * ROW_BLOCK, w->best + q * s->k);
}

/* ---- the sieve ---- */

static void scan_gathered(scan *s, worker *w)
{
    const block b = { w->code, 0, w->row, w->gathered };

    if (w->gathered)
        scan_codes(s, w, &s->index->lent, &b);
    w->gathered = 0;
}

/* w->left: the rows of a block that their sketches do not rule out for every query. */
static void sieve(scan *s, worker *w, const search_rows *rows, size_t first, int count)
{
    for (int q = 0; q < s->queries; q++)
        w->wanted[q] = reach_now(s, q);
    w->left.count = count;
    for (int r = 0; r < count; r++)
        w->left.row[r] = r;
    for (int i = 0; i < SKETCH_LINES; i++)
        sketch_sieve(&w->left, i, rows->sketch[i] + first, s->group, s->groups, w->wanted);
}

/* Prefetches all rows before the first is used. */
static void gather(scan *s, worker *w, const search_rows *rows, size_t first)
{
    const int *row = w->left.row;
    int count = w->left.count;
    size_t stride = (size_t)s->index->stride;

    if (w->gathered + count > ROW_BLOCK)
        scan_gathered(s, w);
    for (int i = 0; i < count; i++) {
        size_t from = first + (size_t)row[i];

        __builtin_prefetch(&rows->bound[from]);
        for (size_t at = 0; at < stride; at += SKETCH_BYTES)
            __builtin_prefetch(rows->code + from * stride + at);
    }
    for (int i = 0; i < count; i++, w->gathered++) {
        size_t from = first + (size_t)row[i];

        memcpy(w->code + (size_t)w->gathered * stride, rows->code + from * stride, stride);
        w->row[w->gathered] = from;
    }
}

/* Whether the sketches have handled the block. If they leave many rows, reading the codes in order is faster. */
static int sieve_block(scan *s, worker *w, const search_rows *rows, size_t first, int count)
{
    if (!rows->basis || (w->rest > 0 && w->rest--))
        return 0;
    sieve(s, w, rows, first, count);
    if (w->left.count > count / SIEVE_WORTH) {
        w->pause = w->pause < 1 ? 1 : w->pause < SIEVE_REST ? 2 * w->pause : SIEVE_REST;
        w->rest = w->pause;
        return 0;
    }
    w->pause = 0;
    gather(s, w, rows, first);
    return 1;
}

/* ---- the whole scan ---- */

static void scan_block(scan *s, worker *w, const search_rows *rows, size_t first)
{
    size_t left = rows->count - first;
    int count = left < ROW_BLOCK ? (int)left : ROW_BLOCK;
    const block b = { rows->code + first * (size_t)s->index->stride, first, NULL, count };

    if (!sieve_block(s, w, rows, first, count))
        scan_codes(s, w, rows, &b);
}

static void scan_all(scan *s)
{
    const search_index *index = s->index;
    const owned_rows *own = &index->own;
    const search_rows mine = { own->count, own->id, own->bound, own->code,
                               own->unit,  NULL,    { NULL },   NULL };
    size_t lent = (index->lent.count + ROW_BLOCK - 1) / ROW_BLOCK;
    size_t blocks = lent + (own->count + ROW_BLOCK - 1) / ROW_BLOCK;

#pragma omp parallel num_threads(s->threads)
    {
        worker *w = &s->worker[omp_get_thread_num()];

#pragma omp for schedule(dynamic, 4) nowait
        for (size_t b = 0; b < blocks; b++) {
            if (b < lent)
                scan_block(s, w, &index->lent, b * ROW_BLOCK);
            else
                scan_block(s, w, &mine, (b - lent) * ROW_BLOCK);
        }
        scan_gathered(s, w);
    }
    for (int t = 1; t < s->threads; t++) {
        const entry *from = s->worker[t].best;

        for (int i = 0; i < s->queries * s->k; i++)
            if (isfinite(from[i].square))
                keep(s->worker[0].best + i / s->k * s->k, s->k, from[i]);
    }
}

static void write_hits(search_hit *out, const scan *s)
{
    for (int i = 0; i < s->queries * s->k; i++) {
        const entry *e = &s->worker[0].best[i];

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

/* Zero queries match no row. */
static rap_status pack_queries(scan *s, const float *query, rap_err *err)
{
    const search_index *index = s->index;
    size_t stride = (size_t)index->stride;
    search_bound unused;
    int8_t *bytes = mem_array(stride, 1);

    if (!bytes)
        return err_memory(err, "searching");
    for (int q = 0; q < s->queries; q++) {
        float *to = s->unit + (size_t)q * stride;

        sketch_group *group = &s->group[q / SKETCH_GROUP];

        s->reach[q] = INFINITY;
        if (!search_pack(&unused, bytes, to, query + (size_t)q * (size_t)index->dim, index->dim))
            continue;
        s->reach[q] = -INFINITY;
        search_pack_query(&s->bound[q], s->code + (size_t)q * stride, to, index->dim);
        if (index->lent.basis)
            sketch_pack_query(group, q % SKETCH_GROUP, index->lent.basis, to, index->dim);
    }
    for (int q = s->queries; q < s->groups * SKETCH_GROUP; q++)
        sketch_no_query(&s->group[q / SKETCH_GROUP], q % SKETCH_GROUP);
    free(bytes);
    return RAP_OK;
}

static int worker_init(worker *out, const scan *s)
{
    size_t lists, wide = (size_t)s->groups * SKETCH_GROUP;

    if (!mem_mul(&lists, (size_t)s->queries, (size_t)s->k))
        return 0;
    out->best = mem_array(lists, sizeof *out->best);
    out->dot = mem_aligned((size_t)s->padded * ROW_BLOCK * sizeof *out->dot);
    out->row = mem_array(ROW_BLOCK, sizeof *out->row);
    out->left.row = mem_array(ROW_BLOCK, sizeof *out->left.row);
    out->left.base = mem_aligned(ROW_BLOCK * wide * sizeof *out->left.base);
    out->wanted = mem_aligned(wide * sizeof *out->wanted);
    out->code = mem_aligned(ROW_BLOCK * (size_t)s->index->stride);
    for (size_t i = 0; out->best && i < lists; i++)
        out->best[i] = (entry){ INFINITY, INT64_MAX };
    return out->best && out->dot && out->row && out->code && out->left.row && out->left.base &&
           out->wanted;
}

static int scan_init(scan *s)
{
    size_t padded = (size_t)s->padded, floats;
    int fine = mem_mul(&floats, padded, (size_t)s->index->stride) &&
               mem_mul(&floats, floats, sizeof *s->unit) && (s->unit = mem_aligned(floats)) &&
               (s->code = mem_aligned(floats / 2)) &&
               (s->group = mem_aligned((size_t)s->groups * sizeof *s->group)) &&
               (s->bound = mem_array(padded, sizeof *s->bound)) &&
               (s->reach = mem_array(padded, sizeof *s->reach)) &&
               (s->worker = mem_array((size_t)s->threads, sizeof *s->worker));

    for (int t = 0; fine && t < s->threads; t++)
        fine = worker_init(&s->worker[t], s);
    return fine;
}

static void scan_release(scan *s)
{
    for (int t = 0; s->worker && t < s->threads; t++) {
        free(s->worker[t].best);
        free(s->worker[t].dot);
        free(s->worker[t].row);
        free(s->worker[t].code);
        free(s->worker[t].left.row);
        free(s->worker[t].left.base);
        free(s->worker[t].wanted);
    }
    free(s->unit);
    free(s->code);
    free(s->group);
    free(s->bound);
    free(s->reach);
    free(s->worker);
}

rap_status search_nearest_by(const search_kernel *kernel, const search_index *index,
                             const float *query, int queries, int k, int threads, search_hit *out,
                             rap_err *err)
{
    scan s = { .index = index, .kernel = kernel, .queries = queries, .k = k };
    rap_status status;

    if (queries < 1 || k < 1)
        return RAP_OK;
    s.padded = (queries + SEARCH_TILE - 1) / SEARCH_TILE * SEARCH_TILE;
    s.groups = (queries + SKETCH_GROUP - 1) / SKETCH_GROUP;
    s.threads = scan_threads(index, threads);
    status = scan_init(&s) ? pack_queries(&s, query, err) : err_memory(err, "searching");
    if (status == RAP_OK) {
        scan_all(&s);
        if (s.damaged)
            status = err_set(err, RAP_E_FORMAT, "the vector snapshot is damaged");
        else
            write_hits(out, &s);
    }
    scan_release(&s);
    return status;
}

rap_status search_nearest(const search_index *index, const float *query, int queries, int k,
                          int threads, search_hit *out, rap_err *err)
{
    return search_nearest_by(search_kernel_get(0), index, query, queries, k, threads, out, err);
}
