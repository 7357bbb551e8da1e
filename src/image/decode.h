/* decode.h: decodes a picture of known kind and size: in this process with libvips, or in a process of its own. */
#ifndef RAP_IMAGE_DECODE_H
#define RAP_IMAGE_DECODE_H

#include "image/image.h"
#include "image/kind.h"

/* The header of a file of this kind; `pixels`: what is left of it for the decoder, empty: all. A file of no kind is named
 * for what it is. */
rap_status decode_read(image_facts *facts, buf *pixels, image_kind kind, const void *bytes,
                       size_t size, const char *name, rap_err *err);

/* JPEG, PNG and GIF, of which jpeg_read() and png_read() left what the pixels need. */
rap_status decode_plain(image *out, image_kind kind, const image_facts *facts, const void *bytes,
                        size_t size, const char *name, rap_err *err);

/* WebP, HEIC and AVIF, in the sandboxed program rap-decode. */
rap_status decode_apart(image *out, const image_facts *facts, const void *bytes, size_t size,
                        const char *name, rap_err *err);

#endif
