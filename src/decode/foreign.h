/* foreign.h: WebP, HEIC and AVIF by their libraries. Runs inside of what sandbox.h leaves. */
#ifndef RAP_DECODE_FOREIGN_H
#define RAP_DECODE_FOREIGN_H

#include "image/image.h"

#include <stdint.h>

rap_status foreign_webp(image *out, const uint8_t *bytes, size_t size, const char *name,
                        rap_err *err);
void foreign_heif_start(void); /* loads the codecs: before the sandbox closes */
rap_status foreign_heif(image *out, const uint8_t *bytes, size_t size, const char *name,
                        rap_err *err);

/* By the kind that the bytes are. */
rap_status foreign_decode(image *out, const uint8_t *bytes, size_t size, const char *name,
                          rap_err *err);

#endif
