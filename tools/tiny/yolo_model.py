"""YOLO-World v2 under Ultralytics' module names, narrow enough for the toy world.

Layers 0-9 are the backbone, 10-21 the neck whose C2fAttn layers listen to the vocabulary, 22 the head:
boxes as distributions over distances (DFL), classes as similarity to text features. Read YoloWorld
last. ``decode`` turns raw outputs into boxes.
"""
import torch
import torch.nn.functional as F
from torch import nn

SIZE, REG_MAX, STRIDES, TEXT_DIM = 320, 16, (8, 16, 32), 128
ATTN_LAYERS, WIDTH = (12, 15, 18, 21), 0.125


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, act=True):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True) if act else nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 3), Conv(c, c, 3), shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    def __init__(self, c1, c2, n, shortcut):
        super().__init__()
        self.c = c2 // 2
        self.cv1 = Conv(c1, 2 * self.c)
        self.cv2 = Conv((2 + n) * self.c, c2)
        self.m = nn.ModuleList(Bottleneck(self.c, shortcut) for _ in range(n))

    def forward(self, x):
        y = list(self.cv1(x).chunk(2, 1))
        for m in self.m:
            y.append(m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    def __init__(self, c1, c2, k=5):
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(c1 // 2 * 4, c2)
        self.m = nn.MaxPool2d(k, 1, k // 2)

    def forward(self, x):
        y = [self.cv1(x)]
        for _ in range(3):
            y.append(self.m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class MaxSigmoidAttnBlock(nn.Module):
    """Scale each head's channels by how well the place matches the best word."""

    def __init__(self, c, nh, gc):
        super().__init__()
        self.nh, self.hc = nh, c // nh
        self.gl = nn.Linear(gc, c)
        self.bias = nn.Parameter(torch.zeros(nh))
        self.proj_conv = Conv(c, c, 3, act=False)

    def forward(self, x, guide):
        b, _, h, w = x.shape
        guide = self.gl(guide).view(b, -1, self.nh, self.hc)
        embed = x.reshape(b, self.nh, self.hc, h, w)
        aw = torch.einsum("bmchw,bnmc->bmhwn", embed, guide).max(dim=-1)[0]
        aw = (aw / self.hc ** 0.5 + self.bias[None, :, None, None]).sigmoid()
        x = self.proj_conv(x).reshape(b, self.nh, -1, h, w)
        return (x * aw.unsqueeze(2)).reshape(b, -1, h, w)


class C2fAttn(nn.Module):
    def __init__(self, c1, c2, n, nh, gc):
        super().__init__()
        self.c = c2 // 2
        self.cv1 = Conv(c1, 2 * self.c)
        self.cv2 = Conv((3 + n) * self.c, c2)
        self.m = nn.ModuleList(Bottleneck(self.c, False) for _ in range(n))
        self.attn = MaxSigmoidAttnBlock(self.c, nh, gc)

    def forward(self, x, guide):
        y = list(self.cv1(x).chunk(2, 1))
        for m in self.m:
            y.append(m(y[-1]))
        y.append(self.attn(y[-1], guide))
        return self.cv2(torch.cat(y, 1))


class BNContrastiveHead(nn.Module):
    def __init__(self, embed):
        super().__init__()
        self.norm = nn.BatchNorm2d(embed, eps=1e-3, momentum=0.03)
        self.bias = nn.Parameter(torch.tensor([-10.0]))
        self.logit_scale = nn.Parameter(-1.0 * torch.ones([]))

    def forward(self, x, words):
        x = torch.einsum("bchw,bkc->bkhw", self.norm(x), F.normalize(words, dim=-1))
        return x * self.logit_scale.exp() + self.bias


class DFL(nn.Module):
    """Expected distance under the predicted distribution."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(REG_MAX, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(REG_MAX, dtype=torch.float).view(1, REG_MAX, 1, 1)

    def forward(self, x):
        b, _, a = x.shape
        return self.conv(x.view(b, 4, REG_MAX, a).transpose(2, 1).softmax(1)).view(b, 4, a)


class WorldDetect(nn.Module):
    """Per scale: [B, 4 * REG_MAX, h, w] box distributions and [B, words, h, w] logits."""

    def __init__(self, ch, embed):
        super().__init__()
        c2, c3 = max(16, ch[0] // 4, REG_MAX * 4), max(ch[0], 48)
        self.cv2 = nn.ModuleList(
            nn.Sequential(Conv(x, c2, 3), Conv(c2, c2, 3), nn.Conv2d(c2, 4 * REG_MAX, 1)) for x in ch)
        self.cv3 = nn.ModuleList(
            nn.Sequential(Conv(x, c3, 3), Conv(c3, c3, 3), nn.Conv2d(c3, embed, 1)) for x in ch)
        self.cv4 = nn.ModuleList(BNContrastiveHead(embed) for _ in ch)
        self.dfl = DFL()
        for branch in self.cv2:
            branch[-1].bias.data[:] = 1.0

    def forward(self, feats, words):
        return [(self.cv2[i](x), self.cv4[i](self.cv3[i](x), words)) for i, x in enumerate(feats)]


def _width(channels, k):
    return max(8, int(round(channels * k / 8)) * 8)


class YoloWorld(nn.Module):
    """``forward(pixels [B, 3, S, S] in 0..1, words [B, K, TEXT_DIM])``."""

    def __init__(self, k=WIDTH, gc=TEXT_DIM):
        super().__init__()
        c = [_width(v, k) for v in (64, 128, 256, 512, 1024)]
        heads = [max(1, c[i] // 2 // 16) for i in (3, 2, 3, 4)]
        up = nn.Upsample(scale_factor=2, mode="nearest")
        self.model = nn.ModuleList([
            Conv(3, c[0], 3, 2), Conv(c[0], c[1], 3, 2), C2f(c[1], c[1], 1, True),
            Conv(c[1], c[2], 3, 2), C2f(c[2], c[2], 2, True), Conv(c[2], c[3], 3, 2),
            C2f(c[3], c[3], 2, True), Conv(c[3], c[4], 3, 2), C2f(c[4], c[4], 1, True),
            SPPF(c[4], c[4]), up, nn.Identity(), C2fAttn(c[4] + c[3], c[3], 1, heads[0], gc),
            up, nn.Identity(), C2fAttn(c[3] + c[2], c[2], 1, heads[1], gc),
            Conv(c[2], c[2], 3, 2), nn.Identity(), C2fAttn(c[2] + c[3], c[3], 1, heads[2], gc),
            Conv(c[3], c[3], 3, 2), nn.Identity(), C2fAttn(c[3] + c[4], c[4], 1, heads[3], gc),
            WorldDetect((c[2], c[3], c[4]), TEXT_DIM)])

    def forward(self, x, words):
        m = self.model
        for i in range(5):
            x = m[i](x)
        p3 = x
        p4 = m[6](m[5](p3))
        p5 = m[9](m[8](m[7](p4)))
        n4 = m[12](torch.cat([m[10](p5), p4], 1), words)
        n3 = m[15](torch.cat([m[13](n4), p3], 1), words)
        o4 = m[18](torch.cat([m[16](n3), n4], 1), words)
        o5 = m[21](torch.cat([m[19](o4), p5], 1), words)
        return m[22]([n3, o4, o5], words)


def anchor_points(size=SIZE):
    """Cell centres in px [A, 2] and strides [A, 1]."""
    points, strides = [], []
    for s in STRIDES:
        n = size // s
        y, x = torch.meshgrid(torch.arange(n) + 0.5, torch.arange(n) + 0.5, indexing="ij")
        points.append(torch.stack((x, y), -1).view(-1, 2) * s)
        strides.append(torch.full((n * n, 1), float(s)))
    return torch.cat(points), torch.cat(strides)


def flatten(outputs):
    """Head outputs to distributions [B, A, 4 * REG_MAX] and logits [B, A, K]."""
    dist = torch.cat([d.flatten(2) for d, _ in outputs], 2).transpose(1, 2)
    logits = torch.cat([c.flatten(2) for _, c in outputs], 2).transpose(1, 2)
    return dist, logits


def decode(dist, points, strides):
    """Distributions [B, A, 64] to boxes x0 y0 x1 y1 in px [B, A, 4]."""
    b, a, _ = dist.shape
    side = dist.view(b, a, 4, REG_MAX).softmax(3) @ torch.arange(REG_MAX, dtype=torch.float)
    side = side * strides
    return torch.cat([points - side[..., :2], points + side[..., 2:]], -1)


def nms(boxes, scores, conf=0.25, iou=0.5, limit=30):
    """Class-agnostic suppression over the best class: indices of what stays, best first."""
    best = scores.max(1).values
    order = best.argsort(descending=True)
    order = order[best[order] > conf][:300]
    keep = []
    while len(order) and len(keep) < limit:
        i = order[0]
        keep.append(int(i))
        order = order[1:][box_iou(boxes[i][None], boxes[order[1:]])[0] <= iou]
    return keep


def box_iou(a, b):
    """IoU of boxes [N, 4] and [M, 4]: [N, M]."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    area = lambda t: (t[:, 2:] - t[:, :2]).clamp(min=0).prod(-1)
    return inter / (area(a)[:, None] + area(b)[None] - inter + 1e-7)
