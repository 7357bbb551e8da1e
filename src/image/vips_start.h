/* vips_start.h: starts libvips once for the whole process, configured for untrusted files. */
#ifndef RAP_IMAGE_VIPS_START_H
#define RAP_IMAGE_VIPS_START_H

#include "base/err.h"

#include <stddef.h>

rap_status vips_start(rap_err *err);

/* Moves libvips' message (its lines joined by "; ") out of its process-wide buffer. */
void vips_take_message(char *out, size_t size);

#endif
