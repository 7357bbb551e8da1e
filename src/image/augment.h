/* augment.h: small changes of a picture for training data. */
#ifndef RAP_IMAGE_AUGMENT_H
#define RAP_IMAGE_AUGMENT_H

#include "base/buf.h"
#include "image/image.h"

void image_mirror(image *im); /* mirrored */

/* By `degrees` about the centre, bilinear, at the same size; the border is repeated into the corners. */
rap_status image_rotate(image *out, const image *in, double degrees, rap_err *err);

/* 1 leaves each unchanged. brightness and contrast (about the mean) in sRGB values, saturation about the luma. */
void image_color(image *im, double brightness, double contrast, double saturation);

rap_status image_blur(image *out, const image *in, double sigma, rap_err *err); /* Gaussian, pixels */

/* Appends the JPEG to `out`; `name` is what errors call it. quality: 1 to 100. */
rap_status image_encode_jpeg(buf *out, const image *im, int quality, const char *name, rap_err *err);
/* Atomic, like image_save_png(). quality: 1 to 100. */
rap_status image_save_jpeg(const image *im, const char *path, int quality, rap_err *err);
/* The same without waiting for the disk: after a power cut the file may be torn. */
rap_status image_save_jpeg_cache(const image *im, const char *path, int quality, rap_err *err);

#endif
