/* test_raster.c: large pictures are shrunk, and boxes stay in their own pixels (src/image/raster.c, decode.c). */
#include "image/kind.h"
#include "image/made.h"

#include <vips/vips.h>

/* A PNG of 1 bit: white, but for a black square at x, y. All of it takes a few dozen kilobytes. */
static buf one_bit(int width, int height, int x, int y, int side)
{
    buf out = BUF_INIT, packed = BUF_INIT;
    size_t line = (size_t)(width + 7) / 8 + 1;
    uint8_t *row = malloc(line), *room = malloc(1 << 20);
    z_stream z = { 0 };

    assert_true(row && room && deflateInit(&z, 1) == Z_OK);
    for (int at = 0; at <= height; at++) {
        memset(row, 255, line);
        row[0] = 0;
        if (at >= y && at < y + side)
            memset(row + 1 + x / 8, 0, (size_t)side / 8);
        z.next_in = row;
        z.avail_in = at < height ? (uInt)line : 0;
        do {
            z.next_out = room;
            z.avail_out = 1 << 20;
            deflate(&z, at < height ? Z_NO_FLUSH : Z_FINISH);
            buf_add(&packed, room, (1 << 20) - z.avail_out);
        } while (z.avail_out == 0);
    }
    deflateEnd(&z);
    made_head(&out, (uint32_t)width, (uint32_t)height, 1, 0, 0);
    made_chunk(&out, "IDAT", packed.data, packed.len);
    made_chunk(&out, "IEND", "", 0);
    buf_release(&packed);
    free(row);
    free(room);
    return out;
}

static int grey_at(const image *im, int x, int y)
{
    return im->rgb[((size_t)y * (size_t)im->width + (size_t)x) * 3];
}

static void shrinks_what_is_larger(void **state)
{
    buf file = one_bit(12000, 9000, 8000, 6000, 1600);
    image im = made_decode(&file), part;

    assert_int_equal(im.full_width, 12000);
    assert_int_equal(im.full_height, 9000);
    assert_int_equal(im.width, 6000);
    assert_int_equal(im.height, 4500);
    assert_int_equal(grey_at(&im, 3999, 3000), 255);
    assert_int_equal(grey_at(&im, 4000, 3000), 0);
    assert_int_equal(grey_at(&im, 4799, 3799), 0);
    assert_int_equal(grey_at(&im, 4800, 3799), 255);

    assert_int_equal(image_crop(&part, &im, (rap_box){ 8000, 6000, 1600, 1600 }, NULL), RAP_OK);
    assert_int_equal(part.width, 800);
    assert_int_equal(image_full_width(&part), 800);
    for (int i = 0; i < 800; i++)
        assert_int_equal(grey_at(&part, i, i), 0);
    image_release(&part);
    rap_box all = image_square_box(&im, (rap_box){ 0 }, 0);
    assert_true(all.w == 12000 && all.h == 9000);
    image_draw_box(&im, (rap_box){ 1000, 1000, 2000, 2000 }, 2, 0x00FF00);
    assert_int_equal(grey_at(&im, 500, 700), 0);
    assert_int_equal(grey_at(&im, 1499, 700), 0);
    assert_int_equal(grey_at(&im, 700, 700), 255);
    image_release(&im);
}

static void leaves_what_is_not(void **state)
{
    buf file = one_bit(12000, 8333, 0, 0, 8);
    image im = made_decode(&file);

    assert_int_equal(im.width, 12000);
    assert_int_equal(im.height, 8333);
    assert_int_equal(image_full_width(&im), 12000);
    image_release(&im);
}

/* A side that the factor does not divide: the last row and column are means of what is there. */
static void takes_odd_sides(void **state)
{
    buf file = one_bit(10001, 10001, 9992, 9992, 8);
    image im = made_decode(&file);

    assert_int_equal(im.width, 5001);
    assert_int_equal(im.height, 5001);
    assert_int_equal(im.full_width, 10001);
    assert_int_equal(grey_at(&im, 4996, 4996), 0);
    assert_int_equal(grey_at(&im, 5000, 5000), 255);
    image_release(&im);
}

