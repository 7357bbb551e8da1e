/* search_rows.c: packing, then the kernels: one in plain C and one for each instruction set. */
#include "retrieve/search_rows.h"

#include "base/vector.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LINE 64  /* bytes of a cache line, and codes of the smallest row */
#define AHEAD 16 /* rows prefetched ahead */

/* ---- packing ---- */

int search_stride(int dim)
{
    return (dim + LINE - 1) / LINE * LINE;
}

static float largest(const float *unit, int dim)
{
    float most = 0;

    for (int d = 0; d < dim; d++) {
        float size = fabsf(unit[d]);

        most = size > most ? size : most;
    }
    return most;
}

/* Slightly more than the root, so that the bound holds after rounding. */
static float length_of(double square)
{
    return (float)(sqrt(square) * (1 + 1e-6)) + 1e-7f;
}

/* Rounds approximately to the nearest; the loss is measured, not assumed. */
static inline int round_off(float x)
{
    return (int)(x + (x < 0 ? -0.5f : 0.5f));
}

int search_pack(search_bound *bound, int8_t *code, float *unit, const float *vector, int dim)
{
    int stride = search_stride(dim);
    float scale, steps;
    double left = 0;

    *bound = (search_bound){ 0, 0 };
    memset(code, 0, (size_t)stride);
    memset(unit, 0, (size_t)stride * sizeof *unit);
    if (!vector_normalise(unit, vector, dim))
        return 0;
    scale = largest(unit, dim) / INT8_MAX;
    steps = 1 / scale;
    for (int d = 0; d < dim; d++)
        code[d] = (int8_t)round_off(unit[d] * steps);
    for (int d = 0; d < dim; d++) {
        double lost = unit[d] - (double)code[d] * scale;

        left += lost * lost;
    }
    *bound = (search_bound){ scale, length_of(left) };
    return 1;
}

void search_pack_query(search_bound *bound, int16_t *code, const float *unit, int dim)
{
    /* No sum of products may overflow 32 bits. */
    int most = INT_MAX / INT8_MAX / dim < INT16_MAX ? INT_MAX / INT8_MAX / dim : INT16_MAX;
    float largest_one = largest(unit, dim);
    float scale = largest_one > 1e-20f ? largest_one / (float)most : 0; /* 0: the code is zero */
    double left = 0;

    memset(code, 0, (size_t)search_stride(dim) * sizeof *code);
    for (int d = 0; d < dim; d++) {
        int value = scale > 0 ? round_off(unit[d] / scale) : 0;
        double lost;

        code[d] = (int16_t)(value > most ? most : value < -most ? -most : value);
        lost = unit[d] - (double)code[d] * scale;
        left += lost * lost;
    }
    *bound = (search_bound){ scale, length_of(left) };
}

/* ---- kernels ----
 *
 * A tile is rows a, b times four queries, so that eight sums share six loads: out [2][SEARCH_TILE]. */

typedef void tile_fn(int32_t *out, const int8_t *a, const int8_t *b, const int16_t *q, int stride);

static inline __attribute__((always_inline)) void
tile_plain(int32_t *out, const int8_t *a, const int8_t *b, const int16_t *q, int stride)
{
    for (int i = 0; i < SEARCH_TILE; i++, q += stride) {
        int32_t dot_a = 0, dot_b = 0;

#pragma omp simd reduction(+ : dot_a, dot_b)
        for (int d = 0; d < stride; d++) {
            dot_a += a[d] * q[d];
            dot_b += b[d] * q[d];
        }
        out[i] = dot_a;
        out[SEARCH_TILE + i] = dot_b;
    }
}

static inline __attribute__((always_inline)) void dots_body(tile_fn *tile, int32_t *out, int room,
                                                            const int8_t *row, int rows,
                                                            const int16_t *query, int queries,
                                                            int stride)
{
    for (int r = 0; r < rows; r += 2) {
        const int8_t *a = row + (size_t)r * (size_t)stride;
        const int8_t *b = r + 1 < rows ? a + stride : a;

        /* Prefetches rows further on, because the hardware's prefetcher stops at every page. */
        if (r + AHEAD + 2 <= rows)
            for (int d = 0; d < 2 * stride; d += LINE)
                __builtin_prefetch(a + AHEAD * (ptrdiff_t)stride + d);
        for (int q = 0; q < queries; q += SEARCH_TILE) {
            int32_t dot[2 * SEARCH_TILE];

            tile(dot, a, b, query + (size_t)q * (size_t)stride, stride);
            for (int i = 0; i < SEARCH_TILE; i++) {
                out[(q + i) * room + r] = dot[i];
                if (r + 1 < rows)
                    out[(q + i) * room + r + 1] = dot[SEARCH_TILE + i];
            }
        }
    }
}

static inline __attribute__((always_inline)) double square_body(const float *a, const float *b,
                                                                int stride)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int d = 0; d < stride; d++)
        sum += ((double)a[d] - b[d]) * ((double)a[d] - b[d]);
    return sum;
}

