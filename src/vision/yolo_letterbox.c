/* yolo_letterbox.c: lays a picture onto the square canvas as Ultralytics' LetterBox does: scaled to fit
 * (up as well as down) with plain bilinear sampling, centred, grey (114) around it, then 0..1. */
#include "vision/yolo_inside.h"

#include <math.h>

#define GREY (114.0f / 255.0f)

/* Where sample i of `to` lies among `from` pixels: the left one and the weight of the right one. */
static int sample_at(int i, int to, int from, float *weight)
{
    float at = ((float)i + 0.5f) * ((float)from / (float)to) - 0.5f;
    int left = (int)floorf(at);
    *weight = at - (float)left;
    if (left < 0 || left >= from - 1) {
        *weight = 0;
        left = left < 0 ? 0 : from - 1;
    }
    return left;
}

/* One row of the picture at its new size: out [width, 3]. */
static void sample_row(float *out, int width, const image *im, int top, float below)
{
    const uint8_t *a = im->rgb + (size_t)top * im->width * 3;
    const uint8_t *b = below > 0 ? a + (size_t)im->width * 3 : a;
    for (int x = 0; x < width; x++) {
        float right;
        int left = sample_at(x, width, im->width, &right);
        int step = right > 0 ? 3 : 0;
        for (int c = 0; c < 3; c++) {
            int i = left * 3 + c;
            float upper = (float)a[i] + right * (float)(a[i + step] - a[i]);
            float lower = (float)b[i] + right * (float)(b[i + step] - b[i]);
            out[x * 3 + c] = rintf(upper + below * (lower - upper)) / 255.0f; /* 8 bits, as there */
        }
    }
}

yolo_letterbox yolo_fit(float *canvas, int size, const image *im)
{
    double gain = fmin((double)size / im->width, (double)size / im->height);
    int w = (int)nearbyint(im->width * gain), h = (int)nearbyint(im->height * gain);
    w = w < 1 ? 1 : w > size ? size : w;
    h = h < 1 ? 1 : h > size ? size : h;
    yolo_letterbox fit = { .gain = (float)gain,
                           .left = (int)nearbyint((size - w) / 2.0 - 0.1),
                           .top = (int)nearbyint((size - h) / 2.0 - 0.1) };
    for (int64_t i = 0; i < (int64_t)size * size * 3; i++)
        canvas[i] = GREY;
    for (int y = 0; y < h; y++) {
        float below;
        int top = sample_at(y, h, im->height, &below);
        sample_row(canvas + ((size_t)(fit.top + y) * size + fit.left) * 3, w, im, top, below);
    }
    return fit;
}
