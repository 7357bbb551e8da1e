/* pixels.h: mtmd without its weights: it splits and scales pictures, and what it makes of them is read from here, for
 * a vision tower of one's own. */
#ifndef RAP_MTMD_PIXELS_H
#define RAP_MTMD_PIXELS_H

#include "mtmd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As mtmd_init_from_file(), but no weight is read: mtmd_encode_chunk() must not be called. NULL: failed. */
mtmd_context *rap_mtmd_without_weights(const char *mmproj, const struct llama_model *model,
                                       const struct mtmd_context_params *params);

/* Picture i of an image chunk as mtmd's own tower takes it in: scaled and normalised, [height, width, 3]; borrowed. NULL: there
 * is none, or it has no pixels. */
const float *rap_mtmd_pixels(const mtmd_input_chunk *chunk, size_t i, int *width, int *height);

#ifdef __cplusplus
}
#endif

#endif