static void shrinks_jpeg_and_turns_it(void **state)
{
    VipsImage *black = NULL, *lit = NULL;
    void *data = NULL;
    size_t size = 0;
    image im;

    assert_int_equal(vips_black(&black, 12000, 9000, "bands", 3, NULL), 0);
    assert_int_equal(vips_embed(black, &lit, 0, 0, 12000, 9000, NULL), 0);
    assert_int_equal(vips_copy(lit, &black, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
    vips_image_set_int(black, VIPS_META_ORIENTATION, 6);
    assert_int_equal(vips_jpegsave_buffer(black, &data, &size, NULL), 0);
    g_object_unref(lit);
    g_object_unref(black);
    buf file = BUF_INIT;
    buf_add(&file, data, size);
    g_free(data);
    im = made_decode(&file);
    assert_int_equal(im.width, 4500);
    assert_int_equal(im.height, 6000);
    assert_int_equal(im.full_width, 9000);
    assert_int_equal(im.full_height, 12000);
    image_release(&im);
}

static void bounds_memory_and_not_pixels(void **state)
{
    buf interlaced = BUF_INIT, too_many = BUF_INIT;
    uint8_t little[16] = { 0 };

    made_head(&interlaced, 16384, 16384, 16, 6, 1); /* would be held whole: 2 GB */
    made_pixels(&interlaced, little, 1, sizeof little);
    made_refused(&interlaced, RAP_E_LIMIT, "not interlaced");
    made_head(&too_many, 16385, 16384, 1, 0, 0);
    made_pixels(&too_many, little, 1, sizeof little);
    made_refused(&too_many, RAP_E_LIMIT, "268 megapixels");
}

/* Scans of a few bytes each over a large picture: minutes of work in a small file. */
static void bounds_the_work_of_scans(void **state)
{
    buf jpeg = BUF_INIT;

    buf_add(&jpeg, "\xFF\xD8\xFF\xC2\0\x0B\x08", 7);
    made_number(&jpeg, 10000, 2);
    made_number(&jpeg, 10000, 2);
    buf_add(&jpeg, "\1\1\x11\0", 4);
    for (int i = 0; i < 100; i++)
        buf_add(&jpeg, "\xFF\xDA\0\x08\1\1\0\0\0\0\0", 11);
    buf_add(&jpeg, "\xFF\xD9", 2);
    made_refused(&jpeg, RAP_E_LIMIT, "100 scans");
}

/* 60 MB of text in 60 KB: it is not inflated, wherever it stands. */
static void drops_texts(void **state)
{
    size_t size = 60 << 20;
    char *text = calloc(1, size);
    buf packed = BUF_INIT, png = BUF_INIT;
    uint8_t pixels[16] = { 0 };
    image_facts facts = { 0 };
    buf kept = BUF_INIT;

    assert_non_null(text);
    buf_add(&packed, "Comment\0\0", 9);
    made_deflate(&packed, text, size);
    free(text);
    made_head(&png, 16, 1, 8, 0, 0);
    for (int i = 0; i < 20; i++)
        made_chunk(&png, "zTXt", packed.data, packed.len);
    made_pixels(&png, pixels, 1, 16);
    assert_int_equal(png_read(&facts, &kept, (const uint8_t *)png.data, png.len, "it", NULL),
                     RAP_OK);
    assert_true(kept.len < 200);
    buf_release(&kept);
    image_facts_release(&facts);
    image im = made_decode(&png);
    assert_int_equal(im.width, 16);
    image_release(&im);
    buf_release(&packed);
}

static int start(void **state)
{
    return VIPS_INIT("test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shrinks_what_is_larger),
        cmocka_unit_test(leaves_what_is_not),
        cmocka_unit_test(takes_odd_sides),
        cmocka_unit_test(shrinks_jpeg_and_turns_it),
        cmocka_unit_test(bounds_memory_and_not_pixels),
        cmocka_unit_test(bounds_the_work_of_scans),
        cmocka_unit_test(drops_texts),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
