"""Prints the features that test_encoder.c expects: the made models of tests/convert/made_models.h, run
by PyTorch. The order of tensors and the formula of the weights are the same there and here.

    python tests/vision/make_reference.py
"""
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def weights(shapes):
    """Consecutive pieces of one storage, by name."""
    total = sum(int(np.prod(s)) for _, s in shapes)
    mixed = (np.arange(total, dtype=np.uint64) * 2654435761 % 2**32).astype(np.uint32)
    mixed ^= mixed >> 15
    mixed = (mixed.astype(np.uint64) * 2246822519 % 2**32).astype(np.uint32)
    values = ((mixed >> 22).astype(np.float32) - 512) / 1024
    out, at = {}, 0
    for name, shape in shapes:
        n = int(np.prod(shape))
        out[name] = torch.from_numpy(values[at:at + n].reshape(shape))
        at += n
    return out


def pair(name, *shape):
    return [(name + ".weight", shape), (name + ".bias", shape[:1])]


def vit_shapes():
    b = "blocks.0."
    return ([("cls_token", (1, 1, 64)), ("pos_embed", (1, 5, 64)),
             ("patch_embed.proj.weight", (64, 3, 4, 4)), ("patch_embed.proj.bias", (64,))]
            + pair(b + "norm1", 64) + pair(b + "attn.qkv", 192, 64) + pair(b + "attn.proj", 64, 64)
            + pair(b + "norm2", 64) + pair(b + "mlp.fc1", 128, 64) + pair(b + "mlp.fc2", 64, 128)
            + pair("norm", 64) + pair("head", 10, 64))


def clip_block(b):
    return ([(b + "attn.in_proj_weight", (192, 64)), (b + "attn.in_proj_bias", (192,))]
            + pair(b + "ln_1", 64) + pair(b + "attn.out_proj", 64, 64) + pair(b + "ln_2", 64)
            + pair(b + "mlp.c_fc", 256, 64) + pair(b + "mlp.c_proj", 64, 256))


def clip_shapes():
    return ([("visual.class_embedding", (64,)), ("visual.positional_embedding", (5, 64)),
             ("visual.proj", (64, 32)), ("visual.conv1.weight", (64, 3, 8, 8))]
            + pair("visual.ln_pre", 64) + clip_block("visual.transformer.resblocks.0.")
            + pair("visual.ln_post", 64)
            + [("token_embedding.weight", (517, 64)), ("positional_embedding", (16, 64))]
            + clip_block("transformer.resblocks.0.") + pair("ln_final", 64)
            + [("text_projection", (64, 32)), ("logit_scale", ()), ("context_length", ())])


def norm(w, x, name, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def linear(w, x, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def attend(qkv, causal=False):
    q, k, v = qkv.chunk(3, -1)    # one head of 64
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def clip_run_block(w, x, b, causal):
    h = norm(w, x, b + "ln_1")
    qkv = F.linear(h, w[b + "attn.in_proj_weight"], w[b + "attn.in_proj_bias"])
    x = x + linear(w, attend(qkv, causal), b + "attn.out_proj")
    h = norm(w, x, b + "ln_2")
    return x + linear(w, quick_gelu(linear(w, h, b + "mlp.c_fc")), b + "mlp.c_proj")


def picture():
    y, x = np.mgrid[0:30, 0:40]
    return Image.fromarray(np.stack([x * 6 % 256, y * 8 % 256, (x * y) % 256], -1).astype(np.uint8))


def pixels(size, mean, std):
    im = picture().resize((size * 40 // 30, size), Image.BICUBIC)
    left = int(round((im.size[0] - size) / 2.0))
    a = np.asarray(im.crop((left, 0, left + size, size)), np.float32) / 255
    a = (a - np.array(mean, np.float32)) / np.array(std, np.float32)
    return torch.from_numpy(a).permute(2, 0, 1)[None]


def vit_feature():
    w = weights(vit_shapes())
    x = F.conv2d(pixels(8, [0.5] * 3, [0.5] * 3), w["patch_embed.proj.weight"],
                 w["patch_embed.proj.bias"], stride=4).flatten(2).transpose(1, 2)
    x = torch.cat([w["cls_token"], x], 1) + w["pos_embed"]
    b = "blocks.0."
    x = x + linear(w, attend(linear(w, norm(w, x, b + "norm1", 1e-6), b + "attn.qkv")), b + "attn.proj")
    h = F.gelu(linear(w, norm(w, x, b + "norm2", 1e-6), b + "mlp.fc1"))
    x = x + linear(w, h, b + "mlp.fc2")
    return norm(w, x, "norm", 1e-6)[0, 0]


def clip_features(ids):
    w = weights(clip_shapes())
    x = F.conv2d(pixels(16, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
                 w["visual.conv1.weight"], stride=8).flatten(2).transpose(1, 2)
    x = torch.cat([w["visual.class_embedding"][None, None], x], 1) + w["visual.positional_embedding"]
    x = clip_run_block(w, norm(w, x, "visual.ln_pre"), "visual.transformer.resblocks.0.", False)
    image = norm(w, x[0, 0], "visual.ln_post") @ w["visual.proj"]
    padded = torch.zeros(16, dtype=torch.long)
    padded[:len(ids)] = torch.tensor(ids)
    x = w["token_embedding.weight"][padded] + w["positional_embedding"]
    x = clip_run_block(w, x[None], "transformer.resblocks.0.", True)
    text = norm(w, x, "ln_final")[0, padded.argmax()] @ w["text_projection"]
    return image, text


def show(name, feature):
    print(f"static const float {name}[] = {{")
    print(", ".join(f"{v:.6f}f" for v in feature.tolist()) + " };")


if __name__ == "__main__":
    show("vit_feature", vit_feature())
    # "the b": the merges "t h", "th e</w>" give 513; 'b' ends a word.
    image, text = clip_features([515, 513, ord("b") - ord("!") + 256, 516])
    show("clip_picture", image)
    show("clip_text", text)
