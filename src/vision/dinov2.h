/* dinov2.h: DINOv2's Vision Transformer, with or without registers. See MODELS.md. */
#ifndef RAP_VISION_DINOV2_H
#define RAP_VISION_DINOV2_H

#include "vision/vit.h"

/* Reads the sizes under "dinov2.vision", like vit_read(); RAP_E_UNSUPPORTED for mean pooling. */
rap_status dinov2_read(vit_shape *out, const gguf_file *g, rap_err *err);

/* pixels [N, S, S, 3] → [N, D]. */
nn_tensor *dinov2_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s);

#endif
