/* yolo_letterbox.c: places the picture on the square canvas like Ultralytics' LetterBox: scaled to
 * fit (up or down) with plain bilinear sampling, centred, padded with grey (114), then scaled to
 * 0..1.
 *
 * The sampling matches OpenCV's for 8 bits exactly: weights are multiples of 1/2048, columns are
 * interpolated first, and the sum of two rows drops its extra bits in two steps. */
#include "vision/yolo_inside.h"

#include <math.h>

#define GREY (114.0f / 255.0f)

enum { ONE = 2048 };

/* A sample's position among the pixels of a row or column. */
typedef struct sample {
    int a, b;               /* the two pixels, equal beyond an edge */
    int weight_a, weight_b; /* in units of 1/2048 */
} sample;

static int clamp(int i, int count)
{
    return i < 0 ? 0 : i >= count ? count - 1 : i;
}

static sample sample_at(int i, int to, int from)
{
    float at = (float)((i + 0.5) * (1 / ((double)to / from)) - 0.5), left = floorf(at);
    return (sample){ clamp((int)left, from), clamp((int)left + 1, from),
                     (int)nearbyintf((1 - (at - left)) * ONE), (int)nearbyintf((at - left) * ONE) };
}

/* Columns give the edge pixel its full weight; rows split it, which rounds differently. */
static sample column_at(int i, int to, int from)
{
    sample s = sample_at(i, to, from);
    if (s.a == s.b)
        s.weight_a = ONE, s.weight_b = 0;
    return s;
}

/* One row of the picture at its new size: out [width, 3]. */
static void sample_row(float *out, int width, const image *im, sample y, const sample *columns)
{
    const uint8_t *a = im->rgb + (size_t)y.a * (size_t)im->width * 3;
    const uint8_t *b = im->rgb + (size_t)y.b * (size_t)im->width * 3;
    for (int x = 0; x < width; x++) {
        const sample *s = &columns[x];
        for (int c = 0; c < 3; c++) {
            int i = s->a * 3 + c, k = s->b * 3 + c;
            int upper = a[i] * s->weight_a + a[k] * s->weight_b;
            int lower = b[i] * s->weight_a + b[k] * s->weight_b;
            int value = ((upper >> 4) * y.weight_a >> 16) + ((lower >> 4) * y.weight_b >> 16);
            out[x * 3 + c] = (float)((value + 2) >> 2) / 255.0f;
        }
    }
}

yolo_letterbox yolo_fit(float *canvas, int size, const image *im)
{
    sample columns[YOLO_MAX_SIZE];
    double gain = fmin((double)size / im->width, (double)size / im->height);
    int w = (int)nearbyint(im->width * gain), h = (int)nearbyint(im->height * gain);
    w = w < 1 ? 1 : w > size ? size : w;
    h = h < 1 ? 1 : h > size ? size : h;
    yolo_letterbox fit = { .gain_x = (float)w / (float)image_full_width(im),
                           .gain_y = (float)h / (float)image_full_height(im),
                           .left = (int)nearbyint((size - w) / 2.0 - 0.1),
                           .top = (int)nearbyint((size - h) / 2.0 - 0.1) };
    for (int64_t i = 0; i < (int64_t)size * size * 3; i++)
        canvas[i] = GREY;
    for (int x = 0; x < w; x++)
        columns[x] = column_at(x, w, im->width);
    for (int y = 0; y < h; y++)
        sample_row(canvas + ((size_t)(fit.top + y) * (size_t)size + (size_t)fit.left) * 3, w, im,
                   sample_at(y, h, im->height), columns);
    return fit;
}
