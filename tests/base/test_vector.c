/* test_vector.c: lengths, overlaps and principal axes (src/base/vector.c). */
#include "base/vector.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_vector_gets_the_length_one(void **state)
{
    float x[3] = { 3, 0, -4 }, huge[2] = { FLT_MAX, FLT_MAX }, tiny[2] = { FLT_MIN, 0 };

    assert_true(vector_normalise(x, x, 3));
    assert_float_equal(x[0], 0.6, 1e-7);
    assert_float_equal(x[2], -0.8, 1e-7);
    assert_true(vector_normalise(huge, huge, 2) && vector_normalise(tiny, tiny, 2));
    assert_float_equal(huge[1], sqrt(0.5), 1e-7);
    assert_float_equal(tiny[0], 1, 0);
    assert_float_equal(vector_dot(x, x, 3), 1, 1e-6);
    assert_float_equal(vector_square_distance((float[]){ 1, 2 }, (float[]){ 4, -2 }, 2), 25, 0);
}

static void without_a_direction_it_is_zeros(void **state)
{
    static const float none[][2] = { { 0, 0 }, { NAN, 1 }, { INFINITY, 0 } };

    for (int i = 0; i < 3; i++) {
        float out[2] = { 7, 7 };

        assert_false(vector_normalise(out, none[i], 2));
        assert_true(out[0] == 0 && out[1] == 0);
        assert_true(vector_unit_scale(none[i], 2) == 0);
    }
}

static void boxes_overlap_by_their_union(void **state)
{
    rap_box a = { 0, 0, 10, 10 }, b = { 5, 0, 10, 10 }, c = { 20, 20, 5, 5 }, flat = { 2, 2, 5, 0 };

    assert_float_equal(box_iou(a, a), 1.0, 1e-6);
    assert_float_equal(box_iou(a, b), 1.0 / 3.0, 1e-6);
    assert_float_equal(box_iou(a, c), 0.0, 0);
    assert_float_equal(box_iou(flat, flat), 0.0, 0);
}

/* ---- principal axes ---- */

enum { DIM = 6 };

/* The matrix of axes e(i) of these lengths, turned by a quarter of a half-circle in the plane of the first two. */
static void turned_times(float *out, const float *axes, void *payload)
{
    const float *length = payload, h = sqrtf(0.5f);

    for (int a = 0; a < 3; a++, axes += DIM, out += DIM) {
        float u = h * (axes[0] + axes[1]), v = h * (axes[0] - axes[1]);

        for (int i = 2; i < DIM; i++)
            out[i] = length[i] * axes[i];
        out[0] = h * (length[0] * u + length[1] * v);
        out[1] = h * (length[0] * u - length[1] * v);
    }
}

static void the_longest_axes_are_found_in_order(void **state)
{
    float length[DIM] = { 9, 1, 0.5f, 4, 0.1f, 0.2f }, axes[3 * DIM], next[3 * DIM];

    assert_int_equal(vector_principal_axes(axes, next, 3, DIM, 200, 1e-9, turned_times, length), 3);
    assert_float_equal(fabsf(axes[0] + axes[1]), sqrt(2), 1e-3); /* 9 */
    assert_float_equal(fabsf(axes[DIM + 3]), 1, 1e-3);           /* 4 */
    assert_float_equal(fabsf(axes[2 * DIM] - axes[2 * DIM + 1]), sqrt(2), 1e-3);
    for (int i = 0; i < 3; i++) {
        assert_float_equal(vector_dot(axes + i * DIM, axes + i * DIM, DIM), 1, 1e-6);
        for (int k = 0; k < i; k++)
            assert_float_equal(vector_dot(axes + i * DIM, axes + k * DIM, DIM), 0, 1e-6);
    }
    assert_float_equal(vector_dot(axes, next, DIM), 9, 1e-3);
    assert_float_equal(vector_dot(axes + DIM, next + DIM, DIM), 4, 1e-3);
}

static void what_has_no_axes_gives_none(void **state)
{
    float zero[DIM] = { 0 }, one[DIM] = { 0, 0, 0, 4, 0, 0 }, axes[3 * DIM], next[3 * DIM];

    assert_int_equal(vector_principal_axes(axes, next, 3, DIM, 20, 1e-9, turned_times, one), 1);
    assert_float_equal(fabsf(axes[3]), 1, 1e-6);
    for (int i = DIM; i < 3 * DIM; i++)
        assert_true(axes[i] == 0 && next[i] == 0);
    vector_principal_axes(axes, next, 3, DIM, 20, 1e-9, turned_times, zero);
    for (int i = 0; i < 3 * DIM; i++)
        assert_true(isfinite(axes[i]) && next[i] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_gets_the_length_one),
        cmocka_unit_test(without_a_direction_it_is_zeros),
        cmocka_unit_test(boxes_overlap_by_their_union),
        cmocka_unit_test(the_longest_axes_are_found_in_order),
        cmocka_unit_test(what_has_no_axes_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
