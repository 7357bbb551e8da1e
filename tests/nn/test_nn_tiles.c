/* test_nn_tiles.c: register tiles against plain loops, over shapes that do not fill a tile, a panel or a block. */
#include "nn/nn_tiles.h"

#include "base/mem.h"
#include "nn/nn_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static float number(uint32_t i)
{
    i = i * 2654435761u ^ i >> 7;
    return (float)(i >> 20) / 4096.0f - 0.5f;
}

static float *numbers(int64_t count, uint32_t seed)
{
    float *x = mem_array((size_t)count, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = number(seed + (uint32_t)i);
    return x;
}

static double plain_sum(const nn_kernel_spec *s, const float *x, const float *w, int64_t m,
                        int64_t o)
{
    double sum = 0;
    if (s->linear) {
        for (int64_t i = 0; i < s->c; i++)
            sum += (double)x[m * s->c + i] * w[s->in_out ? i * s->o + o : o * s->c + i];
        return sum;
    }
    int64_t n = m / (s->oh * s->ow), oy = m / s->ow % s->oh, ox = m % s->ow;
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++) {
            int64_t y = oy * s->stride - s->pad + ky, at = ox * s->stride - s->pad + kx;
            if (y < 0 || at < 0 || y >= s->h || at >= s->w)
                continue;
            for (int64_t i = 0; i < s->c; i++)
                sum += (double)x[((n * s->h + y) * s->w + at) * s->c + i] *
                       w[((o * s->c + i) * s->kh + ky) * s->kw + kx];
        }
    return sum;
}

static double plain_act(double x, nn_act act)
{
    switch (act) {
    case NN_RELU:
        return x > 0 ? x : 0;
    case NN_SIGMOID:
        return 1 / (1 + exp(-x));
    case NN_SILU:
        return x / (1 + exp(-x));
    case NN_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case NN_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case NN_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    default:
        return x;
    }
}

static void check(nn_kernel_spec s, bool bias, bool residual, int threads)
{
    s.groups = 1;
    if (!nn_tiles_suit(&s))
        skip();
    int64_t taps = s.linear ? 1 : s.kh * s.kw;
    int64_t rows = s.linear ? s.n : s.n * s.oh * s.ow, in = s.linear ? s.n : s.n * s.h * s.w;
    float *x = numbers(in * s.c, 1), *w = numbers(s.o * s.c * taps, 77), *b = numbers(s.o, 5);
    float *r = numbers(rows * s.o, 9), *out = mem_array((size_t)(rows * s.o), sizeof *out);
    float *packed = mem_aligned(nn_tiles_bytes(&s));
    assert_true(out && packed);
    nn_tiles_pack(&s, w, packed, threads);
    nn_tiles_run(&s, packed, bias ? b : NULL, x, residual ? r : NULL, out, threads);
    for (int64_t m = 0; m < rows; m++)
        for (int64_t o = 0; o < s.o; o++) {
            double expected = plain_act(plain_sum(&s, x, w, m, o) + (bias ? b[o] : 0), s.act);
            expected += residual ? r[m * s.o + o] : 0;
            assert_float_equal(out[m * s.o + o], expected, 2e-4);
        }
    float *all[] = { x, w, b, r, out, packed };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static nn_kernel_spec linear(int64_t n, int64_t c, int64_t o, nn_act act)
{
    return (nn_kernel_spec){ .linear = true, .n = n, .c = c, .o = o, .act = act };
}

static nn_kernel_spec conv(int64_t side, int64_t c, int64_t o, int64_t k, int64_t stride,
                           int64_t pad)
{
    int64_t to = (side + 2 * pad - k) / stride + 1;
    return (nn_kernel_spec){ .n = 2,
                             .h = side,
                             .w = side,
                             .c = c,
                             .o = o,
                             .oh = to,
                             .ow = to,
                             .kh = k,
                             .kw = k,
                             .stride = stride,
                             .pad = pad,
                             .act = NN_SILU };
}

static void test_linear_of_every_height(void **state)
{
    for (int64_t n = 1; n <= 14; n++)
        check(linear(n, 37, 19, NN_NONE), true, false, 1);
    check(linear(211, 40, 33, NN_QUICK_GELU), true, true, 3);
    check(linear(5, 700, 16, NN_NONE), false, true, 2); /* more than one block of a sum */
    nn_kernel_spec turned = linear(9, 24, 20, NN_NONE);
    turned.in_out = true;
    check(turned, false, false, 1);
}

static void test_convolutions(void **state)
{
    check(conv(11, 3, 20, 3, 2, 1), true, false, 2);   /* taps of a line joined, with edges */
    check(conv(9, 40, 17, 3, 1, 1), true, true, 2);    /* several blocks of taps */
    check(conv(8, 300, 16, 3, 1, 1), false, false, 2); /* several blocks of a tap */
    check(conv(7, 33, 48, 1, 1, 0), true, true, 1);
    check(conv(12, 5, 8, 2, 2, 0), true, false, 1);
}

static void test_activations(void **state)
{
    static const nn_act all[] = {
        NN_RELU, NN_SIGMOID, NN_SILU, NN_QUICK_GELU, NN_GELU, NN_GELU_TANH
    };
    float x[45], out[45];
    for (int i = 0; i < 45; i++)
        x[i] = i < 2 ? (i ? 200.0f : -200.0f) : (float)(i - 23) * 0.4f;
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
        nn_row_act(out, x, 45, all[a]);
        for (int i = 0; i < 45; i++)
            assert_float_equal(out[i], plain_act(x[i], all[a]), 1e-6 * (1 + fabs((double)x[i])));
    }
}

static void test_softmax(void **state)
{
    float x[21];
    for (int i = 0; i < 21; i++)
        x[i] = i == 4 ? -4000.0f : (float)((i * 7) % 11) * 0.7f;
    double sum = 0, expected[21];
    for (int i = 0; i < 21; i++)
        sum += expected[i] = exp(0.5 * (double)x[i]);
    nn_row_softmax(x, 21, 0.5f);
    for (int i = 0; i < 21; i++)
        assert_float_equal(x[i], expected[i] / sum, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_of_every_height),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
