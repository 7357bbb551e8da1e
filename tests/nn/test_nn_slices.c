/* test_nn_slices.c: sliced oneDNN layers match our own kernels and use only the shared pool's
 * threads (src/nn/nn_slices.c). */
#include "nn/nn_slices.h"

#include "base/mem.h"
#include "nn/nn_conv.h"
#include "nn/nn_linear.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static nn_backend *backend;

static int open_backend(void **state)
{
    return nn_backend_open(&backend, NULL);
}

static int close_backend(void **state)
{
    nn_backend_close(backend);
    return 0;
}

static float *numbers(int64_t count, uint32_t seed)
{
    float *x = mem_array((size_t)count, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(((uint32_t)i * 2654435761u + seed) >> 16 & 255) / 256.0f - 0.5f;
    return x;
}

static void run_ours(const nn_layer_spec *s, const float *w, const float *x, const float *b,
                     float *out)
{
    bool linear = nn_linear_suits(s);
    float *packed = mem_aligned(linear ? nn_linear_bytes(s) : nn_conv_bytes(s));
    nn_layer l = { .s = s, .packed = packed, .bias = b, .src = x, .dst = out };
    assert_non_null(packed);
    if (linear)
        nn_linear_pack(s, w, packed, 1);
    else
        nn_conv_pack(s, w, packed, 1);
    if (linear)
        nn_linear_run(&l, 1);
    else
        nn_conv_run(&l, 1);
    free(packed);
}

static void run_theirs(const nn_layer_spec *s, const float *w, const float *x, float *b, float *out,
                       int threads)
{
    nn_slices *n = NULL;
    assert_int_equal(nn_slices_new(&n, backend, s, threads, NULL), RAP_OK);
    void *packed = mem_aligned(nn_primitive_weight_bytes(nn_slices_first(n)));
    void *scratch = mem_aligned(nn_slices_scratch(n, threads) + 64);
    assert_true(packed && scratch);
    assert_int_equal(nn_primitive_pack(nn_slices_first(n), w, packed, NULL), RAP_OK);
    assert_int_equal(nn_slices_bind(n, packed, b, NULL), RAP_OK);
    assert_int_equal(nn_slices_run(n, x, out, scratch, threads, NULL), RAP_OK);
    nn_slices_free(n);
    free(packed);
    free(scratch);
}

static void check(nn_layer_spec s)
{
    s.kernels = nn_kernels_used();
    s.groups = 1;
    s.bias = true;
    s.act = NN_RELU;
    s.pad_above = s.pad_below = s.pad;
    int64_t in = s.linear ? s.n * s.c : s.n * s.h * s.w * s.c;
    int64_t results = s.linear ? s.n * s.o : s.n * s.oh * s.ow * s.o;
    float *x = numbers(in, 1), *b = numbers(s.o, 7),
          *w = numbers(s.o * s.c * (s.linear ? 1 : s.kh * s.kw), 3);
    float *ours = numbers(results, 5), *theirs = numbers(results, 6);
    run_ours(&s, w, x, b, ours);
    for (int threads = 1; threads <= 5; threads++) {
        memset(theirs, 0xff, (size_t)results * sizeof *theirs);
        run_theirs(&s, w, x, b, theirs, threads);
        for (int64_t i = 0; i < results; i++)
            assert_float_equal(theirs[i], ours[i], 2e-4);
    }
    float *all[] = { x, b, w, ours, theirs };
    for (int i = 0; i < 5; i++)
        free(all[i]);
}

static nn_layer_spec conv(int64_t n, int64_t h, int64_t w, int64_t k, int64_t stride, int64_t pad)
{
    return (nn_layer_spec){ .n = n,
                            .h = h,
                            .w = w,
                            .c = 16,
                            .o = 24,
                            .oh = (h + 2 * pad - k) / stride + 1,
                            .ow = (w + 2 * pad - k) / stride + 1,
                            .kh = k,
                            .kw = k,
                            .stride = stride,
                            .pad = pad };
}

static void test_slices_make_the_whole(void **state)
{
    check((nn_layer_spec){ .linear = true, .n = 37, .c = 40, .o = 24 });
    check((nn_layer_spec){ .linear = true, .n = 1, .c = 40, .o = 24 });
    check(conv(1, 11, 9, 3, 1, 1));
    check(conv(1, 12, 12, 3, 2, 1)); /* the last line of padding is not read */
    check(conv(2, 7, 8, 3, 1, 0));   /* lines of several pictures */
    check(conv(6, 8, 8, 3, 2, 1));   /* pictures */
    check(conv(1, 4, 20, 1, 1, 0));
    check(conv(1, 3, 3, 3, 1, 1)); /* fewer lines than threads */
}

static int tasks(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; d && (e = readdir(d));)
        count += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return count;
}

static void test_there_is_one_pool(void **state)
{
    int before = tasks();
    check(conv(1, 16, 16, 3, 1, 1));
    assert_in_range(tasks() - before, 0, 4); /* helpers for 5 threads, none from OpenMP */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_is_one_pool),
        cmocka_unit_test(test_slices_make_the_whole),
    };
    return cmocka_run_group_tests(tests, open_backend, close_backend);
}
