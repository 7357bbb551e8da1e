/* kind.c: recognises the kind of a picture, and reads the headers that take only a few lines: GIF,
 * WebP. */
#include "image/kind.h"
#include "image/image.h"

#include <string.h>

static bool has(const void *bytes, size_t size, size_t at, const char *magic)
{
    size_t len = strlen(magic);

    return size >= at + len && memcmp((const char *)bytes + at, magic, len) == 0;
}

/* The brands of HEIC and AVIF files; other brands of this container are videos. */
static bool is_heif(const uint8_t *bytes, size_t size)
{
    static const char brands[][5] = { "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1",
                                      "mif2", "msf1", "miaf", "avif", "avis", "MiHE", "MA1B" };
    size_t end = size < 12 ? 0 : be32(bytes);

    if (!has(bytes, size, 4, "ftyp"))
        return false;
    end = end > size ? size : end > 256 ? 256 : end;
    for (size_t at = 8; at + 4 <= end;
         at += at == 8 ? 8 : 4) /* the major brand, its version, others */
        for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
            if (memcmp(bytes + at, brands[i], 4) == 0)
                return true;
    return false;
}

image_kind image_kind_of(const void *bytes, size_t size)
{
    if (has(bytes, size, 0, "\xFF\xD8\xFF"))
        return IMAGE_JPEG;
    if (has(bytes, size, 0, "\x89PNG\r\n\x1a\n"))
        return IMAGE_PNG;
    if (has(bytes, size, 0, "GIF87a") || has(bytes, size, 0, "GIF89a"))
        return IMAGE_GIF;
    if (has(bytes, size, 0, "RIFF") && has(bytes, size, 8, "WEBP"))
        return IMAGE_WEBP;
    return is_heif(bytes, size) ? IMAGE_HEIF : IMAGE_UNKNOWN;
}

const char *image_other_kind(const void *bytes, size_t size)
{
    static const struct {
        size_t at, size;
        const char *magic, *what;
    } known[] = {
        { 0, 4, "II*\0", "a TIFF picture or a camera's raw file" },
        { 0, 4, "MM\0*", "a TIFF picture or a camera's raw file" },
        { 4, 8, "ftypcrx ", "a camera's raw file" },
        { 0, 2, "BM", "a BMP picture" },
        { 0, 2, "\xFF\x0A", "a JPEG XL picture" },
        { 4, 8, "JXL \r\n\x87\n", "a JPEG XL picture" },
        { 4, 8, "jP  \r\n\x87\n", "a JPEG 2000 picture" },
        { 0, 4, "8BPS", "a Photoshop file" },
        { 0, 4, "<svg", "an SVG drawing" },
        { 4, 7, "ftypmp4", "a video" },
        { 4, 7, "ftypiso", "a video" },
        { 4, 6, "ftypqt", "a video" },
        { 0, 4, "\x1A\x45\xDF\xA3", "a video" },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (size >= known[i].at + known[i].size &&
            memcmp((const char *)bytes + known[i].at, known[i].magic, known[i].size) == 0)
            return known[i].what;
    return NULL;
}

bool image_is_picture(const void *bytes, size_t size)
{
    return image_kind_of(bytes, size) != IMAGE_UNKNOWN;
}

void image_facts_release(image_facts *facts)
{
    buf_release(&facts->profile);
}

rap_status image_damaged(rap_err *err, const char *name, const char *reason)
{
    if (!reason || !*reason)
        return err_set(err, RAP_E_FORMAT, "%s: the picture is damaged or cut short", name);
    return err_set(err, RAP_E_FORMAT, "%s: the picture is damaged or cut short (%s)", name, reason);
}

rap_status gif_read(image_facts *facts, const uint8_t *bytes, size_t size, const char *name,
                    rap_err *err)
{
    if (size < 13)
        return image_damaged(err, name, NULL);
    facts->width = le16(bytes + 6) > 0 ? le16(bytes + 6) : 1; /* 0: the frames set it */
    facts->height = le16(bytes + 8) > 0 ? le16(bytes + 8) : 1;
    facts->memory = (uint64_t)(facts->width * facts->height) * 8; /* an RGBA canvas and a copy */
    return RAP_OK;
}

/* The size is in the first chunk; the chunk's name gives its format. */
rap_status webp_read(image_facts *facts, const uint8_t *bytes, size_t size, const char *name,
                     rap_err *err)
{
    uint32_t packed;

    if (size < 30 || le32(bytes + 4) > size - 8)
        return image_damaged(err, name, NULL);
    if (has(bytes, size, 12, "VP8X")) {
        facts->width = 1 + (le16(bytes + 24) | (uint32_t)bytes[26] << 16);
        facts->height = 1 + (le16(bytes + 27) | (uint32_t)bytes[29] << 16);
    } else if (has(bytes, size, 12, "VP8L")) {
        packed = le32(bytes + 21);
        facts->width = 1 + (packed & 0x3FFF);
        facts->height = 1 + (packed >> 14 & 0x3FFF);
    } else {
        facts->width = le16(bytes + 26) & 0x3FFF;
        facts->height = le16(bytes + 28) & 0x3FFF;
    }
    facts->memory = (uint64_t)(facts->width * facts->height) * 8;
    return RAP_OK;
}
