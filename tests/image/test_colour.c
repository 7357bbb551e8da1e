/* test_colour.c: colours by what a file says about them (src/image/colour.c, png.c), against the same computed here in
 * double precision from the definitions: curves, primaries, blending. */
#include "image/made.h"

#include <lcms2.h>
#include <math.h>
#include <vips/vips.h>

enum { SIDE = 16 };

static const double srgb_xy[8] = { 0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06 };
static const double p3_xy[8] = { 0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06 };
static const double adobe_xy[8] = { 0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06 };

/* ---- the reference ---- */

static double to_linear(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double to_srgb(double v)
{
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    return v <= 0.0031308 ? v * 12.92 : 1.055 * pow(v, 1 / 2.4) - 0.055;
}

static void invert(double out[9], const double m[9])
{
    double det = m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
                 m[2] * (m[3] * m[7] - m[4] * m[6]);

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
            out[i * 3 + j] = (m[a * 3 + c] * m[b * 3 + d] - m[a * 3 + d] * m[b * 3 + c]) / det;
        }
}

static void apply(double out[3], const double m[9], const double v[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m[i * 3] * v[0] + m[i * 3 + 1] * v[1] + m[i * 3 + 2] * v[2];
}

/* Linear light of these primaries → XYZ. */
static void matrix_of(double m[9], const double xy[8])
{
    double columns[9], inverse[9], scale[3];
    double white[3] = { xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1] };

    for (int k = 0; k < 3; k++) {
        double x = xy[2 + 2 * k], y = xy[3 + 2 * k];
        columns[k] = x / y;
        columns[3 + k] = 1;
        columns[6 + k] = (1 - x - y) / y;
    }
    invert(inverse, columns);
    apply(scale, inverse, white);
    for (int i = 0; i < 9; i++)
        m[i] = columns[i] * scale[i % 3];
}

/* Samples 0..1 with a gamma (0: sRGB's curve) and primaries of sRGB's white → sRGB 0..1. */
static void reference(double out[3], const double in[3], double gamma, const double xy[8])
{
    double from[9], to[9], back[9], linear[3], xyz[3], rgb[3];

    for (int k = 0; k < 3; k++)
        linear[k] = gamma > 0 ? pow(in[k], gamma) : to_linear(in[k]);
    matrix_of(from, xy);
    matrix_of(to, srgb_xy);
    invert(back, to);
    apply(xyz, from, linear);
    apply(rgb, back, xyz);
    for (int k = 0; k < 3; k++)
        out[k] = to_srgb(rgb[k]);
}

/* ---- pictures ---- */

static double sample(int i, int k)
{
    return (double)((i * (37 + 18 * k) + 50 * k) % 256) / 255;
}

/* SIDE × SIDE of `bands` (the last of an even number is alpha) in 8 or 16 bits. */
static void add_pixels(buf *b, int bands, int bits)
{
    buf samples = BUF_INIT;

    for (int i = 0; i < SIDE * SIDE * bands; i++)
        made_number(&samples,
                    (uint32_t)lrint(sample(i / bands, i % bands) * (bits == 16 ? 65535 : 255)),
                    bits / 8);
    made_pixels(b, (const uint8_t *)samples.data, SIDE, (size_t)(SIDE * bands * bits / 8));
    buf_release(&samples);
}

static buf begin(int bands, int bits)
{
    static const int types[5] = { 0, 0, 4, 2, 6 };
    buf b = BUF_INIT;

    made_head(&b, SIDE, SIDE, bits, types[bands], 0);
    return b;
}

/* Every pixel against the reference, within `slack` of 255; the alpha's share of white is added. */
static void expect_reference(buf *file, int bands, double gamma, const double xy[8], double slack)
{
    image im = made_decode(file);
    bool grey = bands < 3, alpha = bands % 2 == 0;
    double worst = 0;

    assert_int_equal(im.width, SIDE);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double in[3], out[3], a = alpha ? sample(i, bands - 1) : 1;
        for (int k = 0; k < 3; k++)
            in[k] = sample(i, grey ? 0 : k);
        reference(out, in, gamma, xy);
        for (int k = 0; k < 3; k++)
            worst = fmax(worst, fabs(im.rgb[i * 3 + k] - 255 * (out[k] * a + 1 - a)));
    }
    image_release(&im);
    if (worst > slack)
        fail_msg("off by %.2f of 255", worst);
}

