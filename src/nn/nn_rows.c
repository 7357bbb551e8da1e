/* nn_rows.c: softmax, activations, layer norm and conversions of one row; everything that needs
 * e^x is in nn_loops_exp.inc.
 *
 * The inner loops are plain C that the compiler vectorises. Where supported, each function is
 * compiled for several instruction sets and the best one is chosen when the program loads. */
#include "nn/nn_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && defined(__x86_64__) && \
    defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Levels, not processor names: a clone for "haswell" would only run on Intel. */
#define ROW __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define ROW
#endif

float nn_row_weights(float *x, int64_t n, float top, float scale)
{
    return nn_kernels_used()->weights(x, n, top, scale);
}

void nn_row_act(float *out, const float *x, int64_t n, nn_act act)
{
    if (act != NN_NONE)
        nn_kernels_used()->act(out, x, n, act);
    else if (out != x)
        memcpy(out, x, (size_t)n * sizeof *x);
}

void nn_activate_row(float *x, int64_t n, nn_act act)
{
    nn_row_act(x, x, n, act);
}

ROW float nn_row_soften(float *x, int64_t n, float scale)
{
    float top = -INFINITY;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return nn_row_weights(x, n, top, scale);
}

ROW void nn_row_softmax(float *x, int64_t n, float scale)
{
    float norm = 1.0f / nn_row_soften(x, n, scale);
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

ROW void nn_row_to_bytes(uint8_t *out, const float *x, int64_t n, float *scale, int32_t *zero)
{
    float low = 0, high = 0;
#pragma omp simd reduction(min : low) reduction(max : high)
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float step = (high - low) / 255.0f;
    bool fits =
        step > FLT_MIN && step < INFINITY; /* otherwise 1 / step or the range is not finite */
    float over = fits ? 1.0f / step : 0.0f;
    float start = fits ? (float)(int32_t)(-low * over + 0.5f) : 0.0f;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] * over + start + 0.5f;
        v = v < 255.5f ? v : 255.5f; /* also NaN */
        v = v > 0.0f ? v : 0.0f;
        out[i] = (uint8_t)(int32_t)v;
    }
    *scale = step;
    *zero = (int32_t)start;
}
