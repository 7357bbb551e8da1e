/* transformer.h: the pre-norm transformer blocks that CLIP's towers and ViT share. */
#ifndef RAP_VISION_TRANSFORMER_H
#define RAP_VISION_TRANSFORMER_H

#include "nn/nn.h"

typedef struct transformer {
    const char *prefix; /* of the weights: "v" or "t" */
    int layers, heads;
    int64_t width, hidden; /* D, and of the MLP */
    float eps;
    nn_act act;
    bool causal;
    bool first_row; /* only row 0 is wanted: the last block computes nothing else */
} transformer;

/* Reads the sizes under "<keys>.embedding_length" and so on; every number is bounded. */
rap_status transformer_read(transformer *out, const gguf_file *g, const char *keys, rap_err *err);

/* A whole number between two bounds; RAP_E_FORMAT names file and key. */
rap_status transformer_int(int64_t *out, const gguf_file *g, const char *keys, const char *key,
                           int64_t low, int64_t high, rap_err *err);

/* Do patches tile the picture, and not into more tokens than attention can bear? */
rap_status transformer_check_grid(const gguf_file *g, int64_t image_size, int64_t patch,
                                  rap_err *err);

/* x [N, T, D] → [N, T, D], or [N, 1, D] with first_row. */
nn_tensor *transformer_build(nn_graph *g, nn_tensor *x, const transformer *t);

/* The beginning of an image tower: pixels [N, S, S, 3] → patches with the class token in front and
 * positions added [N, 1 + (S / patch)², D]. */
nn_tensor *transformer_patches(nn_graph *g, nn_tensor *pixels, int64_t patch, int64_t width,
                               const char *bias);

#endif
