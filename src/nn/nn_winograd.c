/* nn_winograd.c: 3 × 3 convolutions with stride 1 as 36 matrix products for each square of 4 × 4 results.
 *
 * A square needs 6 × 6 places of the input. Both these and the kernels are carried into a space of 36 coefficients, in
 * which convolving is multiplying coefficient by coefficient (Winograd; Lavin and Gray, arXiv 1509.09308):
 *
 *     U = G w Gᵀ, once          V = Bᵀ x B          M[e] = V[e] · U[e]          y = Aᵀ M A
 *
 * so each of the 36 is a matrix product [squares, C] · [C, O], run in the register tiles of nn_tiles.c. Instead of
 * 16 · 9 multiplications a square takes 36 for each pair of channels. Sums cancel a little more than in a plain loop:
 * results differ from it by some 1e-6 of the largest.
 *
 * Squares are taken in groups whose V and M stay in the caches, and each group goes through three loops:
 * gather(), multiply(), finish().
 *
 *     V [36][squares · C, and a line]     M [36][panels][squares][16, and a line]     U [36][panels][C][16]
 *
 * The line more keeps the 36 streams from meeting in one set of the cache. */
#include "nn/nn_winograd.h"

#include "nn/nn_avx2.h"
#include "nn/nn_internal.h"
#include "nn/nn_tiles.h"

enum {
    SQUARE = 4,       /* results a side */
    WINDOW = 6,       /* places of the input a side */
    TERMS = 36,       /* WINDOW² */
    COLUMNS = 16,     /* of a panel */
    GROUP = 48,       /* squares of a group for each thread */
    FEW_SQUARES = 16, /* below: packed weights are read for too little work */
    MIN_WIDTH = 16,
    MAX_WIDTH = 2048,
    LINE = 16 /* numbers of a line of the cache */
};

static int64_t panels_of(const nn_kernel_spec *s)
{
    return s->o / COLUMNS;
}

static int64_t squares_along(int64_t n)
{
    return (n + SQUARE - 1) / SQUARE;
}

static int64_t squares_of(const nn_kernel_spec *s)
{
    return s->n * squares_along(s->oh) * squares_along(s->ow);
}

bool nn_winograd_suits(const nn_kernel_spec *s)
{
    return nn_tiles_suit(s) && !s->linear && s->kh == 3 && s->kw == 3 && s->stride == 1 &&
           s->c % 8 == 0 && s->o % COLUMNS == 0 && s->c >= MIN_WIDTH && s->o >= MIN_WIDTH &&
           s->c <= MAX_WIDTH && s->o <= MAX_WIDTH && squares_of(s) >= FEW_SQUARES &&
           squares_of(s) * SQUARE * SQUARE * 4 <= s->n * s->oh * s->ow * 5;
}

/* ---- weights ------------------------------------------------------------------------------ */

size_t nn_winograd_bytes(const nn_kernel_spec *s)
{
    return (size_t)(TERMS * s->c * s->o) * sizeof(float);
}

typedef double columns[COLUMNS]; /* of sixteen kernels at once */

/* out[k · step] = G [6, 3] · (a, b, c), for each column. */
AVX2 static inline void widen(columns *out, int step, const columns a, const columns b,
                              const columns c)
{
    for (int j = 0; j < COLUMNS; j++) {
        double even = (a[j] + c[j]) / 6, far = a[j] / 24 + c[j] / 6;
        out[0][j] = a[j] / 4;
        out[step][j] = -even - b[j] / 6;
        out[2 * step][j] = -even + b[j] / 6;
        out[3 * step][j] = far + b[j] / 12;
        out[4 * step][j] = far - b[j] / 12;
        out[5 * step][j] = c[j];
    }
}

/* w [9] → u [36], for each column. */
AVX2 static void transform_kernels(columns u[TERMS], const columns w[9])
{
    columns half[WINDOW * 3];
    for (int x = 0; x < 3; x++)
        widen(half + x, 3, w[x], w[3 + x], w[6 + x]);
    for (int y = 0; y < WINDOW; y++)
        widen(u + y * WINDOW, 1, half[y * 3], half[y * 3 + 1], half[y * 3 + 2]);
}

typedef struct packing {
    const nn_kernel_spec *s;
    const float *plain;
    float *packed;
} packing;

static void pack_panel(void *payload, int64_t panel, int lane)
{
    const packing *p = payload;
    int64_t c = p->s->c, one = panels_of(p->s) * c * COLUMNS;
    const float *from = p->plain + panel * COLUMNS * c * 9;
    for (int64_t i = 0; i < c; i++) {
        columns w[9], u[TERMS];
        for (int64_t j = 0; j < COLUMNS; j++)
            for (int64_t k = 0; k < 9; k++)
                w[k][j] = from[(j * c + i) * 9 + k];
        transform_kernels(u, w);
        for (int64_t e = 0; e < TERMS; e++)
            for (int64_t j = 0; j < COLUMNS; j++)
                p->packed[e * one + (panel * c + i) * COLUMNS + j] = (float)u[e][j];
    }
}

