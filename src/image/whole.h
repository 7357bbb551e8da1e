/* whole.h: does a picture's file reach its own end? */
#ifndef RAP_IMAGE_WHOLE_H
#define RAP_IMAGE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

/* False when a JPEG has no end-of-image marker, a PNG no IEND chunk, or a WebP is shorter than its
 * header says. True for every other kind: only its loader can tell. Reads nothing outside the bytes. */
bool image_is_whole(const void *bytes, size_t size);

#endif
