/* colour.c: converts rows of samples to sRGB, with Little CMS unless they are sRGB already. */
#include "image/colour.h"
#include "base/mem.h"

#include <lcms2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A gamma this close to 1/2.2 means sRGB, as in libpng: older programs wrote it that way. */
#define COLOUR_GAMMA_SLACK 0.05
enum { COLOUR_WHITE = 255, COLOUR_GRID = 17, COLOUR_GREYS = 256, COLOUR_REACH = 32 };

struct colour {
    colour_layout layout;
    int parts;               /* colour channels that go into the transform: 1, 3 or 4 */
    cmsContext context;      /* NULL: nothing to convert */
    cmsHTRANSFORM transform; /* parts of `bits` → RGB of `bits`; NULL: already sRGB */
    uint8_t *greys;  /* [256 or 65536, 3] of `bits`: the result for every grey; NULL: three parts */
    uint8_t *plain;  /* [width, parts] without alpha, of `bits` */
    uint8_t *turned; /* [width, 3] of `bits`: the transform's result */
};

/* ---- profiles ---- */

static cmsToneCurve *curve_srgb(cmsContext context)
{
    return cmsBuildParametricToneCurve(
        context, 4, (cmsFloat64Number[]){ 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045 });
}

/* The H.273 codes that stand for a single curve; NULL: another curve, or no code. The camera
 * curves of television (1, 6, 14, 15) are shown as sRGB, as viewers do. */
static cmsToneCurve *curve_of_code(cmsContext context, int code)
{
    switch (code) {
    case 4:
        return cmsBuildGamma(context, 2.2);
    case 5:
        return cmsBuildGamma(context, 2.8);
    case 8:
        return cmsBuildGamma(context, 1.0);
    case 1:
    case 2: /* not said */
    case 6:
    case 13:
    case 14:
    case 15:
        return curve_srgb(context);
    default:
        return NULL;
    }
}

static const double *primaries_of_code(int code)
{
    static const double bt709[8] = { 0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060 };
    static const double bt601_625[8] = { 0.3127, 0.3290, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060 };
    static const double bt601_525[8] = { 0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070 };
    static const double bt2020[8] = { 0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046 };
    static const double p3[8] = { 0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060 };

    switch (code) {
    case 1:
    case 2: /* not said */
        return bt709;
    case 5:
        return bt601_625;
    case 6:
    case 7:
        return bt601_525;
    case 9:
        return bt2020;
    case 12:
        return p3;
    default:
        return NULL;
    }
}

/* A profile with three primaries, or grey, and one curve; takes ownership of the curve. */
static cmsHPROFILE profile_make(cmsContext context, const double *xy, cmsToneCurve *curve,
                                bool grey)
{
    cmsToneCurve *curves[3] = { curve, curve, curve };
    cmsCIExyY white = { xy[0], xy[1], 1 };
    cmsCIExyYTRIPLE primaries = { { xy[2], xy[3], 1 }, { xy[4], xy[5], 1 }, { xy[6], xy[7], 1 } };
    cmsHPROFILE made = NULL;
    bool sane = curve != NULL;

    for (int i = 0; i < 8; i++)
        sane = sane && xy[i] >= 0 && xy[i] <= 1 && (i % 2 == 0 || xy[i] > 0);
    if (sane && grey)
        made = cmsCreateGrayProfileTHR(context, cmsD50_xyY(), curve);
    else if (sane)
        made = cmsCreateRGBProfileTHR(context, &white, &primaries, curves);
    if (curve)
        cmsFreeToneCurve(curve);
    return made;
}

