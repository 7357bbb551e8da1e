/* decode.h: decodes a picture of known kind and size, with libvips in this process or in a separate process. */
#ifndef RAP_IMAGE_DECODE_H
#define RAP_IMAGE_DECODE_H

#include "image/image.h"
#include "image/kind.h"

/* Reads the header of a file of this kind; `pixels`: the part the decoder needs, empty: all of it. Other
 * kinds of file are reported by name. */
rap_status decode_read(image_facts *facts, buf *pixels, image_kind kind, const void *bytes,
                       size_t size, const char *name, rap_err *err);

/* JPEG, PNG and GIF, after jpeg_read() and png_read() have reduced them to what the pixels need. */
rap_status decode_plain(image *out, image_kind kind, const image_facts *facts, const void *bytes,
                        size_t size, const char *name, rap_err *err);

/* WebP, HEIC and AVIF, in the sandboxed program rap-decode. */
rap_status decode_apart(image *out, const image_facts *facts, const void *bytes, size_t size,
                        const char *name, rap_err *err);

#endif
