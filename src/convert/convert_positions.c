/* convert_positions.c: the table of positions of an image tower, for the grid of patches that is wanted.
 *
 * A ViT runs on pictures of another size than it was trained with when its positions are resampled: more
 * patches of the same picture show more of what distinguishes similar objects, and cost more time in proportion. */
#include "base/mem.h"
#include "convert/convert_inside.h"
#include "convert/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 1024, MAX_GRID = 64 }; /* what the vision code bears */

int64_t convert_wanted_grid(conversion *c, int64_t patch, int64_t grid)
{
    int64_t side = c->options->image_size;
    if (!side)
        return grid;
    if (side >= patch && side <= MAX_SIDE && side / patch <= MAX_GRID)
        return side / patch;
    convert_fail(
        c, RAP_E_ARGUMENT,
        "pictures of %d pixels are not 1 to %d patches of %d a side, and at most %d pixels",
        (int)side, MAX_GRID, (int)patch, MAX_SIDE);
    return grid;
}

void convert_size_wanted(const conversion *c, picture_recipe *r)
{
    if (!c->options->image_size || !r->size)
        return;
    int64_t in_proportion = ((int64_t)r->resize * c->options->image_size + r->size / 2) / r->size;
    r->resize = r->share > 0 ? (int)floor(c->options->image_size / r->share) : (int)in_proportion;
    r->size = c->options->image_size;
}

void convert_positions(conversion *c, const char *from, const position_table *t, int64_t to_grid)
{
    const convert_shape have = { 2, { t->rows + t->grid * t->grid, t->width } };
    const convert_shape want = { 2, { t->lead + to_grid * to_grid, t->width } };
    if (t->rows == t->lead && t->grid == to_grid) {
        convert_tensor(c, from, "v.position_embd.weight", have);
        return;
    }
    size_t d = (size_t)t->width;
    float *in = convert_read(c, from, have);
    float *out = in ? mem_array((size_t)want.d[0] * d, sizeof *out) : NULL;
    if (in && !out)
        c->status = err_memory(c->err, "converting");
    if (c->status == RAP_OK) {
        const float *patches = in + (size_t)t->rows * d;
        float *new_patches = out + (size_t)t->lead * d;
        memcpy(out, in, (size_t)t->rows * d * sizeof *out);
        if (t->grid == to_grid)
            memcpy(new_patches, patches, (size_t)(to_grid * to_grid) * d * sizeof *out);
        else
            c->status = resample_grid(new_patches, to_grid, patches, t->grid, t->width,
                                      t->antialias, c->err);
        convert_floats(c, "v.position_embd.weight", want, out);
    }
    free(in);
    free(out);
}