/* The profile the file specifies, by precedence; NULL: none usable. */
static cmsHPROFILE profile_open(cmsContext context, const colour_source *s, bool grey)
{
    const double *xy = primaries_of_code(s->code_primaries);
    cmsHPROFILE found = NULL;

    if (s->code_primaries && xy)
        found = profile_make(context, xy, curve_of_code(context, s->code_transfer), grey);
    if (!found && s->profile && s->profile_size < UINT32_MAX)
        found = cmsOpenProfileFromMemTHR(context, s->profile, (cmsUInt32Number)s->profile_size);
    if (!found && (s->gamma > 0 || s->has_primaries)) {
        bool srgb =
            !(s->gamma > 0.01 && s->gamma < 100) || fabs(s->gamma * 2.2 - 1) < COLOUR_GAMMA_SLACK;
        found =
            profile_make(context, s->has_primaries ? s->primaries : primaries_of_code(1),
                         srgb ? curve_srgb(context) : cmsBuildGamma(context, 1 / s->gamma), grey);
    }
    return found;
}

/* ---- the transform ---- */

static cmsUInt32Number sample_format(int parts, int bits)
{
    cmsUInt32Number bytes = bits == 16 ? 2 : 1;
    int space = parts == 1 ? PT_GRAY : parts == 3 ? PT_RGB : PT_CMYK;

    return COLORSPACE_SH((cmsUInt32Number)space) | CHANNELS_SH((cmsUInt32Number)parts) |
           BYTES_SH(bytes);
}

/* The number of channels of a profile; 0 if it does not match this layout. */
static int profile_parts(cmsHPROFILE profile, const colour_layout *layout)
{
    cmsColorSpaceSignature space = cmsGetColorSpace(profile);
    bool grey = layout->bands - layout->alpha == 1;

    if (layout->ink)
        return space == cmsSigCmykData ? 4 : 0;
    if (space == cmsSigGrayData)
        return grey ? 1 : 0;
    return space == cmsSigRgbData ? 3 : 0; /* grey samples are used as three equal ones */
}

/* Takes ownership of the profile. For 16-bit samples and grey every stage is computed, because the
 * library's default, a table of a few dozen steps, is too coarse for the shadows of a linear
 * picture. */
static bool transform_make(colour *c, cmsHPROFILE from)
{
    cmsHPROFILE to = cmsCreate_sRGBProfileTHR(c->context);
    int parts = from ? profile_parts(from, &c->layout) : 0;
    cmsUInt32Number flags = c->layout.bits == 16 || parts == 1 ? cmsFLAGS_NOOPTIMIZE : 0;

    if (parts && to) {
        c->transform =
            cmsCreateTransformTHR(c->context, from, sample_format(parts, c->layout.bits), to,
                                  sample_format(3, c->layout.bits), INTENT_PERCEPTUAL, flags);
        c->parts = parts;
    }
    if (from)
        cmsCloseProfile(from);
    if (to)
        cmsCloseProfile(to);
    return c->transform != NULL;
}

static int sample_at(const uint8_t *samples, int i, int bits)
{
    uint16_t wide;

    if (bits == 8)
        return samples[i];
    memcpy(&wide, samples + 2 * i, 2);
    return wide / 257;
}

static void sample_put(uint8_t *samples, int i, int bits, int value)
{
    uint16_t wide = (uint16_t)(value * 257);

    if (bits == 8)
        samples[i] = (uint8_t)value;
    else
        memcpy(samples + 2 * i, &wide, 2);
}

/* Does the transform change every colour by at most one 8-bit step? Then it is sRGB, whatever its
 * name. Tested on a grid of colours and all greys. */
