/* photograph.c: counts where brightness turns, at one size for all pictures. */
#include "image/photograph.h"

#include "base/mem.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { SIDE = 80, WEAK = 2, STRONG = 4 };

/* The shorter side becomes SIDE. */
static bool shrink(image *out, const image *im)
{
    int shorter = im->width < im->height ? im->width : im->height;
    double scale = (double)SIDE / shorter;

    return shorter >= SIDE &&
           image_resize(out, im, (int)lround(im->width * scale), (int)lround(im->height * scale),
                        IMAGE_BILINEAR, NULL) == RAP_OK;
}

/* [height, width]; free() */
static int *brightness(const image *im)
{
    size_t count = (size_t)im->width * (size_t)im->height;
    int *out = mem_array(count, sizeof *out);

    for (size_t i = 0; out && i < count; i++)
        out[i] =
            (299 * im->rgb[3 * i] + 587 * im->rgb[3 * i + 1] + 114 * im->rgb[3 * i + 2]) / 1000;
    return out;
}

/* By how much the brightness rises and falls again, or falls and rises, at `at`. */
static int turn(const int *at, ptrdiff_t step)
{
    int before = at[0] - at[-step], after = at[step] - at[0];

    if ((before < 0) == (after < 0))
        return 0;
    before = abs(before);
    after = abs(after);
    return before < after ? before : after;
}

bool image_is_photograph(const image *im)
{
    image small = { 0 };
    int *light = shrink(&small, im) ? brightness(&small) : NULL;
    double weak = 0, strong = 0, places = 2.0 * (small.width - 2) * (small.height - 2);

    for (int y = 1; light && y < small.height - 1; y++)
        for (int x = 1; x < small.width - 1; x++)
            for (int down = 0; down < 2; down++) {
                int depth = turn(light + (ptrdiff_t)y * small.width + x, down ? small.width : 1);

                weak += depth >= WEAK;
                strong += depth >= STRONG;
            }
    image_release(&small);
    if (!light)
        return false;
    free(light);
    /* a line in the plane of the two logarithms, fitted to those pictures */
    return 1.3 * log(weak / places + 0.005) - log(strong / places + 0.005) > -0.112;
}