/* Four rows at a time, whose sums are independent. `count` is a multiple of four. */
static inline __attribute__((always_inline)) void
project_body(float *out, const float *basis, int count, const float *vector, int dim)
{
    for (int i = 0; i < count; i += 4) {
        const float *r0 = basis + (size_t)i * (size_t)dim, *r1 = r0 + dim, *r2 = r1 + dim,
                    *r3 = r2 + dim;
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0;

#pragma omp simd reduction(+ : s0, s1, s2, s3)
        for (int d = 0; d < dim; d++) {
            s0 += r0[d] * vector[d];
            s1 += r1[d] * vector[d];
            s2 += r2[d] * vector[d];
            s3 += r3[d] * vector[d];
        }
        out[i] = s0, out[i + 1] = s1, out[i + 2] = s2, out[i + 3] = s3;
    }
}

/* A kernel around tile_<name>, compiled with `target`. */
#define KERNEL(name, target)                                                            \
    target static void dots_##name(int32_t *out, int room, const int8_t *row, int rows, \
                                   const int16_t *query, int queries, int stride)       \
    {                                                                                   \
        dots_body(tile_##name, out, room, row, rows, query, queries, stride);           \
    }                                                                                   \
    target static double square_##name(const float *a, const float *b, int stride)      \
    {                                                                                   \
        return square_body(a, b, stride);                                               \
    }                                                                                   \
    target static void project_##name(float *out, const float *basis, int count,        \
                                      const float *vector, int dim)                     \
    {                                                                                   \
        project_body(out, basis, count, vector, dim);                                   \
    }                                                                                   \
    static const search_kernel kernel_##name = { #name, dots_##name, square_##name,     \
                                                 project_##name };

KERNEL(plain, )

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define VNNI __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512vnni,fma")))

/* The body of a tile: 16-bit products, added in pairs to 32-bit sums. */
#define TILE(vector, zero, load_row, load_query, step, add, sum_four)     \
    const int16_t *q1 = q + stride, *q2 = q1 + stride, *q3 = q2 + stride; \
    vector a0 = zero, a1 = zero, a2 = zero, a3 = zero;                    \
    vector b0 = zero, b1 = zero, b2 = zero, b3 = zero;                    \
                                                                          \
    for (int d = 0; d < stride; d += (step)) {                            \
        vector x = load_row(a + d), y = load_row(b + d), z;               \
                                                                          \
        z = load_query(q + d), a0 = add(a0, x, z), b0 = add(b0, y, z);    \
        z = load_query(q1 + d), a1 = add(a1, x, z), b1 = add(b1, y, z);   \
        z = load_query(q2 + d), a2 = add(a2, x, z), b2 = add(b2, y, z);   \
        z = load_query(q3 + d), a3 = add(a3, x, z), b3 = add(b3, y, z);   \
    }                                                                     \
    sum_four(out, a0, a1, a2, a3);                                        \
    sum_four(out + SEARCH_TILE, b0, b1, b2, b3)

/* The sum of each vector's numbers. */
AVX2 static inline void sums_256(int32_t *out, __m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));

    _mm_storeu_si128((__m128i *)(void *)out,
                     _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
}

#define ROW_256(p) _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)(p)))
#define QUERY_256(p) _mm256_load_si256((const __m256i *)(const void *)(p))
#define ADD_256(sum, x, y) _mm256_add_epi32(sum, _mm256_madd_epi16(x, y))

AVX2 static inline void tile_avx2(int32_t *out, const int8_t *a, const int8_t *b, const int16_t *q,
                                  int stride)
{
    TILE(__m256i, _mm256_setzero_si256(), ROW_256, QUERY_256, 16, ADD_256, sums_256);
}
KERNEL(avx2, AVX2)

#define ROW_512(p) _mm512_cvtepi8_epi16(_mm256_load_si256((const __m256i *)(const void *)(p)))
#define QUERY_512(p) _mm512_load_si512((const void *)(p))
#define ADD_512(sum, x, y) _mm512_add_epi32(sum, _mm512_madd_epi16(x, y))

AVX512 static inline __m256i half_512(__m512i v)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

AVX512 static inline void sums_512(int32_t *out, __m512i a, __m512i b, __m512i c, __m512i d)
{
    sums_256(out, half_512(a), half_512(b), half_512(c), half_512(d));
}

AVX512 static inline void tile_avx512(int32_t *out, const int8_t *a, const int8_t *b,
                                      const int16_t *q, int stride)
{
    TILE(__m512i, _mm512_setzero_si512(), ROW_512, QUERY_512, 32, ADD_512, sums_512);
}
KERNEL(avx512, AVX512)

VNNI static inline void tile_vnni(int32_t *out, const int8_t *a, const int8_t *b, const int16_t *q,
                                  int stride)
{
    TILE(__m512i, _mm512_setzero_si512(), ROW_512, QUERY_512, 32, _mm512_dpwssd_epi32, sums_512);
}
KERNEL(vnni, VNNI)
#endif

const search_kernel *search_kernel_get(int number)
{
    const search_kernel *able[5] = { NULL };
    int count = 0;

#if defined(__x86_64__)
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");

    if (wide && __builtin_cpu_supports("avx512vnni"))
        able[count++] = &kernel_vnni;
    if (wide)
        able[count++] = &kernel_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        able[count++] = &kernel_avx2;
#endif
    able[count++] = &kernel_plain;
    return number >= 0 && number < count ? able[number] : NULL;
}