static bool transform_is_idle(colour *c)
{
    enum { MOST = COLOUR_GRID * COLOUR_GRID * COLOUR_GRID + COLOUR_GREYS };
    uint8_t *in = calloc(MOST, 6), *out = calloc(MOST, 6);
    int parts = c->parts, bits = c->layout.bits, count = 0;
    bool idle = in && out && parts != 4;

    for (int i = 0; idle && i < MOST; i++) {
        int grid = i < COLOUR_GREYS ? -1 : i - COLOUR_GREYS;
        for (int k = 0; k < parts; k++) {
            sample_put(in, i * parts + k, bits,
                       grid < 0 ? i : grid % COLOUR_GRID * 255 / (COLOUR_GRID - 1));
            grid /= COLOUR_GRID;
        }
        if (parts == 1 && i == COLOUR_GREYS)
            break;
        count++;
    }
    if (idle)
        cmsDoTransform(c->transform, in, out, (cmsUInt32Number)count);
    for (int i = 0; idle && i < count * 3; i++)
        idle = abs(sample_at(out, i, bits) - sample_at(in, parts == 1 ? i / 3 : i, bits)) <= 1;
    free(in);
    free(out);
    return idle;
}

/* Do black and white come out nearly the same? No display does that, but a damaged profile does. */
static bool transform_is_blind(const colour *c)
{
    uint16_t wide_in[2 * 4], wide_out[2 * 3];
    uint8_t *in = (uint8_t *)wide_in, *out = (uint8_t *)wide_out;
    int bits = c->layout.bits, reach = 0;

    for (int i = 0; i < 2 * c->parts; i++)
        sample_put(in, i, bits, i < c->parts ? 0 : 255);
    cmsDoTransform(c->transform, in, out, 2);
    for (int k = 0; k < 3; k++) {
        int difference = abs(sample_at(out, 3 + k, bits) - sample_at(out, k, bits));
        reach = difference > reach ? difference : reach;
    }
    return reach < COLOUR_REACH;
}

static void transform_drop(colour *c)
{
    if (c->transform)
        cmsDeleteTransform(c->transform);
    c->transform = NULL;
    c->parts = c->layout.ink ? 4 : 3;
}

/* A table for grey pictures. */
static bool transform_greys(colour *c)
{
    uint32_t count = c->layout.bits == 16 ? 65536 : 256;
    size_t bytes = c->layout.bits == 16 ? 2 : 1;
    uint8_t *all = mem_array(count, bytes);

    c->greys = mem_array(count, 3 * bytes);
    for (uint32_t i = 0; all && i < count; i++)
        if (bytes == 2)
            ((uint16_t *)all)[i] = (uint16_t)i;
        else
            all[i] = (uint8_t)i;
    if (all && c->greys)
        cmsDoTransform(c->transform, all, c->greys, count);
    free(all);
    return all && c->greys;
}

/* Keeps Little CMS from printing. */
static void stay_silent(cmsContext context, cmsUInt32Number code, const char *text)
{
    (void)context;
    (void)code;
    (void)text;
}

static rap_status transform_choose(colour *c, const colour_source *source, const uint8_t *fallback,
                                   size_t fallback_size, rap_err *err)
{
    bool grey = c->layout.bands - c->layout.alpha == 1;
    bool given =
        source->profile || source->code_primaries || source->gamma > 0 || source->has_primaries;
    if (!given && !c->layout.ink)
        return RAP_OK;
    c->context = cmsCreateContext(NULL, NULL);
    if (!c->context)
        return err_memory(err, "converting colours");
    cmsSetLogErrorHandlerTHR(c->context, stay_silent);
    transform_make(c, profile_open(c->context, source, grey));
    if (c->transform && (transform_is_idle(c) || transform_is_blind(c)))
        transform_drop(c);
    if (c->transform && c->parts == 1 && !transform_greys(c))
        return err_memory(err, "converting colours");
    if (!c->transform && c->layout.ink && fallback)
        transform_make(
            c, cmsOpenProfileFromMemTHR(c->context, fallback, (cmsUInt32Number)fallback_size));
    if (!c->transform && c->layout.ink)
        return err_set(err, RAP_E_UNSUPPORTED, "no colour profile is available for a CMYK picture");
    return RAP_OK;
}

