/* nn_exp.c: activations and softmax's weights of one row: all that needs e^x. The functions are written once, in
 * nn_exp.inc, and compiled for the instruction sets below; the compiler's own cloning of functions
 * would cut the vectors into pieces before it knows the set. */
#include "nn/nn_internal.h"

#include <string.h>

enum { LANES = 8 };
typedef float lanes __attribute__((vector_size(32)));
typedef int32_t lanes_int __attribute__((vector_size(32)));
#define CHOOSE(mask, a, b) ((lanes)(((mask) & (lanes_int)(a)) | (~(mask) & (lanes_int)(b))))

#define SUIT
#define FOR_CPU(name) plain_##name
#define LARGER(a, b) CHOOSE((a) > (b), a, b)
#define SMALLER(a, b) CHOOSE((a) < (b), a, b)
#include "nn/nn_exp.inc"
#undef SUIT
#undef FOR_CPU
#undef LARGER
#undef SMALLER

#if defined(__x86_64__)
#include <immintrin.h>

#define SUIT __attribute__((target("avx2,fma")))
#define FOR_CPU(name) avx2_##name
#define LARGER(a, b) ((lanes)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define SMALLER(a, b) ((lanes)_mm256_min_ps((__m256)(a), (__m256)(b)))
#include "nn/nn_exp.inc"

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

float nn_row_weights(float *x, int64_t n, float top, float scale)
{
    return has_avx2() ? avx2_weights(x, n, top, scale) : plain_weights(x, n, top, scale);
}

static void act_row(float *out, const float *x, int64_t n, nn_act act)
{
    if (has_avx2())
        avx2_act(out, x, n, act);
    else
        plain_act(out, x, n, act);
}
#else
float nn_row_weights(float *x, int64_t n, float top, float scale)
{
    return plain_weights(x, n, top, scale);
}

static void act_row(float *out, const float *x, int64_t n, nn_act act)
{
    plain_act(out, x, n, act);
}
#endif

void nn_row_act(float *out, const float *x, int64_t n, nn_act act)
{
    if (act != NN_NONE)
        act_row(out, x, n, act);
    else if (out != x)
        memcpy(out, x, (size_t)n * sizeof *x);
}

void nn_activate_row(float *x, int64_t n, nn_act act)
{
    nn_row_act(x, x, n, act);
}
