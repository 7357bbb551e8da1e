/* augment.h: small changes to pictures for training data. */
#ifndef RAP_IMAGE_AUGMENT_H
#define RAP_IMAGE_AUGMENT_H

#include "base/buf.h"
#include "image/image.h"

void image_mirror(image *im); /* mirrored */

/* Rotates by `degrees` about the centre, bilinear, keeping the size; corners repeat the border. */
rap_status image_rotate(image *out, const image *in, double degrees, rap_err *err);

/* 1 means unchanged. brightness and contrast (about the mean) act on sRGB values, saturation about the luma. */
void image_color(image *im, double brightness, double contrast, double saturation);

rap_status image_blur(image *out, const image *in, double sigma, rap_err *err); /* Gaussian, pixels */

/* Appends the JPEG to `out`; errors call it `name`. quality: 1 to 100. */
rap_status image_encode_jpeg(buf *out, const image *im, int quality, const char *name, rap_err *err);
/* Atomic, like image_save_png(). quality: 1 to 100. */
rap_status image_save_jpeg(const image *im, const char *path, int quality, rap_err *err);
/* The same without syncing to disk: after a power failure the file may be torn. */
rap_status image_save_jpeg_cache(const image *im, const char *path, int quality, rap_err *err);

#endif