rap_status colour_open(colour **out, const colour_layout *layout, const colour_source *source,
                       const uint8_t *fallback, size_t fallback_size, rap_err *err)
{
    colour *c = *out = calloc(1, sizeof *c);
    size_t width = (size_t)layout->width;
    rap_status status;

    if (!c)
        return err_memory(err, "converting colours");
    c->layout = *layout;
    c->parts = layout->ink ? 4 : 3;
    c->plain = mem_array(width, 8);
    c->turned = mem_array(width, 6);
    status = c->plain && c->turned ? transform_choose(c, source, fallback, fallback_size, err)
                                   : err_memory(err, "converting colours");
    if (status == RAP_OK)
        return RAP_OK;
    colour_close(c);
    *out = NULL;
    return status;
}

void colour_close(colour *c)
{
    if (!c)
        return;
    if (c->transform)
        cmsDeleteTransform(c->transform);
    if (c->context)
        cmsDeleteContext(c->context);
    free(c->greys);
    free(c->plain);
    free(c->turned);
    free(c);
}

/* ---- rows ---- */

/* The samples without alpha; grey ones are repeated three times if three channels are needed. */
static void row_plain(colour *c, const uint8_t *samples)
{
    size_t bytes = c->layout.bits == 16 ? 2 : 1;
    size_t step = (size_t)c->layout.bands * bytes, parts = (size_t)c->parts;
    bool grey = c->layout.bands - c->layout.alpha == 1;
    uint8_t *to = c->plain;

    for (int x = 0; x < c->layout.width; x++, samples += step)
        for (size_t k = 0; k < parts; k++, to += bytes)
            memcpy(to, samples + (grey ? 0 : k * bytes), bytes);
}

static void row_greys(colour *c, const uint8_t *samples)
{
    size_t bytes = c->layout.bits == 16 ? 2 : 1, step = (size_t)c->layout.bands * bytes;
    uint8_t *to = c->turned;

    for (int x = 0; x < c->layout.width; x++, samples += step, to += 3 * bytes) {
        uint16_t wide = *samples;
        if (bytes == 2)
            memcpy(&wide, samples, 2);
        memcpy(to, c->greys + (size_t)wide * 3 * bytes, 3 * bytes);
    }
}

static void row_blend_8(uint8_t *rgb, const uint8_t *from, const uint8_t *alpha, size_t step,
                        int width)
{
    for (int x = 0; x < width; x++, alpha += step)
        for (int k = 0; k < 3; k++)
            *rgb++ = (uint8_t)((*from++ * *alpha + COLOUR_WHITE * (255 - *alpha) + 127) / 255);
}

/* `alpha` NULL: opaque. */
static void row_blend_16(uint8_t *rgb, const uint16_t *from, const uint16_t *alpha, size_t step,
                         int width)
{
    const uint64_t full = 65535;

    for (int x = 0; x < width; x++) {
        uint64_t a = alpha ? alpha[(size_t)x * step] : full;
        for (int k = 0; k < 3; k++) {
            uint64_t sum = *from++ * a + full * (full - a);
            *rgb++ = (uint8_t)((sum * COLOUR_WHITE + full * full / 2) / (full * full));
        }
    }
}

void colour_row(uint8_t *rgb, colour *c, const void *samples)
{
    const colour_layout *l = &c->layout;
    const void *from = samples;
    size_t step = (size_t)l->bands, last = step - 1;

    if (c->greys) {
        row_greys(c, samples);
        from = c->turned;
    } else if (l->bands != c->parts) {
        row_plain(c, samples);
        from = c->plain;
    }
    if (c->transform && !c->greys) {
        cmsDoTransform(c->transform, from, c->turned, (cmsUInt32Number)l->width);
        from = c->turned;
    }
    if (l->bits == 16)
        row_blend_16(rgb, from, l->alpha ? (const uint16_t *)samples + last : NULL, step, l->width);
    else if (l->alpha)
        row_blend_8(rgb, from, (const uint8_t *)samples + last, step, l->width);
    else
        memcpy(rgb, from, (size_t)l->width * 3);
}
