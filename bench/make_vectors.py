#!/usr/bin/env python3
"""make_vectors.py OUT.f32 COUNT SEED VIT.pt CLIP.pt FOLDER…: features of real pictures, for bench_scale.

Each is of a random cut of a picture below the FOLDERs; pictures with transparency are laid on a cut of another.
512 numbers: the class token (192) and the mean patch token (192) of a ViT-Tiny with timm's names, and the feature
(128) of a small CLIP with OpenAI's names, each at length 1. Needs torch and Pillow.
"""
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

BATCH = 8
CLIP_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
CLIP_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


def attend(x, in_weight, in_bias, out_weight, out_bias):
    batch, tokens, width = x.shape
    q, k, v = F.linear(x, in_weight, in_bias).reshape(batch, tokens, 3, width // 64, 64).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
    return F.linear(mixed, out_weight, out_bias)


def norm(w, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def vit(w, x):
    x = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1) + w["pos_embed"]
    for i in range(12):
        p = f"blocks.{i}."
        x = x + attend(norm(w, p + "norm1", x, 1e-6), *(w[f"{p}attn.{n}.{k}"] for n in ("qkv", "proj")
                                                         for k in ("weight", "bias")))
        h = F.gelu(F.linear(norm(w, p + "norm2", x, 1e-6), w[p + "mlp.fc1.weight"], w[p + "mlp.fc1.bias"]))
        x = x + F.linear(h, w[p + "mlp.fc2.weight"], w[p + "mlp.fc2.bias"])
    x = norm(w, "norm", x, 1e-6)
    return [x[:, 0], x[:, 1:].mean(1)]


def clip(w, x):
    kernel = w["visual.conv1.weight"]
    x = F.conv2d(x, kernel, stride=kernel.shape[-1]).flatten(2).transpose(1, 2)
    x = torch.cat([w["visual.class_embedding"].expand(len(x), 1, -1), x], 1) + w["visual.positional_embedding"]
    x = norm(w, "visual.ln_pre", x, 1e-5)
    i = 0
    while (p := f"visual.transformer.resblocks.{i}.") + "ln_1.weight" in w:
        x = x + attend(norm(w, p + "ln_1", x, 1e-5), w[p + "attn.in_proj_weight"], w[p + "attn.in_proj_bias"],
                       w[p + "attn.out_proj.weight"], w[p + "attn.out_proj.bias"])
        h = F.linear(norm(w, p + "ln_2", x, 1e-5), w[p + "mlp.c_fc.weight"], w[p + "mlp.c_fc.bias"])
        x = x + F.linear(h * torch.sigmoid(1.702 * h), w[p + "mlp.c_proj.weight"], w[p + "mlp.c_proj.bias"])
        i += 1
    return norm(w, "visual.ln_post", x[:, 0], 1e-5) @ w["visual.proj"]


def cut(rng, picture, least):
    size, shape = min(picture.size) * rng.uniform(least, 1), rng.uniform(0.8, 1.25) ** 0.5
    w, h = min(picture.width, int(size * shape)), min(picture.height, int(size / shape))
    x, y = rng.randint(0, picture.width - w), rng.randint(0, picture.height - h)
    picture = picture.crop((x, y, x + w, y + h))
    return picture.transpose(Image.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else picture


class Pictures:
    def __init__(self, folders, rng):
        files = sorted(f for d in folders for f in Path(d).rglob("*") if f.suffix in (".jpg", ".png", ".webp"))
        self.rng, self.whole, self.cutouts = rng, [], []
        for f in files:
            picture = Image.open(f)
            if picture.mode == "RGBA":
                self.cutouts.append(f)
            else:
                picture = picture.convert("RGB")
                picture.thumbnail((640, 640))
                self.whole.append(picture)

    def next(self):
        rng, size = self.rng, 224
        picture = cut(rng, rng.choice(self.whole), 0.15).resize((size, size), Image.BICUBIC)
        if not self.cutouts or rng.random() < 0.4:
            return picture
        side = int(size * rng.uniform(0.55, 1))
        front = Image.open(rng.choice(self.cutouts)).convert("RGBA").resize((side, side)).rotate(rng.uniform(-25, 25))
        picture.paste(front, (rng.randint(0, size - side), rng.randint(0, size - side)), front)
        return picture


def main():
    out, count, seed, vit_file, clip_file, *folders = sys.argv[1:]
    torch.set_num_threads(1)
    weights = [{k: v.float() for k, v in torch.load(f, map_location="cpu").items()} for f in (vit_file, clip_file)]
    pictures, rows = Pictures(folders, random.Random(int(seed))), []
    with torch.no_grad():
        while len(rows) * BATCH < int(count):
            batch = [pictures.next() for _ in range(BATCH)]
            x = torch.from_numpy(np.stack([np.asarray(p) for p in batch])).permute(0, 3, 1, 2).float() / 255
            small = torch.from_numpy(np.stack([np.asarray(p.resize((128, 128), Image.BICUBIC)) for p in batch]))
            small = (small.permute(0, 3, 1, 2).float() / 255 - CLIP_MEAN) / CLIP_STD
            parts = vit(weights[0], 2 * x - 1) + [clip(weights[1], small)]
            rows.append(torch.cat([F.normalize(p) for p in parts], 1).numpy())
    np.concatenate(rows)[: int(count)].astype("<f4").tofile(out)


main()
