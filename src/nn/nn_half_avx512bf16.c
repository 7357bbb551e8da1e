/* nn_half_avx512bf16.c: the inner loops of nn_half.h. A panel holds pairs of numbers that follow each other in the sum:
 * [pairs, width, 2]; one instruction multiplies a pair of a's row with the pairs of 16 columns and adds both
 * products to 16 sums. */
#if defined(__AVX512BF16__)
#include "nn/nn_half.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* ---- tiles ---- */

INLINE __m512bh pair_of(const uint16_t *a)
{
    int pair;
    memcpy(&pair, a, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

INLINE void tile(const nn_half_sum *s, int64_t first, const int rows, const int vectors)
{
    __m512 sum[NN_HALF_ROWS][3];
    const uint16_t *a = s->a + first * s->lda, *w = s->panel;
    float *acc = s->acc + first * s->width;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[r][v] =
                s->fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(acc + r * s->width + 16 * v);
    for (int64_t p = 0; p < s->pairs; p++, a += 2, w += 32 * vectors) {
        __m512bh b[3];
        _mm_prefetch((const char *)(w + 32 * vectors * 8), _MM_HINT_T0);
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            b[v] = (__m512bh)_mm512_loadu_si512(w + 32 * v);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512bh x = pair_of(a + r * s->lda);
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sum[r][v] = _mm512_dpbf16_ps(sum[r][v], x, b[v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(acc + r * s->width + 16 * v, sum[r][v]);
}

#define TILE(n, vectors) \
    if (rows == n)       \
    tile(s, first, n, vectors)

static void tile_of(const nn_half_sum *s, int64_t first, int64_t rows)
{
    if (s->width == 48) {
        TILE(8, 3);
        TILE(7, 3);
        TILE(6, 3);
        TILE(5, 3);
        TILE(4, 3);
        TILE(3, 3);
        TILE(2, 3);
        TILE(1, 3);
    } else if (s->width == 32) {
        TILE(8, 2);
        TILE(7, 2);
        TILE(6, 2);
        TILE(5, 2);
        TILE(4, 2);
        TILE(3, 2);
        TILE(2, 2);
        TILE(1, 2);
    } else {
        TILE(8, 1);
        TILE(7, 1);
        TILE(6, 1);
        TILE(5, 1);
        TILE(4, 1);
        TILE(3, 1);
        TILE(2, 1);
        TILE(1, 1);
    }
}

void nn_half_add(const nn_half_sum *s)
{
    for (int64_t first = 0; first < s->rows; first += NN_HALF_ROWS)
        tile_of(s, first, s->rows - first < NN_HALF_ROWS ? s->rows - first : NN_HALF_ROWS);
}

void nn_half_finish(float *out, int64_t ldo, const float *acc, int64_t width, int64_t rows,
                    int64_t columns, bool add)
{
    for (int64_t r = 0; r < rows; r++, out += ldo, acc += width)
        for (int64_t j = 0; j < columns; j += 16) {
            __mmask16 there = columns - j >= 16 ? 0xffff : (__mmask16)((1u << (columns - j)) - 1);
            __m512 x = _mm512_loadu_ps(acc + j);
            if (add)
                x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(there, out + j));
            _mm512_mask_storeu_ps(out + j, there, x);
        }
}

/* ---- rounding and packing ---- */

/* 32 numbers from x on, of which `left` are there. */
INLINE __m512i rounded(const float *x, int64_t left)
{
    if (left >= 32)
        return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
    __mmask16 low = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    __mmask16 high = left > 16 ? (__mmask16)((1u << (left - 16)) - 1) : 0;
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, x + 16),
                                        _mm512_maskz_loadu_ps(low, x));
}

void nn_half_round_row(uint16_t *out, const float *x, int64_t k)
{
    for (int64_t i = 0; i < k; i += 32) {
        int64_t left = k - i, pairs = (left + 1) / 2;
        __mmask16 kept = pairs >= 16 ? 0xffff : (__mmask16)((1u << pairs) - 1);
        _mm512_mask_storeu_epi32(out + i, kept, rounded(x + i, left));
    }
}

/* A 16 × 16 matrix of pairs turned about its diagonal. */
INLINE void turn(__m512i r[16])
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    /* r[4 i + c] holds in its quarter q column 4 q + c of rows 4 i … 4 i + 3 */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512i a = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x44),
                b = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xee);
        __m512i d = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x44),
                e = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xee);
        t[c] = _mm512_shuffle_i32x4(a, d, 0x88);
        t[4 + c] = _mm512_shuffle_i32x4(a, d, 0xdd);
        t[8 + c] = _mm512_shuffle_i32x4(b, e, 0x88);
        t[12 + c] = _mm512_shuffle_i32x4(b, e, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = t[i];
}

void nn_half_pack_rows(uint16_t *to, int64_t width, const float *from, int64_t ldb, int64_t columns,
                       int64_t k)
{
    for (int64_t j = 0; j < width; j += 16)
        for (int64_t i = 0; i < k; i += 32) {
            int64_t pairs = (k - i + 1) / 2;
            __m512i r[16];
            for (int64_t row = 0; row < 16; row++)
                r[row] = j + row < columns ? rounded(from + (j + row) * ldb + i, k - i)
                                           : _mm512_setzero_si512();
            turn(r);
            for (int64_t p = 0; p < 16 && p < pairs; p++)
                _mm512_storeu_si512(to + ((i / 2 + p) * width + j) * 2, r[p]);
        }
}

void nn_half_pack_columns(uint16_t *to, int64_t width, const float *from, int64_t ldb,
                          int64_t columns, int64_t rows)
{
    static const uint16_t order[32] = { 0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                        21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                        11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    __m512i pairs = _mm512_loadu_si512(order);
    for (int64_t i = 0; i < rows; i += 2, to += 2 * width)
        for (int64_t j = 0; j < width; j += 16) {
            int64_t left = columns - j;
            __mmask16 there = left >= 16 ? 0xffff : left > 0 ? (__mmask16)((1u << left) - 1) : 0;
            const float *at = from + i * ldb + j;
            __m512 a = _mm512_maskz_loadu_ps(there, at);
            __m512 b = i + 1 < rows ? _mm512_maskz_loadu_ps(there, at + ldb) : _mm512_setzero_ps();
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
            _mm512_storeu_si512(to + 2 * j, _mm512_permutexvar_epi16(pairs, both));
        }
}
#endif
