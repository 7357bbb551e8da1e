/* test_draw.c: boxes, labels and saving (src/image/draw.c). */
#include "base/file.h"
#include "image/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t pixel(const image *im, int x, int y)
{
    const uint8_t *at = im->rgb + ((size_t)y * (size_t)im->width + (size_t)x) * 3;

    return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static void draws_a_box(void **state)
{
    image im;

    assert_int_equal(image_new(&im, 40, 30, NULL), RAP_OK);
    image_draw_box(&im, (rap_box){ 10, 5, 20, 15 }, 2, 0xFF8000);
    assert_int_equal(pixel(&im, 10, 5), 0xFF8000);
    assert_int_equal(pixel(&im, 11, 6), 0xFF8000);
    assert_int_equal(pixel(&im, 12, 7), 0);
    assert_int_equal(pixel(&im, 29, 19), 0xFF8000);
    assert_int_equal(pixel(&im, 30, 20), 0);
    assert_int_equal(pixel(&im, 9, 5), 0);
    image_release(&im);
}

static void stays_inside(void **state)
{
    image im;

    assert_int_equal(image_new(&im, 40, 30, NULL), RAP_OK);
    image_draw_box(&im, (rap_box){ -100, -100, 1000, 1000 }, 3, 0x00FF00);
    assert_int_equal(pixel(&im, 0, 0), 0x00FF00);
    image_draw_box(&im, (rap_box){ NAN, INFINITY, 5, 5 }, 1000000, 0x00FF00);
    image_draw_box(&im, (rap_box){ 39, 29, 5, 5 }, 3, 0x0000FF);
    assert_int_equal(pixel(&im, 39, 29), 0x0000FF);
    image_draw_box(&im, (rap_box){ 0, 0, 0, 0 }, 1, 0xFF0000); /* no box: around the whole */
    assert_int_equal(pixel(&im, 20, 0), 0xFF0000);
    assert_int_equal(
        image_draw_label(&im, 35, 25, "far too long for this picture", 12, 0xFFFFFF, NULL), RAP_OK);
    assert_int_equal(image_draw_label(&im, -1000, 1000000, "x", 100000, 0xFFFFFF, NULL), RAP_OK);
    image_release(&im);
}

static int count(const image *im, uint32_t color)
{
    int found = 0;

    for (int i = 0; i < im->width * im->height; i++)
        found += pixel(im, i % im->width, i / im->width) == color;
    return found;
}

static void writes_a_label(void **state)
{
    image im, other;

    assert_int_equal(image_new(&im, 200, 60, NULL), RAP_OK);
    assert_int_equal(image_new(&other, 200, 60, NULL), RAP_OK);
    assert_int_equal(image_draw_label(&im, 10, 10, "bo", 16, 0xFFFF00, NULL), RAP_OK);
    if (count(&im, 0xFFFF00) == 0) {
        print_message("skipped: no font\n");
        skip();
    }
    assert_true(count(&im, 0xFFFF00) > 50); /* the plate */
    assert_true(count(&im, 0x000000) < 200 * 60 - 200);
    /* Markup is text: drawn longer, not in bold. */
    assert_int_equal(image_draw_label(&other, 10, 10, "<b>bo</b>", 16, 0xFFFF00, NULL), RAP_OK);
    assert_true(count(&other, 0xFFFF00) > count(&im, 0xFFFF00));
    /* Broken text is drawn as well as it can be. */
    assert_int_equal(image_draw_label(&other, 0, 0, "a\xFF\xFE\nb & <", 16, 0xFFFF00, NULL),
                     RAP_OK);
    assert_int_equal(image_draw_label(&other, 0, 0, "", 16, 0xFFFF00, NULL), RAP_OK);
    image_release(&im);
    image_release(&other);
}

static void saves_and_loads(void **state)
{
    char path[] = "/tmp/rap-draw-XXXXXX.png";
    image im, back;
    rap_err err;
    int fd = mkstemps(path, 4);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(image_new(&im, 33, 17, NULL), RAP_OK);
    for (int i = 0; i < 33 * 17 * 3; i++)
        im.rgb[i] = (uint8_t)(i * 7);
    assert_int_equal(image_save_png(&im, path, NULL), RAP_OK);
    assert_int_equal(image_load(&back, path, NULL), RAP_OK);
    assert_int_equal(back.width, 33);
    assert_int_equal(back.height, 17);
    assert_memory_equal(im.rgb, back.rgb, 33 * 17 * 3);
    unlink(path);
    assert_int_equal(image_save_png(&im, "/nowhere/x.png", &err), RAP_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/x.png"));
    assert_int_equal(image_save_png(&im, "/dev/full", &err), RAP_E_IO);
    image_release(&im);
    image_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_a_box),
        cmocka_unit_test(stays_inside),
        cmocka_unit_test(writes_a_label),
        cmocka_unit_test(saves_and_loads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
