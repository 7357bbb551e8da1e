/* dinov2.c: DINOv2's Vision Transformer: small, base, large and giant, with or without registers.
 *
 * A ViT whose special features are handled at conversion, so that they cost nothing at run time:
 *
 *     layer scale   x = x + γ · f(x) is folded into f's last layer: weight and bias times γ
 *     positions     trained on a grid of 37 × 37 patches, resampled once for the working resolution
 *     registers     tokens after the class token that have no position: "lead_tokens" of v.class_embd,
 *                   with rows of zeros in v.position_embd
 *     giant         a gated MLP, "feed_forward_gated"
 *
 * The feature is the class token of the last hidden state after the last norm: the vector the authors
 * use for instance retrieval. */
#include "vision/dinov2.h"

rap_status dinov2_read(vit_shape *out, const gguf_file *g, rap_err *err)
{
    rap_status status = vit_read(out, g, "dinov2.vision", err);
    if (status == RAP_OK && out->mean)
        return err_set(err, RAP_E_UNSUPPORTED, "%s: DINOv2's feature must be its class token",
                       gguf_file_path(g));
    return status;
}

nn_tensor *dinov2_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s)
{
    return vit_image(g, pixels, s);
}
