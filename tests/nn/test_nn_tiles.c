/* test_nn_tiles.c: register tiles, Winograd's convolutions on them, and layers in 8 bits, against plain loops,
 * over shapes that do not fill a tile, a panel, a block or a square. */
#include "nn/nn_tiles.h"

#include "base/mem.h"
#include "nn/nn_bytes.h"
#include "nn/nn_internal.h"
#include "nn/nn_linear.h"
#include "nn/nn_panel.h"
#include "nn/nn_winograd.h"

#include <float.h>
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

/* A layer with made-up numbers; out is what a kernel makes of it. */
typedef struct layer {
    nn_kernel_spec s;
    int64_t rows;
    float *x, *w, *b, *r, *out; /* b, r NULL: without */
} layer;

static layer layer_new(nn_kernel_spec s, bool bias, bool residual)
{
    layer l = { .s = s };
    int64_t in = s.linear ? s.n : s.n * s.h * s.w, taps = s.linear ? 1 : s.kh * s.kw;
    l.rows = s.linear ? s.n : s.n * s.oh * s.ow;
    l.x = numbers(in * s.c, 1);
    l.w = numbers(s.o * s.c * taps, 77);
    l.b = bias ? numbers(s.o, 5) : NULL;
    l.r = residual ? numbers(l.rows * s.o, 9) : NULL;
    l.out = numbers(l.rows * s.o, 3);
    return l;
}

