/* transformer.h: the pre-norm transformer blocks that all of our transformers share. */
#ifndef RAP_VISION_TRANSFORMER_H
#define RAP_VISION_TRANSFORMER_H

#include "nn/nn.h"

typedef struct transformer {
    const char *prefix; /* of the weights: "v" or "t" */
    int layers, heads;
    int64_t width, hidden; /* D, and of the MLP */
    float eps;
    nn_act act;
    bool gated;   /* the MLP is down(act(gate(x)) · up(x)), as in SwiGLU */
    bool apart;   /* queries, keys and values have a weight each: attn_q, attn_k, attn_v */
    bool swapped; /* the weights of up and down have each other's names */
    bool causal;
    bool first_row; /* only row 0 is wanted: the last block computes nothing else */
} transformer;

/* Reads the sizes under "<keys>.embedding_length" and so on; every number is bounded. The MLP's kind is
 * read from "activation" and "feed_forward_gated" where they are there; else it is `act`, not gated. */
rap_status transformer_read(transformer *out, const gguf_file *g, const char *keys, nn_act act,
                            rap_err *err);

/* A whole number between two bounds; RAP_E_FORMAT names file and key. */
rap_status transformer_int(int64_t *out, const gguf_file *g, const char *keys, const char *key,
                           int64_t low, int64_t high, rap_err *err);

/* What stands before the blocks of an image tower. */
typedef struct patch_grid {
    int64_t image_size, patch; /* pixels; what does not fill a patch at the right and below is unused */
    int64_t lead;              /* tokens before the patches: none, the class token, registers */
    bool bias;
} patch_grid;

/* Reads "<keys>.image_size" and "patch_size", and "lead_tokens" where it is there (else 1); refuses more
 * patches than attention can bear. */
rap_status transformer_read_grid(patch_grid *out, const gguf_file *g, const char *keys,
                                 rap_err *err);

/* x [N, T, D] → [N, T, D], or [N, 1, D] with first_row (not with `apart`). */
nn_tensor *transformer_build(nn_graph *g, nn_tensor *x, const transformer *t);

/* pixels [N, S, S, 3] → patches with the leading tokens in front and positions added
 * [N, lead + (S / patch)², D]. */
nn_tensor *transformer_patches(nn_graph *g, nn_tensor *pixels, const patch_grid *p, int64_t width);

/* down(act(up(x))), or its gated form, + residual; the weights are "<name>.ffn_up.weight" and so on. */
nn_tensor *transformer_mlp(nn_graph *g, nn_tensor *x, nn_tensor *residual, const transformer *t,
                           const char *name);

#endif
