/* yolo_letterbox.c: lays a picture onto the square canvas as Ultralytics' LetterBox does: scaled to fit
 * (up as well as down) with plain bilinear sampling, centred, grey (114) around it, then 0..1. */
#include "vision/yolo_inside.h"

#include <math.h>

#define GREY (114.0f / 255.0f)
#define WHOLE 12582912.0f /* 1.5 · 2^23: adding it leaves no room for fractions */

/* Where a sample lies among the pixels of a row or column. */
typedef struct sample {
    int at;       /* the left or upper one */
    float weight; /* of the next one; 0 at the edge, where there is none */
} sample;

static sample sample_at(int i, int to, int from)
{
    float at = ((float)i + 0.5f) * ((float)from / (float)to) - 0.5f;
    int left = at < 0 ? 0 : (int)at;
    if (at <= 0 || left >= from - 1)
        return (sample){ at <= 0 ? 0 : from - 1, 0 };
    return (sample){ left, at - (float)left };
}

/* One row of the picture at its new size: out [width, 3], rounded to 8 bits as there. */
static void sample_row(float *out, int width, const image *im, sample y)
{
    const uint8_t *a = im->rgb + (size_t)y.at * im->width * 3;
    const uint8_t *b = y.weight > 0 ? a + (size_t)im->width * 3 : a;
    for (int x = 0; x < width; x++) {
        sample s = sample_at(x, width, im->width);
        int i = s.at * 3, next = s.weight > 0 ? i + 3 : i;
        for (int c = 0; c < 3; c++) {
            float upper = (float)a[i + c] + s.weight * (float)(a[next + c] - a[i + c]);
            float lower = (float)b[i + c] + s.weight * (float)(b[next + c] - b[i + c]);
            float value = upper + y.weight * (lower - upper);
            out[x * 3 + c] = (value + WHOLE - WHOLE) / 255.0f;
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
    for (int y = 0; y < h; y++)
        sample_row(canvas + ((size_t)(fit.top + y) * size + fit.left) * 3, w, im,
                   sample_at(y, h, im->height));
    return fit;
}
