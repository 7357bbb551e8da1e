/* test_decode.c: decoding of pictures from anywhere (src/image/decode.c). Every file is made here, so
 * that what it should look like is known; then it is damaged. */
#include "base/file.h"
#include "image/image.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <vips/vips.h>

typedef struct bytes {
    uint8_t *data; /* g_free() */
    size_t size;
} bytes;

static int start_vips(void **state)
{
    return VIPS_INIT("test");
}

/* A picture of four flat quarters: red, green / blue, yellow. */
static VipsImage *quarters(int width, int height)
{
    static const uint8_t colour[4][3] = {
        { 220, 20, 20 }, { 20, 200, 20 }, { 20, 20, 210 }, { 220, 220, 20 }
    };
    VipsImage *copy;
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);

    assert_non_null(rgb);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(rgb + ((size_t)y * (size_t)width + (size_t)x) * 3,
                   colour[(y >= height / 2) * 2 + (x >= width / 2)], 3);
    copy = vips_image_new_from_memory_copy(rgb, (size_t)width * (size_t)height * 3, width, height,
                                           3, VIPS_FORMAT_UCHAR);
    assert_non_null(copy);
    copy->Type = VIPS_INTERPRETATION_sRGB;
    free(rgb);
    return copy;
}

/* Consumes `im`. `suffix` is libvips' way to name a format with its options: ".jpg[Q=95]". */
static bytes encode(VipsImage *im, const char *suffix)
{
    bytes out = { NULL, 0 };
    void *data = NULL;

    if (vips_image_write_to_buffer(im, suffix, &data, &out.size, NULL) != 0)
        vips_error_clear();
    out.data = data;
    g_object_unref(im);
    return out;
}

/* A picture with something in it, so that cutting the file cuts pixels. */
static bytes encode_noise(const char *suffix)
{
    VipsImage *noise = NULL, *byte = NULL, *colour = NULL;

    assert_int_equal(vips_gaussnoise(&noise, 160, 120, "mean", 128.0, "sigma", 40.0, NULL), 0);
    assert_int_equal(vips_cast(noise, &byte, VIPS_FORMAT_UCHAR, NULL), 0);
    assert_int_equal(vips_bandjoin2(byte, byte, &colour, NULL), 0);
    g_object_unref(noise);
    noise = NULL;
    assert_int_equal(vips_bandjoin2(colour, byte, &noise, NULL), 0);
    g_object_unref(colour);
    g_object_unref(byte);
    noise->Type = VIPS_INTERPRETATION_sRGB;
    return encode(noise, suffix);
}

static void expect_near(const image *im, int x, int y, int r, int g, int b, int slack)
{
    const uint8_t *pixel = im->rgb + ((size_t)y * (size_t)im->width + (size_t)x) * 3;

    if (abs(pixel[0] - r) > slack || abs(pixel[1] - g) > slack || abs(pixel[2] - b) > slack)
        fail_msg("pixel %d,%d is %d %d %d, expected %d %d %d", x, y, pixel[0], pixel[1], pixel[2],
                 r, g, b);
}

static image decode(bytes file)
{
    image out;
    rap_err err = { RAP_OK, "" };

    assert_non_null(file.data);
    if (image_decode(&out, file.data, file.size, "it", &err) != RAP_OK)
        fail_msg("%s", err.text);
    g_free(file.data);
    return out;
}

/* One line that begins with the name; nothing is given out. */
static void expect_failure(const void *data, size_t size, rap_status status)
{
    image out;
    rap_err err = { RAP_OK, "" };
    rap_status got = image_decode(&out, data, size, "cat.jpg", &err);

    if (got != status)
        fail_msg("%zu bytes: status %d (%s), expected %d", size, got, err.text, status);
    assert_null(out.rgb);
    assert_true(strncmp(err.text, "cat.jpg: ", 9) == 0);
    assert_null(strchr(err.text, '\n'));
    assert_int_equal(err.status, status);
}

/* ---- what is understood ---- */

static void check_quarters(bytes file, int slack)
{
    image im = decode(file);

    assert_int_equal(im.width, 64);
    assert_int_equal(im.height, 48);
    expect_near(&im, 8, 8, 220, 20, 20, slack);
    expect_near(&im, 56, 8, 20, 200, 20, slack);
    expect_near(&im, 8, 40, 20, 20, 210, slack);
    expect_near(&im, 56, 40, 220, 220, 20, slack);
    image_release(&im);
}

static void decodes_the_kinds(void **state)
{
    static const char *const suffixes[] = { ".png", ".jpg[Q=95]",  ".webp[lossless]",
                                            ".gif", ".avif[Q=95]", ".heic[Q=95]" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        bytes file = encode(quarters(64, 48), suffixes[i]);
        if (file.data)
            check_quarters(file, i == 0 || i == 2 ? 0 : 12);
        else
            print_message("skipped: this libvips does not write %s\n", suffixes[i]);
    }
}

