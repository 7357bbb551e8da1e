/* nn_tiles.c: convolutions in register tiles of 6 rows × 16 columns (AVX2, FMA).
 *
 * A row of the result, a place of a map, is a sum over `taps`, each a run of numbers of the input times a slab of the
 * weights, 16 columns wide. A convolution has kh · kw of them, whose runs lie in the input as they are because
 * pictures are channels-last, so nothing is unfolded; a tap outside of the picture reads zeros. Weights are packed
 * as [panels of 16 columns][taps · c][16]. (One of 1 × 1 is a linear layer: nn_linear.c.)
 *
 * The work is cut into tasks: a chunk of rows × some panels. For each panel the sum runs in blocks of
 * DEPTH, so that the slab stays in the first cache while all rows of the chunk pass; the slab after it is
 * fetched meanwhile. Sums wait in `acc` until bias, activation and residual are applied at once.
 *
 * Reading order, from the bottom: nn_tiles_run(), run_task(), run_panel(), TILE. */
#include "nn/nn_tiles.h"

#include "nn/nn_avx2.h"
#include "nn/nn_internal.h"
#include "nn/nn_panel.h"

#include <string.h>

enum {
    ROWS = 6,
    COLUMNS = 16,
    CHUNK = 96,   /* rows of a task */
    DEPTH = 256,  /* of a block of a sum */
    MAX_TAPS = 9, /* 3 × 3 */
    MAX_WIDTH = 4096,
    EDGE = 16 /* numbers of a row of taps short enough to be one run */
};

static const float zeros[MAX_WIDTH];

static int64_t taps_of(const nn_kernel_spec *s)
{
    return s->kh * s->kw;
}

static int64_t panels_of(const nn_kernel_spec *s)
{
    return (s->o + COLUMNS - 1) / COLUMNS;
}

size_t nn_tiles_bytes(const nn_kernel_spec *s)
{
    return (size_t)(panels_of(s) * taps_of(s) * s->c * COLUMNS) * sizeof(float);
}

/* One panel: packed [taps · c, 16]. */
static void pack_panel(const nn_kernel_spec *s, const float *plain, float *packed, int64_t first)
{
    int64_t taps = taps_of(s), left = s->o - first;
    for (int64_t j = 0; j < COLUMNS; j++)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t i = 0; i < s->c; i++) {
                float v = 0;
                if (j < left)
                    v = plain[((first + j) * s->c + i) * taps + t];
                packed[(t * s->c + i) * COLUMNS + j] = v;
            }
}

typedef struct packing {
    const nn_kernel_spec *s;
    const float *plain;
    float *packed;
} packing;

static void pack_one(void *payload, int64_t panel, int lane)
{
    const packing *p = payload;
    int64_t size = taps_of(p->s) * p->s->c * COLUMNS;
    pack_panel(p->s, p->plain, p->packed + panel * size, panel * COLUMNS);
}

void nn_tiles_pack(const nn_kernel_spec *s, const float *plain, float *packed, int threads)
{
    packing p = { s, plain, packed };
    nn_each(threads, panels_of(s), pack_one, &p);
}

/* ---- what comes after the sums ------------------------------------------------------------ */

/* A row of the last panel, which is not full. */
static void store_part(float *to, const float *from, const float *residual, int64_t columns)
{
    for (int64_t i = 0; i < columns; i++)
        to[i] = from[i] + (residual ? residual[i] : 0);
}

static void add_bias(float *acc, const float *bias, int64_t columns, int64_t rows, int64_t width)
{
    float full[NN_PANEL] = { 0 };
    memcpy(full, bias, (size_t)columns * sizeof *full);
    for (float *end = acc + rows * width; acc < end; acc += width)
        for (int64_t i = 0; i < width; i++)
            acc[i] += full[i];
}

#if defined(__x86_64__)
bool nn_tiles_available(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           !__builtin_cpu_supports("avx512f");
}

bool nn_tiles_suit(const nn_kernel_spec *s)
{
    return nn_tiles_available() && !s->linear && s->operands == NN_TYPE_F32 &&
           s->result == NN_TYPE_F32 && s->groups <= 1 && taps_of(s) <= MAX_TAPS &&
           s->c <= MAX_WIDTH;
}

