/* png.c: reads the chunks of a PNG file. The decoder gets only those the pixels need; colour and
 * orientation are read here; texts, which may inflate a thousandfold, and animation frames are
 * dropped. */
#include "image/kind.h"

#include <string.h>
#include <zlib.h>

enum { PNG_MAX_PROFILE = 16 << 20, PNG_CHUNK = 12 }; /* a chunk's length, type and checksum */

typedef struct png_walk {
    image_facts *facts;
    buf *out;
    bool begun;    /* seen IHDR */
    bool pixels;   /* seen IDAT */
    bool over;     /* the IDAT sequence has ended: later ones are ignored */
    bool intent;   /* sRGB */
    bool profiled; /* iCCP */
    bool oriented; /* eXIf */
} png_walk;

/* Reads size and layout. An interlaced picture is held whole until its last pass. */
static rap_status png_head(png_walk *w, const uint8_t *body, size_t len, const char *name,
                           rap_err *err)
{
    static const uint8_t parts[8] = { 1, 0, 3, 3, 2, 0, 4, 0 };
    image_facts *f = w->facts;

    if (w->begun || len != 13 || body[9] > 6)
        return image_damaged(err, name, NULL);
    w->begun = true;
    f->width = be32(body);
    f->height = be32(body + 4);
    if (f->width > INT32_MAX || f->height > INT32_MAX)
        return image_damaged(err, name, NULL);
    if (body[12] != 0) /* palettes and tRNS may add an alpha channel */
        f->memory = (uint64_t)f->width * (uint64_t)f->height * (parts[body[9]] + 1u) *
                    (body[8] == 16 ? 2 : 1);
    return RAP_OK;
}

/* Ignores a profile that does not inflate, or inflates to too much. */
static void png_profile(png_walk *w, const uint8_t *body, size_t len)
{
    const uint8_t *end = memchr(body, 0, len < 80 ? len : 80);
    size_t skip = end ? (size_t)(end - body) + 2 : len;
    z_stream z = { 0 };
    uint8_t part[8192];
    buf *to = &w->facts->profile;
    int state = Z_OK;

    if (w->profiled || skip >= len || body[skip - 1] != 0 || inflateInit(&z) != Z_OK)
        return;
    z.next_in = (uint8_t *)body + skip;
    z.avail_in = (uInt)(len - skip);
    while (state == Z_OK && to->len <= PNG_MAX_PROFILE) {
        z.next_out = part;
        z.avail_out = sizeof part;
        state = inflate(&z, Z_NO_FLUSH);
        buf_add(to, part, sizeof part - z.avail_out);
    }
    inflateEnd(&z);
    w->profiled = state == Z_STREAM_END && to->len <= PNG_MAX_PROFILE;
    if (!w->profiled)
        buf_clear(to);
}

static void png_primaries(png_walk *w, const uint8_t *body)
{
    colour_source *c = &w->facts->colour;

    for (int i = 0; i < 8; i++)
        c->primaries[i] = be32(body + 4 * i) / 1e5;
    c->has_primaries = true;
}

/* Reads the colour chunks, which precede the pixels. */
static void png_colour(png_walk *w, const uint8_t *type, const uint8_t *body, size_t len)
{
    colour_source *c = &w->facts->colour;

    if (memcmp(type, "iCCP", 4) == 0)
        png_profile(w, body, len);
    else if (memcmp(type, "sRGB", 4) == 0 && len == 1)
        w->intent = true;
    else if (memcmp(type, "gAMA", 4) == 0 && len == 4)
        c->gamma = be32(body) / 1e5;
    else if (memcmp(type, "cHRM", 4) == 0 && len == 32)
        png_primaries(w, body);
    else if (memcmp(type, "cICP", 4) == 0 && len == 4 && body[2] == 0 && body[3] == 1)
        c->code_primaries = body[0], c->code_transfer = body[1];
}

/* Handles one chunk with a correct checksum. */
static rap_status png_chunk(png_walk *w, const uint8_t *chunk, size_t len, const char *name,
                            rap_err *err)
{
    const uint8_t *type = chunk + 4, *body = chunk + 8;
    bool pixels = memcmp(type, "IDAT", 4) == 0, keep = pixels;
    rap_status status = RAP_OK;

    if (memcmp(type, "IHDR", 4) == 0) {
        status = png_head(w, body, len, name, err);
        keep = true;
    } else if (!w->begun) {
        return image_damaged(err, name, NULL);
    } else if (memcmp(type, "PLTE", 4) == 0 || memcmp(type, "tRNS", 4) == 0) {
        keep = !w->pixels;
    } else if (memcmp(type, "eXIf", 4) == 0 && !w->oriented) {
        w->oriented = true;
        w->facts->orientation = exif_orientation(body, len);
    } else if (pixels) {
        keep = !w->over;
    } else if (!(type[0] & 0x20)) {
        return err_set(err, RAP_E_UNSUPPORTED,
                       "%s: the PNG has a critical chunk of unknown type (%.4s)", name, type);
    } else if (!w->pixels) {
        png_colour(w, type, body, len);
    }
    w->over = w->pixels && !pixels;
    w->pixels = w->pixels || pixels;
    if (keep)
        buf_add(w->out, chunk, len + PNG_CHUNK);
    return status;
}

/* Reads all chunks up to IEND, or to the end of the file if that comes first. */
static rap_status png_walk_on(png_walk *w, const uint8_t *bytes, size_t size, const char *name,
                              rap_err *err)
{
    rap_status status = RAP_OK;

    for (size_t at = 8; status == RAP_OK && size - at >= PNG_CHUNK;) {
        const uint8_t *chunk = bytes + at;
        size_t len = be32(chunk), left = size - at - PNG_CHUNK;
        bool critical = !(chunk[4] & 0x20);
        if (memcmp(chunk + 4, "IEND", 4) == 0)
            break;
        if (len > left)
            return critical || !w->pixels ? image_damaged(err, name, NULL) : RAP_OK;
        if (crc32(crc32(0, NULL, 0), chunk + 4, (uInt)(len + 4)) == be32(chunk + 8 + len))
            status = png_chunk(w, chunk, len, name, err);
        else if (critical)
            return image_damaged(err, name, "a checksum is wrong");
        at += len + PNG_CHUNK;
    }
    return status;
}

/* Precedence of colour chunks: cICP, then iCCP, then sRGB, then gAMA and cHRM. */
static void png_decide(const png_walk *w)
{
    colour_source *c = &w->facts->colour;

    if (w->profiled) {
        c->profile = (const uint8_t *)w->facts->profile.data;
        c->profile_size = w->facts->profile.len;
    }
    if (w->profiled || w->intent) {
        c->gamma = 0;
        c->has_primaries = false;
    }
}

rap_status png_read(image_facts *facts, buf *out, const uint8_t *bytes, size_t size,
                    const char *name, rap_err *err)
{
    static const uint8_t end[PNG_CHUNK] = {
        0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82
    };
    png_walk w = { .facts = facts, .out = out };
    rap_status status;

    buf_add(out, bytes, 8);
    status = png_walk_on(&w, bytes, size, name, err);
    buf_add(out, end, sizeof end);
    if (status != RAP_OK)
        return status;
    if (buf_failed(out) || buf_failed(&facts->profile))
        return err_memory(err, "reading a picture");
    if (!w.pixels)
        return image_damaged(err, name, NULL);
    png_decide(&w);
    return RAP_OK;
}
