"""Writes tests/vision/yolo_parity.gguf: a YOLO-World v2 of the published architecture, a few channels
wide, with random weights, and what PyTorch makes of one picture with it.

    python tests/vision/make_yolo_parity.py        (needs torch, numpy, gguf)

The modules follow the published configuration yolov8-worldv2 with its names, so that the state dict
has the names of a real checkpoint; batch norms are folded into their convolutions on writing.
"""
import os

import gguf
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)
SIZE, TEXT, BINS, NAMES = 96, 20, 16, 7
C = [4, 8, 16, 24, 32]  # channels at strides 2, 4, 8, 16, 32
DEPTH = [1, 2, 2, 1]
HEADS = [4, 2, 4, 8]


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, act=True):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=None)
        self.act = nn.SiLU() if act else nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut):
        super().__init__()
        self.cv1, self.cv2, self.shortcut = Conv(c, c, 3), Conv(c, c, 3), shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    def __init__(self, c1, c2, n, shortcut):
        super().__init__()
        c = c2 // 2
        self.cv1, self.cv2 = Conv(c1, 2 * c), Conv((2 + n) * c, c2)
        self.m = nn.ModuleList(Bottleneck(c, shortcut) for _ in range(n))

    def forward(self, x):
        y = list(self.cv1(x).chunk(2, 1))
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class MaxSigmoidAttn(nn.Module):
    def __init__(self, c, heads, with_ec):
        super().__init__()
        self.heads, self.hc = heads, c // heads
        self.ec = Conv(c, c, act=False) if with_ec else None
        self.gl, self.bias = nn.Linear(TEXT, c), nn.Parameter(torch.randn(heads))
        self.proj_conv = Conv(c, c, 3, act=False)

    def forward(self, x, guide):
        n, _, h, w = x.shape
        guide = self.gl(guide).view(n, -1, self.heads, self.hc)
        embed = (self.ec(x) if self.ec else x).view(n, self.heads, self.hc, h, w)
        aw = torch.einsum("bmchw,bnmc->bmhwn", embed, guide).max(-1)[0] / self.hc ** 0.5
        aw = (aw + self.bias[None, :, None, None]).sigmoid()
        x = self.proj_conv(x).view(n, self.heads, -1, h, w)
        return (x * aw.unsqueeze(2)).view(n, -1, h, w)


