/* gguf_types.c: ggml's tensor types as numbers, and conversions to float.
 *
 * The table holds what llama.cpp v0.5.0 knows; a type that is not in it is refused before ggml could
 * assert on it. */
#include "formats/gguf_types.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const gguf_block blocks[] = {
    [0] = { 1, 4 },                                                                     /* f32 */
    [1] = { 1, 2 },                                                                     /* f16 */
    [2] = { 32, 18 },                                                                   /* q4_0 */
    [3] = { 32, 20 },                                                                   /* q4_1 */
    [6] = { 32, 22 },                                                                   /* q5_0 */
    [7] = { 32, 24 },                                                                   /* q5_1 */
    [8] = { 32, 34 },                                                                   /* q8_0 */
    [9] = { 32, 36 },                                                                   /* q8_1 */
    [10] = { 256, 84 },                                                                 /* q2_K */
    [11] = { 256, 110 }, [12] = { 256, 144 }, [13] = { 256, 176 }, [14] = { 256, 210 }, /* q6_K */
    [15] = { 256, 292 },                                                                /* q8_K */
    [16] = { 256, 66 },  /* iq2_xxs */
    [17] = { 256, 74 },  /* iq2_xs */
    [18] = { 256, 98 },  /* iq3_xxs */
    [19] = { 256, 50 },  /* iq1_s */
    [20] = { 32, 18 },   /* iq4_nl */
    [21] = { 256, 110 }, /* iq3_s */
    [22] = { 256, 82 },  /* iq2_s */
    [23] = { 256, 136 }, /* iq4_xs */
    [24] = { 1, 1 },     /* i8 */
    [25] = { 1, 2 },     /* i16 */
    [26] = { 1, 4 },     /* i32 */
    [27] = { 1, 8 },     /* i64 */
    [28] = { 1, 8 },     /* f64 */
    [29] = { 256, 56 },  /* iq1_m */
    [30] = { 1, 2 },     /* bf16 */
    [34] = { 256, 54 },  /* tq1_0 */
    [35] = { 256, 66 },  /* tq2_0 */
    [39] = { 32, 17 },   /* mxfp4 */
    [40] = { 64, 36 },   /* nvfp4 */
    [41] = { 128, 18 },  /* q1_0 */
    [42] = { 64, 18 },   /* q2_0 */
};

gguf_block gguf_type_block(int64_t type)
{
    gguf_block none = { 0, 0 };
    if (type < 0 || type >= (int64_t)(sizeof blocks / sizeof *blocks))
        return none;
    return blocks[type];
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float gguf_half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    if (magnitude >= 0x0f800000) /* infinity or NaN */
        return float_of(sign | magnitude | 0x7f800000);
    /* Moves the exponent from bias 15 to bias 127; exact, subnormals too. */
    float value = float_of(magnitude) * 0x1p112f;
    return sign ? -value : value;
}

float gguf_bfloat_to_float(uint16_t bfloat)
{
    return float_of((uint32_t)bfloat << 16);
}

uint16_t gguf_float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (bits >= 0x477ff000) /* rounds past 65504 */
        return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) { /* subnormal: let the float unit do the rounding */
        float shifted = float_of(bits) + 0.5f;
        uint32_t rounded;
        memcpy(&rounded, &shifted, sizeof rounded);
        return (uint16_t)(sign | (rounded - 0x3f000000));
    }
    uint32_t odd = (bits >> 13) & 1;
    return (uint16_t)(sign | ((bits - 0x38000000 + 0xfff + odd) >> 13));
}

#if defined(__x86_64__)
/* Eight at a time by the processor's own instruction, as many as there are; returns how many. */
__attribute__((target("avx,f16c"))) static size_t halves_by_eights(float *out, const uint8_t *in,
                                                                   size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + 2 * i))));
    return i;
}

static bool has_f16c(void)
{
    return __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
}
#else
static size_t halves_by_eights(float *out, const uint8_t *in, size_t count)
{
    (void)out;
    (void)in;
    (void)count;
    return 0;
}

static bool has_f16c(void)
{
    return false;
}
#endif

void gguf_halves_to_floats(float *out, const void *in, size_t count)
{
    const uint8_t *bytes = in;
    for (size_t i = has_f16c() ? halves_by_eights(out, bytes, count) : 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        out[i] = gguf_half_to_float(half);
    }
}

void gguf_bfloats_to_floats(float *out, const void *in, size_t count)
{
    const uint8_t *bytes = in;
    for (size_t i = 0; i < count; i++) {
        uint16_t bfloat;
        memcpy(&bfloat, bytes + 2 * i, 2);
        out[i] = gguf_bfloat_to_float(bfloat);
    }
}

/* A q8_0 block: a half scale, then 32 signed bytes. */
void gguf_q8_0_to_floats(float *out, const void *in, size_t count)
{
    const uint8_t *block = in;
    for (size_t i = 0; i < count; i += 32, block += 34) {
        uint16_t scale_bits;
        memcpy(&scale_bits, block, 2);
        float scale = gguf_half_to_float(scale_bits);
        for (size_t j = 0; j < 32; j++)
            out[i + j] = scale * (float)(int8_t)block[2 + j];
    }
}

bool gguf_floats_to_halves(void *out, const float *in, size_t count)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < count; i++) {
        uint16_t half = gguf_float_to_half(in[i]);
        if ((half & 0x7c00) == 0x7c00)
            return false;
        memcpy(bytes + 2 * i, &half, 2);
    }
    return true;
}

bool gguf_floats_to_bfloats(void *out, const float *in, size_t count)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &in[i], sizeof bits);
        uint16_t bfloat = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
        if ((bfloat & 0x7f80) == 0x7f80)
            return false;
        memcpy(bytes + 2 * i, &bfloat, 2);
    }
    return true;
}

/* The largest number of a block becomes 127. */
bool gguf_floats_to_q8_0(void *out, const float *in, size_t count)
{
    uint8_t *block = out;
    for (size_t i = 0; i < count; i += 32, block += 34) {
        float largest = 0;
        for (size_t j = 0; j < 32; j++)
            largest = fmaxf(largest, fabsf(in[i + j]));
        float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0;
        uint16_t half = gguf_float_to_half(scale);
        if ((half & 0x7c00) == 0x7c00)
            return false;
        memcpy(block, &half, 2);
        for (size_t j = 0; j < 32; j++) {
            float level = isfinite(inverse) ? roundf(in[i + j] * inverse) : 0;
            block[2 + j] = (uint8_t)(int8_t)level;
        }
    }
    return true;
}
