/* make_pictures.c: writes the first inputs of fuzz_picture that make_corpus.py cannot: HEIC and AVIF, and the kinds with
 * a profile, an orientation, transparency, ink, 16 bits. Small pictures by libvips:
 *
 *     make_pictures tests/fuzz/corpus/picture
 */
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

enum { WIDTH = 11, HEIGHT = 7 };

typedef struct recipe {
    const char *name, *suffix;
    int bands;
    gboolean wide, ink, profile;
    int orientation;
} recipe;

static const recipe recipes[] = {
    { "heic", ".heic[Q=30,effort=9]", 3, FALSE, FALSE, FALSE, 0 },
    { "heic-alpha", ".heic[Q=30]", 4, FALSE, FALSE, FALSE, 0 },
    { "heic-10", ".heic[Q=30,bitdepth=10]", 3, TRUE, FALSE, FALSE, 0 },
    { "avif", ".avif[Q=30]", 3, FALSE, FALSE, FALSE, 0 },
    { "avif-alpha", ".avif[lossless]", 4, FALSE, FALSE, FALSE, 0 },
    { "avif-12", ".avif[Q=30,bitdepth=12]", 3, TRUE, FALSE, FALSE, 0 },
    { "webp-turned", ".webp[Q=30]", 3, FALSE, FALSE, TRUE, 6 },
    { "webp-alpha", ".webp[Q=30,alpha_q=40]", 4, FALSE, FALSE, FALSE, 0 },
    { "png-16-alpha", ".png", 4, TRUE, FALSE, TRUE, 0 },
    { "png-interlaced", ".png[interlace]", 2, TRUE, FALSE, FALSE, 8 },
    { "png-palette", ".png[palette]", 4, FALSE, FALSE, FALSE, 0 },
    { "jpeg-ink", ".jpg[Q=40]", 4, FALSE, TRUE, FALSE, 3 },
    { "jpeg-turned", ".jpg[Q=40,interlace]", 3, FALSE, FALSE, TRUE, 5 },
};

/* A slope in every band. */
static VipsImage *draw(const recipe *r)
{
    guint16 samples[WIDTH * HEIGHT * 4];
    int count = WIDTH * HEIGHT * r->bands;
    VipsImage *out, *narrow = NULL;

    for (int i = 0; i < count; i++)
        samples[i] = (guint16)(i * 65535 / count);
    out = vips_image_new_from_memory_copy(samples, (size_t)count * 2, WIDTH, HEIGHT, r->bands,
                                          VIPS_FORMAT_USHORT);
    if (!out)
        return NULL;
    if (!r->wide) {
        int failed = vips_msb(out, &narrow, NULL);
        g_object_unref(out);
        if (failed)
            return NULL;
        out = narrow;
    }
    out->Type = r->ink         ? VIPS_INTERPRETATION_CMYK
                : r->bands < 3 ? (r->wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                               : (r->wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
    return out;
}

/* A profile that changes colours. */
static int add_profile(VipsImage *im)
{
    VipsBlob *blob = NULL;
    size_t size;
    const void *data;

    if (vips_profile_load("p3", &blob, NULL) != 0)
        return -1;
    data = vips_blob_get(blob, &size);
    vips_image_set_blob_copy(im, VIPS_META_ICC_NAME, data, size);
    vips_area_unref(VIPS_AREA(blob));
    return 0;
}

static int make(const recipe *r, const char *folder)
{
    VipsImage *im = draw(r);
    char path[4096];
    int failed = !im;

    if (!failed && r->profile)
        failed = add_profile(im);
    if (!failed && r->orientation)
        vips_image_set_int(im, VIPS_META_ORIENTATION, r->orientation);
    snprintf(path, sizeof path, "%s/%s%s", folder, r->name, r->suffix);
    if (!failed)
        failed = vips_image_write_to_file(im, path, NULL);
    if (failed) {
        fprintf(stderr, "%s: not written: %s\n", r->name, vips_error_buffer());
        vips_error_clear();
    } else {
        char plain[4096];
        *strchr(path + strlen(folder), '.') = '\0';
        snprintf(plain, sizeof plain, "%s%.*s", path, (int)strcspn(r->suffix, "["), r->suffix);
        failed = rename(plain, path);
    }
    if (im)
        g_object_unref(im);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc != 2 || VIPS_INIT(argv[0]);

    for (size_t i = 0; !failed && i < sizeof recipes / sizeof *recipes; i++)
        make(&recipes[i], argv[1]);
    return failed ? 1 : 0;
}
