/* nn_rows.c: softmax, layer norm, activations and conversions of one row.
 *
 * The inner loops are plain C that the compiler vectorises; where it can, each function is built for
 * several instruction sets and the right one is chosen when the program loads. exp is computed to two
 * units in the last place; nothing here trades accuracy for speed. */
#include "nn/nn_internal.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) && \
    !defined(__SANITIZE_ADDRESS__)
#define ROW __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#define INLINE static inline __attribute__((always_inline))
#else
#define ROW
#define INLINE static inline
#endif

/* e^x for x in [-87, 88]: x = n ln 2 + r, a polynomial in r, and n into the exponent. */
INLINE float exp_core(float x)
{
    const float magic = 12582912.0f; /* 1.5 · 2^23: adding it rounds to a whole number */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = x - n * 0.693359375f; /* ln 2 in two parts, the first exact */
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t bits = ((int32_t)n + 127) * (1 << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

ROW void nn_row_softmax(float *x, int64_t n, float scale)
{
    float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        float e = (x[i] - top) * scale;
        float v = e < -87.0f ? 0.0f : exp_core(e);
        x[i] = v;
        sum += v;
    }
    float norm = 1.0f / sum;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        x[i] *= norm;
}

ROW void nn_row_norm(float *out, const float *x, const float *w, const float *b, int64_t n,
                     float eps)
{
    float sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    float mean = sum / (float)n;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / sqrtf(square / (float)n + eps);
    if (w && b) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            out[i] = (x[i] - mean) * scale * w[i] + b[i];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = (x[i] - mean) * scale * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
}

ROW static void row_sigmoid(float *out, const float *x, int64_t n, float slope, bool times_x)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float s = 1.0f / (1.0f + exp_core(-slope * x[i]));
        out[i] = times_x ? x[i] * s : s;
    }
}

static void row_gelu(float *out, const float *x, int64_t n, bool with_tanh)
{
    for (int64_t i = 0; i < n; i++) {
        float v = x[i];
        out[i] = with_tanh ? 0.5f * v * (1 + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)))
                           : 0.5f * v * (1 + erff(v * 0.70710678118f));
    }
}

void nn_row_act(float *out, const float *x, int64_t n, nn_act act)
{
    switch (act) {
    case NN_SIGMOID:
        row_sigmoid(out, x, n, 1.0f, false);
        break;
    case NN_SILU:
        row_sigmoid(out, x, n, 1.0f, true);
        break;
    case NN_QUICK_GELU:
        row_sigmoid(out, x, n, 1.702f, true);
        break;
    case NN_GELU:
    case NN_GELU_TANH:
        row_gelu(out, x, n, act == NN_GELU_TANH);
        break;
    case NN_RELU:
        for (int64_t i = 0; i < n; i++)
            out[i] = x[i] > 0 ? x[i] : 0;
        break;
    case NN_NONE:
        if (out != x)
            memcpy(out, x, (size_t)n * sizeof *x);
    }
}

ROW void nn_bf16_from_f32(uint16_t *out, const float *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, x + i, sizeof v);
        uint32_t rounded = (v + 0x7fffu + ((v >> 16) & 1u)) >> 16;
        uint32_t nan = (v >> 16) | 0x40u;
        out[i] = (uint16_t)((v & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
    }
}

ROW void nn_f32_from_bf16(float *out, const uint16_t *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        uint32_t v = (uint32_t)x[i] << 16;
        memcpy(out + i, &v, sizeof v);
    }
}