/* A profile with this name; gamma 0: sRGB's curve. free() */
static uint8_t *profile(size_t *size, const char *name, double gamma, const double xy[8], bool grey)
{
    cmsToneCurve *curve =
        gamma > 0 ? cmsBuildGamma(NULL, gamma)
                  : cmsBuildParametricToneCurve(
                        NULL, 4, (double[]){ 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045 });
    cmsToneCurve *curves[3] = { curve, curve, curve };
    cmsCIExyY white = { xy[0], xy[1], 1 };
    cmsCIExyYTRIPLE three = { { xy[2], xy[3], 1 }, { xy[4], xy[5], 1 }, { xy[6], xy[7], 1 } };
    cmsHPROFILE made = grey ? cmsCreateGrayProfile(cmsD50_xyY(), curve)
                            : cmsCreateRGBProfile(&white, &three, curves);
    cmsMLU *text = cmsMLUalloc(NULL, 1);
    cmsUInt32Number bytes = 0;
    uint8_t *out;

    cmsMLUsetASCII(text, "en", "US", name);
    cmsWriteTag(made, cmsSigProfileDescriptionTag, text);
    assert_true(cmsSaveProfileToMem(made, NULL, &bytes));
    out = malloc(bytes);
    assert_true(out && cmsSaveProfileToMem(made, out, &bytes));
    cmsMLUfree(text);
    cmsFreeToneCurve(curve);
    cmsCloseProfile(made);
    *size = bytes;
    return out;
}

static buf with_profile(int bands, int bits, const char *name, double gamma, const double xy[8])
{
    buf b = begin(bands, bits);
    size_t size;
    uint8_t *icc = profile(&size, name, gamma, xy, bands < 3);

    made_profile(&b, icc, size);
    free(icc);
    return b;
}

/* ---- profiles ---- */

static void converts_what_only_calls_itself_srgb(void **state)
{
    for (int bits = 8; bits <= 16; bits += 8) {
        buf linear = with_profile(3, bits, "GIMP built-in Linear sRGB", 1.0, srgb_xy);
        buf wide = with_profile(3, bits, "sRGB of a measured display", 2.2, adobe_xy);
        add_pixels(&linear, 3, bits);
        add_pixels(&wide, 3, bits);
        expect_reference(&linear, 3, 1.0, srgb_xy, bits == 16 ? 1.0 : 1.6);
        expect_reference(&wide, 3, 2.2, adobe_xy, 1.6);
    }
}

static void leaves_srgb_of_any_name(void **state)
{
    buf named = with_profile(3, 8, "Camera 1", 0, srgb_xy), plain = begin(3, 8);
    image a, b;

    add_pixels(&named, 3, 8);
    add_pixels(&plain, 3, 8);
    a = made_decode(&named);
    b = made_decode(&plain);
    assert_memory_equal(a.rgb, b.rgb, SIDE * SIDE * 3);
    image_release(&a);
    image_release(&b);
}

static void keeps_soft_transparency(void **state)
{
    for (int bits = 8; bits <= 16; bits += 8) {
        buf rgba = with_profile(4, bits, "A", 2.2, adobe_xy);
        buf grey = with_profile(2, bits, "B", 1.0, srgb_xy);
        buf plain = begin(4, bits);
        add_pixels(&rgba, 4, bits);
        add_pixels(&grey, 2, bits);
        add_pixels(&plain, 4, bits);
        expect_reference(&rgba, 4, 2.2, adobe_xy, 1.6);
        expect_reference(&grey, 2, 1.0, srgb_xy, 1.6);
        expect_reference(&plain, 4, 0, srgb_xy, 1.0);
    }
}

static void understands_grey(void **state)
{
    for (int bits = 8; bits <= 16; bits += 8) {
        size_t size;
        uint8_t *icc = profile(&size, "of colours", 1.0, srgb_xy, false);
        buf own = with_profile(1, bits, "grey", 1.0, srgb_xy), colours = begin(1, bits);
        made_profile(&colours, icc, size);
        add_pixels(&own, 1, bits);
        add_pixels(&colours, 1, bits);
        expect_reference(&own, 1, 1.0, srgb_xy, 1.6);
        expect_reference(&colours, 1, 1.0, srgb_xy, 1.6);
        free(icc);
    }
}

