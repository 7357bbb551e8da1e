/* jpeg.c: reads the segments of a JPEG file. The decoder gets only those the pixels need; profile
 * and orientation are read here; EXIF, XMP, comments, thumbnails and trailing data are dropped. */
#include "image/kind.h"

#include <string.h>

/* Each scan of a progressive picture is decoded in full, even if it has only a few bytes. */
#define JPEG_MAX_WORK 4000000000 /* pixels times scans */
enum { JPEG_MAX_PROFILE = 16 << 20 };

enum {
    JPEG_SOF0 = 0xC0,
    JPEG_DHT = 0xC4,
    JPEG_JPG = 0xC8,
    JPEG_DAC = 0xCC,
    JPEG_SOF15 = 0xCF,
    JPEG_RST0 = 0xD0,
    JPEG_SOI = 0xD8,
    JPEG_EOI = 0xD9,
    JPEG_SOS = 0xDA,
    JPEG_APP0 = 0xE0,
    JPEG_APP1 = 0xE1,
    JPEG_APP2 = 0xE2,
    JPEG_APP14 = 0xEE,
    JPEG_APP15 = 0xEF,
    JPEG_COM = 0xFE
};

typedef struct jpeg_walk {
    image_facts *facts;
    buf *out;
    const uint8_t *bytes;
    size_t size, at;
    bool framed;      /* seen the frame header */
    bool progressive; /* or another kind that is complete only after its last scan */
    bool ended;       /* seen the end marker */
    uint32_t parts;   /* colour components */
    int64_t scans;    /* of all components or some */
    struct {
        const uint8_t *bytes; /* NULL: not seen yet */
        size_t size;
    } piece[256]; /* of the profile, by number, from 1 */
} jpeg_walk;

static bool jpeg_is_frame(int marker)
{
    return marker >= JPEG_SOF0 && marker <= JPEG_SOF15 && marker != JPEG_DHT &&
           marker != JPEG_JPG && marker != JPEG_DAC;
}

static void jpeg_frame(jpeg_walk *w, int marker, const uint8_t *body, size_t len)
{
    if (w->framed || len < 6)
        return;
    w->framed = true;
    w->progressive = marker != JPEG_SOF0 && marker != JPEG_SOF0 + 1;
    w->facts->height = be16(body + 1);
    w->facts->width = be16(body + 3);
    w->parts = body[5];
}

/* A piece of the profile with its number; the first of two with the same number is used. */
static void jpeg_profile_piece(jpeg_walk *w, const uint8_t *body, size_t len)
{
    enum { HEAD = 14 };

    if (len < HEAD || memcmp(body, "ICC_PROFILE", 12) != 0 || w->piece[body[12]].bytes)
        return;
    w->piece[body[12]].bytes = body + HEAD;
    w->piece[body[12]].size = len - HEAD;
}

/* Joins the pieces in the order of their numbers, which may differ from the file's, up to the
 * first that is missing. */
static void jpeg_profile(jpeg_walk *w)
{
    buf *profile = &w->facts->profile;

    for (int i = 1; i < 256 && w->piece[i].bytes; i++)
        if (profile->len + w->piece[i].size <= JPEG_MAX_PROFILE)
            buf_add(profile, w->piece[i].bytes, w->piece[i].size);
}

static void jpeg_segment(jpeg_walk *w, int marker, const uint8_t *body, size_t len)
{
    bool keep = marker < JPEG_APP0 || (marker > JPEG_APP15 && marker != JPEG_COM) ||
                marker == JPEG_APP0 || marker == JPEG_APP14;
    const uint8_t head[4] = { 0xFF, (uint8_t)marker, (uint8_t)((len + 2) >> 8),
                              (uint8_t)(len + 2) };

    if (jpeg_is_frame(marker))
        jpeg_frame(w, marker, body, len);
    if (marker == JPEG_APP1 && len > 6 && memcmp(body, "Exif\0", 6) == 0)
        w->facts->orientation = exif_orientation(body + 6, len - 6);
    if (marker == JPEG_APP2)
        jpeg_profile_piece(w, body, len);
    if (!keep)
        return;
    buf_add(w->out, head, sizeof head);
    buf_add(w->out, body, len);
}

/* From the byte after a scan's header to the next marker outside the scan. */
static void jpeg_scan(jpeg_walk *w)
{
    size_t from = w->at;

    w->scans++;
    while (w->at < w->size) {
        const uint8_t *next = memchr(w->bytes + w->at, 0xFF, w->size - w->at);
        w->at = next ? (size_t)(next - w->bytes) : w->size;
        if (w->at + 1 >= w->size)
            w->at = w->size;
        else if (next[1] == 0 || next[1] == 0xFF || (next[1] >= JPEG_RST0 && next[1] < JPEG_SOI))
            w->at += next[1] == 0xFF ? 1 : 2;
        else
            break;
    }
    buf_add(w->out, w->bytes + from, w->at - from);
}

/* The next marker, skipping other bytes as decoders do; 0 at the end. */
static int jpeg_marker(jpeg_walk *w)
{
    while (w->at + 1 < w->size) {
        int marker = w->bytes[w->at + 1];
        bool found = w->bytes[w->at] == 0xFF && marker != 0 && marker != 0xFF;
        w->at += found ? 2 : 1;
        w->ended = found && marker == JPEG_EOI;
        if (found)
            return w->ended ? 0 : marker;
    }
    return 0;
}

/* False if a segment is longer than the file. */
static bool jpeg_walk_on(jpeg_walk *w)
{
    for (int marker = jpeg_marker(w); marker != 0; marker = jpeg_marker(w)) {
        size_t len;
        if (marker == 0x01 || (marker >= JPEG_RST0 && marker <= JPEG_SOI))
            continue; /* without a body */
        len = w->size - w->at < 2 ? 0 : be16(w->bytes + w->at);
        if (len < 2 || len > w->size - w->at)
            return false;
        jpeg_segment(w, marker, w->bytes + w->at + 2, len - 2);
        w->at += len;
        if (marker == JPEG_SOS)
            jpeg_scan(w);
    }
    return true;
}

rap_status jpeg_read(image_facts *facts, buf *out, const uint8_t *bytes, size_t size,
                     const char *name, rap_err *err)
{
    jpeg_walk w = { .facts = facts, .out = out, .bytes = bytes, .size = size, .at = 2 };
    bool whole;

    buf_add(out, "\xFF\xD8", 2);
    whole = jpeg_walk_on(&w);
    jpeg_profile(&w);
    if (w.ended)
        buf_add(out, "\xFF\xD9", 2);
    if (buf_failed(out) || buf_failed(&facts->profile))
        return err_memory(err, "reading a picture");
    if (!whole || !w.framed || w.scans == 0)
        return image_damaged(err, name, NULL);
    if (w.scans > 1 && w.scans * facts->width * facts->height > JPEG_MAX_WORK)
        return err_set(err, RAP_E_LIMIT,
                       "%s: %d scans of %d × %d pixels would take too long to decode", name,
                       (int)w.scans, (int)facts->width, (int)facts->height);
    if (w.progressive || w.scans > 1) /* held as 2-byte coefficients until the last scan */
        facts->memory = (uint64_t)(facts->width * facts->height) * 2 * w.parts;
    facts->colour.profile = (const uint8_t *)facts->profile.data;
    facts->colour.profile_size = facts->profile.len;
    return RAP_OK;
}
