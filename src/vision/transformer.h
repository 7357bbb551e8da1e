/* transformer.h: the pre-norm transformer blocks shared by all our transformers. */
#ifndef RAP_VISION_TRANSFORMER_H
#define RAP_VISION_TRANSFORMER_H

#include "nn/nn.h"

typedef struct transformer {
    const char *prefix; /* of the weights: "v" or "t" */
    int layers, heads;
    int64_t width, hidden; /* D; width of the MLP */
    float eps;
    nn_act act;
    bool gated;   /* the MLP is down(act(gate(x)) · up(x)), as in SwiGLU */
    bool apart;   /* queries, keys and values have a weight each: attn_q, attn_k, attn_v */
    bool swapped; /* the weights of up and down have each other's names */
    bool causal;
    bool first_row; /* only row 0 is needed: the last block computes nothing else */
} transformer;

/* Reads the sizes under "<keys>.embedding_length" and so on, with bounds on each. The MLP's type is read
 * from the optional "activation" and "feed_forward_gated"; by default it is `act`, not gated. */
rap_status transformer_read(transformer *out, const gguf_file *g, const char *keys, nn_act act,
                            rap_err *err);

/* Reads an integer with bounds; RAP_E_FORMAT names the file and the key. */
rap_status transformer_int(int64_t *out, const gguf_file *g, const char *keys, const char *key,
                           int64_t low, int64_t high, rap_err *err);

/* The input stage of an image tower. */
typedef struct patch_grid {
    int64_t image_size, patch; /* pixels; a partial patch at the right or bottom is ignored */
    int64_t lead;              /* tokens before the patches: none, the class token, registers */
    bool bias;
} patch_grid;

/* Reads "<keys>.image_size", "patch_size" and the optional "lead_tokens" (default 1); refuses more patches
 * than attention can handle. */
rap_status transformer_read_grid(patch_grid *out, const gguf_file *g, const char *keys,
                                 rap_err *err);

/* x [N, T, D] → [N, T, D], or [N, 1, D] with first_row (not with `apart`). */
nn_tensor *transformer_build(nn_graph *g, nn_tensor *x, const transformer *t);

/* pixels [N, S, S, 3] → patches with the leading tokens first and positions added, [N, lead + (S / patch)²,
 * D]. */
nn_tensor *transformer_patches(nn_graph *g, nn_tensor *pixels, const patch_grid *p, int64_t width);

/* down(act(up(x))) or its gated form, + residual; the weights are "<name>.ffn_up.weight" and so on. */
nn_tensor *transformer_mlp(nn_graph *g, nn_tensor *x, nn_tensor *residual, const transformer *t,
                           const char *name);

#endif