class C2fAttn(nn.Module):
    def __init__(self, c1, c2, n, heads, with_ec=False):
        super().__init__()
        c = c2 // 2
        self.cv1, self.cv2 = Conv(c1, 2 * c), Conv((3 + n) * c, c2)
        self.m = nn.ModuleList(Bottleneck(c, False) for _ in range(n))
        self.attn = MaxSigmoidAttn(c, heads, with_ec)

    def forward(self, x, guide):
        y = list(self.cv1(x).chunk(2, 1))
        y.extend(m(y[-1]) for m in self.m)
        y.append(self.attn(y[-1], guide))
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.cv1, self.cv2 = Conv(c, c // 2), Conv(c * 2, c)

    def forward(self, x):
        y = [self.cv1(x)]
        for _ in range(3):
            y.append(F.max_pool2d(y[-1], 5, 1, 2))
        return self.cv2(torch.cat(y, 1))


class Contrastive(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(TEXT, eps=1e-3, momentum=None)
        self.bias, self.logit_scale = nn.Parameter(torch.tensor([-1.5])), nn.Parameter(torch.tensor(0.3))

    def forward(self, x, t):
        x = torch.einsum("bchw,bkc->bkhw", self.norm(x), F.normalize(t, dim=-1))
        return x * self.logit_scale.exp() + self.bias


class WorldDetect(nn.Module):
    def __init__(self, ch):
        super().__init__()
        c2, c3 = 24, 16
        self.cv2 = nn.ModuleList(nn.Sequential(
            Conv(c, c2, 3), Conv(c2, c2, 3), nn.Conv2d(c2, 4 * BINS, 1)) for c in ch)
        self.cv3 = nn.ModuleList(nn.Sequential(
            Conv(c, c3, 3), Conv(c3, c3, 3), nn.Conv2d(c3, TEXT, 1)) for c in ch)
        self.cv4 = nn.ModuleList(Contrastive() for _ in ch)

    def forward(self, xs, text):
        boxes, scores = [], []
        for i, x in enumerate(xs):
            stride, (h, w) = 8 << i, x.shape[2:]
            d = self.cv2[i](x).view(-1, 4, BINS, h, w).softmax(2)
            d = torch.einsum("bsrhw,r->bshw", d, torch.arange(BINS, dtype=torch.float))
            gy, gx = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
            d = d[0]
            b = torch.stack([gx - d[0], gy - d[1], gx + d[2], gy + d[3]], -1) * stride
            boxes.append(b.view(-1, 4))
            scores.append(self.cv4[i](self.cv3[i](x), text).sigmoid()[0].flatten(1).T)
        return torch.cat(boxes), torch.cat(scores)


class YOLOWorld(nn.Module):
    def __init__(self):
        super().__init__()
        layers = {
            0: Conv(3, C[0], 3, 2), 1: Conv(C[0], C[1], 3, 2), 2: C2f(C[1], C[1], DEPTH[0], True),
            3: Conv(C[1], C[2], 3, 2), 4: C2f(C[2], C[2], DEPTH[1], True), 5: Conv(C[2], C[3], 3, 2),
            6: C2f(C[3], C[3], DEPTH[2], True), 7: Conv(C[3], C[4], 3, 2),
            8: C2f(C[4], C[4], DEPTH[3], True), 9: SPPF(C[4]),
            12: C2fAttn(C[4] + C[3], C[3], 1, HEADS[0], True), 15: C2fAttn(C[3] + C[2], C[2], 2, HEADS[1]),
            16: Conv(C[2], C[2], 3, 2), 18: C2fAttn(C[2] + C[3], C[3], 1, HEADS[2]),
            19: Conv(C[3], C[3], 3, 2), 21: C2fAttn(C[3] + C[4], C[4], 1, HEADS[3]),
            22: WorldDetect([C[2], C[3], C[4]])}
        self.model = nn.ModuleDict({str(i): m for i, m in layers.items()})

    def forward(self, x, text):
        m, up = self.model, lambda t: F.interpolate(t, scale_factor=2, mode="nearest")
        for i in range(4):
            x = m[str(i)](x)
        p3 = m["4"](x)
        p4 = m["6"](m["5"](p3))
        p5 = m["9"](m["8"](m["7"](p4)))
        n4 = m["12"](torch.cat([up(p5), p4], 1), text)
        o3 = m["15"](torch.cat([up(n4), p3], 1), text)
        o4 = m["18"](torch.cat([m["16"](o3), n4], 1), text)
        o5 = m["21"](torch.cat([m["19"](o4), p5], 1), text)
        return m["22"]([o3, o4, o5], text)


def samples(to, size, columns):
    """The two pixels and their weights in 2048ths for each of `to` places: OpenCV's 8-bit bilinear."""
    at = ((np.arange(to) + 0.5) * (1 / (to / size)) - 0.5).astype(np.float32)
    left = np.floor(at)
    part = at - left
    a, b = (np.clip(left + i, 0, size - 1).astype(int) for i in (0, 1))
    if columns:
        part[a == b] = 0
    return a, b, np.rint((1 - part) * 2048).astype(int), np.rint(part * 2048).astype(int)


def letterbox(im):
    """Bilinear without antialiasing as OpenCV does it, grey around."""
    h, w = im.shape[:2]
    gain = min(SIZE / h, SIZE / w)
    nw, nh = round(w * gain), round(h * gain)
    a, b, wa, wb = samples(nw, w, True)
    rows = im[:, a].astype(int) * wa[None, :, None] + im[:, b].astype(int) * wb[None, :, None]
    a, b, wa, wb = (v if i < 2 else v[:, None, None] for i, v in enumerate(samples(nh, h, False)))
    t = (((rows[a] >> 4) * wa >> 16) + ((rows[b] >> 4) * wb >> 16) + 2) >> 2
    out = np.full((SIZE, SIZE, 3), 114.0, np.float32)
    top, left = round((SIZE - nh) / 2 - 0.1), round((SIZE - nw) / 2 - 0.1)
    out[top:top + nh, left:left + nw] = t
    return torch.from_numpy(out).permute(2, 0, 1)[None] / 255


def folded(model):
    """The state dict with every Conv's batch norm in its weight and bias."""
    out, convs = {}, {n: m for n, m in model.named_modules() if isinstance(m, Conv)}
    for name, m in convs.items():
        k = m.bn.weight / (m.bn.running_var + m.bn.eps).sqrt()
        out[name + ".conv.weight"] = m.conv.weight * k[:, None, None, None]
        out[name + ".conv.bias"] = m.bn.bias - m.bn.running_mean * k
    for name, t in model.state_dict().items():
        if not any(name.startswith(c + ".") for c in convs) and "num_batches" not in name:
            out[name] = t
    return out


def picture(w, h):
    """Smooth colours with a few hard edges."""
    y, x = np.mgrid[0:h, 0:w] / 30.0
    im = np.stack([np.sin(3 * x + y), np.cos(2 * y - x), np.sin(x * y)], -1) * 90 + 128
    im[h // 4:h // 2, w // 3:w // 2] = (220, 40, 60)
    im[h // 2:h - 5, w // 2:w - 9] = (20, 180, 90)
    return im.round().clip(0, 255).astype(np.uint8)


model, im, text = YOLOWorld(), picture(70, 50), torch.randn(1, NAMES, TEXT)
unit = F.normalize(text, dim=-1)
with torch.no_grad():
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.weight.uniform_(0.7, 1.5), m.bias.uniform_(-0.3, 0.3)
    model.train()(torch.cat([letterbox(im), torch.rand(3, 3, SIZE, SIZE)]), unit.expand(4, -1, -1))
    model.eval()
    for m in model.modules():  # what f16 keeps of the folded weights is what is compared
        if isinstance(m, Conv):
            k = m.bn.weight / (m.bn.running_var + m.bn.eps).sqrt()
            m.conv.weight.copy_((m.conv.weight * k[:, None, None, None]).half().float() /
                                k[:, None, None, None])
    boxes, scores = model(letterbox(im), unit)
    more = model(letterbox(im), torch.cat([unit, unit[:, :1] * -1], 1))[1]

here = os.path.dirname(os.path.abspath(__file__))
w = gguf.GGUFWriter(os.path.join(here, "yolo_parity.gguf"), "yolo-world")
w.add_string("general.name", "parity")
for key, v in (("image_size", SIZE), ("text_dim", TEXT), ("reg_max", BINS), ("embed_dim", TEXT)):
    w.add_uint32("yolo-world." + key, v)
w.add_array("yolo-world.num_heads", HEADS)
w.add_string("yolo-world.variant", "parity")
for name, t in folded(model).items():
    a = t.detach().numpy()
    big = a.ndim == 4 and name.endswith("conv.weight")
    w.add_tensor(name, np.ascontiguousarray(a if a.ndim else a[None], np.float16 if big else np.float32))
for name, a in (("test.image", im), ("test.text", text[0]), ("test.boxes", boxes),
                ("test.scores", scores), ("test.more_scores", more)):
    w.add_tensor(name, np.ascontiguousarray(a, np.float32))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
print("boxes", tuple(boxes.shape), "scores", scores.min().item(), scores.mean().item(), scores.max().item())
print("box sides", (boxes[:, 2:] - boxes[:, :2]).mean(0), "spread over names", scores.std(1).mean().item())
