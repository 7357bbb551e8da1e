"""Writes tests/nn/reference.gguf: inputs, weights and what PyTorch makes of them, one case a step.

    python tests/nn/make_reference.py        (needs torch, numpy, gguf)

Tensors are named <case>.<role>. Pictures are channels-last, as in src/nn/nn.h.
"""
import os

import gguf
import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(7)
here = os.path.dirname(os.path.abspath(__file__))
w = gguf.GGUFWriter(os.path.join(here, "reference.gguf"), "nn-test")


def put(name, t, half=False):
    a = t.detach().contiguous().numpy()
    w.add_tensor(name, a.astype(np.float16 if half else np.float32))


def nhwc(t):
    return t.permute(0, 2, 3, 1)


def half(t):
    return t.half().float()


def conv(name, x, o, k, stride=1, pad=0, groups=1, act=None, residual=False, f16=False):
    weight = half(torch.randn(o, x.shape[1] // groups, k, k) * 0.3)
    bias = torch.randn(o)
    y = F.conv2d(x, weight, bias, stride, pad, 1, groups)
    y = act(y) if act else y
    if residual:
        r = torch.randn_like(y)
        put(name + ".residual", nhwc(r))
        y = y + r
    put(name + ".x", nhwc(x))
    put(name + ".weight", weight, f16)
    put(name + ".bias", bias)
    put(name + ".y", nhwc(y))


conv("conv", torch.randn(2, 3, 13, 11), 8, 3, 2, 1, act=F.silu, f16=True)
conv("grouped", torch.randn(1, 8, 9, 9), 16, 3, 1, 1, groups=2)
conv("summed", torch.randn(1, 16, 10, 12), 16, 3, 1, 1, act=F.silu, residual=True)
conv("point", torch.randn(1, 20, 7, 5), 24, 1, act=F.relu)
conv("patch", torch.randn(2, 3, 16, 24), 10, 8, 8)

x = torch.randn(2, 5, 24) * 2
lw, lb = torch.randn(40, 24) * 0.3, torch.randn(40)
put("linear.x", x), put("linear.weight", lw), put("linear.bias", lb), put("linear.turned", lw.t())
y = F.linear(x, lw, lb)
for name, f in {
    "none": lambda t: t, "relu": F.relu, "sigmoid": torch.sigmoid, "silu": F.silu, "gelu": F.gelu,
    "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"),
    "quick_gelu": lambda t: t * torch.sigmoid(1.702 * t)}.items():
    put("linear.y." + name, f(y))

x = torch.randn(3, 7, 50) * 3 + 1
nw, nb = torch.randn(50), torch.randn(50)
put("norm.x", x), put("norm.weight", nw), put("norm.bias", nb)
put("norm.y", F.layer_norm(x, (50,), nw, nb, 1e-5))
put("norm.softmax", F.softmax(x * 5, -1)), put("norm.x5", x * 5), put("norm.mean", x.mean(1))
put("norm.turned", x.permute(2, 0, 1))

T, D, H = 70, 24, 3
qkv = torch.randn(2, T, 3 * D) * 1.5
q, k, v = [t.view(2, T, H, D // H).transpose(1, 2) for t in qkv.split(D, -1)]
put("attention.qkv", qkv)
for i, t in enumerate(qkv.split(D, -1)):
    put("attention." + "qkv"[i], t)
for name, causal in (("y", False), ("causal", True)):
    put("attention." + name, F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        .transpose(1, 2).reshape(2, T, D))

x = torch.randn(1, 6, 8, 10)
put("picture.x", nhwc(x))
put("picture.up", nhwc(F.interpolate(x, scale_factor=2, mode="nearest")))
put("picture.pool", nhwc(F.max_pool2d(x, 5, 1, 2)))
put("picture.pool2", nhwc(F.max_pool2d(x, 3, 2, 1)))

# A block of a transformer with a table, a class token and positions: everything at once.
D, H, T, V = 32, 4, 6, 20
p = {n: torch.randn(*s) * a for n, s, a in (
    ("table", (V, D), 1), ("class", (D,), 1), ("position", (T + 1, D), 0.5), ("ln1.weight", (D,), 1),
    ("ln1.bias", (D,), 1), ("qkv.weight", (3 * D, D), 0.2), ("qkv.bias", (3 * D,), 0.2),
    ("out.weight", (D, D), 0.2), ("out.bias", (D,), 0.2), ("ln2.weight", (D,), 1),
    ("ln2.bias", (D,), 1), ("up.weight", (4 * D, D), 0.2), ("up.bias", (4 * D,), 0.2),
    ("down.weight", (D, 4 * D), 0.1), ("down.bias", (D,), 0.2))}
for n, t in p.items():
    put("block." + n, t)
ids = torch.tensor([[1, 5, 0, 19, 7, 7], [3, 2, 1, 0, 4, 18], [9, 9, 9, 8, 8, 8]])
last = torch.tensor([2, 6, 4])
w.add_tensor("block.ids", ids.to(torch.int32).numpy())
w.add_tensor("block.last", last.to(torch.int32).numpy())
x = torch.cat([p["class"].expand(3, 1, D), p["table"][ids]], 1) + p["position"]
h = F.layer_norm(x, (D,), p["ln1.weight"], p["ln1.bias"], 1e-5)
q, k, v = [t.view(3, T + 1, H, D // H).transpose(1, 2)
           for t in F.linear(h, p["qkv.weight"], p["qkv.bias"]).split(D, -1)]
a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(3, T + 1, D)
x = x + F.linear(a, p["out.weight"], p["out.bias"])
h = F.layer_norm(x, (D,), p["ln2.weight"], p["ln2.bias"], 1e-5)
h = F.gelu(F.linear(h, p["up.weight"], p["up.bias"]))
x = x + F.linear(h, p["down.weight"], p["down.bias"])
put("block.y", x), put("block.gathered", x[torch.arange(3), last])

w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
