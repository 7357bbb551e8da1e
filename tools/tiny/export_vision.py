"""Write models/tiny/detector.gguf from the trained YOLO-World.

Convolutions come with their BatchNorm folded in; every other tensor keeps its Ultralytics name.
Weights of convolutions and matrices are f16, vectors f32, in PyTorch's order of dimensions.

    python export_vision.py [--out FILE]
"""
import argparse
import os

import gguf
import numpy as np
import torch
from torch import nn

import world
from yolo_model import ATTN_LAYERS, REG_MAX, SIZE, TEXT_DIM, Conv, YoloWorld

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULT = os.path.join(HERE, "..", "..", "models", "tiny", "detector.gguf")


def fuse(conv, bn):
    """Weight and bias of one convolution that does both jobs."""
    gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    return conv.weight * gain[:, None, None, None], bn.bias - bn.running_mean * gain


def fused_tensors(model):
    """All tensors by name, BatchNorms of convolutions folded in."""
    out = {}
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name, module in model.named_modules():
        if isinstance(module, Conv):
            weight, bias = fuse(module.conv, module.bn)
            out[name + ".conv.weight"], out[name + ".conv.bias"] = weight, bias
            state = {k: v for k, v in state.items() if not k.startswith((name + ".conv.", name + ".bn."))}
    out.update(state)
    return {k: v.detach().numpy().astype(np.float32) for k, v in out.items()}


def rounded(model):
    """The same network with the numbers the file will hold: f16 weights, no BatchNorm in convolutions."""
    tensors = fused_tensors(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, Conv):
            conv = nn.Conv2d(module.conv.in_channels, module.conv.out_channels, module.conv.kernel_size,
                             module.conv.stride, module.conv.padding)
            module.conv, module.bn = conv, nn.Identity()
    half = {k: torch.from_numpy(v.astype(np.float16).astype(np.float32) if v.ndim > 1 else v)
            for k, v in tensors.items()}
    model.load_state_dict(half, strict=False)
    return model.eval()


def write(model, path):
    heads = [model.model[i].attn.nh for i in ATTN_LAYERS]
    w = gguf.GGUFWriter(path, "yolo-world")
    w.add_name("tiny toy-world detector")
    w.add_license("mit")
    w.add_string("yolo-world.variant", "v2-tiny")
    w.add_uint32("yolo-world.image_size", SIZE)
    w.add_uint32("yolo-world.text_dim", TEXT_DIM)
    w.add_uint32("yolo-world.embed_dim", TEXT_DIM)
    w.add_uint32("yolo-world.reg_max", REG_MAX)
    w.add_array("yolo-world.num_heads", heads)
    for name, value in sorted(fused_tensors(model).items()):
        half = value.ndim > 1 and not name.startswith("model.22.dfl")
        w.add_tensor(name, np.ascontiguousarray(value.reshape(value.shape or (1,)),
                                                np.float16 if half else np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def load_trained():
    model = YoloWorld()
    model.load_state_dict(torch.load(world.work_dir("yolo.pt"), weights_only=True))
    return model.eval()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--out", default=DEFAULT)
    args = args.parse_args()
    write(load_trained(), args.out)
    print(args.out, os.path.getsize(args.out))


if __name__ == "__main__":
    main()
