/* sketch_sieve.c: which rows of a block the sketches leave (sketch.h). One line of a row is read, multiplied
 * with eight queries and judged before the next row's. */
#include "retrieve/sketch.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define AHEAD 24 /* lines asked for ahead of time */

/* out: the products of a line with eight queries [SKETCH_GROUP, SKETCH_BYTES]. */
typedef void eight_fn(int32_t *out, const int8_t *line, const int16_t *query);

static inline __attribute__((always_inline)) void eight_plain(int32_t *out, const int8_t *line,
                                                              const int16_t *query)
{
    for (int q = 0; q < SKETCH_GROUP; q++, query += SKETCH_BYTES) {
        int32_t dot = 0;

#pragma omp simd reduction(+ : dot)
        for (int d = 0; d < SKETCH_BYTES; d++)
            dot += line[d] * query[d];
        out[q] = dot;
    }
}

/* Whether one of eight queries may want the row; base: the sums so far, of `in` and this line. */
static inline __attribute__((always_inline)) int judge(float *base, const float *in,
                                                       const int32_t *dot, const sketch_line *line,
                                                       const sketch_group *g, int number,
                                                       const float *reach)
{
    int wanted = 0;

#pragma omp simd reduction(| : wanted)
    for (int q = 0; q < SKETCH_GROUP; q++) {
        base[q] = in[q] + g->line[number].slack[q] +
                  ((float)dot[q] * g->line[number].dot[q] + g->line[number].code[q]) * line->scale;
        wanted |= base[q] + g->line[number].rest[q] * line->rest >= reach[q];
    }
    return wanted;
}

/* A row that stays is written over one that did not: never ahead of what is still to be read. */
static inline __attribute__((always_inline)) void sieve_body(eight_fn *eight, sketch_left *left,
                                                             int number, const sketch_line *line,
                                                             const sketch_group *group, int groups,
                                                             const float *reach)
{
    static const float zero[SKETCH_GROUP];
    int count = left->count, stay = 0, width = groups * SKETCH_GROUP;

    for (int i = 0; i < count; i++) {
        const sketch_line *at = line + left->row[i];
        int wanted = 0;

        __builtin_prefetch(line + left->row[i + AHEAD < count ? i + AHEAD : count - 1]);
        for (int g = 0; g < groups; g++) {
            _Alignas(32) int32_t dot[SKETCH_GROUP];
            const float *in = number ? left->base + i * width + g * SKETCH_GROUP : zero;

            eight(dot, at->code, group[g].code_of[number][0]);
            wanted |= judge(left->base + stay * width + g * SKETCH_GROUP, in, dot, at, &group[g],
                            number, reach + g * SKETCH_GROUP);
        }
        left->row[stay] = left->row[i];
        stay += wanted;
    }
    left->count = stay;
}

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))

AVX2 static inline __m256i widen(const int8_t *line)
{
    return _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)line));
}

AVX2 static inline __m256i times(__m256i x, const int16_t *query)
{
    return _mm256_madd_epi16(x, _mm256_load_si256((const __m256i *)(const void *)query));
}

/* The products of all 64 numbers, still to be added up. */
AVX2 static inline __m256i line_avx2(const __m256i x[4], const int16_t *query)
{
    __m256i low = _mm256_add_epi32(times(x[0], query), times(x[1], query + 16));
    __m256i high = _mm256_add_epi32(times(x[2], query + 32), times(x[3], query + 48));

    return _mm256_add_epi32(low, high);
}

AVX2 static inline __m128i four_avx2(const __m256i x[4], const int16_t *query)
{
    __m256i ab = _mm256_hadd_epi32(line_avx2(x, query), line_avx2(x, query + SKETCH_BYTES));
    __m256i cd = _mm256_hadd_epi32(line_avx2(x, query + 2 * SKETCH_BYTES),
                                   line_avx2(x, query + 3 * SKETCH_BYTES));
    __m256i all = _mm256_hadd_epi32(ab, cd);

    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

AVX2 static inline __attribute__((always_inline)) void eight_avx2(int32_t *out, const int8_t *line,
                                                                  const int16_t *query)
{
    const __m256i x[4] = { widen(line), widen(line + 16), widen(line + 32), widen(line + 48) };
    __m128i low = four_avx2(x, query), high = four_avx2(x, query + 4 * SKETCH_BYTES);

    _mm256_store_si256((__m256i *)(void *)out, _mm256_set_m128i(high, low));
}

AVX2 static void sieve_avx2(sketch_left *left, int number, const sketch_line *line,
                            const sketch_group *group, int groups, const float *reach)
{
    sieve_body(eight_avx2, left, number, line, group, groups, reach);
}
#endif

void sketch_sieve_plain(sketch_left *left, int number, const sketch_line *line,
                        const sketch_group *group, int groups, const float *reach)
{
    sieve_body(eight_plain, left, number, line, group, groups, reach);
}

void sketch_sieve(sketch_left *left, int number, const sketch_line *line, const sketch_group *group,
                  int groups, const float *reach)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        sieve_avx2(left, number, line, group, groups, reach);
        return;
    }
#endif
    sketch_sieve_plain(left, number, line, group, groups, reach);
}
