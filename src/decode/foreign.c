/* foreign.c: which library decodes. */
#include "decode/foreign.h"
#include "image/kind.h"

rap_status foreign_decode(image *out, const uint8_t *bytes, size_t size, const char *name,
                          rap_err *err)
{
    *out = (image){ 0 };
    switch (image_kind_of(bytes, size)) {
    case IMAGE_WEBP:
        return foreign_webp(out, bytes, size, name, err);
    case IMAGE_HEIF:
        return foreign_heif(out, bytes, size, name, err);
    default:
        return err_set(err, RAP_E_FORMAT, "%s: is not a WebP, HEIC or AVIF picture", name);
    }
}