static void decodes_one_pixel(void **state)
{
    VipsImage *black = NULL;
    image im;

    assert_int_equal(vips_black(&black, 1, 1, "bands", 3, NULL), 0);
    im = decode(encode(black, ".png"));
    assert_int_equal(im.width, 1);
    assert_int_equal(im.height, 1);
    expect_near(&im, 0, 0, 0, 0, 0, 0);
    image_release(&im);
}

/* Where the red quarter of an upright picture must be, for each EXIF orientation of the stored one. */
static void turns_by_exif(void **state)
{
    static const struct {
        int width, height, red_right, red_low;
    } upright[8] = { { 64, 48, 0, 0 }, { 64, 48, 1, 0 }, { 64, 48, 1, 1 }, { 64, 48, 0, 1 },
                     { 48, 64, 0, 0 }, { 48, 64, 1, 0 }, { 48, 64, 1, 1 }, { 48, 64, 0, 1 } };

    for (int i = 0; i < 8; i++) {
        VipsImage *stored = quarters(64, 48);
        image im;
        vips_image_set_int(stored, VIPS_META_ORIENTATION, i + 1);
        im = decode(encode(stored, ".jpg[Q=95]"));
        assert_int_equal(im.width, upright[i].width);
        assert_int_equal(im.height, upright[i].height);
        expect_near(&im, upright[i].red_right ? im.width - 8 : 8,
                    upright[i].red_low ? im.height - 8 : 8, 220, 20, 20, 12);
        image_release(&im);
    }
}

/* ---- colours ---- */

/* A flat 8 × 8 PNG of the given bands, in 8 or 16 bits. */
static image decode_flat(const double *value, int bands, VipsBandFormat format,
                         VipsInterpretation interpretation, const char *suffix)
{
    VipsImage *black = NULL, *flat = NULL, *cast = NULL;
    double ones[5] = { 1, 1, 1, 1, 1 };

    assert_int_equal(vips_black(&black, 8, 8, "bands", bands, NULL), 0);
    assert_int_equal(vips_linear(black, &flat, ones, value, bands, NULL), 0);
    assert_int_equal(vips_cast(flat, &cast, format, NULL), 0);
    g_object_unref(black);
    g_object_unref(flat);
    cast->Type = interpretation;
    return decode(encode(cast, suffix));
}

static void lays_alpha_on_white(void **state)
{
    image im = decode_flat((double[]){ 0, 0, 0, 127 }, 4, VIPS_FORMAT_UCHAR,
                           VIPS_INTERPRETATION_sRGB, ".png");
    expect_near(&im, 3, 3, 128, 128, 128, 1);
    image_release(&im);
    im = decode_flat((double[]){ 200, 10, 10, 0 }, 4, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_sRGB,
                     ".webp[lossless]");
    expect_near(&im, 3, 3, 255, 255, 255, 0);
    image_release(&im);
    im = decode_flat((double[]){ 100, 255 }, 2, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_B_W, ".png");
    expect_near(&im, 3, 3, 100, 100, 100, 1);
    image_release(&im);
}

static void reduces_16_bits(void **state)
{
    image im = decode_flat((double[]){ 51400, 25700, 0 }, 3, VIPS_FORMAT_USHORT,
                           VIPS_INTERPRETATION_RGB16, ".png");
    expect_near(&im, 3, 3, 200, 100, 0, 1);
    image_release(&im);
    im = decode_flat((double[]){ 51400, 0, 0, 32896 }, 4, VIPS_FORMAT_USHORT,
                     VIPS_INTERPRETATION_RGB16, ".png");
    expect_near(&im, 3, 3, 228, 127, 127, 2);
    image_release(&im);
    im =
        decode_flat((double[]){ 32896 }, 1, VIPS_FORMAT_USHORT, VIPS_INTERPRETATION_GREY16, ".png");
    expect_near(&im, 3, 3, 128, 128, 128, 1);
    image_release(&im);
    im = decode_flat((double[]){ 0, 32896 }, 2, VIPS_FORMAT_USHORT, VIPS_INTERPRETATION_GREY16,
                     ".png");
    expect_near(&im, 3, 3, 127, 127, 127, 2);
    image_release(&im);
}

