/* resample.h: a table of positions for another grid of patches than it was trained on. */
#ifndef RAP_CONVERT_RESAMPLE_H
#define RAP_CONVERT_RESAMPLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* in [from, from, width] → out [to, to, width], bicubic with the corners not aligned, as PyTorch's
 * interpolate() does it; with `antialias` the filter widens when the grid shrinks. */
rap_status resample_grid(float *out, int64_t to, const float *in, int64_t from, int64_t width,
                         bool antialias, rap_err *err);

#endif
