/* vit.h: the plain Vision Transformer as timm builds it, with the options of its larger kin. See
 * MODELS.md. */
#ifndef RAP_VISION_VIT_H
#define RAP_VISION_VIT_H

#include "vision/transformer.h"

typedef struct vit_shape {
    patch_grid grid;
    transformer blocks;
    bool pre_norm;   /* a norm before the blocks */
    bool mean;       /* the feature is the patches' mean, not the first token */
    bool norm_later; /* with mean: the last norm comes after it, not before */
} vit_shape;

/* `keys` is what the file's keys begin with: "vit.vision" here, "dinov2.vision" for its kin. */
rap_status vit_read(vit_shape *out, const gguf_file *g, const char *keys, rap_err *err);

/* pixels [N, S, S, 3] → [N, D]: the class token, or the patches' mean, after the last norm. */
nn_tensor *vit_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s);

#endif