void nn_winograd_pack(const nn_kernel_spec *s, const float *plain, float *packed, int threads)
{
    packing p = { s, plain, packed };
    nn_each(threads, panels_of(s), pack_panel, &p);
}

/* ---- a group of squares ------------------------------------------------------------------- */

typedef struct job {
    const nn_kernel_spec *s;
    const float *packed, *bias, *src, *residual;
    float *dst;
    float *v, *m;           /* see above */
    int64_t v_step, m_step; /* from one coefficient to the next */
    int64_t panels;
    int64_t first, count; /* squares of the group */
} job;

static int64_t group_of(const nn_kernel_spec *s, int threads)
{
    int64_t all = squares_of(s), most = (int64_t)GROUP * threads;
    int64_t groups = (all + most - 1) / most;
    return (all + groups - 1) / groups;
}

static int64_t v_step_of(const nn_kernel_spec *s, int64_t group)
{
    return (group * s->c + LINE - 1) / LINE * LINE + LINE;
}

static int64_t m_step_of(const nn_kernel_spec *s, int64_t group)
{
    return group * s->o + LINE;
}

size_t nn_winograd_scratch(const nn_kernel_spec *s, int threads)
{
    int64_t group = group_of(s, threads);
    return (size_t)(TERMS * (v_step_of(s, group) + m_step_of(s, group))) * sizeof(float);
}

#if defined(__x86_64__)
#define TIMES(a, n) _mm256_mul_ps(a, _mm256_set1_ps(n))
#define PLUS_TIMES(a, b, n) _mm256_fmadd_ps(b, _mm256_set1_ps(n), a) /* a + n b */

static const float zeros[MAX_WIDTH];

/* Where square i of the group lies: its picture, and the place of its first result. */
static void locate(const job *j, int64_t i, int64_t *picture, int64_t *y, int64_t *x)
{
    int64_t wide = squares_along(j->s->ow), high = squares_along(j->s->oh), at = j->first + i;
    *picture = at / (wide * high);
    *y = at / wide % high * SQUARE;
    *x = at % wide * SQUARE;
}

/* out[k · step] = Bᵀ · d, six numbers each. */
AVX2 static inline void turn_window(__m256 *out, int step, const __m256 d[WINDOW])
{
    __m256 a = PLUS_TIMES(d[4], d[2], -4.0f), b = PLUS_TIMES(d[3], d[1], -4.0f);
    __m256 c = _mm256_sub_ps(d[4], d[2]), e = TIMES(_mm256_sub_ps(d[3], d[1]), 2.0f);
    out[0] = PLUS_TIMES(PLUS_TIMES(d[4], d[2], -5.0f), d[0], 4.0f);
    out[step] = _mm256_add_ps(a, b);
    out[2 * step] = _mm256_sub_ps(a, b);
    out[3 * step] = _mm256_add_ps(c, e);
    out[4 * step] = _mm256_sub_ps(c, e);
    out[5 * step] = PLUS_TIMES(PLUS_TIMES(d[5], d[3], -5.0f), d[1], 4.0f);
}

/* V of one square: at [36] are the places of its window, C numbers each. */
AVX2 static void gather_square(const job *j, const float *const *at, float *v)
{
    __m256 half[TERMS], d[WINDOW], row[WINDOW];
    for (int64_t c = 0; c < j->s->c; c += 8) {
        for (int x = 0; x < WINDOW; x++) {
            for (int y = 0; y < WINDOW; y++)
                d[y] = _mm256_loadu_ps(at[y * WINDOW + x] + c);
            turn_window(half + x, WINDOW, d);
        }
        for (int y = 0; y < WINDOW; y++) {
            turn_window(row, 1, half + y * WINDOW);
            for (int x = 0; x < WINDOW; x++)
                _mm256_storeu_ps(v + (y * WINDOW + x) * j->v_step + c, row[x]);
        }
    }
}

static void gather(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    const nn_kernel_spec *s = j->s;
    const float *at[TERMS];
    int64_t picture, y, x;
    locate(j, i, &picture, &y, &x);
    for (int64_t k = 0; k < TERMS; k++) {
        int64_t iy = y - s->pad + k / WINDOW, ix = x - s->pad + k % WINDOW;
        bool inside = iy >= 0 && ix >= 0 && iy < s->h && ix < s->w;
        at[k] = inside ? j->src + ((picture * s->h + iy) * s->w + ix) * s->c : zeros;
    }
    gather_square(j, at, j->v + i * s->c);
}

/* One coefficient, all squares of the group, a panel. */
static void multiply(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    int64_t e = i / j->panels, panel = i % j->panels;
    nn_tiles_panel(j->m + e * j->m_step + panel * j->count * COLUMNS, j->v + e * j->v_step, j->s->c,
                   j->count, j->packed + i * j->s->c * COLUMNS, j->s->c);
}

