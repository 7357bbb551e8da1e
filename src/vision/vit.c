/* vit.c: the plain Vision Transformer as timm builds it. Differs from CLIP's image tower in the bias of
 * the patches, no norm before the blocks, exact GELU, and no projection. */
#include "vision/vit.h"

rap_status vit_read(vit_shape *out, const gguf_file *g, rap_err *err)
{
    rap_status status;
    *out = (vit_shape){ 0 };
    if ((status = transformer_read(&out->blocks, g, "vit.vision", err)) ||
        (status = transformer_int(&out->image_size, g, "vit.vision", "image_size", 1, 1024, err)) ||
        (status = transformer_int(&out->patch, g, "vit.vision", "patch_size", 1, 256, err)))
        return status;
    out->blocks.prefix = "v";
    out->blocks.act = NN_GELU;
    out->blocks.first_row = true;
    return transformer_check_grid(g, out->image_size, out->patch, err);
}

nn_tensor *vit_image(nn_graph *g, nn_tensor *pixels, const vit_shape *s)
{
    int64_t count = nn_shape_of(pixels).d[0];
    nn_tensor *x = transformer_patches(g, pixels, s->patch, s->blocks.width, "v.patch_embd.bias");
    x = transformer_build(g, x, &s->blocks); /* [N, 1, D] */
    x = nn_layer_norm(g, x, "v.post_ln.weight", "v.post_ln.bias", s->blocks.eps);
    return nn_reshape(g, x, NN_SHAPE(count, s->blocks.width));
}
