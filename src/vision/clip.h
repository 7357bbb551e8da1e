/* clip.h: CLIP as OpenAI published it (ViT image tower, text tower). See MODELS.md. */
#ifndef RAP_VISION_CLIP_H
#define RAP_VISION_CLIP_H

#include "vision/transformer.h"

typedef struct clip_shape {
    patch_grid grid;
    int64_t embed; /* E: width of the shared space */
    transformer image;
    bool has_text;
    transformer text;
    int64_t context, vocabulary; /* of the text tower: maximum tokens, token count */
} clip_shape;

/* Reads the sizes under "clip.", with bounds on each. RAP_E_FORMAT names the file and the key. Weights are
 * checked against the sizes when a graph is compiled. */
rap_status clip_read(clip_shape *out, const gguf_file *g, rap_err *err);

/* pixels [N, S, S, 3] → [N, E]. */
nn_tensor *clip_image(nn_graph *g, nn_tensor *pixels, const clip_shape *s);

/* ids [N, T], T ≤ context, and the position of each end token [N] → [N, E]. Attention is causal, so T may be
 * shortened to the longest text without changing the result. */
nn_tensor *clip_text(nn_graph *g, nn_tensor *ids, nn_tensor *ends, const clip_shape *s);

#endif