/* out[k · step] = Aᵀ · m, four numbers from six. */
AVX2 static inline void narrow(__m256 *out, int step, const __m256 m[WINDOW])
{
    __m256 s = _mm256_add_ps(m[1], m[2]), d = _mm256_sub_ps(m[1], m[2]);
    __m256 p = _mm256_add_ps(m[3], m[4]), q = _mm256_sub_ps(m[3], m[4]);
    out[0] = _mm256_add_ps(_mm256_add_ps(m[0], s), p);
    out[step] = PLUS_TIMES(d, q, 2.0f);
    out[2 * step] = PLUS_TIMES(s, p, 4.0f);
    out[3 * step] = _mm256_add_ps(PLUS_TIMES(d, q, 8.0f), m[5]);
}

/* y [16 places][16 columns] of one square and panel, with bias and activation. */
AVX2 static void back(const job *j, const float *m, const float *bias, float *y)
{
    __m256 half[SQUARE * WINDOW], d[WINDOW], row[SQUARE];
    for (int c = 0; c < COLUMNS; c += 8) {
        __m256 add = bias ? _mm256_loadu_ps(bias + c) : _mm256_setzero_ps();
        for (int x = 0; x < WINDOW; x++) {
            for (int k = 0; k < WINDOW; k++)
                d[k] = _mm256_loadu_ps(m + (k * WINDOW + x) * j->m_step + c);
            narrow(half + x, WINDOW, d);
        }
        for (int k = 0; k < SQUARE; k++) {
            narrow(row, 1, half + k * WINDOW);
            for (int x = 0; x < SQUARE; x++)
                _mm256_storeu_ps(y + (k * SQUARE + x) * COLUMNS + c, _mm256_add_ps(row[x], add));
        }
    }
    if (j->s->act != NN_NONE)
        nn_row_act(y, y, SQUARE * SQUARE * COLUMNS, j->s->act);
}

/* The part of a square that lies in the map; dst and residual from its first place and column on. */
AVX2 static void store(const nn_kernel_spec *s, const float *y, int64_t rows, int64_t places,
                       const float *residual, float *dst)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t x = 0; x < places; x++) {
            int64_t at = (r * s->ow + x) * s->o;
            __m256 lo = _mm256_loadu_ps(y + (r * SQUARE + x) * COLUMNS);
            __m256 hi = _mm256_loadu_ps(y + (r * SQUARE + x) * COLUMNS + 8);
            if (residual) {
                lo = _mm256_add_ps(lo, _mm256_loadu_ps(residual + at));
                hi = _mm256_add_ps(hi, _mm256_loadu_ps(residual + at + 8));
            }
            _mm256_storeu_ps(dst + at, lo);
            _mm256_storeu_ps(dst + at + 8, hi);
        }
}

static void finish(void *payload, int64_t i, int lane)
{
    const job *j = payload;
    const nn_kernel_spec *s = j->s;
    float results[SQUARE * SQUARE * COLUMNS] __attribute__((aligned(64)));
    int64_t picture, y, x;
    locate(j, i, &picture, &y, &x);
    int64_t rows = s->oh - y < SQUARE ? s->oh - y : SQUARE;
    int64_t places = s->ow - x < SQUARE ? s->ow - x : SQUARE;
    int64_t at = ((picture * s->oh + y) * s->ow + x) * s->o;
    for (int64_t panel = 0; panel < j->panels; panel++, at += COLUMNS) {
        back(j, j->m + (panel * j->count + i) * COLUMNS, j->bias ? j->bias + panel * COLUMNS : NULL,
             results);
        store(s, results, rows, places, j->residual ? j->residual + at : NULL, j->dst + at);
    }
}

void nn_winograd_run(const nn_kernel_spec *s, const float *packed, const float *bias,
                     const float *src, const float *residual, float *dst, float *scratch,
                     int threads)
{
    int64_t all = squares_of(s), group = group_of(s, threads);
    job j = { .s = s, .packed = packed, .bias = bias, .src = src, .residual = residual };
    j.dst = dst;
    j.panels = panels_of(s);
    j.v = scratch;
    j.v_step = v_step_of(s, group);
    j.m = scratch + TERMS * j.v_step;
    j.m_step = m_step_of(s, group);
    for (; j.first < all; j.first += j.count) {
        j.count = all - j.first < group ? all - j.first : group;
        nn_each(threads, j.count, gather, &j);
        nn_each(threads, TERMS * j.panels, multiply, &j);
        nn_each(threads, j.count, finish, &j);
    }
}
#else
void nn_winograd_run(const nn_kernel_spec *s, const float *packed, const float *bias,
                     const float *src, const float *residual, float *dst, float *scratch,
                     int threads)
{
}
#endif
