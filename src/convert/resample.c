/* resample.c: bicubic resampling of a square grid of vectors, rows first, then columns.
 *
 * Without antialiasing each result takes four neighbours (Keys' kernel with a = -3/4, places outside
 * repeat the border); with it the kernel (a = -1/2) is as wide as the reduction, and its weights inside
 * the grid are normalised. */
#include "convert/resample.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* weight [to, from]: small enough to be kept whole. */
static void plain_weights(double *weight, int64_t to, int64_t from)
{
    double scale = (double)from / (double)to;
    for (int64_t i = 0; i < to; i++) {
        double at = ((double)i + 0.5) * scale - 0.5, low = floor(at);
        for (int64_t j = -1; j <= 2; j++) {
            int64_t k = (int64_t)low + j;
            k = k < 0 ? 0 : k >= from ? from - 1 : k;
            weight[i * from + k] += cubic(at - low - (double)j, -0.75);
        }
    }
}

static void smooth_weights(double *weight, int64_t to, int64_t from)
{
    double scale = (double)from / (double)to, wide = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < to; i++) {
        double centre = ((double)i + 0.5) * scale, total = 0;
        int64_t first = (int64_t)(centre - 2 * wide + 0.5),
                last = (int64_t)(centre + 2 * wide + 0.5);
        first = first < 0 ? 0 : first;
        last = last > from ? from : last;
        for (int64_t k = first; k < last; k++) {
            weight[i * from + k] = cubic(((double)k - centre + 0.5) / wide, -0.5);
            total += weight[i * from + k];
        }
        for (int64_t k = first; k < last; k++)
            weight[i * from + k] /= total;
    }
}

/* in [outer, from, inner] → out [outer, to, inner]. */
static void along(float *out, const float *in, const double *weight, int64_t outer, int64_t from,
                  int64_t to, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < to; i++)
            for (int64_t c = 0; c < inner; c++) {
                double sum = 0;
                for (int64_t k = 0; k < from; k++)
                    sum += weight[i * from + k] * (double)in[(o * from + k) * inner + c];
                out[(o * to + i) * inner + c] = (float)sum;
            }
}

rap_status resample_grid(float *out, int64_t to, const float *in, int64_t from, int64_t width,
                         bool antialias, rap_err *err)
{
    double *weight = mem_array((size_t)(to * from), sizeof *weight);
    float *rows = mem_array((size_t)(from * to * width), sizeof *rows); /* [from, to, width] */
    rap_status status = RAP_OK;
    if (!weight || !rows) {
        status = err_memory(err, "resampling positions");
        goto cleanup;
    }
    if (antialias)
        smooth_weights(weight, to, from);
    else
        plain_weights(weight, to, from);
    along(rows, in, weight, from, from, to, width);
    along(out, rows, weight, 1, from, to, to * width);
cleanup:
    free(weight);
    free(rows);
    return status;
}
