/* picture.h: reads, decodes and checks a picture that the caller gave. */
#ifndef RAP_RAP_PICTURE_H
#define RAP_RAP_PICTURE_H

#include "base/err.h"
#include "image/image.h"

typedef struct picture { /* a decoded picture with the bytes it came from */
    image pixels;
    char *bytes; /* free() */
    size_t size;
} picture;
rap_status picture_open(picture *out, const rap_image *source, rap_err *err);
void picture_close(picture *p);
int image_given(const rap_image *source); /* NULL-safe */
/* Clips the box to the picture; RAP_E_ARGUMENT if it is entirely outside. */
rap_status picture_fit_box(rap_box *box, const image *im, rap_err *err);

#endif
