/* test_nn_kernels.c: linear layers, convolutions, Winograd, 8-bit layers and activations against
 * plain loops, with shapes that do not fill a tile, panel, block or square. Runs every kernel set
 * this processor supports, and the source for vectors of 16, which any compiler can split into
 * narrower ones. */
#include "base/mem.h"
#include "nn/nn_bytes.h"
#include "nn/nn_conv.h"
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

/* As in nn_kernels_avx512.c. */
#define VECTOR 16
#define ROWS_1 12
#define ROWS_2 12
#define ROWS_3 8
#define CHUNK_STEP 8
#define STEPS 4
#define BYTE_ROWS 12
#include "nn/nn_loops.inc"

static const nn_kernels wide = NN_KERNELS("wide", byte_tile, BYTE_ROWS, BYTE_LIMIT);

/* The kernel set under test. */
static const nn_kernels *kernels;

static bool next_kernels(int i)
{
    const nn_kernels *here = nn_kernels_at(i);
    kernels = here ? here : &wide;
    return here || (i > 0 && nn_kernels_at(i - 1));
}

#define WITH_ALL_KERNELS for (int set_ = 0; next_kernels(set_); set_++)

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

static double plain_sum(const nn_layer_spec *s, const float *x, const float *w, int64_t m,
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

/* A layer with made-up data; out is the kernel's result. */
typedef struct layer {
    nn_layer_spec s;
    int64_t rows;
    float *x, *w, *b, *r, *out; /* b, r: NULL if unused */
} layer;

static layer layer_new(nn_layer_spec s, bool bias, bool residual)
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
    const nn_layer_spec *s = &l->s;
    for (int64_t m = 0; m < l->rows; m++)
        for (int64_t o = 0; o < s->o; o++) {
            double expected = plain_sum(s, l->x, l->w, m, o) + (l->b ? l->b[o] : 0);
            expected = plain_act(expected, s->act) + (l->r ? l->r[m * s->o + o] : 0);
            assert_float_equal(l->out[m * s->o + o], expected, 2e-4);
        }
}

static nn_layer run_of(const layer *l, const void *packed)
{
    return (nn_layer){ &l->s, packed, l->b, l->x, l->r, l->out };
}

static void check(nn_layer_spec s, bool bias, bool residual, int threads)
{
    s.kernels = kernels;
    s.groups = 1;
    layer l = layer_new(s, bias, residual);
    bool linear = nn_linear_suits(&s);
    assert_true(linear || nn_conv_suits(&s));
    float *packed = mem_aligned(linear ? nn_linear_bytes(&s) : nn_conv_bytes(&s));
    assert_non_null(packed);
    nn_layer run = run_of(&l, packed);
    if (linear) {
        nn_linear_pack(&s, l.w, packed, threads);
        nn_linear_run(&run, threads);
    } else {
        nn_conv_pack(&s, l.w, packed, threads);
        nn_conv_run(&run, threads);
    }
    free(packed);
    layer_check(&l);
    layer_free(&l);
}

static void check_winograd(nn_layer_spec s, bool bias, bool residual, int threads)
{
    s.kernels = kernels;
    s.groups = 1;
    assert_true(nn_winograd_suits(&s));
    layer l = layer_new(s, bias, residual);
    float *packed = mem_aligned(nn_winograd_bytes(&s));
    float *scratch = mem_aligned(nn_winograd_scratch(&s, threads));
    assert_true(packed && scratch);
    nn_layer run = run_of(&l, packed);
    nn_winograd_pack(&s, l.w, packed, threads);
    nn_winograd_run(&run, scratch, threads);
    free(packed);
    free(scratch);
    layer_check(&l);
    layer_free(&l);
}

