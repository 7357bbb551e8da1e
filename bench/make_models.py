"""Writes the models that bench_vision compares on: the reference libraries' own networks at their published sizes
with random weights, each as ONNX (for ONNX Runtime) and as our GGUF, from the same numbers.

    python bench/make_models.py FOLDER [clip-b32] [clip-l14] [yolo-s]

Needs torch, transformers, ultralytics, onnx and gguf. Random weights cost what trained ones cost.
"""
import os
import sys

import gguf
import numpy as np
import torch
from torch import nn

NAMES, TEXT_DIM = 80, 512
CLIPS = {
    "clip-b32": dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                     image_size=224, patch_size=32, projection_dim=512),
    "clip-l14": dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
                     image_size=336, patch_size=14, projection_dim=768),
}


def export(model, x, path, output):
    torch.onnx.export(model, (x,), path, input_names=["pixels"], output_names=[output], opset_version=18,
                      dynamo=False, do_constant_folding=True)


def write_gguf(path, architecture, keys, tensors):
    w = gguf.GGUFWriter(path, architecture)
    w.add_name(os.path.basename(path))
    for name, value in keys.items():
        if isinstance(value, bool):
            w.add_bool(name, value)
        elif isinstance(value, int):
            w.add_uint32(name, value)
        elif isinstance(value, float):
            w.add_float32(name, value)
        elif isinstance(value, str):
            w.add_string(name, value)
        else:
            w.add_array(name, value)
    for name, value in tensors.items():
        value = value.detach().numpy().astype(np.float32)
        w.add_tensor(name, np.ascontiguousarray(value.reshape(value.shape or (1,))))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---- CLIP ----------------------------------------------------------------------------------------------------------

class ImageFeatures(nn.Module):
    """pixels [N, 3, S, S] to features [N, E], as transformers computes them."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, pixels):
        return self.tower(pixel_values=pixels).image_embeds


def clip_tensors(tower):
    """Our names and shapes: q, k and v in one matrix, the projection as [D, E]."""
    s = tower.state_dict()
    v = "vision_model."
    out = {"v.class_embd": s[v + "embeddings.class_embedding"],
           "v.patch_embd.weight": s[v + "embeddings.patch_embedding.weight"],
           "v.position_embd.weight": s[v + "embeddings.position_embedding.weight"],
           "v.proj": s["visual_projection.weight"].T}
    for kind in ("weight", "bias"):
        out["v.pre_ln." + kind] = s[v + "pre_layrnorm." + kind]
        out["v.post_ln." + kind] = s[v + "post_layernorm." + kind]
        for i in range(tower.config.num_hidden_layers):
            block, to = f"{v}encoder.layers.{i}.", f"v.blk.{i}."
            out[to + "attn_qkv." + kind] = torch.cat([s[f"{block}self_attn.{p}_proj.{kind}"] for p in "qkv"])
            for ours, theirs in (("attn_out", "self_attn.out_proj"), ("ln1", "layer_norm1"), ("ln2", "layer_norm2"),
                                 ("ffn_up", "mlp.fc1"), ("ffn_down", "mlp.fc2")):
                out[to + ours + "." + kind] = s[f"{block}{theirs}.{kind}"]
    return out


def make_clip(name, folder):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    config = CLIPVisionConfig(hidden_act="quick_gelu", attn_implementation="eager", **CLIPS[name])
    tower = CLIPVisionModelWithProjection(config).eval()
    export(ImageFeatures(tower), torch.zeros(1, 3, config.image_size, config.image_size),
           os.path.join(folder, name + ".onnx"), "features")
    k = "clip.vision."
    keys = {"clip.has_vision_encoder": True, "clip.has_text_encoder": False, "clip.use_gelu": False,
            "clip.projection_dim": config.projection_dim, k + "embedding_length": config.hidden_size,
            k + "feed_forward_length": config.intermediate_size, k + "block_count": config.num_hidden_layers,
            k + "attention.head_count": config.num_attention_heads, k + "attention.layer_norm_epsilon": 1e-5,
            k + "image_size": config.image_size, k + "patch_size": config.patch_size,
            k + "resize_size": config.image_size, k + "interpolation": "bicubic",
            k + "image_mean": [0.48145466, 0.4578275, 0.40821073],
            k + "image_std": [0.26862954, 0.26130258, 0.27577711]}
    write_gguf(os.path.join(folder, name + ".gguf"), "clip", keys, clip_tensors(tower))


# ---- YOLO-World ----------------------------------------------------------------------------------------------------

class Detector(nn.Module):
    """pixels [1, 3, 640, 640] to [1, 4 + names, anchors]; the names are part of the model, as users export it."""

    def __init__(self, model, text):
        super().__init__()
        self.model = model
        self.register_buffer("text", text)

    def forward(self, pixels):
        out = self.model.predict(pixels, txt_feats=self.text)
        return out[0] if isinstance(out, (tuple, list)) else out


def yolo_tensors(model):
    """Every tensor by its published name, the batch norms of convolutions folded in."""
    from ultralytics.nn.modules.conv import Conv
    out, convs = {}, {n: m for n, m in model.named_modules() if isinstance(m, Conv)}
    for name, m in convs.items():
        gain = m.bn.weight / (m.bn.running_var + m.bn.eps).sqrt()
        out[name + ".conv.weight"] = m.conv.weight * gain[:, None, None, None]
        out[name + ".conv.bias"] = m.bn.bias - m.bn.running_mean * gain
    for name, value in model.state_dict().items():
        inside = any(name.startswith(c + ".") for c in convs)
        if not inside and "num_batches" not in name and ".dfl." not in name:
            out[name] = value
    return out


def make_yolo(name, folder):
    from ultralytics.nn.tasks import WorldModel
    model = WorldModel("yolov8s-worldv2.yaml", nc=NAMES, verbose=False).eval()
    model.model[-1].export, model.model[-1].format = True, "onnx"
    for head in model.model[-1].cv4:  # published heads start near 0, where no difference would show
        head.bias.fill_(0)
    text = torch.nn.functional.normalize(torch.randn(1, NAMES, TEXT_DIM), dim=-1)
    heads = [model.model[i].attn.nh for i in (12, 15, 18, 21)]
    keys = {"yolo-world.variant": "v2-s", "yolo-world.image_size": 640, "yolo-world.text_dim": TEXT_DIM,
            "yolo-world.embed_dim": TEXT_DIM, "yolo-world.reg_max": 16, "yolo-world.num_heads": heads}
    write_gguf(os.path.join(folder, name + ".gguf"), "yolo-world", keys, yolo_tensors(model))
    text.numpy().astype(np.float32).tofile(os.path.join(folder, name + ".names"))
    export(Detector(model, text), torch.zeros(1, 3, 640, 640), os.path.join(folder, name + ".onnx"), "found")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    if not folder:
        sys.exit(__doc__)
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(1)
    for name in sys.argv[2:] or [*CLIPS, "yolo-s"]:
        with torch.no_grad():
            (make_clip if name in CLIPS else make_yolo)(name, folder)
        print(name, os.path.getsize(os.path.join(folder, name + ".gguf")) >> 20, "MiB")


if __name__ == "__main__":
    main()