static void layer_free(layer *l)
{
    float *all[] = { l->x, l->w, l->b, l->r, l->out };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void layer_check(const layer *l)
{
    const nn_kernel_spec *s = &l->s;
    for (int64_t m = 0; m < l->rows; m++)
        for (int64_t o = 0; o < s->o; o++) {
            double expected = plain_sum(s, l->x, l->w, m, o) + (l->b ? l->b[o] : 0);
            expected = plain_act(expected, s->act) + (l->r ? l->r[m * s->o + o] : 0);
            assert_float_equal(l->out[m * s->o + o], expected, 2e-4);
        }
}

static void check(nn_kernel_spec s, bool bias, bool residual, int threads)
{
    s.groups = 1;
    if (!nn_tiles_available())
        skip();
    layer l = layer_new(s, bias, residual);
    bool linear = nn_linear_suits(&s);
    assert_true(linear || nn_tiles_suit(&s));
    float *packed = mem_aligned(linear ? nn_linear_bytes(&s) : nn_tiles_bytes(&s));
    assert_non_null(packed);
    if (linear) {
        nn_linear_pack(&s, l.w, packed, threads);
        nn_linear_run(&s, packed, l.b, l.x, l.r, l.out, threads);
    } else {
        nn_tiles_pack(&s, l.w, packed, threads);
        nn_tiles_run(&s, packed, l.b, l.x, l.r, l.out, threads);
    }
    free(packed);
    layer_check(&l);
    layer_free(&l);
}

static void check_winograd(nn_kernel_spec s, bool bias, bool residual, int threads)
{
    s.groups = 1;
    if (!nn_tiles_available())
        skip();
    assert_true(nn_tiles_suit(&s));
    assert_true(nn_winograd_suits(&s));
    layer l = layer_new(s, bias, residual);
    float *packed = mem_aligned(nn_winograd_bytes(&s));
    float *scratch = mem_aligned(nn_winograd_scratch(&s, threads));
    assert_true(packed && scratch);
    nn_winograd_pack(&s, l.w, packed, threads);
    nn_winograd_run(&s, packed, l.b, l.x, l.r, l.out, scratch, threads);
    free(packed);
    free(scratch);
    layer_check(&l);
    layer_free(&l);
}

/* In 8 bits: near to f32, by our kernel and by oneDNN's. */
static void check_bytes(nn_kernel_spec s, bool own, int threads)
{
    rap_err err = { 0 };
    double far = 0, top = 0;
    s.groups = 1;
    if (own && !nn_tiles_available())
        skip();
    assert_true(nn_bytes_suit(&s));
    layer l = layer_new(s, true, true);
    void *packed = mem_aligned(nn_bytes_packed(&s));
    void *scratch = mem_aligned(nn_bytes_scratch(&s, own));
    assert_true(packed && scratch);
    nn_bytes_pack(&s, l.w, packed, own, threads);
    assert_int_equal(nn_bytes_run(&s, packed, l.b, l.x, l.r, l.out, scratch, own, threads, &err),
                     RAP_OK);
    for (int64_t m = 0; m < l.rows; m++)
        for (int64_t o = 0; o < s.o; o++) {
            double sum =
                plain_act(plain_sum(&s, l.x, l.w, m, o) + l.b[o], s.act) + l.r[m * s.o + o];
            top = fmax(top, fabs(sum));
            far = fmax(far, fabs(sum - l.out[m * s.o + o]));
        }
    assert_true(far > 0 && far < 0.02 * top);
    free(packed);
    free(scratch);
    layer_free(&l);
}

static nn_kernel_spec linear(int64_t n, int64_t c, int64_t o, nn_act act)
{
    return (nn_kernel_spec){ .linear = true, .n = n, .c = c, .o = o, .act = act };
}

static nn_kernel_spec conv(int64_t h, int64_t w, int64_t c, int64_t o, int64_t k, int64_t stride,
                           int64_t pad)
{
    return (nn_kernel_spec){ .n = 2,
                             .h = h,
                             .w = w,
                             .c = c,
                             .o = o,
                             .oh = (h + 2 * pad - k) / stride + 1,
                             .ow = (w + 2 * pad - k) / stride + 1,
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

static void test_linear_of_every_width(void **state)
{
    for (int64_t o = 1; o <= 75; o++)
        check(linear(7, 21, o, NN_NONE), true, o % 2, 1);
    check(linear(130, 520, 100, NN_GELU), true, false, 4);
}

/* Panels lie side by side, cover all columns, and only the last holds columns that fill up. */
static void test_panels(void **state)
{
    for (int64_t columns = 1; columns <= 200; columns++) {
        int64_t at = 0, count = nn_panel_count(columns);
        for (int64_t i = 0; i < count; i++) {
            nn_panel p = nn_panel_at(columns, i);
            assert_int_equal(p.first, at);
            assert_true(p.width == 8 || p.width == 16 || p.width == NN_PANEL);
            assert_true(p.width > 8 || count == 1);
            assert_true(i == count - 1 ? p.width - p.columns < 8 : p.columns == p.width);
            at += p.width;
        }
        assert_int_equal(at, nn_panel_columns(columns));
        assert_in_range(at - columns, 0, 7);
    }
}

static void test_pieces(void **state)
{
    for (int64_t depth = 1; depth < 3000; depth += depth < 600 ? 1 : 97) {
        int64_t at = 0;
        for (int64_t i = 0; at < depth; i++) {
            int64_t to = nn_panel_piece(depth, i + 1);
            assert_true(to > at && to <= depth && to - at <= 512);
            assert_true(to == depth || to % 8 == 0);
            at = to;
        }
    }
}

static void test_convolutions(void **state)
{
    check(conv(11, 11, 3, 20, 3, 2, 1), true, false, 2);  /* taps of a line joined, with edges */
    check(conv(9, 9, 40, 17, 3, 1, 1), true, true, 2);    /* several blocks of taps */
    check(conv(8, 8, 300, 16, 3, 1, 1), false, false, 2); /* several blocks of a tap */
    check(conv(7, 7, 33, 48, 1, 1, 0), true, true, 1);
    check(conv(12, 12, 5, 8, 2, 2, 0), true, false, 1);
    check(conv(6, 13, 9, 24, 3, 1, 1), true, true, 2);
    check(conv(13, 6, 9, 24, 3, 2, 1), false, false, 1);
}

static void test_winograd(void **state)
{
    check_winograd(conv(12, 12, 24, 32, 3, 1, 1), true, true, 1);
    check_winograd(conv(15, 15, 16, 48, 3, 1, 1), false, false, 3); /* squares over the edge */
    check_winograd(conv(22, 22, 40, 16, 3, 1, 0), true, false, 2);
    check_winograd(conv(12, 12, 264, 16, 3, 1, 1), true, false, 1); /* several blocks of a sum */
    check_winograd(conv(33, 33, 16, 16, 3, 1, 1), true, true, 1);   /* several groups */
    check_winograd(conv(12, 20, 24, 32, 3, 1, 1), true, true, 2);
    check_winograd(conv(21, 11, 16, 48, 3, 1, 1), true, false, 1);
}

static void test_winograd_declines(void **state)
{
    nn_kernel_spec few = conv(4, 4, 32, 32, 3, 1, 1), odd = conv(16, 16, 30, 32, 3, 1, 1);
    nn_kernel_spec strided = conv(32, 32, 32, 32, 3, 2, 1), waste = conv(13, 13, 32, 32, 3, 1, 1);
    assert_false(nn_winograd_suits(&few));
    assert_false(nn_winograd_suits(&odd));
    assert_false(nn_winograd_suits(&strided));
    assert_false(nn_winograd_suits(&waste)); /* a third of its squares lies outside */
}

static void test_bytes(void **state)
{
    for (int own = 0; own < 2; own++) {
        check_bytes(linear(1, 64, 64, NN_NONE), own, 1);
        check_bytes(linear(203, 131, 77, NN_QUICK_GELU), own, 3); /* nothing fills anything */
        check_bytes(linear(6, 1500, 80, NN_NONE), own, 2);        /* several blocks of a sum */
        nn_kernel_spec turned = linear(9, 70, 96, NN_NONE);
        turned.in_out = true;
        check_bytes(turned, own, 1);
    }
}

static void test_bytes_of_a_row(void **state)
{
    static const float rows[][3] = {
        { 0, 0, 0 },   { -1, 0, 1 },        { 5, 6, 7 },      { -3, -2, -1 },
        { NAN, 1, 2 }, { -INFINITY, 1, 2 }, { 0, 0, 1e-37f }, { -FLT_MAX, 0, FLT_MAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t q[3];
        float scale;
        int32_t zero;
        nn_row_to_bytes(q, rows[i], 3, &scale, &zero);
        assert_in_range(zero, 0, 255);
        for (int k = 0; k < 3; k++)
            if (isfinite(scale) && !isnan(rows[i][k])) /* smallest numbers may become 0 */
                assert_float_equal((float)(q[k] - zero) * scale, rows[i][k], scale + 256 * FLT_MIN);
    }
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
        cmocka_unit_test(test_linear_of_every_width),
        cmocka_unit_test(test_panels),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_winograd_declines),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bytes_of_a_row),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