static void understands_grey_and_cmyk(void **state)
{
    image im =
        decode_flat((double[]){ 90 }, 1, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_B_W, ".jpg[Q=95]");
    expect_near(&im, 3, 3, 90, 90, 90, 2);
    image_release(&im);
    im = decode_flat((double[]){ 0, 0, 0, 0 }, 4, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_CMYK,
                     ".jpg[Q=95]"); /* no ink: paper */
    expect_near(&im, 3, 3, 255, 255, 255, 6);
    image_release(&im);
    im = decode_flat((double[]){ 0, 255, 255, 0 }, 4, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_CMYK,
                     ".jpg[Q=95]"); /* magenta and yellow ink: red */
    assert_true(im.rgb[0] > 180 && im.rgb[1] < 90 && im.rgb[2] < 90);
    image_release(&im);
}

/* ---- what is refused ---- */

static void refuses_cut_files(void **state)
{
    static const char *const suffixes[] = { ".jpg[Q=90]",  ".jpg[Q=90,interlace]",
                                            ".png",        ".png[interlace]",
                                            ".webp[Q=90]", ".webp[lossless]" };
    static const double parts[] = { 0.02, 0.1, 0.5, 0.9, 0.98 };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        bytes file = encode_noise(suffixes[i]);
        assert_non_null(file.data);
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            expect_failure(file.data, (size_t)((double)file.size * parts[j]), RAP_E_FORMAT);
        for (size_t size = 1; size < 40; size++)
            expect_failure(file.data, size, RAP_E_FORMAT);
        g_free(file.data);
    }
}

/* Wherever it is cut. A JPEG that lacks nothing but its end marker has all its pixels, and passes. */
static void refuses_every_cut_of_the_last_rows(void **state)
{
    static const char *const suffixes[] = { ".jpg[Q=90]", ".jpg[Q=90,interlace]", ".webp[Q=90]" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        bytes file = encode_noise(suffixes[i]);
        assert_non_null(file.data);
        for (size_t cut = 3; cut < 3000 && cut < file.size; cut++)
            expect_failure(file.data, file.size - cut, RAP_E_FORMAT);
        g_free(file.data);
    }
}

static void accepts_what_follows_the_end(void **state)
{
    static const char *const suffixes[] = { ".jpg[Q=90]", ".png", ".webp[Q=90]" };

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        bytes file = encode_noise(suffixes[i]);
        uint8_t *longer = g_malloc0(file.size + 100);
        image out;
        rap_err err;
        memcpy(longer, file.data, file.size);
        assert_int_equal(image_decode(&out, longer, file.size + 100, "it", &err), RAP_OK);
        image_release(&out);
        g_free(longer);
        g_free(file.data);
    }
}

static void refuses_garbage(void **state)
{
    static const char *const heads[] = { "", "\xFF\xD8\xFF\xE0", "\x89PNG\r\n\x1a\n",
                                         "RIFF\x00\x10\x00\x00WEBPVP8 ", "GIF89a" };
    uint8_t garbage[4096];
    uint32_t random = 12345;

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        for (size_t j = 0; j < sizeof garbage; j++)
            garbage[j] = (uint8_t)((random = random * 1664525u + 1013904223u) >> 24);
        memcpy(garbage, heads[i], i == 3 ? 16 : strlen(heads[i]));
        image out;
        rap_err err;
        assert_int_not_equal(image_decode(&out, garbage, sizeof garbage, "x", &err), RAP_OK);
        assert_null(out.rgb);
        assert_null(strchr(err.text, '\n'));
    }
    expect_failure("", 0, RAP_E_FORMAT);
    expect_failure("hello, world", 12, RAP_E_FORMAT);
}

static void refuses_other_kinds(void **state)
{
    static const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>";
    static const char ppm[] = "P6 2 2 255\n0123456789ab";
    bytes tiff = encode(quarters(16, 16), ".tif");

    expect_failure(svg, sizeof svg - 1, RAP_E_FORMAT);
    expect_failure(ppm, sizeof ppm - 1, RAP_E_FORMAT);
    if (tiff.data)
        expect_failure(tiff.data, tiff.size, RAP_E_FORMAT);
    g_free(tiff.data);
}

/* Flipping bytes may give another picture or an error, but never a crash or an overrun. */
static void survives_flipped_bytes(void **state)
{
    static const char *const suffixes[] = { ".jpg", ".png", ".webp", ".gif" };
    uint32_t random = 777;

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        bytes file = encode(quarters(64, 48), suffixes[i]);
        if (!file.data)
            continue;
        for (int round = 0; round < 100; round++) {
            image out;
            random = random * 1664525u + 1013904223u;
            size_t at = (random >> 8) % file.size;
            uint8_t before = file.data[at];
            file.data[at] ^= (uint8_t)(1u << (random >> 4 & 7));
            if (image_decode(&out, file.data, file.size, "flipped", NULL) == RAP_OK)
                image_release(&out);
            file.data[at] = before;
        }
        g_free(file.data);
    }
}

