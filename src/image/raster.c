/* raster.c: builds an upright picture from decoded rows. Each row is converted and added to a row
 * of the result, which is then written at the position the orientation gives. */
#include "image/raster.h"
#include "base/mem.h"

#include <stdlib.h>

struct raster {
    raster_plan plan;
    colour *colour;
    image made;
    int factor;
    int row, summed; /* input row; rows summed in `sum` */
    uint8_t *rgb;    /* [width, 3]: one row of the input */
    uint32_t *sum;   /* [width of the result, 3]; NULL: not shrunk */
    uint8_t *corner; /* where the file's first pixel goes, and the steps to the next ones */
    ptrdiff_t right, down;
};

int raster_factor(int64_t width, int64_t height)
{
    int factor = 1;

    while ((width + factor - 1) / factor * ((height + factor - 1) / factor) > IMAGE_MAX_PIXELS)
        factor++;
    return factor;
}

/* Sets where the file's first pixel goes, and the directions of the next ones. */
static void raster_aim(raster *r)
{
    image *im = &r->made;
    ptrdiff_t pixel = 3, line = (ptrdiff_t)im->width * 3;
    int o = r->plan.orientation;
    bool swap = o >= 5, from_right = o == 2 || o == 3 || o == 6 || o == 7;
    bool from_bottom = o == 3 || o == 4 || o == 7 || o == 8;
    ptrdiff_t along = from_right ? -pixel : pixel, across = from_bottom ? -line : line;

    r->corner =
        im->rgb + (from_right ? line - pixel : 0) + (from_bottom ? line * (im->height - 1) : 0);
    r->right = swap ? across : along;
    r->down = swap ? along : across;
}

static rap_status raster_make(raster *r, rap_err *err)
{
    raster_plan *p = &r->plan;
    int width = (p->layout.width + r->factor - 1) / r->factor;
    int height = (p->height + r->factor - 1) / r->factor;
    bool swap = p->orientation >= 5;
    rap_status status = image_new(&r->made, swap ? height : width, swap ? width : height, err);

    if (status != RAP_OK)
        return status;
    r->made.full_width = swap ? p->full_height : p->full_width;
    r->made.full_height = swap ? p->full_width : p->full_height;
    raster_aim(r);
    r->rgb = mem_array((size_t)p->layout.width, 3);
    if (r->factor > 1)
        r->sum = mem_array((size_t)width, 3 * sizeof *r->sum);
    return r->rgb && (r->sum || r->factor == 1) ? RAP_OK : err_memory(err, "decoding a picture");
}

rap_status raster_open(raster **out, const raster_plan *plan, const colour_source *source,
                       rap_err *err)
{
    raster *r = *out = calloc(1, sizeof *r);
    rap_status status;

    if (!r)
        return err_memory(err, "decoding a picture");
    r->plan = *plan;
    if (plan->orientation < 1 || plan->orientation > 8)
        r->plan.orientation = 1;
    r->factor = raster_factor(plan->layout.width, plan->height);
    status = raster_make(r, err);
    if (status == RAP_OK)
        status = colour_open(&r->colour, &plan->layout, source, plan->ink, plan->ink_size, err);
    if (status == RAP_OK)
        return RAP_OK;
    raster_close(r);
    *out = NULL;
    return status;
}

void raster_close(raster *r)
{
    if (!r)
        return;
    image_release(&r->made);
    colour_close(r->colour);
    free(r->rgb);
    free(r->sum);
    free(r);
}

void raster_finish(image *out, raster *r)
{
    *out = r->made;
    r->made = (image){ 0 };
    raster_close(r);
}

/* ---- rows ---- */

static void raster_write(raster *r, const uint8_t *rgb, int row, int width)
{
    uint8_t *to = r->corner + r->down * row;

    for (int x = 0; x < width; x++, to += r->right, rgb += 3) {
        to[0] = rgb[0];
        to[1] = rgb[1];
        to[2] = rgb[2];
    }
}

static void raster_add(raster *r)
{
    int width = r->plan.layout.width, place = 0;
    const uint8_t *from = r->rgb;

    for (int x = 0; x < width; place++)
        for (int end = x + r->factor < width ? x + r->factor : width; x < end; x++)
            for (int k = 0; k < 3; k++)
                r->sum[place * 3 + k] += *from++;
    r->summed++;
}

/* Writes the means to `rgb` and clears the sums. */
static int raster_mean(raster *r)
{
    int width = r->plan.layout.width, made = (width + r->factor - 1) / r->factor;

    for (int x = 0; x < made; x++) {
        int columns = width - x * r->factor < r->factor ? width - x * r->factor : r->factor;
        uint32_t count = (uint32_t)(columns * r->summed);
        for (int k = 0; k < 3; k++) {
            r->rgb[x * 3 + k] = (uint8_t)((r->sum[x * 3 + k] + count / 2) / count);
            r->sum[x * 3 + k] = 0;
        }
    }
    r->summed = 0;
    return made;
}

void raster_row(raster *r, const void *samples)
{
    int width = r->plan.layout.width, row = r->row++;

    colour_row(r->rgb, r->colour, samples);
    if (!r->sum) {
        raster_write(r, r->rgb, row, width);
        return;
    }
    raster_add(r);
    if (r->row % r->factor == 0 || r->row == r->plan.height) {
        width = raster_mean(r);
        raster_write(r, r->rgb, row / r->factor, width);
    }
}