static void does_without_a_broken_profile(void **state)
{
    size_t size;
    uint8_t *icc = profile(&size, "P", 2.2, adobe_xy, false);
    buf cut = begin(3, 8), noise = begin(3, 8), other = begin(3, 8), packed = begin(3, 8);
    buf blind = with_profile(3, 8, "all is white", 1e-9, adobe_xy);
    uint8_t *grey = profile(&size, "grey", 2.2, srgb_xy, true);

    made_profile(&cut, icc, 200);
    made_profile(&noise, "this is no profile", 18);
    made_profile(&other, grey, size); /* of another number of parts */
    made_chunk(&packed, "iCCP", "x\0\0and not packed", 17);
    buf *all[] = { &cut, &noise, &other, &packed, &blind };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        add_pixels(all[i], 3, 8);
        expect_reference(all[i], 3, 0, srgb_xy, 0.51);
    }
    free(icc);
    free(grey);
}

/* A JPEG of one colour with this profile in two pieces, in either order in the file. */
static image decode_pieces(const uint8_t *icc, size_t size, bool turned)
{
    VipsImage *black = NULL, *flat = NULL, *cast = NULL;
    double ones[3] = { 1, 1, 1 }, green[3] = { 40, 200, 90 };
    size_t bytes = 0, half = size / 2;
    void *data = NULL;
    buf file = BUF_INIT;

    assert_int_equal(vips_black(&black, 16, 16, "bands", 3, NULL), 0);
    assert_int_equal(vips_linear(black, &flat, ones, green, 3, NULL), 0);
    assert_int_equal(vips_cast(flat, &cast, VIPS_FORMAT_UCHAR, NULL), 0);
    cast->Type = VIPS_INTERPRETATION_sRGB;
    assert_int_equal(vips_jpegsave_buffer(cast, &data, &bytes, "Q", 98, NULL), 0);
    buf_add(&file, data, 2);
    for (int i = 0; size && i < 2; i++) {
        bool second = (i == 1) != turned;
        size_t len = second ? size - half : half;
        const uint8_t head[] = { 0xFF, 0xE2, (uint8_t)((len + 16) >> 8), (uint8_t)(len + 16) };

        buf_add(&file, head, sizeof head);
        buf_add(&file, "ICC_PROFILE", 12);
        buf_add(&file, second ? "\2\2" : "\1\2", 2);
        buf_add(&file, icc + (second ? half : 0), len);
    }
    buf_add(&file, (const char *)data + 2, bytes - 2);
    g_object_unref(black);
    g_object_unref(flat);
    g_object_unref(cast);
    g_free(data);
    return made_decode(&file);
}

static void joins_the_pieces_of_a_profile(void **state)
{
    size_t size;
    uint8_t *icc = profile(&size, "P", 2.2, adobe_xy, false);
    image in_order = decode_pieces(icc, size, false), turned = decode_pieces(icc, size, true),
          none = decode_pieces(NULL, 0, false);

    assert_memory_equal(in_order.rgb, turned.rgb, 16 * 16 * 3);
    assert_true(none.rgb[0] > in_order.rgb[0] + 20); /* the green is out of sRGB's reach */
    image_release(&in_order);
    image_release(&turned);
    image_release(&none);
    free(icc);
}

/* ---- PNG's own words ---- */

static void add_gamma(buf *b, uint32_t value)
{
    buf body = BUF_INIT;

    made_number(&body, value, 4);
    made_chunk(b, "gAMA", body.data, body.len);
    buf_release(&body);
}

static void add_primaries(buf *b, const double xy[8])
{
    buf body = BUF_INIT;

    for (int i = 0; i < 8; i++)
        made_number(&body, (uint32_t)lrint(xy[i] * 1e5), 4);
    made_chunk(b, "cHRM", body.data, body.len);
    buf_release(&body);
}

static void applies_gamma_and_primaries(void **state)
{
    for (int bits = 8; bits <= 16; bits += 8) {
        buf linear = begin(3, bits), dark = begin(4, bits), wide = begin(3, bits);
        buf grey = begin(1, bits);
        add_gamma(&linear, 100000);
        add_gamma(&dark, 55556);
        add_primaries(&wide, p3_xy);
        add_gamma(&grey, 100000);
        add_pixels(&linear, 3, bits);
        add_pixels(&dark, 4, bits);
        add_pixels(&wide, 3, bits);
        add_pixels(&grey, 1, bits);
        expect_reference(&linear, 3, 1.0, srgb_xy, 1.6);
        expect_reference(&dark, 4, 1 / 0.55556, srgb_xy, 1.6);
        expect_reference(&wide, 3, 0, p3_xy, 1.6);
        expect_reference(&grey, 1, 1.0, srgb_xy, 1.6);
    }
}