/* ---- bombs: small files that announce enormous pictures ---- */

static void put_big_endian(uint8_t *to, uint32_t value, int count)
{
    for (int i = 0; i < count; i++)
        to[i] = (uint8_t)(value >> (8 * (count - 1 - i)));
}

static uint32_t png_crc(const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void refuses_bombs(void **state)
{
    bytes png = encode(quarters(64, 48), ".png");
    bytes jpeg = encode(quarters(64, 48), ".jpg");
    bytes gif = encode(quarters(64, 48), ".gif");
    bool found = false;

    put_big_endian(png.data + 16, 50000, 4); /* IHDR: width, height, and its checksum */
    put_big_endian(png.data + 20, 50000, 4);
    put_big_endian(png.data + 29, png_crc(png.data + 12, 17), 4);
    expect_failure(png.data, png.size, RAP_E_LIMIT);
    put_big_endian(png.data + 16, 2000000000, 4); /* more than libvips itself would open */
    put_big_endian(png.data + 29, png_crc(png.data + 12, 17), 4);
    expect_failure(png.data, png.size, RAP_E_LIMIT);
    for (size_t i = 2; i + 9 < jpeg.size && !found; i++) {
        found = jpeg.data[i] == 0xFF && jpeg.data[i + 1] == 0xC0; /* SOF0: height, width */
        if (found) {
            put_big_endian(jpeg.data + i + 5, 60000, 2);
            put_big_endian(jpeg.data + i + 7, 60000, 2);
        }
    }
    assert_true(found);
    expect_failure(jpeg.data, jpeg.size, RAP_E_LIMIT);
    if (gif.data) {
        image out;
        memset(gif.data + 6, 0xFF, 4); /* the logical screen, which decoders may overrule */
        if (image_decode(&out, gif.data, gif.size, "x", NULL) == RAP_OK)
            assert_true((int64_t)out.width * out.height <= IMAGE_MAX_PIXELS);
        image_release(&out);
    }
    g_free(png.data);
    g_free(jpeg.data);
    g_free(gif.data);
}

/* ---- files and threads ---- */

static void names_what_is_wrong_with_a_path(void **state)
{
    image out;
    rap_err err;

    assert_int_equal(image_load(&out, "/nowhere/bo.png", &err), RAP_E_NOT_FOUND);
    assert_string_equal(err.text, "/nowhere/bo.png: no such file or folder");
    assert_int_equal(image_load(&out, "/", &err), RAP_E_ARGUMENT);
    assert_string_equal(err.text, "/: is a folder, not a file");
    assert_null(out.rgb);
}

static void reads_bytes_of_either_form(void **state)
{
    char *copy = NULL;
    size_t size = 0;
    rap_image none = RAP_IMAGE_INIT, memory = { NULL, "abc", 3 };

    assert_int_equal(image_read_bytes(&copy, &size, &none, NULL), RAP_E_ARGUMENT);
    assert_null(copy);
    assert_int_equal(image_read_bytes(&copy, &size, &memory, NULL), RAP_OK);
    assert_int_equal(size, 3);
    assert_string_equal(copy, "abc");
    free(copy);
}

static void *decode_often(void *payload)
{
    const bytes *file = payload;

    for (int i = 0; i < 50; i++) {
        image out;
        if (image_decode(&out, file->data, file->size, "it", NULL) != RAP_OK)
            return payload;
        image_release(&out);
        if (image_decode(&out, file->data, file->size / 2, "it", NULL) == RAP_OK)
            return payload;
    }
    return NULL;
}

static void decodes_on_many_threads(void **state)
{
    bytes file = encode_noise(".jpg");
    pthread_t thread[4];
    void *failed;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, decode_often, &file), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    g_free(file.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_kinds),
        cmocka_unit_test(decodes_one_pixel),
        cmocka_unit_test(turns_by_exif),
        cmocka_unit_test(lays_alpha_on_white),
        cmocka_unit_test(reduces_16_bits),
        cmocka_unit_test(understands_grey_and_cmyk),
        cmocka_unit_test(refuses_cut_files),
        cmocka_unit_test(refuses_every_cut_of_the_last_rows),
        cmocka_unit_test(accepts_what_follows_the_end),
        cmocka_unit_test(refuses_garbage),
        cmocka_unit_test(refuses_other_kinds),
        cmocka_unit_test(survives_flipped_bytes),
        cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(names_what_is_wrong_with_a_path),
        cmocka_unit_test(reads_bytes_of_either_form),
        cmocka_unit_test(decodes_on_many_threads),
    };

    return cmocka_run_group_tests(tests, start_vips, NULL);
}
