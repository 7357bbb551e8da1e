/* picture.h: a picture as a service gets it: no larger than it needs, as a JPEG. */
#ifndef RAP_REMOTE_PICTURE_H
#define RAP_REMOTE_PICTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "image/image.h"

typedef struct remote_picture {
    buf jpeg;
    int width, height;
} remote_picture;

/* Makes the longer side at most `side` pixels and encodes it (quality 1 to 100); `name` is for errors. Release in any case. */
rap_status remote_picture_make(remote_picture *out, const image *im, int side, int quality,
                               const char *name, rap_err *err);
/* Reads the file first. */
rap_status remote_picture_load(remote_picture *out, const char *path, int side, int quality,
                               rap_err *err);
void remote_picture_release(remote_picture *p);

#endif
