/* vit.h: the plain Vision Transformer as timm builds it, with the options of its larger variants. See
 * MODELS.md. */
#ifndef RAP_VISION_VIT_H
#define RAP_VISION_VIT_H

#include "vision/transformer.h"

typedef struct vit_shape {
    patch_grid grid;
    transformer blocks;
    bool pre_norm;   /* a norm before the blocks */
    bool mean;       /* the feature is the mean of the patches, not the first token */
    bool norm_later; /* with mean: the last norm comes after the mean, not before */
} vit_shape;

/* `keys` is the prefix of the file's keys: "vit.vision" here, "dinov2.vision" for DINOv2. */
rap_status vit_read(vit_shape *out, const gguf_file *g, const char *keys, rap_err *err);

/* pixels [N, S, S, 3] → [N, D]: the class token or the mean of the patches, after the last norm. */
nn_tensor *vit_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s);

#endif
