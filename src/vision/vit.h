/* vit.h: the plain Vision Transformer as timm builds it. See MODELS.md. */
#ifndef RAP_VISION_VIT_H
#define RAP_VISION_VIT_H

#include "vision/transformer.h"

typedef struct vit_shape {
    int64_t image_size, patch; /* pixels */
    transformer blocks;
} vit_shape;

rap_status vit_read(vit_shape *out, const gguf_file *g, rap_err *err);

/* pixels [N, S, S, 3] → [N, D]: the class token after the last norm. */
nn_tensor *vit_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s);

#endif
