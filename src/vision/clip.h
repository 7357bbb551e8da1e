/* clip.h: CLIP as OpenAI published it (ViT image tower, text tower). See MODELS.md. */
#ifndef RAP_VISION_CLIP_H
#define RAP_VISION_CLIP_H

#include "vision/transformer.h"

typedef struct clip_shape {
    patch_grid grid;
    int64_t embed; /* E, of the shared space */
    transformer image;
    bool has_text;
    transformer text;
    int64_t context, vocabulary; /* of the text tower */
} clip_shape;

/* Reads the sizes under "clip.", in pixels, tokens and numbers; every one is bounded. RAP_E_FORMAT names file and key.
 * Whether the weights have these sizes shows when a graph is compiled. */
rap_status clip_read(clip_shape *out, const gguf_file *g, rap_err *err);

/* pixels [N, S, S, 3] → [N, E]. */
nn_tensor *clip_image(nn_graph *g, nn_tensor *pixels, const clip_shape *s);

/* ids [N, T], T ≤ context, and the place of each end token [N] → [N, E]. Attention is causal, so T may
 * be cut to the longest text without changing anything. */
nn_tensor *clip_text(nn_graph *g, nn_tensor *ids, nn_tensor *ends, const clip_shape *s);

#endif