/* 1/2.2 is how older programs say sRGB; sRGB and a profile are more exact than gAMA, codes more than all. */
static void knows_which_word_counts(void **state)
{
    buf usual = begin(3, 8), intent = begin(3, 8), codes = begin(3, 8), nothing = begin(3, 8);
    buf named = with_profile(3, 8, "linear", 1.0, srgb_xy);

    add_gamma(&usual, 45455);
    add_gamma(&nothing, 0);
    made_chunk(&intent, "sRGB", "\0", 1);
    add_gamma(&intent, 100000);
    add_gamma(&named, 20000);
    add_gamma(&codes, 100000);
    made_chunk(&codes, "cICP", "\x0C\x0D\0\1", 4); /* Display P3 */
    buf *all[] = { &usual, &intent, &codes, &nothing, &named };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        add_pixels(all[i], 3, 8);
    expect_reference(&usual, 3, 0, srgb_xy, 0.51);
    expect_reference(&nothing, 3, 0, srgb_xy, 0.51);
    expect_reference(&intent, 3, 0, srgb_xy, 0.51);
    expect_reference(&named, 3, 1.0, srgb_xy, 1.6);
    expect_reference(&codes, 3, 0, p3_xy, 1.6);
}

/* ---- ink ---- */

/* A JPEG of one CMYK colour with a profile, or with what is none. */
static image decode_ink(const double ink[4], const void *icc, size_t size)
{
    VipsImage *black = NULL, *flat = NULL, *cast = NULL;
    double ones[4] = { 1, 1, 1, 1 };
    void *data = NULL;
    size_t bytes = 0;
    buf file = BUF_INIT;

    assert_int_equal(vips_black(&black, 16, 16, "bands", 4, NULL), 0);
    assert_int_equal(vips_linear(black, &flat, ones, ink, 4, NULL), 0);
    assert_int_equal(vips_cast(flat, &cast, VIPS_FORMAT_UCHAR, NULL), 0);
    cast->Type = VIPS_INTERPRETATION_CMYK;
    if (icc)
        vips_image_set_blob_copy(cast, VIPS_META_ICC_NAME, icc, size);
    assert_int_equal(vips_jpegsave_buffer(cast, &data, &bytes, "Q", 98, NULL), 0);
    g_object_unref(black);
    g_object_unref(flat);
    g_object_unref(cast);
    buf_add(&file, data, bytes);
    g_free(data);
    return made_decode(&file);
}

static void converts_ink(void **state)
{
    static const double red[4] = { 0, 255, 255, 0 }, none[4] = { 0, 0, 0, 0 };
    static const double black[4] = { 0, 0, 0, 255 };
    VipsBlob *blob = NULL;
    size_t size = 0;
    const void *icc;

    assert_int_equal(vips_profile_load("cmyk", &blob, NULL), 0);
    icc = vips_blob_get(blob, &size);
    for (int i = 0; i < 3; i++) { /* a profile, a broken one, none */
        const void *given = i == 0 ? icc : i == 1 ? "broken" : NULL;
        image im = decode_ink(red, given, i == 0 ? size : 6);
        assert_true(im.rgb[0] > 180 && im.rgb[1] < 90 && im.rgb[2] < 90);
        image_release(&im);
        im = decode_ink(none, given, i == 0 ? size : 6);
        assert_true(im.rgb[0] > 248 && im.rgb[1] > 248 && im.rgb[2] > 248);
        image_release(&im);
        im = decode_ink(black, given, i == 0 ? size : 6);
        assert_true(im.rgb[0] < 75 && im.rgb[1] < 75 && im.rgb[2] < 75);
        image_release(&im);
    }
    vips_area_unref(VIPS_AREA(blob));
}

static int start(void **state)
{
    return VIPS_INIT("test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts_what_only_calls_itself_srgb),
        cmocka_unit_test(leaves_srgb_of_any_name),
        cmocka_unit_test(keeps_soft_transparency),
        cmocka_unit_test(understands_grey),
        cmocka_unit_test(joins_the_pieces_of_a_profile),
        cmocka_unit_test(does_without_a_broken_profile),
        cmocka_unit_test(applies_gamma_and_primaries),
        cmocka_unit_test(knows_which_word_counts),
        cmocka_unit_test(converts_ink),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
