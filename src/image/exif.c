/* exif.c: reads the orientation from EXIF, and nothing else. */
#include "image/kind.h"

#include <string.h>

enum { EXIF_ORIENTATION = 0x0112, EXIF_SHORT = 3, EXIF_ENTRY = 12 };

int exif_orientation(const uint8_t *bytes, size_t size)
{
    bool little = size >= 8 && memcmp(bytes, "II*\0", 4) == 0;
    uint32_t at, count;

    if (!little && (size < 8 || memcmp(bytes, "MM\0*", 4) != 0))
        return 1;
    at = little ? le32(bytes + 4) : be32(bytes + 4);
    if (at > size || size - at < 2)
        return 1;
    count = little ? le16(bytes + at) : be16(bytes + at);
    at += 2;
    for (; count > 0 && size - at >= EXIF_ENTRY; count--, at += EXIF_ENTRY) {
        const uint8_t *entry = bytes + at;
        uint32_t tag = little ? le16(entry) : be16(entry);
        uint32_t type = little ? le16(entry + 2) : be16(entry + 2);
        uint32_t value = little ? le16(entry + 8) : be16(entry + 8);
        if (tag == EXIF_ORIENTATION && type == EXIF_SHORT)
            return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