/* 8 bits: close to f32. */
static void check_bytes(nn_layer_spec s, int threads)
{
    double far = 0, top = 0;
    s.kernels = kernels;
    s.groups = 1;
    assert_true(nn_bytes_suit(&s));
    layer l = layer_new(s, true, true);
    void *packed = mem_aligned(nn_bytes_packed(&s));
    void *scratch = mem_aligned(nn_bytes_scratch(&s));
    assert_true(packed && scratch);
    nn_layer run = run_of(&l, packed);
    nn_bytes_pack(&s, l.w, packed, threads);
    nn_bytes_run(&run, scratch, threads);
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

static nn_layer_spec linear(int64_t n, int64_t c, int64_t o, nn_act act)
{
    return (nn_layer_spec){ .linear = true, .n = n, .c = c, .o = o, .act = act };
}

static nn_layer_spec conv(int64_t h, int64_t w, int64_t c, int64_t o, int64_t k, int64_t stride,
                          int64_t pad)
{
    return (nn_layer_spec){ .n = 2,
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
    WITH_ALL_KERNELS
    {
        for (int64_t n = 1; n <= 14; n++)
            check(linear(n, 37, 19, NN_NONE), true, false, 1);
        check(linear(211, 40, 33, NN_QUICK_GELU), true, true, 3);
        check(linear(5, 700, 16, NN_NONE), false, true, 2); /* more than one block of a sum */
        nn_layer_spec turned = linear(9, 24, 20, NN_NONE);
        turned.in_out = true;
        check(turned, false, false, 1);
    }
}

static void test_linear_of_every_width(void **state)
{
    WITH_ALL_KERNELS
    {
        for (int64_t o = 1; o <= 75; o++)
            check(linear(7, 21, o, NN_NONE), true, o % 2, 1);
        check(linear(130, 520, 100, NN_GELU), true, false, 4);
    }
}

/* Panels are adjacent and cover all columns; only the last one has padding columns. */
static void check_panels(int64_t columns)
{
    int64_t at = 0, count = nn_panel_count(kernels, columns), vector = kernels->vector;
    for (int64_t i = 0; i < count; i++) {
        nn_panel p = nn_panel_at(kernels, columns, i);
        assert_int_equal(p.first, at);
        assert_true(p.width % vector == 0 && p.width <= 3 * vector);
        assert_true(p.width > vector || count == 1);
        assert_true(i == count - 1 ? p.width - p.columns < vector : p.columns == p.width);
        at += p.width;
    }
    assert_int_equal(at, nn_panel_columns(kernels, columns));
    assert_in_range(at - columns, 0, vector - 1);
}

static void test_panels(void **state)
{
    WITH_ALL_KERNELS
    for (int64_t columns = 1; columns <= 200; columns++)
        check_panels(columns);
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
    WITH_ALL_KERNELS
    {
        check(conv(11, 11, 3, 20, 3, 2, 1), true, false, 2); /* taps of a line joined, with edges */
        check(conv(9, 9, 40, 17, 3, 1, 1), true, true, 2);   /* several blocks of taps */
        check(conv(8, 8, 300, 16, 3, 1, 1), false, false, 2); /* several blocks of a tap */
        check(conv(7, 7, 33, 48, 1, 1, 0), true, true, 1);
        check(conv(12, 12, 5, 8, 2, 2, 0), true, false, 1);
        check(conv(6, 13, 9, 24, 3, 1, 1), true, true, 2);
        check(conv(13, 6, 9, 24, 3, 2, 1), false, false, 1);
    }
}

static void test_winograd(void **state)
{
    WITH_ALL_KERNELS
    {
        check_winograd(conv(12, 12, 48, 32, 3, 1, 1), true, true, 1);
        check_winograd(conv(15, 15, 16, 48, 3, 1, 1), false, false, 3); /* squares over the edge */
        check_winograd(conv(22, 22, 48, 16, 3, 1, 0), true, false, 2);
        check_winograd(conv(12, 12, 272, 16, 3, 1, 1), true, false,
                       1);                                            /* several blocks of a sum */
        check_winograd(conv(33, 33, 16, 16, 3, 1, 1), true, true, 1); /* several groups */
        check_winograd(conv(12, 20, 32, 32, 3, 1, 1), true, true, 2);
        if (kernels->vector <= 8) /* otherwise half a vector would be left */
            check_winograd(conv(12, 20, 24, 32, 3, 1, 1), true, true, 2);
        check_winograd(conv(21, 11, 16, 48, 3, 1, 1), true, false, 1);
    }
}

static void test_winograd_declines(void **state)
{
    next_kernels(0);
    nn_layer_spec few = conv(4, 4, 32, 32, 3, 1, 1), odd = conv(16, 16, 30, 34, 3, 1, 1);
    nn_layer_spec strided = conv(32, 32, 32, 32, 3, 2, 1), waste = conv(13, 13, 32, 32, 3, 1, 1);
    few.kernels = odd.kernels = strided.kernels = waste.kernels = kernels;
    assert_false(nn_winograd_suits(&few));
    assert_false(nn_winograd_suits(&odd));
    assert_false(nn_winograd_suits(&strided));
    assert_false(nn_winograd_suits(&waste)); /* a third of its squares is outside */
}

static void test_bytes(void **state)
{
    WITH_ALL_KERNELS
    {
        check_bytes(linear(1, 64, 64, NN_NONE), 1);
        check_bytes(linear(203, 131, 77, NN_QUICK_GELU),
                    3);                               /* no dimension is a multiple of its block */
        check_bytes(linear(6, 1500, 80, NN_NONE), 2); /* several blocks of a sum */
        nn_layer_spec turned = linear(9, 70, 96, NN_NONE);
        turned.in_out = true;
        check_bytes(turned, 1);
    }
}

/* Byte sums are exact integers, and the largest must not overflow. */
static void test_sums_of_bytes_are_exact(void **state)
{
    enum { INPUTS = 72, DEPTH = 4 * INPUTS };
    WITH_ALL_KERNELS
    {
        static uint8_t a[NN_MAX_BYTE_ROWS][DEPTH];
        static int8_t w[INPUTS * 2 * NN_MAX_VECTOR * 4];
        static int32_t acc[NN_MAX_BYTE_ROWS * 2 * NN_MAX_VECTOR];
        const uint8_t *at[NN_MAX_BYTE_ROWS];
        int width = 2 * kernels->vector, limit = kernels->byte_limit;
        for (int r = 0; r < kernels->byte_rows; r++) {
            at[r] = a[r];
            for (int k = 0; k < DEPTH; k++)
                a[r][k] = r == 0 ? 255 : (uint8_t)(k * 37 + r * 101);
        }
        for (int i = 0; i < INPUTS * width * 4; i++)
            w[i] = (int8_t)(i / 4 % width < 2 ? (i / 4 % width ? limit : -limit)
                                              : i * 29 % (2 * limit + 1) - limit);
        kernels->byte_tile(acc, at, w, DEPTH / 2, true);
        for (int r = 0; r < kernels->byte_rows; r++)
            at[r] += DEPTH / 2;
        kernels->byte_tile(acc, at, w + DEPTH / 2 * width, DEPTH / 2, false);
        for (int r = 0; r < kernels->byte_rows; r++)
            for (int o = 0; o < width; o++) {
                int32_t sum = 0;
                for (int k = 0; k < DEPTH; k++)
                    sum += a[r][k] * w[(k / 4 * width + o) * 4 + k % 4];
                assert_int_equal(acc[r * width + o], sum);
            }
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
            if (isfinite(scale) && !isnan(rows[i][k])) /* denormals may become 0 */
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
    WITH_ALL_KERNELS
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
        kernels->act(out, x, 45, all[a]);
        for (int i = 0; i < 45; i++)
            assert_float_equal(out[i], plain_act(x[i], all[a]), 1e-6 * (1 + fabs((double)x[i])));
    }
}

static void test_weights_of_softmax(void **state)
{
    float x[45];
    WITH_ALL_KERNELS
    for (int n = 1; n <= 45; n++) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += exp((x[i] = i == 4 ? -4000.0f : (float)((i * 7) % 11) * -0.7f) * 0.5);
        assert_float_equal(kernels->weights(x, n, 0, 0.5f), sum, 1e-6 * sum);
        for (int i = 0; i < n; i++)
            assert_float_equal(x[i], i == 4 ? 0 : exp((i * 7) % 11 * -0.35), 1e-6);
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
        cmocka_unit_test(test_sums_of_bytes_are_exact),
        cmocka_unit_test(test_bytes_of_a_row),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_weights_of_softmax),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
