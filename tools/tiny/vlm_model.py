"""The tiny LLaVA in PyTorch, number for number as llama.cpp runs it.

Tower: the CLIP image tower without its last block, class token dropped (what LLaVA reads).
Projector: Linear, GELU (tanh form), Linear.  Decoder: LLaMA (RMSNorm, interleaved RoPE, SwiGLU).

Letters in shapes: B packs, T tokens, D width, H heads, P patches, V vocabulary.
Reading order: Config, Tower, Projector, Decoder, Vlm.
"""
import math
from dataclasses import dataclass, asdict

import torch
import torch.nn as nn
import torch.nn.functional as F

IMAGE = 128
PATCH = 16
N_PATCH = (IMAGE // PATCH) ** 2
PROJECTOR = 512
SCALE = 20.0     # of embeddings and pictures in the residual stream, so that blocks add to them, not drown them
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass
class Config:
    vocab: int = 2048
    width: int = 192
    layers: int = 6
    heads: int = 6
    ffn: int = 512
    context: int = 2048
    tower_width: int = 192
    rope: float = 1e7
    eps: float = 1e-5

    def dict(self):
        return asdict(self)


class Tower(nn.Module):
    """OpenAI CLIP ViT up to its last-but-one block; forward gives patch tokens [B, P, D].

    Its tensors can be trained: `weights` names them as the state dict does."""

    def __init__(self, state, prefix="visual."):
        super().__init__()
        self.weights = {}

        def get(name):
            t = nn.Parameter(state[prefix + name].detach().float().clone(), requires_grad=False)
            self.weights[prefix + name] = t
            return t

        self.conv, self.cls, self.pos = get("conv1.weight"), get("class_embedding"), get("positional_embedding")
        self.pre_w, self.pre_b = get("ln_pre.weight"), get("ln_pre.bias")
        self.width = self.conv.shape[0]
        self.heads = self.width // 64
        self.patch = self.conv.shape[-1]
        self.layers = 0
        while f"{prefix}transformer.resblocks.{self.layers}.ln_1.weight" in state:
            self.layers += 1
        self.blocks = []
        for i in range(self.layers):
            p = f"transformer.resblocks.{i}."
            self.blocks.append({n: get(p + n) for n in (
                "ln_1.weight", "ln_1.bias", "attn.in_proj_weight", "attn.in_proj_bias",
                "attn.out_proj.weight", "attn.out_proj.bias", "ln_2.weight", "ln_2.bias",
                "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias")})

    def _block(self, x, w):
        B, T, D = x.shape
        h = F.layer_norm(x, (D,), w["ln_1.weight"], w["ln_1.bias"], 1e-5)
        qkv = F.linear(h, w["attn.in_proj_weight"], w["attn.in_proj_bias"])
        q, k, v = (t.view(B, T, self.heads, -1).transpose(1, 2) for t in qkv.chunk(3, -1))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, D)
        x = x + F.linear(h, w["attn.out_proj.weight"], w["attn.out_proj.bias"])
        h = F.layer_norm(x, (D,), w["ln_2.weight"], w["ln_2.bias"], 1e-5)
        h = F.linear(h, w["mlp.c_fc.weight"], w["mlp.c_fc.bias"])
        h = h * torch.sigmoid(1.702 * h)
        return x + F.linear(h, w["mlp.c_proj.weight"], w["mlp.c_proj.bias"])

    def parts(self):
        """The tensors that forward uses, by name: all but the last block's."""
        last = f".resblocks.{self.layers - 1}."
        return {n: t for n, t in self.weights.items() if last not in n}

    def forward(self, pixels):
        """pixels [B, 3, 128, 128], normalised."""
        x = F.conv2d(pixels, self.conv, stride=self.patch).flatten(2).transpose(1, 2)
        cls = self.cls.expand(x.shape[0], 1, -1)
        x = torch.cat([cls, x], 1) + self.pos
        x = F.layer_norm(x, (self.width,), self.pre_w, self.pre_b, 1e-5)
        for w in self.blocks[:-1]:
            x = self._block(x, w)
        return x[:, 1:]


