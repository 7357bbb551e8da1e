/* resize.c: antialiased scaling, identical to the reference preprocessing of CLIP and timm.
 *
 * A filter of `support` source pixels (times the reduction factor when reducing) is centred on
 * each output pixel; its weights are normalised and rounded to 22-bit fixed point; rows are scaled
 * first into an 8-bit picture, then columns. Rounding happens at the same points as in the
 * reference, so results are identical to the last bit. Reading order: filters, weights, the two
 * passes. */
#include "base/mem.h"
#include "image/image.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RESIZE_BITS 22 /* 8 bits of pixel, 2 of headroom for overshoot, out of 32 */

/* ---- filters ---- */

static double filter_bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic convolution with a = -1/2. */
static double filter_bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

/* ---- weights ---- */

typedef struct span {
    int first, count; /* the source pixels of one output pixel */
} span;

/* How one side is scaled: output pixel i is the sum of weight[i * stride + j] times source pixel
 * span[i].first + j. */
typedef struct scale_plan {
    int stride;
    span *spans;     /* [out] */
    int32_t *weight; /* [out, stride] */
} scale_plan;

static void plan_release(scale_plan *plan)
{
    free(plan->spans);
    free(plan->weight);
    *plan = (scale_plan){ 0, NULL, NULL };
}

static int32_t to_fixed(double weight)
{
    double scaled = weight * (double)(1 << RESIZE_BITS);

    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Fills the span and weights of output pixel `i`; `real` is scratch of `stride`. */
static void plan_pixel(scale_plan *plan, double *real, int i, int in, int out, image_filter filter)
{
    double scale = (double)in / out, reduce = scale > 1.0 ? scale : 1.0;
    double support = (filter == IMAGE_BICUBIC ? 2.0 : 1.0) * reduce;
    double center = (i + 0.5) * scale, total = 0.0;
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);

    if (first < 0)
        first = 0;
    if (last > in)
        last = in;
    for (int j = 0; j < last - first; j++) {
        double x = (j + first - center + 0.5) * (1.0 / reduce);
        real[j] = filter == IMAGE_BICUBIC ? filter_bicubic(x) : filter_bilinear(x);
        total += real[j];
    }
    for (int j = 0; j < last - first; j++)
        plan->weight[(size_t)i * (size_t)plan->stride + (size_t)j] =
            to_fixed(total != 0.0 ? real[j] / total : real[j]);
    plan->spans[i] = (span){ first, last - first };
}

static bool plan_init(scale_plan *plan, int in, int out, image_filter filter)
{
    double scale = (double)in / out;
    double support = (filter == IMAGE_BICUBIC ? 2.0 : 1.0) * (scale > 1.0 ? scale : 1.0);
    size_t weights;
    double *real;

    *plan = (scale_plan){ (int)ceil(support) * 2 + 1, NULL, NULL };
    if (!mem_mul(&weights, (size_t)out, (size_t)plan->stride))
        return false;
    plan->spans = mem_array((size_t)out, sizeof *plan->spans);
    plan->weight = mem_array(weights, sizeof *plan->weight);
    real = mem_array((size_t)plan->stride, sizeof *real);
    if (plan->spans && plan->weight && real)
        for (int i = 0; i < out; i++)
            plan_pixel(plan, real, i, in, out, filter);
    free(real);
    return plan->spans && plan->weight && real;
}

/* ---- the two passes ---- */

static uint8_t to_byte(int32_t sum)
{
    sum >>= RESIZE_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Scales every row: in [height, in_width, 3] → out [height, out_width, 3]. */
static void pass_rows(image *out, const image *in, const scale_plan *plan)
{
    for (int y = 0; y < out->height; y++) {
        const uint8_t *row = in->rgb + (size_t)y * (size_t)in->width * 3;
        uint8_t *to = out->rgb + (size_t)y * (size_t)out->width * 3;
        for (int x = 0; x < out->width; x++) {
            const int32_t *weight = plan->weight + (size_t)x * (size_t)plan->stride;
            const uint8_t *from = row + (size_t)plan->spans[x].first * 3;
            int32_t r = 1 << (RESIZE_BITS - 1), g = r, b = r;
            for (int j = 0; j < plan->spans[x].count; j++, from += 3) {
                r += from[0] * weight[j];
                g += from[1] * weight[j];
                b += from[2] * weight[j];
            }
            *to++ = to_byte(r);
            *to++ = to_byte(g);
            *to++ = to_byte(b);
        }
    }
}

/* Scales every column: in [in_height, width, 3] → out [out_height, width, 3]. Whole rows are
 * summed at a time, so that memory is read in order. sum: scratch [width · 3]. */
static void pass_columns(image *out, const image *in, const scale_plan *plan, int32_t *sum)
{
    size_t row_bytes = (size_t)out->width * 3;

    for (int y = 0; y < out->height; y++) {
        const int32_t *weight = plan->weight + (size_t)y * (size_t)plan->stride;
        const uint8_t *from = in->rgb + (size_t)plan->spans[y].first * row_bytes;
        uint8_t *to = out->rgb + (size_t)y * row_bytes;
        for (size_t x = 0; x < row_bytes; x++)
            sum[x] = 1 << (RESIZE_BITS - 1);
        for (int j = 0; j < plan->spans[y].count; j++, from += row_bytes)
            for (size_t x = 0; x < row_bytes; x++)
                sum[x] += from[x] * weight[j];
        for (size_t x = 0; x < row_bytes; x++)
            to[x] = to_byte(sum[x]);
    }
}

static rap_status resize_rows(image *out, const image *in, int width, image_filter filter,
                              rap_err *err)
{
    scale_plan plan = { 0, NULL, NULL };
    rap_status status;

    *out = (image){ 0 };
    if (!plan_init(&plan, in->width, width, filter)) {
        plan_release(&plan);
        return err_memory(err, "scaling a picture");
    }
    status = image_new(out, width, in->height, err);
    if (status == RAP_OK)
        pass_rows(out, in, &plan);
    plan_release(&plan);
    return status;
}

static rap_status resize_columns(image *out, const image *in, int height, image_filter filter,
                                 rap_err *err)
{
    scale_plan plan = { 0, NULL, NULL };
    int32_t *sum = mem_array((size_t)in->width, 3 * sizeof *sum);
    rap_status status;

    *out = (image){ 0 };
    if (!sum || !plan_init(&plan, in->height, height, filter)) {
        status = err_memory(err, "scaling a picture");
        goto cleanup;
    }
    status = image_new(out, in->width, height, err);
    if (status == RAP_OK)
        pass_columns(out, in, &plan, sum);
cleanup:
    plan_release(&plan);
    free(sum);
    return status;
}

rap_status image_resize(image *out, const image *in, int width, int height, image_filter filter,
                        rap_err *err)
{
    image middle = { 0 };
    rap_status status;

    *out = (image){ 0 };
    if (width < 1 || height < 1)
        return err_set(err, RAP_E_ARGUMENT, "a picture cannot be scaled to %d × %d pixels", width,
                       height);
    if (width == in->width && height == in->height)
        return image_copy(out, in, err);
    if (width == in->width)
        return resize_columns(out, in, height, filter, err);
    if (height == in->height)
        return resize_rows(out, in, width, filter, err);
    status = resize_rows(&middle, in, width, filter, err);
    if (status == RAP_OK)
        status = resize_columns(out, &middle, height, filter, err);
    image_release(&middle);
    return status;
}
