/* siglip.h: the image tower of SigLIP and of SigLIP 2 at a fixed resolution. See MODELS.md. */
#ifndef RAP_VISION_SIGLIP_H
#define RAP_VISION_SIGLIP_H

#include "vision/transformer.h"

typedef struct siglip_shape {
    patch_grid grid;
    transformer blocks;
} siglip_shape;

/* Reads the sizes under "siglip.vision", like clip_read(); RAP_E_UNSUPPORTED for leading tokens or a gated
 * MLP. */
rap_status siglip_read(siglip_shape *out, const gguf_file *g, rap_err *err);

/* pixels [N, S, S, 3] → [N, D]. */
nn_tensor *siglip_image(nn_graph *g, nn_tensor *pixels, const siglip_shape *s);

#endif
