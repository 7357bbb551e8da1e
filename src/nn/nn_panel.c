/* nn_panel.c: register tiles of 4 rows × 24 columns.
 *
 * Why this shape: each step of a tile loads 3 vectors of the panel and 4 numbers of the rows for 12 multiplications; 6 × 16 loads 2
 * and 6. On a core whose other hardware thread is busy, which is the rule on rented machines, instructions are what is
 * short, and this shape was 10 % faster there, 5 % elsewhere (AMD Zen 3). Panels of 16 and 8 columns use 6 rows. */
#include "nn/nn_panel.h"

#include "nn/nn_avx2.h"

enum {
    VECTOR = 8,
    MOST_ROWS = 6,
    DEPTH = 512 /* of a piece: at most 48 KiB of a panel */
};

int64_t nn_panel_columns(int64_t columns)
{
    return (columns + VECTOR - 1) / VECTOR * VECTOR;
}

/* All panels are 24 wide, but for what is left: 16, two of 16 instead of 24 and 8, or 8 alone. */
int64_t nn_panel_count(int64_t columns)
{
    return (columns + NN_PANEL - 1) / NN_PANEL;
}

nn_panel nn_panel_at(int64_t columns, int64_t i)
{
    int64_t all = nn_panel_columns(columns), count = nn_panel_count(columns);
    int64_t left = all - (count - 1) * NN_PANEL; /* 8, 16 or 24 */
    nn_panel p = { .first = i * NN_PANEL, .width = i == count - 1 ? left : NN_PANEL };
    if (left == VECTOR && count > 1 && i >= count - 2) {
        p.width = 2 * VECTOR;
        p.first = all - (count - i) * p.width;
    }
    p.columns = columns - p.first < p.width ? columns - p.first : p.width;
    return p;
}

int64_t nn_panel_piece(int64_t depth, int64_t i)
{
    int64_t pieces = (depth + DEPTH - 1) / DEPTH;
    int64_t step = ((depth + pieces - 1) / pieces + VECTOR - 1) / VECTOR * VECTOR;
    return i * step < depth ? i * step : depth;
}

#if defined(__x86_64__)
/* What a tile sums: `depth` numbers of each row, `lda` apart, with the panel. */
typedef struct sum {
    const float *a, *weights, *ahead;
    int64_t lda, ldo, depth;
    bool fresh; /* out starts at zero */
} sum;

#define OLD(r, v) s->fresh ? _mm256_setzero_ps() : _mm256_loadu_ps(out + r * ldo + v * VECTOR)
#define BEGIN_1(r) __m256 x##r = OLD(r, 0);
#define BEGIN_2(r) BEGIN_1(r) __m256 y##r = OLD(r, 1);
#define BEGIN_3(r) BEGIN_2(r) __m256 z##r = OLD(r, 2);
#define POINT(r) const float *a##r = s->a + r * s->lda;
#define MULTIPLY_1(r)                  \
    a = _mm256_broadcast_ss(a##r + k); \
    x##r = _mm256_fmadd_ps(a, w0, x##r);
#define MULTIPLY_2(r) MULTIPLY_1(r) y##r = _mm256_fmadd_ps(a, w1, y##r);
#define MULTIPLY_3(r) MULTIPLY_2(r) z##r = _mm256_fmadd_ps(a, w2, z##r);
#define END_1(r) _mm256_storeu_ps(out + r * ldo, x##r);
#define END_2(r) END_1(r) _mm256_storeu_ps(out + r * ldo + VECTOR, y##r);
#define END_3(r) END_2(r) _mm256_storeu_ps(out + r * ldo + 2 * VECTOR, z##r);
#define WEIGHTS_1 __m256 w0 = _mm256_loadu_ps(w);
#define WEIGHTS_2 WEIGHTS_1 __m256 w1 = _mm256_loadu_ps(w + VECTOR);
#define WEIGHTS_3 WEIGHTS_2 __m256 w2 = _mm256_loadu_ps(w + 2 * VECTOR);
#define STEP(rows, vectors)                                   \
    {                                                         \
        WEIGHTS_##vectors FOR_##rows(MULTIPLY_##vectors) k++; \
        w += vectors * VECTOR;                                \
    }

/* out [rows, 8 · vectors] += the sum. */
#define TILE(rows, vectors)                                                     \
    AVX2 static void tile_##rows##_##vectors(float *out, const sum *s)          \
    {                                                                           \
        const float *w = s->weights, *ahead = s->ahead;                         \
        int64_t k = 0, ldo = s->ldo;                                            \
        __m256 a;                                                               \
        FOR_##rows(POINT) FOR_##rows(BEGIN_##vectors) while (k + 8 <= s->depth) \
        {                                                                       \
            _mm_prefetch((const char *)ahead, _MM_HINT_T1);                     \
            ahead += 16;                                                        \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
            STEP(rows, vectors)                                                 \
        }                                                                       \
        while (k < s->depth)                                                    \
            STEP(rows, vectors)                                                 \
        FOR_##rows(END_##vectors)                                               \
    }

#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILE(1, 3)
TILE(2, 3)
TILE(3, 3)
TILE(4, 3)

void nn_panel_add(float *out, int64_t ldo, const float *a, int64_t lda, int64_t rows,
                  const float *panel, int64_t width, int64_t depth, bool fresh, const float *ahead)
{
    static void (*const tiles[3][MOST_ROWS])(
        float *, const sum *) = { { tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1 },
                                  { tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2 },
                                  { tile_1_3, tile_2_3, tile_3_3, tile_4_3 } };
    int64_t most = width == NN_PANEL ? 4 : MOST_ROWS, blocks = (rows + most - 1) / most;
    int64_t each = depth * width / blocks; /* of what comes next, a share for each block */
    sum s = { .weights = panel, .lda = lda, .ldo = ldo, .depth = depth, .fresh = fresh };
    for (int64_t b = 0; b < blocks; b++) {
        int64_t start = rows * b / blocks, count = rows * (b + 1) / blocks - start;
        s.a = a + start * lda;
        s.ahead = ahead + b * each;
        tiles[width / VECTOR - 1][count - 1](out + start * ldo, &s);
    }
}
#else
void nn_panel_add(float *out, int64_t ldo, const float *a, int64_t lda, int64_t rows,
                  const float *panel, int64_t width, int64_t depth, bool fresh, const float *ahead)
{
}
#endif

void nn_panel_multiply(float *out, int64_t ldo, const float *a, int64_t lda, int64_t rows,
                       const float *panel, int64_t width, int64_t depth)
{
    for (int64_t p = 0, from = 0; from < depth; p++) {
        int64_t to = nn_panel_piece(depth, p + 1);
        nn_panel_add(out, ldo, a + from, lda, rows, panel + from * width, width, to - from, p == 0,
                     panel + to * width);
        from = to;
    }
}
