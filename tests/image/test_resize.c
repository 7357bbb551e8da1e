/* test_resize.c: scaling (src/image/resize.c) equals the reference to the last bit.
 *
 * The expected numbers were made with Pillow 13: source.resize((w, source.height), filter).resize((w, h),
 * filter), where source is what source_pixel() below says, row by row. Two calls, because this release
 * picks the cheaper order by itself; width first is what the released CLIP code was made with. The
 * large ones are kept as SHA-256. */
#include "base/file.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t source_pixel(uint64_t i)
{
    return (uint8_t)(((i * i * 31 + i * 17) >> 3) ^ (i * i * i / 97));
}

static void make_source(image *out, int width, int height)
{
    assert_int_equal(image_new(out, width, height, NULL), RAP_OK);
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
        out->rgb[i] = source_pixel(i);
}

static void check_pixels(int in_w, int in_h, int out_w, int out_h, image_filter filter,
                         const uint8_t *expected)
{
    image in, out;

    make_source(&in, in_w, in_h);
    assert_int_equal(image_resize(&out, &in, out_w, out_h, filter, NULL), RAP_OK);
    assert_int_equal(out.width, out_w);
    assert_int_equal(out.height, out_h);
    assert_memory_equal(out.rgb, expected, (size_t)out_w * (size_t)out_h * 3);
    image_release(&in);
    image_release(&out);
}

static void reduces(void **state)
{
    const uint8_t cubic[] = { 109, 112, 112, 138, 180, 102, 99,  105, 84,
                              161, 104, 133, 121, 178, 145, 151, 156, 116 };
    const uint8_t linear[] = { 113, 113, 112, 135, 175, 107, 102, 108, 84,
                               158, 105, 130, 124, 176, 141, 146, 151, 114 };

    check_pixels(7, 5, 3, 2, IMAGE_BICUBIC, cubic);
    check_pixels(7, 5, 3, 2, IMAGE_BILINEAR, linear);
}

static void enlarges(void **state)
{
    const uint8_t cubic[] = {
        0,   0,   11, 0,   0,   25, 15,  29,  59,  35, 60,  93,  44, 72,  106,
        81,  107, 5,  76,  107, 26, 68,  108, 91,  59, 108, 156, 56, 108, 181,
        173, 227, 0,  159, 216, 26, 120, 186, 123, 82, 156, 218, 67, 144, 255
    };
    const uint8_t linear[] = { 0,   6,   19,  4,  12,  28,  21,  38,  63, 37,  64,  97,
                               41,  70,  106, 77, 107, 16,  75,  107, 31, 68,  108, 91,
                               60,  108, 151, 58, 108, 166, 154, 207, 12, 146, 201, 33,
                               114, 177, 119, 82, 152, 204, 74,  146, 225 };

    check_pixels(2, 2, 5, 3, IMAGE_BICUBIC, cubic);
    check_pixels(2, 2, 5, 3, IMAGE_BILINEAR, linear);
}

