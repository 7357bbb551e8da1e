/* sketch_sieve.c: finds the rows of a block that their sketches do not rule out (sketch.h). Each row's line is read,
 * multiplied with eight queries and compared before the next row's. */
#include "retrieve/sketch.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define AHEAD 64 /* lines prefetched ahead */

/* Whether the row's bound reaches one of eight queries; base: the sums so far, of `in` and this line. */
typedef int eight_fn(float *base, const float *in, const sketch_line *line, const sketch_group *g,
                     int number, const float *reach);

static inline __attribute__((always_inline)) int eight_plain(float *base, const float *in,
                                                             const sketch_line *line,
                                                             const sketch_group *g, int number,
                                                             const float *reach)
{
    int wanted = 0;

    for (int q = 0; q < SKETCH_GROUP; q++) {
        const int16_t *query = g->code_of[number][q];
        int32_t dot = 0;

#pragma omp simd reduction(+ : dot)
        for (int d = 0; d < SKETCH_DIMS; d++)
            dot += line->code[d] * query[d];
        base[q] = in[q] + g->line[number].slack[q] +
                  ((float)dot * g->line[number].dot[q] + g->line[number].code[q]) * line->scale;
        wanted |= base[q] + g->line[number].rest[q] * line->rest >= reach[q];
    }
    return wanted;
}

/* The rows that are kept move forward in place, never past the row that is read next. */
static inline __attribute__((always_inline)) void sieve_body(eight_fn *eight, sketch_left *left,
                                                             int number, const sketch_line *line,
                                                             const sketch_group *group, int groups,
                                                             const float *reach)
{
    static const float zero[SKETCH_GROUP];
    int count = left->count, stay = 0, width = groups * SKETCH_GROUP;

    for (int i = 0; i < count && i < AHEAD; i++)
        __builtin_prefetch(line + left->row[i]);
    for (int i = 0; i < count; i++) {
        const sketch_line *at = line + left->row[i];
        int wanted = 0;

        if (i + AHEAD < count)
            __builtin_prefetch(line + left->row[i + AHEAD]);
        for (int g = 0; g < groups; g++) {
            const float *in = number ? left->base + i * width + g * SKETCH_GROUP : zero;

            wanted |= eight(left->base + stay * width + g * SKETCH_GROUP, in, at, &group[g], number,
                            reach + g * SKETCH_GROUP);
        }
        left->row[stay] = left->row[i];
        stay += wanted != 0;
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

/* The products of four queries, in both halves, still to be added up. */
AVX2 static inline __m256i four_avx2(const __m256i x[4], const int16_t *query)
{
    __m256i ab = _mm256_hadd_epi32(line_avx2(x, query), line_avx2(x, query + SKETCH_BYTES));
    __m256i cd = _mm256_hadd_epi32(line_avx2(x, query + 2 * SKETCH_BYTES),
                                   line_avx2(x, query + 3 * SKETCH_BYTES));

    return _mm256_hadd_epi32(ab, cd);
}

/* The products with eight queries; `scale` and `rest` are where the queries are zero. */
AVX2 static inline __m256 dots_avx2(const sketch_line *line, const int16_t *query)
{
    const int8_t *code = line->code;
    const __m256i x[4] = { widen(code), widen(code + 16), widen(code + 32), widen(code + 48) };
    __m256i low = four_avx2(x, query), high = four_avx2(x, query + 4 * SKETCH_BYTES);

    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                                               _mm256_permute2x128_si256(low, high, 0x31)));
}

AVX2 static inline __attribute__((always_inline)) int eight_avx2(float *base, const float *in,
                                                                 const sketch_line *line,
                                                                 const sketch_group *g, int number,
                                                                 const float *reach)
{
    __m256 dot = dots_avx2(line, g->code_of[number][0]);
    __m256 sum = _mm256_fmadd_ps(dot, _mm256_loadu_ps(g->line[number].dot),
                                 _mm256_loadu_ps(g->line[number].code));
    __m256 most;

    sum =
        _mm256_fmadd_ps(sum, _mm256_set1_ps(line->scale),
                        _mm256_add_ps(_mm256_loadu_ps(in), _mm256_loadu_ps(g->line[number].slack)));
    most = _mm256_fmadd_ps(_mm256_loadu_ps(g->line[number].rest), _mm256_set1_ps(line->rest), sum);
    _mm256_storeu_ps(base, sum);
    return _mm256_movemask_ps(_mm256_cmp_ps(most, _mm256_loadu_ps(reach), _CMP_GE_OQ));
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