def pixels_of(image):
    """uint8 picture [H, W, 3], square, to normalised pixels [3, 128, 128], as mtmd does it."""
    import numpy as np
    from PIL import Image
    small = Image.fromarray(image).resize((IMAGE, IMAGE), Image.BICUBIC)
    x = np.asarray(small, dtype=np.float32) / 255.0
    x = (x - np.float32(CLIP_MEAN)) / np.float32(CLIP_STD)
    return torch.from_numpy(x.transpose(2, 0, 1).copy())


class Projector(nn.Module):
    """Tower features have a few huge channels, so training sees them standardised; `folded` puts that
    into the first layer."""

    def __init__(self, cfg):
        super().__init__()
        self.fc0 = nn.Linear(cfg.tower_width, PROJECTOR)
        self.fc2 = nn.Linear(PROJECTOR, cfg.width)
        self.register_buffer("shift", torch.zeros(cfg.tower_width))
        self.register_buffer("scale", torch.ones(cfg.tower_width))

    def standardise(self, feats):
        """feats: a sample of tower features [N, P, W]."""
        x = feats.float().flatten(0, 1)
        self.shift.copy_(x.mean(0))
        self.scale.copy_(1 / (x.std(0) + 1e-3))

    def folded(self):
        """(weight, bias) of the first layer on plain features."""
        w = self.fc0.weight * self.scale
        return w, self.fc0.bias - w @ self.shift

    def reset(self):
        self.fc0.reset_parameters()
        self.fc2.reset_parameters()

    def forward(self, feats):
        return self.fc2(F.gelu(self.fc0((feats - self.shift) * self.scale), approximate="tanh"))


def rope_table(cfg, length):
    hd = cfg.width // cfg.heads
    freq = cfg.rope ** (-torch.arange(0, hd, 2).float() / hd)
    angle = torch.arange(length).float()[:, None] * freq[None]
    return torch.cos(angle), torch.sin(angle)