static void equals_reference_at_many_sizes(void **state)
{
    static const struct {
        int in_w, in_h, out_w, out_h;
        image_filter filter;
        const char *sha256;
    } rows[] = {
        { 13, 4, 5, 4, IMAGE_BICUBIC,
          "e616ed2f83391a360cf8630ff3dba9ed64006e255c29d7232963088327125bb6" },
        { 13, 4, 5, 4, IMAGE_BILINEAR,
          "a915dfa78057ab3044f78c010580d1cdbf12fb02dd3a459ac6ada1be60f586c7" },
        { 4, 13, 4, 6, IMAGE_BICUBIC,
          "19c447052b1bc448cbbc7845d718df62955d3a266b38e687f25e1ea001fd04a1" },
        { 4, 13, 4, 6, IMAGE_BILINEAR,
          "46dd9e6806466235666a6772b0ee99bc691448e646d3f37492ee202b09dc7077" },
        { 311, 207, 64, 48, IMAGE_BICUBIC,
          "0e6253c870a9cc4db30f81a901e1f211a57f628cc7c8d92e7af8818bd1559472" },
        { 311, 207, 64, 48, IMAGE_BILINEAR,
          "76eefe757ecfc6d5f607a4eafab5fe0ef06ffbbf9e5cbd63c457b1d36c4b2163" },
        { 64, 48, 311, 207, IMAGE_BICUBIC,
          "99ad7c44f8dd7d200c06fa151d2718e0afd10fe71b77f6136b3d41dd5035be48" },
        { 64, 48, 311, 207, IMAGE_BILINEAR,
          "e346fca29ac051b2d9d2108f9284e44dee79ea2eb50b39489a9f078e0b959161" },
        { 1, 1, 9, 7, IMAGE_BICUBIC,
          "0634a8dbe4e4178d29c658a97ad18b944f2529d5d492105a0d7da7a4e74321e1" },
        { 1, 1, 9, 7, IMAGE_BILINEAR,
          "0634a8dbe4e4178d29c658a97ad18b944f2529d5d492105a0d7da7a4e74321e1" },
        { 640, 427, 336, 224, IMAGE_BICUBIC,
          "0c9bf19d2ba557cacaf773c433cc319c3e0865e7892d1d514b0e2b9e7c315cdf" },
        { 640, 427, 336, 224, IMAGE_BILINEAR,
          "c5b08a50b2fc8791e043e7c2126f0a2a5a879625b6c700710de581f291a84898" },
        { 500, 3, 1, 1, IMAGE_BICUBIC,
          "f88830a3341eb321a073897d3763782178b4bf22a5d6f06cc1edaab0abca4b75" },
        { 500, 3, 1, 1, IMAGE_BILINEAR,
          "b6143ba693f094d997a054d3d1ee90dc35eeebfd6c535284f21714def0956be3" },
        { 97, 211, 64, 139, IMAGE_BICUBIC,
          "de1bd552e5494430cb78c92007c64f2dd617584f124be47a33d9bb63301247eb" },
        { 97, 211, 64, 139, IMAGE_BILINEAR,
          "28f2a808a93902c8c5b77337d186cc539eb6858176ccce199019d42185c5b19e" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        image in, out;
        char digest[65];
        make_source(&in, rows[i].in_w, rows[i].in_h);
        assert_int_equal(
            image_resize(&out, &in, rows[i].out_w, rows[i].out_h, rows[i].filter, NULL), RAP_OK);
        sha256_hex(digest, out.rgb, (size_t)out.width * (size_t)out.height * 3);
        if (strcmp(digest, rows[i].sha256) != 0)
            print_error("row %zu: %d × %d to %d × %d\n", i, in.width, in.height, out.width,
                        out.height);
        assert_string_equal(digest, rows[i].sha256);
        image_release(&in);
        image_release(&out);
    }
}

static void same_size_is_a_copy(void **state)
{
    image in, out;

    make_source(&in, 9, 4);
    assert_int_equal(image_resize(&out, &in, 9, 4, IMAGE_BICUBIC, NULL), RAP_OK);
    assert_ptr_not_equal(in.rgb, out.rgb);
    assert_memory_equal(in.rgb, out.rgb, 9 * 4 * 3);
    image_release(&in);
    image_release(&out);
}

static void refuses_impossible_sizes(void **state)
{
    image in, out;
    rap_err err;

    make_source(&in, 4, 4);
    assert_int_equal(image_resize(&out, &in, 0, 4, IMAGE_BICUBIC, &err), RAP_E_ARGUMENT);
    assert_int_equal(image_resize(&out, &in, 4, -1, IMAGE_BICUBIC, &err), RAP_E_ARGUMENT);
    assert_int_equal(image_resize(&out, &in, 100000, 100000, IMAGE_BICUBIC, &err), RAP_E_LIMIT);
    assert_null(out.rgb);
    image_release(&in);
}

/* ---- the reference preprocessing of CLIP ---- */

/* The float32 values after the header of a .npy file; free(). */
static float *load_npy(const char *path, size_t count)
{
    char *bytes = NULL;
    size_t size = 0, header;
    float *values;

    assert_int_equal(file_read(&bytes, &size, path, 1 << 24, NULL), RAP_OK);
    assert_true(size > 10 && memcmp(bytes, "\x93NUMPY\x01", 7) == 0);
    header = 10 + (size_t)(uint8_t)bytes[8] + ((size_t)(uint8_t)bytes[9] << 8);
    assert_int_equal(size, header + count * sizeof(float));
    values = malloc(count * sizeof(float));
    assert_non_null(values);
    memcpy(values, bytes + header, count * sizeof(float));
    free(bytes);
    return values;
}

/* Shorter side to n with bicubic, then the middle n × n. */
static void clip_pixels(image *out, const char *path, int n)
{
    image full, scaled;
    int width, height;

    assert_int_equal(image_load(&full, path, NULL), RAP_OK);
    width = full.width <= full.height ? n : (int)((int64_t)n * full.width / full.height);
    height = full.width <= full.height ? (int)((int64_t)n * full.height / full.width) : n;
    assert_int_equal(image_resize(&scaled, &full, width, height, IMAGE_BICUBIC, NULL), RAP_OK);
    /* Python's round(): halves go to the even number. */
    rap_box middle = { (float)(int)((width - n) / 2.0 + 0.5),
                       (float)(int)((height - n) / 2.0 + 0.5), (float)n, (float)n };
    if ((width - n) % 4 == 1)
        middle.x = (float)((width - n) / 2);
    if ((height - n) % 4 == 1)
        middle.y = (float)((height - n) / 2);
    assert_int_equal(image_crop(out, &scaled, middle, NULL), RAP_OK);
    image_release(&full);
    image_release(&scaled);
}

static void equals_clip_preprocessing(void **state)
{
    static const char *const names[] = { "wide", "tall", "small", "large" };
    static const double mean[3] = { 0.48145466, 0.4578275, 0.40821073 };
    static const double deviation[3] = { 0.26862954, 0.26130258, 0.27577711 };
    const char *shared = getenv("RAP_SHARED");
    const int n = 64;
    char path[512];

    if (!shared || !file_is_folder(shared)) {
        print_message("skipped: the shared fixtures are not there\n");
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        image pixels;
        double worst = 0;
        snprintf(path, sizeof path, "%s/fixtures/clip/%s.png", shared, names[i]);
        clip_pixels(&pixels, path, n);
        snprintf(path, sizeof path, "%s/fixtures/clip/clip_vit_small.%s.pre.npy", shared, names[i]);
        float *expected = load_npy(path, 3 * (size_t)n * (size_t)n); /* [3, n, n] */
        for (int at = 0; at < 3 * n * n; at++) {
            int channel = at / (n * n), pixel = at % (n * n);
            double original = expected[at] * deviation[channel] + mean[channel];
            double off = original * 255 - pixels.rgb[pixel * 3 + channel];
            worst = off > worst ? off : -off > worst ? -off : worst;
        }
        print_message("%s: largest difference %.4f of 255\n", names[i], worst);
        assert_true(worst < 0.01);
        free(expected);
        image_release(&pixels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduces),
        cmocka_unit_test(enlarges),
        cmocka_unit_test(equals_reference_at_many_sizes),
        cmocka_unit_test(same_size_is_a_copy),
        cmocka_unit_test(refuses_impossible_sizes),
        cmocka_unit_test(equals_clip_preprocessing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
