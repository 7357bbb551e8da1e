/* whole.c: markers of JPEG, chunks of PNG, the length of RIFF.
 *
 * The loaders notice a cut file too, but not always: libvips 8.14 decodes a JPEG in strips on several
 * threads and may lose the last strip's error, so that whether a photo that lacks its last rows is
 * refused depended on timing. What is decided here is decided before any pixel. */
#include "image/whole.h"

#include <stdint.h>
#include <string.h>

/* ITU-T T.81, annex B. Segments with a length are skipped, so that the end of an embedded preview does
 * not count; inside the coded data FF 00 and the restart markers are no markers. */
static bool jpeg_is_whole(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 2) {
        if (p[0] != 0xFF || p[1] == 0x00 || p[1] == 0x01 || p[1] == 0xFF ||
            (p[1] >= 0xD0 && p[1] <= 0xD8)) {
            p++;
            continue;
        }
        if (p[1] == 0xD9)
            return true;
        if (end - p < 4)
            return false;
        p += 2;
        if (end - p < (p[0] << 8 | p[1]))
            return false;
        p += p[0] << 8 | p[1];
    }
    return false;
}

static bool png_is_whole(const uint8_t *p, const uint8_t *end)
{
    p += 8;
    while (end - p >= 12) { /* length, type, data, checksum */
        uint32_t length = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

        if (memcmp(p + 4, "IEND", 4) == 0)
            return true;
        if (length > (size_t)(end - p) - 12)
            return false;
        p += 12 + (size_t)length;
    }
    return false;
}

static bool riff_is_whole(const uint8_t *p, size_t size)
{
    uint32_t length = (uint32_t)p[7] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[5] << 8 | p[4];

    return length <= size - 8;
}

bool image_is_whole(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;

    if (size >= 3 && memcmp(p, "\xFF\xD8\xFF", 3) == 0)
        return jpeg_is_whole(p, p + size);
    if (size >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
        return png_is_whole(p, p + size);
    if (size >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0)
        return riff_is_whole(p, size);
    return true;
}
