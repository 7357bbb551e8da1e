/* picture.c: see picture.h. */
#include "remote/picture.h"

#include "image/augment.h"

#include <math.h>

static rap_status shrink(image *im, int side, rap_err *err)
{
    int longer = im->width > im->height ? im->width : im->height;
    double scale = (double)side / longer;
    image made = { 0 };
    rap_status status;

    if (longer <= side)
        return RAP_OK;
    status = image_resize(&made, im, (int)lround(fmax(1, im->width * scale)),
                          (int)lround(fmax(1, im->height * scale)), IMAGE_BICUBIC, err);
    if (status == RAP_OK) {
        image_release(im);
        *im = made;
    }
    return status;
}

rap_status remote_picture_load(remote_picture *out, const char *path, int side, int quality,
                               rap_err *err)
{
    image im = { 0 };
    rap_status status = image_load(&im, path, err);

    *out = (remote_picture){ .jpeg = BUF_INIT };
    if (status == RAP_OK)
        status = shrink(&im, side, err);
    if (status == RAP_OK)
        status = image_encode_jpeg(&out->jpeg, &im, quality, path, err);
    out->width = im.width;
    out->height = im.height;
    image_release(&im);
    return status;
}

void remote_picture_release(remote_picture *p)
{
    buf_release(&p->jpeg);
}
