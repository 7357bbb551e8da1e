/* picture.c: see picture.h. */
#include "remote/picture.h"

#include "image/augment.h"

#include <math.h>

static rap_status encode(remote_picture *out, const image *im, int quality, const char *name,
                         rap_err *err)
{
    out->width = im->width;
    out->height = im->height;
    return image_encode_jpeg(&out->jpeg, im, quality, name, err);
}

rap_status remote_picture_make(remote_picture *out, const image *im, int side, int quality,
                               const char *name, rap_err *err)
{
    int longer = im->width > im->height ? im->width : im->height;
    double scale = (double)side / longer;
    image small = { 0 };
    rap_status status;

    *out = (remote_picture){ .jpeg = BUF_INIT };
    if (longer <= side)
        return encode(out, im, quality, name, err);
    status = image_resize(&small, im, (int)lround(fmax(1, im->width * scale)),
                          (int)lround(fmax(1, im->height * scale)), IMAGE_BICUBIC, err);
    if (status == RAP_OK)
        status = encode(out, &small, quality, name, err);
    image_release(&small);
    return status;
}

rap_status remote_picture_load(remote_picture *out, const char *path, int side, int quality,
                               rap_err *err)
{
    image im = { 0 };
    rap_status status = image_load(&im, path, err);

    *out = (remote_picture){ .jpeg = BUF_INIT };
    if (status == RAP_OK)
        status = remote_picture_make(out, &im, side, quality, path, err);
    image_release(&im);
    return status;
}

void remote_picture_release(remote_picture *p)
{
    buf_release(&p->jpeg);
}