def rotate(x, cos, sin):
    """x [B, H, T, hd]; cos, sin [B, 1, T, hd/2]; neighbours (2i, 2i+1) are a pair."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        D = cfg.width
        self.heads = cfg.heads
        self.attn_norm = nn.RMSNorm(D, eps=cfg.eps)
        self.ffn_norm = nn.RMSNorm(D, eps=cfg.eps)
        self.qkv = nn.Linear(D, 3 * D, bias=False)
        self.out = nn.Linear(D, D, bias=False)
        self.gate_up = nn.Linear(D, 2 * cfg.ffn, bias=False)
        self.down = nn.Linear(cfg.ffn, D, bias=False)

    def attend(self, x, cos, sin, mask, cache):
        B, T, D = x.shape
        qkv = self.qkv(self.attn_norm(x)).view(B, T, 3, self.heads, -1)
        q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            if "k" in cache:
                k, v = torch.cat([cache["k"], k], 2), torch.cat([cache["v"], v], 2)
            cache["k"], cache["v"] = k, v
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(h.transpose(1, 2).reshape(B, T, D))

    def feed(self, x):
        gate, up = self.gate_up(self.ffn_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)

    def forward(self, x, cos, sin, mask, cache=None):
        return self.feed(x + self.attend(x, cos, sin, mask, cache))

    def forward_at(self, x, cos, sin, mask, at):
        """The last block in training: only places `at` [B, S] are wanted, [B, S, D]."""
        B, T, D = x.shape
        n = self.attn_norm(x)
        pick = lambda t: t.gather(1, at[..., None].expand(-1, -1, t.shape[-1]))
        w = self.qkv.weight
        heads = lambda t: t.view(B, t.shape[1], self.heads, -1).transpose(1, 2)
        q, kv = heads(F.linear(pick(n), w[:D])), F.linear(n, w[D:])
        k, v = heads(kv[..., :D]), heads(kv[..., D:])
        q = rotate(q, pick(cos[:, 0])[:, None], pick(sin[:, 0])[:, None])
        mask = mask.gather(2, at[:, None, :, None].expand(-1, -1, -1, T))
        h = F.scaled_dot_product_attention(q, rotate(k, cos, sin), v, attn_mask=mask)
        return self.feed(pick(x) + self.out(h.transpose(1, 2).reshape(B, -1, D)))


class Vlm(nn.Module):
    """Projector and decoder; the frozen tower lives outside, its features are the input."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.projector = Projector(cfg)
        self.embed = nn.Embedding(cfg.vocab, cfg.width)
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.layers))
        self.norm = nn.RMSNorm(cfg.width, eps=cfg.eps)
        self.head = nn.Linear(cfg.width, cfg.vocab, bias=False)
        cos, sin = rope_table(cfg, cfg.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.05 if "embed" in name else p.shape[1] ** -0.5 * 0.7)
            if name.endswith(("out.weight", "down.weight")):
                p.data.mul_(1 / math.sqrt(2 * cfg.layers))
        self.head.weight.data.copy_(self.embed.weight.data)
        self.start_circuits(cfg)

    @torch.no_grad()
    def start_circuits(self, cfg):
        """Starts the heads as what training from scratch finds last. Block 0: three heads that fetch
        the tokens one, two and three places back. Later blocks: heads 0 and 1 compare contents, head 2
        compares what stands before, head 3 finds what follows an earlier occurrence and copies it.
        Comparing uses RoPE's slow pairs only (dims 16 and up of a head)."""
        D, hd, fast = cfg.width, cfg.width // cfg.heads, 16
        const = 0                                   # a coordinate that is alike in all tokens

        def basis(rows):
            q = torch.linalg.qr(torch.randn(D, rows))[0].T
            q[:, const] = 0
            return q

        take, put = [basis(hd) for _ in range(3)], [basis(hd) for _ in range(3)]
        freq = cfg.rope ** (-torch.arange(0, hd, 2).float() / hd)
        for i, block in enumerate(self.blocks):
            w, out = block.qkv.weight, block.out.weight
            w[:2 * D] *= 0.3
            for h in range(cfg.heads):
                q, k = w[h * hd:(h + 1) * hd], w[D + h * hd:D + (h + 1) * hd]
                v, o = w[2 * D + h * hd:2 * D + (h + 1) * hd], out[:, h * hd:(h + 1) * hd]
                if i == 0 and h < 3:
                    q.zero_(), k.zero_()
                    angle = freq[:fast // 2] * (h + 1)
                    q[0:fast:2, const] = 1.8
                    k[0:fast:2, const], k[1:fast:2, const] = 1.8 * torch.cos(angle), 1.8 * torch.sin(angle)
                    v.copy_(take[h]), o.copy_(put[h].T)
                elif i > 0 and h < 2 and i < 4:
                    q[fast:] = k[fast:] = 1.4 * basis(hd - fast)
                elif i > 0 and h == 2:
                    half = (hd - fast) // 2
                    q[fast:] = k[fast:] = 1.9 * torch.cat([put[0][:half], put[1][:half]])
                elif i > 0 and h == 3:
                    q[fast:], k[fast:] = 1.9 * take[0][:hd - fast], 1.9 * put[0][:hd - fast]
                    copy = basis(hd)
                    v.copy_(copy), o.copy_(0.7 * copy.T)

    @torch.no_grad()
    def start_words(self):
        """After embeddings are in place: the common coordinate, and an output that says what it holds."""
        self.embed.weight[:, 0] = 0.25
        self.projector.fc2.weight[0] = 0
        self.projector.fc2.bias[0] = 0.25
        self.head.weight.copy_(2 * self.embed.weight)
        self.head.weight[:, 0] = 0

    def decode(self, x, positions, mask, caches=None):
        """x [B, T, D] embeddings, positions [B, T], mask [B, 1, T, T] (True: may look)."""
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, mask, None if caches is None else caches[i])
        return self.norm(x)


@torch.no_grad()
def greedy(model, parts, feats, limit=64, eos=2, first=False):
    """Answer one prompt: `parts` mixes token lists and indices into feats [N, P, tower_width].

    With first, also the logits behind the prompt [V]."""
    xs = []
    for part in parts:
        if isinstance(part, int):
            xs.append(SCALE * model.projector(feats[part].float()))
        else:
            xs.append(SCALE * model.embed(torch.tensor(part, dtype=torch.long)))
    x = torch.cat(xs)[None]
    caches = [{} for _ in model.blocks]
    past, out, start = 0, [], None
    while len(out) < limit:
        T = x.shape[1]
        mask = torch.ones(T, past + T, dtype=torch.bool).tril(past)[None, None]
        h = model.decode(x, torch.arange(past, past + T)[None], mask, caches)
        logits = model.head(h[0, -1])
        start = logits if start is None else start
        token = int(logits.argmax())
        if token == eos:
            break
        out.append(token)
        past += T
        x = SCALE * model.embed(torch.tensor([[token]]))
    return (out, start) if first else out
