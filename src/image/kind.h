/* kind.h: recognises a picture's kind by content and reads its header before a pixel is decoded. */
#ifndef RAP_IMAGE_KIND_H
#define RAP_IMAGE_KIND_H

#include "base/buf.h"
#include "base/err.h"
#include "image/colour.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum image_kind {
    IMAGE_UNKNOWN,
    IMAGE_JPEG,
    IMAGE_PNG,
    IMAGE_GIF,
    IMAGE_WEBP,
    IMAGE_HEIF /* HEIC and AVIF */
} image_kind;
image_kind image_kind_of(const void *bytes, size_t size);
/* The name of an unsupported kind that the user can convert: "a TIFF picture"; NULL: unknown. */
const char *image_other_kind(const void *bytes, size_t size);

typedef struct image_facts {
    int64_t width, height; /* as stored in the file */
    uint64_t memory;       /* memory for decoding, without the resulting picture */
    int orientation;       /* from EXIF, 1 to 8 */
    colour_source colour;  /* its profile may point into the file's bytes or into `profile` */
    buf profile;
} image_facts;
void image_facts_release(image_facts *facts);

/* Each reads the header of one kind. The two that write `out` put into it only what a decoder needs for the
 * pixels, without texts, thumbnails and additional pictures. */
rap_status jpeg_read(image_facts *facts, buf *out, const uint8_t *bytes, size_t size,
                     const char *name, rap_err *err);
rap_status png_read(image_facts *facts, buf *out, const uint8_t *bytes, size_t size,
                    const char *name, rap_err *err);
rap_status gif_read(image_facts *facts, const uint8_t *bytes, size_t size, const char *name,
                    rap_err *err);
rap_status webp_read(image_facts *facts, const uint8_t *bytes, size_t size, const char *name,
                     rap_err *err);
rap_status heif_read(image_facts *facts, const uint8_t *bytes, size_t size, const char *name,
                     rap_err *err);

/* The orientation in an EXIF block (a TIFF file), 1 to 8; 1 if there is none. */
int exif_orientation(const uint8_t *bytes, size_t size);

rap_status image_damaged(rap_err *err, const char *name, const char *reason); /* reason: NULL */

static inline uint32_t be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t be32(const uint8_t *at)
{
    return be16(at) << 16 | be16(at + 2);
}

static inline uint32_t le16(const uint8_t *at)
{
    return (uint32_t)at[1] << 8 | at[0];
}

static inline uint32_t le32(const uint8_t *at)
{
    return le16(at + 2) << 16 | le16(at);
}

#endif
