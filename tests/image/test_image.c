/* test_image.c: pictures as memory (src/image/image.c). */
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Pixel (x, y) holds x, y and 7. */
static void make(image *out, int width, int height)
{
    assert_int_equal(image_new(out, width, height, NULL), RAP_OK);
    for (int i = 0; i < width * height; i++) {
        out->rgb[i * 3] = (uint8_t)(i % width);
        out->rgb[i * 3 + 1] = (uint8_t)(i / width);
        out->rgb[i * 3 + 2] = 7;
    }
}

static void bounds_the_size(void **state)
{
    image im;
    rap_err err;

    assert_int_equal(image_new(&im, 0, 5, &err), RAP_E_ARGUMENT);
    assert_int_equal(image_new(&im, 5, -5, &err), RAP_E_ARGUMENT);
    assert_int_equal(image_new(&im, 10001, 10000, &err), RAP_E_LIMIT);
    assert_null(im.rgb);
    image_release(&im);
    image_release(NULL);
}

static void check_crop(rap_box box, int x, int y, int width, int height)
{
    image in, out;

    make(&in, 20, 10);
    assert_int_equal(image_crop(&out, &in, box, NULL), RAP_OK);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    assert_int_equal(out.rgb[0], x);
    assert_int_equal(out.rgb[1], y);
    assert_int_equal(out.rgb[(width * height - 1) * 3], x + width - 1);
    assert_int_equal(out.rgb[(width * height - 1) * 3 + 1], y + height - 1);
    image_release(&in);
    image_release(&out);
}

static void crops(void **state)
{
    check_crop((rap_box){ 2, 3, 5, 4 }, 2, 3, 5, 4);
    check_crop((rap_box){ 0, 0, 0, 0 }, 0, 0, 20, 10);           /* no box: the whole */
    check_crop((rap_box){ -5, -5, 10, 10 }, 0, 0, 5, 5);         /* clamped */
    check_crop((rap_box){ 15, 8, 100, 100 }, 15, 8, 5, 2);       /* clamped */
    check_crop((rap_box){ 3.2f, 3.2f, 0.1f, 0.1f }, 3, 3, 1, 1); /* at least a pixel */
    check_crop((rap_box){ 500, 500, 5, 5 }, 19, 9, 1, 1);        /* outside: the nearest */
    check_crop((rap_box){ NAN, 0, 5, 5 }, 0, 0, 20, 10);
    check_crop((rap_box){ 0, 0, INFINITY, 5 }, 0, 0, 20, 10);
}

static void check_square(rap_box box, float margin, float x, float y, float w, float h)
{
    image im;
    rap_box square;

    make(&im, 100, 60);
    square = image_square_box(&im, box, margin);
    assert_float_equal(square.x, x, 1e-3);
    assert_float_equal(square.y, y, 1e-3);
    assert_float_equal(square.w, w, 1e-3);
    assert_float_equal(square.h, h, 1e-3);
    image_release(&im);
}

static void grows_to_a_square(void **state)
{
    check_square((rap_box){ 40, 20, 20, 10 }, 0.0f, 40, 15, 20, 20);
    check_square((rap_box){ 40, 20, 20, 20 }, 0.1f, 38, 18, 24, 24);
    check_square((rap_box){ 0, 0, 10, 20 }, 0.0f, 0, 0, 20, 20);     /* moved inside */
    check_square((rap_box){ 90, 50, 10, 10 }, 0.5f, 80, 40, 20, 20); /* moved inside */
    check_square((rap_box){ 0, 0, 90, 10 }, 0.0f, 0, 0, 90, 60);     /* as square as it can be */
    check_square((rap_box){ 0, 0, 0, 0 }, 0.1f, 0, 0, 100, 60);
}

static void copies(void **state)
{
    image in, out;

    make(&in, 7, 3);
    assert_int_equal(image_copy(&out, &in, NULL), RAP_OK);
    assert_memory_equal(in.rgb, out.rgb, 7 * 3 * 3);
    image_release(&in);
    assert_null(in.rgb);
    image_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_the_size),
        cmocka_unit_test(crops),
        cmocka_unit_test(grows_to_a_square),
        cmocka_unit_test(copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