/* What a tile sums: `taps` runs of `depth` numbers for each row, from `at` [taps][ROWS] and `skip` on. */
typedef struct sum {
    const float *const *at;
    const float *weights; /* [taps · depth, 16] */
    const float *ahead;   /* what will be needed next */
    int64_t first_tap, taps, skip, depth;
    bool fresh; /* acc starts at zero */
} sum;

#define BEGIN(r)                                                                   \
    __m256 lo##r = s->fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(acc + r * 16); \
    __m256 hi##r = s->fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(acc + r * 16 + 8);
#define POINT(r) const float *a##r = s->at[t * ROWS + r] + s->skip;
#define MULTIPLY(r)                        \
    a = _mm256_broadcast_ss(a##r + k);     \
    lo##r = _mm256_fmadd_ps(a, w0, lo##r); \
    hi##r = _mm256_fmadd_ps(a, w1, hi##r);
#define END(r)                             \
    _mm256_storeu_ps(acc + r * 16, lo##r); \
    _mm256_storeu_ps(acc + r * 16 + 8, hi##r);
#define STEP(FOR)                \
    w0 = _mm256_loadu_ps(w);     \
    w1 = _mm256_loadu_ps(w + 8); \
    FOR(MULTIPLY)                \
    w += COLUMNS;                \
    k++;

/* acc [rows, 16] += the sum. Each step uses two vectors of weights for all rows. */
#define TILE(rows)                                              \
    AVX2 static void tile_##rows(float *acc, const sum *s)      \
    {                                                           \
        const float *w = s->weights, *ahead = s->ahead;         \
        __m256 a, w0, w1;                                       \
        FOR_##rows(BEGIN) for (int64_t t = 0; t < s->taps; t++) \
        {                                                       \
            FOR_##rows(POINT) int64_t k = 0;                    \
            while (k + 8 <= s->depth) {                         \
                _mm_prefetch((const char *)ahead, _MM_HINT_T1); \
                ahead += COLUMNS;                               \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
                STEP(FOR_##rows)                                \
            }                                                   \
            while (k < s->depth) {                              \
                STEP(FOR_##rows)                                \
            }                                                   \
        }                                                       \
        FOR_##rows(END)                                         \
    }

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

static void run_tile(float *acc, int64_t rows, const sum *s)
{
    static void (*const tiles[])(float *, const sum *) = { tile_1, tile_2, tile_3,
                                                           tile_4, tile_5, tile_6 };
    tiles[rows - 1](acc, s);
}

/* ---- a task ------------------------------------------------------------------------------- */

/* A chunk of rows, cut into blocks of nearly equal height, and where each row's runs begin. */
typedef struct chunk {
    int64_t first, rows, blocks;
    int64_t start[CHUNK / ROWS + 2]; /* of each block, and the end */
    const float *at[CHUNK / ROWS + 1][MAX_TAPS][ROWS];
    float edge[CHUNK][3][EDGE]; /* runs that hang over the picture's edge, copied with zeros */
} chunk;

typedef struct job {
    const nn_kernel_spec *s;
    const float *packed, *bias, *src, *residual;
    float *dst;
    int64_t rows, chunk, chunks; /* all rows, those of a task */
    int64_t panels, group;       /* all panels, those of a task */
    bool joined;                 /* few channels: the taps of one line of the kernel are one run */
    int64_t taps, width;         /* runs of a row, and numbers of a run */
} job;

/* The run of one line of the kernel, x places from the left edge of the picture. */
static const float *join(float *edge, const nn_kernel_spec *s, const float *line, int64_t x)
{
    if (x >= 0 && x + s->kw <= s->w)
        return line + x * s->c;
    for (int64_t k = 0; k < s->kw; k++)
        for (int64_t i = 0; i < s->c; i++)
            edge[k * s->c + i] = x + k >= 0 && x + k < s->w ? line[(x + k) * s->c + i] : 0;
    return edge;
}

/* A place of the result. */
typedef struct place {
    int64_t picture, y, x;
} place;

static place place_of(const nn_kernel_spec *s, int64_t m)
{
    return (place){ m / (s->ow * s->oh), m / s->ow % s->oh, m % s->ow };
}

static void step_on(place *p, const nn_kernel_spec *s)
{
    if (++p->x < s->ow)
        return;
    p->x = 0;
    if (++p->y < s->oh)
        return;
    p->y = 0;
    p->picture++;
}

/* Where the runs of a place begin: at[t][to] for each tap t. edge: of the place. */
static void point_row(const float *(*at)[ROWS], int64_t to, const job *j, place p,
                      float (*edge)[EDGE])
{
    const nn_kernel_spec *s = j->s;
    int64_t x = p.x * s->stride - s->pad, y = p.y * s->stride - s->pad, t = 0;
    for (int64_t ky = y; ky < y + s->kh; ky++) {
        bool inside = ky >= 0 && ky < s->h;
        const float *line = j->src + (p.picture * s->h + (inside ? ky : 0)) * s->w * s->c;
        if (j->joined) {
            at[t][to] = inside ? join(edge[t], s, line, x) : zeros;
            t++;
            continue;
        }
        for (int64_t kx = x; kx < x + s->kw; kx++)
            at[t++][to] = inside && kx >= 0 && kx < s->w ? line + kx * s->c : zeros;
    }
}

static void point(chunk *c, const job *j)
{
    place p = place_of(j->s, c->first);
    c->blocks = (c->rows + ROWS - 1) / ROWS;
    for (int64_t b = 0; b <= c->blocks; b++)
        c->start[b] = c->rows * b / c->blocks;
    for (int64_t b = 0; b < c->blocks; b++)
        for (int64_t m = c->start[b]; m < c->start[b + 1]; m++) {
            point_row(c->at[b], m - c->start[b], j, p, c->edge[m]);
            step_on(&p, j->s);
        }
}

AVX2 static void store_rows(const float *acc, int64_t rows, int64_t width, const float *residual,
                            float *dst, int64_t o)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i += 8) {
            __m256 v = _mm256_loadu_ps(acc + r * width + i);
            if (residual)
                v = _mm256_add_ps(v, _mm256_loadu_ps(residual + r * o + i));
            _mm256_storeu_ps(dst + r * o + i, v);
        }
}

static void finish(const job *j, const chunk *c, int64_t column, float *acc)
{
    int64_t o = j->s->o, at = c->first * o + column;
    nn_tiles_finish(acc, c->rows, COLUMNS, o - column < COLUMNS ? o - column : COLUMNS,
                    j->bias ? j->bias + column : NULL, j->s->act,
                    j->residual ? j->residual + at : NULL, j->dst + at, o);
}

/* All rows of a chunk with one block of a panel's sum. */
static void run_block(const chunk *c, float *acc, sum *s, const float *ahead)
{
    int64_t each =
        s->taps * s->depth * COLUMNS / c->blocks; /* of what comes next, a share for each */
    for (int64_t b = 0; b < c->blocks; b++, ahead += each) {
        s->at = &c->at[b][s->first_tap][0];
        s->ahead = ahead;
        run_tile(acc + c->start[b] * COLUMNS, c->start[b + 1] - c->start[b], s);
    }
}

void nn_tiles_panel(float *out, const float *a, int64_t lda, int64_t rows, const float *panel,
                    int64_t depth)
{
    int64_t blocks = (rows + ROWS - 1) / ROWS, pieces = (depth + DEPTH - 1) / DEPTH;
    for (int64_t p = 0; p < pieces; p++) {
        int64_t from = depth * p / pieces, to = depth * (p + 1) / pieces;
        int64_t each = (to - from) * COLUMNS / blocks; /* of what comes next */
        for (int64_t b = 0; b < blocks; b++) {
            int64_t start = rows * b / blocks, count = rows * (b + 1) / blocks - start;
            const float *at[ROWS];
            for (int64_t r = 0; r < count; r++)
                at[r] = a + (start + r) * lda;
            sum s = { .at = at,
                      .weights = panel + from * COLUMNS,
                      .ahead = panel + to * COLUMNS + b * each,
                      .taps = 1,
                      .skip = from,
                      .depth = to - from,
                      .fresh = p == 0 };
            run_tile(out + start * COLUMNS, count, &s);
        }
    }
}

static void run_panel(const job *j, const chunk *c, int64_t panel)
{
    float acc[(CHUNK + ROWS) * COLUMNS] __attribute__((aligned(64)));
    int64_t width = j->width, taps = j->taps;
    const float *w = j->packed + panel * taps * width * COLUMNS;
    int64_t pieces = (width + DEPTH - 1) / DEPTH, blocks = (taps * width + DEPTH - 1) / DEPTH;
    int64_t step = pieces > 1 ? 1 : (taps + blocks - 1) / blocks; /* taps of a block */
    for (int64_t t = 0; t < taps; t += step)
        for (int64_t p = 0; p < pieces; p++) {
            int64_t from = width * p / pieces, to = width * (p + 1) / pieces;
            sum s = { .weights = w,
                      .first_tap = t,
                      .taps = taps - t < step ? taps - t : step,
                      .skip = from,
                      .depth = to - from,
                      .fresh = t == 0 && p == 0 };
            w += s.taps * s.depth * COLUMNS;
            run_block(c, acc, &s, w);
        }
    finish(j, c, panel * COLUMNS, acc);
}

static void run_task(void *payload, int64_t task, int lane)
{
    const job *j = payload;
    chunk c;
    int64_t panel = task / j->chunks * j->group, last = panel + j->group;
    c.first = task % j->chunks * j->chunk;
    c.rows = j->rows - c.first < j->chunk ? j->rows - c.first : j->chunk;
    point(&c, j);
    for (; panel < last && panel < j->panels; panel++)
        run_panel(j, &c, panel);
}

/* Enough tasks that a thread which starts late leaves its share to the others. */
static int64_t panels_of_a_task(int64_t panels, int64_t chunks, int threads)
{
    int64_t wanted = threads > 1 ? (4 * threads + chunks - 1) / chunks : 1;
    int64_t group = panels / wanted;
    return group < 1 ? 1 : group;
}

void nn_tiles_run(const nn_kernel_spec *s, const float *packed, const float *bias, const float *src,
                  const float *residual, float *dst, int threads)
{
    job j = {
        .s = s, .packed = packed, .bias = bias, .src = src, .residual = residual, .dst = dst
    };
    j.rows = s->n * s->oh * s->ow;
    j.joined = s->kh <= 3 && s->kw * s->c <= EDGE;
    j.taps = j.joined ? s->kh : taps_of(s);
    j.width = j.joined ? s->kw * s->c : s->c;
    j.panels = panels_of(s);
    j.chunks = (j.rows + CHUNK - 1) / CHUNK;
    j.chunk = j.chunks > 1 ? ((j.rows + j.chunks - 1) / j.chunks + ROWS - 1) / ROWS * ROWS : CHUNK;
    j.chunks = (j.rows + j.chunk - 1) / j.chunk;
    j.group = panels_of_a_task(j.panels, j.chunks, threads);
    int64_t tasks = j.chunks * ((j.panels + j.group - 1) / j.group);
    nn_each(threads, tasks, run_task, &j);
}
#else
bool nn_tiles_available(void)
{
    return false;
}

bool nn_tiles_suit(const nn_kernel_spec *s)
{
    return false;
}

void nn_tiles_run(const nn_kernel_spec *s, const float *packed, const float *bias, const float *src,
                  const float *residual, float *dst, int threads)
{
}

void nn_tiles_panel(float *out, const float *a, int64_t lda, int64_t rows, const float *panel,
                    int64_t depth)
{
}

static void store_rows(const float *acc, int64_t rows, int64_t width, const float *residual,
                       float *dst, int64_t o)
{
    for (int64_t r = 0; r < rows; r++)
        store_part(dst + r * o, acc + r * width, residual ? residual + r * o : NULL, width);
}
#endif

void nn_tiles_finish(float *acc, int64_t rows, int64_t width, int64_t columns, const float *bias,
                     nn_act act, const float *residual, float *dst, int64_t o)
{
    if (bias)
        add_bias(acc, bias, columns, rows, width);
    if (act != NN_NONE)
        nn_row_act(acc, acc, rows * width, act);
    if (columns == width) {
        store_rows(acc, rows, width, residual, dst, o);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        store_part(dst + r * o, acc + r * width, residual ? residual + r * o : NULL, columns);
}
