/* background.c: see background.h. */
#include "dataset/background.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_CELLS = 6 };

static bool is_of_size(const image *im, int width, int height)
{
    return im->width == width && im->height == height && image_full_width(im) == width;
}

/* A picture that is white where the object is. */
static rap_status load_mask(image *out, const dataset_plan *plan, const char *folder,
                            const char *picture, const image *photo, rap_err *err)
{
    char *path = plan_picture(plan, folder, picture);
    rap_status status;

    if (!path)
        return err_memory(err, "reading a mask");
    status = image_load(out, path, NULL);
    free(path);
    if (status == RAP_E_MEMORY)
        return err_memory(err, "reading a mask");
    if (status != RAP_OK || !is_of_size(out, photo->width, photo->height))
        image_release(out);
    return RAP_OK;
}

rap_status background_mask(image *out, const dataset_plan *plan, const char *folder,
                           const dataset_item *item, const image *photo, rap_err *err)
{
    rap_status status;

    *out = (image){ 0 };
    if (image_full_width(photo) != photo->width) /* shrunk: the mask would not fit */
        return RAP_OK;
    if (item->mask_picture)
        return load_mask(out, plan, folder, item->mask_picture, photo, err);
    if (!item->mask || !is_of_size(photo, item->mask->width, item->mask->height))
        return RAP_OK;
    status = image_new(out, photo->width, photo->height, err);
    if (status == RAP_OK)
        mask_fill(out->rgb, item->mask);
    return status;
}

/* A grid of 2 to 6 colours a side, and how it lies over the crop. */
typedef struct grid {
    int cells;
    double color[MOST_CELLS][MOST_CELLS][3];
} grid;

static void draw_grid(grid *out, draw *d)
{
    double base[3], range = draw_between(d, 10, 90);

    out->cells = 2 + (int)draw_below(d, MOST_CELLS - 1);
    for (int c = 0; c < 3; c++)
        base[c] = draw_between(d, 20, 235);
    for (int y = 0; y < out->cells; y++)
        for (int x = 0; x < out->cells; x++)
            for (int c = 0; c < 3; c++)
                out->color[y][x][c] = base[c] + draw_between(d, -range, range);
}

static double color_at(const grid *g, double x, double y, int c)
{
    int left = (int)fmin(x, g->cells - 2), top = (int)fmin(y, g->cells - 2);
    double u = x - left, v = y - top;

    return (g->color[top][left][c] * (1 - u) + g->color[top][left + 1][c] * u) * (1 - v) +
           (g->color[top + 1][left][c] * (1 - u) + g->color[top + 1][left + 1][c] * u) * v;
}

void background_replace(image *crop, const image *cover, draw *d)
{
    grid g;

    draw_grid(&g, d);
    for (int y = 0; y < crop->height; y++)
        for (int x = 0; x < crop->width; x++) {
            size_t at = ((size_t)y * (size_t)crop->width + (size_t)x) * 3;
            double share = cover->rgb[at] / 255.0;

            for (int c = 0; c < 3; c++) {
                double behind = color_at(&g, (g.cells - 1) * (double)x / fmax(1, crop->width - 1),
                                         (g.cells - 1) * (double)y / fmax(1, crop->height - 1), c);
                double mixed = crop->rgb[at + (size_t)c] * share + behind * (1 - share);

                crop->rgb[at + (size_t)c] = (uint8_t)(fmax(0, fmin(255, mixed)) + 0.5);
            }
        }
}
