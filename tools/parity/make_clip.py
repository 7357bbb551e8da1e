"""Writes small CLIP checkpoints with random weights, and what the reference code makes of them.

    python tools/parity/make_clip.py [OUT]         # OUT: tests/data/clip

Needs torch, transformers and pillow. The checkpoints are written by transformers (`save_pretrained`) and by
torch.jit, so that reading them is a test of the real formats:

    hf/          model.safetensors (f32), config.json, vocab.json, merges.txt
    sharded/     the same weights as bf16, in shards, with tokenizer.json in place of the vocabulary
    bin/         pytorch_model.bin (f16), image tower only
    openai.pt    another CLIP in OpenAI's layout as a TorchScript archive (f16); torchscript.merges.txt
    *.png        pictures
    reference.json   features of the pictures and texts, and the tokens, for each of them

Features come from the weights as stored (f16 and bf16 weights are rounded first), computed in f32.
"""
import json
import os
import shutil
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, CLIPVisionModelWithProjection

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
TEXTS = ["a photo of the dog", "The CAT's mug & hat", "x", "  there  and then the other thing, there ",
         "naïve 犬 42"]


# ---- a vocabulary -----------------------------------------------------------------------------

def byte_symbols():
    """The printable character that stands for each byte, in the order in which they are numbered."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def merges():
    """Pieces of the texts above, grown as byte-pair encoding would."""
    return [("t", "h"), ("th", "e</w>"), ("a", "n"), ("an", "d</w>"), ("o", "g</w>"), ("d", "og</w>"),
            ("p", "h"), ("o", "t"), ("ph", "ot"), ("phot", "o</w>"), ("th", "e"), ("r", "e</w>"),
            ("the", "re</w>"), ("o", "f</w>")]


def vocabulary():
    symbols = byte_symbols()
    words = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges()]
    return words + ["<|startoftext|>", "<|endoftext|>"]


def write_vocabulary(folder):
    with open(f"{folder}/vocab.json", "w") as f:
        json.dump({word: i for i, word in enumerate(vocabulary())}, f, ensure_ascii=False)
    write_merges(f"{folder}/merges.txt")


def write_merges(path):
    with open(path, "w") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges()))


# ---- pictures ---------------------------------------------------------------------------------

def picture(width, height, seed):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.BICUBIC)


def pixels(image, side):
    """CLIP's preprocessing: the shortest side to `side`, the centre cut out."""
    w, h = image.size
    scale = side / min(w, h)
    size = (side, int(h * scale)) if w <= h else (int(w * scale), side)
    # Across first, then down, each rounded to 8 bits: what Pillow did until 12; since then the order depends
    # on the sizes, which changes some pixels by one.
    image = image.resize((size[0], h), Image.BICUBIC).resize(size, Image.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    image = image.crop((left, top, left + side, top + side))
    x = (np.asarray(image, dtype=np.float32) / 255 - MEAN) / STD
    return torch.from_numpy(x).permute(2, 0, 1)[None]


def numbers(tensor):
    return [float(f"{v:.8g}") for v in tensor.flatten().tolist()]


# ---- Hugging Face -----------------------------------------------------------------------------

def config():
    towers = dict(projection_dim=24, hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2)
    n = len(vocabulary())
    return CLIPConfig(
        projection_dim=24,
        text_config=dict(towers, vocab_size=n, max_position_embeddings=20, bos_token_id=n - 2, eos_token_id=n - 1),
        vision_config=dict(towers, image_size=32, patch_size=8))


def shake(model):
    """Norms and biases start as ones and zeros, which would hide mistakes."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() < 2 and name != "logit_scale":
                p.add_(torch.randn_like(p) * 0.2)
            elif p.dim() == 2:
                p.add_(torch.randn_like(p) * 0.15)


def features_of(out):
    return getattr(out, "pooler_output", out)


def reference(model, images, tokenizer=None, side=32):
    model = model.float().eval()
    with torch.no_grad():
        if hasattr(model, "get_image_features"):
            seen = [features_of(model.get_image_features(pixels(i, side))) for i in images]
        else:
            seen = [model(pixel_values=pixels(i, side)).image_embeds for i in images]
        answer = {"images": [numbers(s) for s in seen]}
        if tokenizer:
            ids = [tokenizer(t, truncation=True, max_length=20)["input_ids"] for t in TEXTS]
            answer["tokens"] = ids
            answer["texts"] = [numbers(features_of(model.get_text_features(torch.tensor([i])))) for i in ids]
    return answer


def hugging_face(out, images):
    torch.manual_seed(1)
    model = CLIPModel(config())
    shake(model)
    model.save_pretrained(f"{out}/hf")
    write_vocabulary(f"{out}/hf")
    tokenizer = CLIPTokenizer.from_pretrained(f"{out}/hf")
    answer = {"hf": reference(model, images, tokenizer)}

    narrow = CLIPModel.from_pretrained(f"{out}/hf").to(torch.bfloat16)
    narrow.save_pretrained(f"{out}/sharded", max_shard_size="20KB")
    tokenizer.save_pretrained(f"{out}/sharded")
    for extra in ("tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"):
        if os.path.exists(f"{out}/sharded/{extra}"):
            os.remove(f"{out}/sharded/{extra}")
    answer["sharded"] = reference(narrow, images, tokenizer)

    image_only = CLIPVisionModelWithProjection.from_pretrained(f"{out}/hf").half()
    os.makedirs(f"{out}/bin")
    torch.save(image_only.state_dict(), f"{out}/bin/pytorch_model.bin")
    image_only.config.save_pretrained(f"{out}/bin")
    answer["bin"] = reference(image_only, images)
    return answer


# ---- OpenAI's layout, as a TorchScript archive ------------------------------------------------

class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // 64)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, hidden))
        self.mlp.add_module("gelu", QuickGELU())
        self.mlp.add_module("c_proj", nn.Linear(hidden, width))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x, mask):  # [T, N, D]
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width, hidden, layers):
        super().__init__()
        self.resblocks = nn.Sequential(*[Block(width, hidden) for _ in range(layers)])

    def forward(self, x, mask):
        for block in self.resblocks:
            x = block(x, mask)
        return x


class ImageTower(nn.Module):
    def __init__(self, side, patch, width, hidden, layers, embed):
        super().__init__()
        self.input_resolution = side
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.1)
        self.positional_embedding = nn.Parameter(torch.randn((side // patch) ** 2 + 1, width) * 0.1)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, hidden, layers)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, embed) * width ** -0.5)

    def forward(self, x):
        x = self.conv1(x).flatten(2).permute(0, 2, 1)  # [N, T, D]
        first = self.class_embedding.expand(x.shape[0], 1, -1)
        x = self.ln_pre(torch.cat([first, x], 1) + self.positional_embedding)
        x = self.transformer(x.permute(1, 0, 2), None)[0]
        return self.ln_post(x) @ self.proj


class Clip(nn.Module):
    def __init__(self, side=16, patch=4, width=64, hidden=32, layers=1, embed=24, context=20):
        super().__init__()
        self.visual = ImageTower(side, patch, width, hidden, layers, embed)
        self.transformer = Transformer(width, hidden, layers)
        self.token_embedding = nn.Embedding(len(vocabulary()), width)
        self.positional_embedding = nn.Parameter(torch.randn(context, width) * 0.1)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, embed) * width ** -0.5)
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))
        for name, number in (("input_resolution", side), ("context_length", context),
                             ("vocab_size", len(vocabulary()))):
            self.register_buffer(name, torch.tensor(number))

    def encode_image(self, x):
        return self.visual(x)

    def encode_text(self, ids):
        x = (self.token_embedding(ids) + self.positional_embedding[:ids.shape[1]]).permute(1, 0, 2)
        mask = torch.full((ids.shape[1], ids.shape[1]), float("-inf")).triu(1)
        x = self.ln_final(self.transformer(x, mask)).permute(1, 0, 2)
        return x[torch.arange(x.shape[0]), ids.argmax(-1)] @ self.text_projection

    def forward(self, x, ids):
        return self.encode_image(x), self.encode_text(ids)


def torchscript(out, images):
    torch.manual_seed(2)
    model = Clip().eval()
    shake(model)
    for p in model.parameters():
        p.data = p.data.half().float()
    tokenizer = CLIPTokenizer.from_pretrained(f"{out}/hf")
    ids = [tokenizer(t, truncation=True, max_length=20)["input_ids"] for t in TEXTS]
    with torch.no_grad():
        answer = {"images": [numbers(model.encode_image(pixels(i, 16))) for i in images],
                  "texts": [numbers(model.encode_text(torch.tensor([i]))) for i in ids], "tokens": ids}
        example = (torch.zeros(1, 3, 16, 16), torch.tensor([ids[0]]))
        traced = torch.jit.trace(model, example, check_trace=False)
    for p in traced.parameters():
        p.data = p.data.half()
    torch.jit.save(traced, f"{out}/openai.pt")
    return {"openai": answer}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/clip")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    images = [picture(47, 33, 3), picture(30, 64, 4)]
    for i, image in enumerate(images):
        image.save(f"{out}/{i}.png")
    answer = {"texts": TEXTS, **hugging_face(out, images), **torchscript(out, images)}
    with open(f"{out}/reference.json", "w") as f:
        json.dump(answer, f, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
