"""Writes the first inputs of the harnesses: tests/fuzz/corpus. Needs torch, transformers, safetensors and pillow.

    python tests/fuzz/make_corpus.py
"""
import argparse
import collections
import io
import json
import math
import os
import pickle
import struct
import tempfile
import zipfile

import torch
from safetensors.torch import save
from torch import nn
from transformers import (CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model, SiglipVisionConfig,
                          SiglipVisionModel)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
SIZES = dict(hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1)
PICTURES = dict(SIZES, image_size=4, patch_size=2)


def write(harness, name, data):
    os.makedirs(f"{HERE}/{harness}", exist_ok=True)
    with open(f"{HERE}/{harness}/{name}", "wb") as f:
        f.write(data)


def saved(value):
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


def pickle_of(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as z:
        return z.read(next(n for n in z.namelist() if n.endswith("/data.pkl")))


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 2))
        self.register_buffer("number", torch.tensor(3))

    def forward(self, x):
        return self.inner(x)


def checkpoints():
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(4).half(), "c": torch.tensor(1), "d": torch.ones(2, 2).T}
    plain = saved({"state_dict": tensors, "epoch": 3, "best": 0.5, "name": "x", "list": [1, (2, None), True]})
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(Tiny()), script)
    whole = saved({"model": nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.SiLU()), "ema": None})
    wide = {k: v.contiguous() for k, v in tensors.items()}
    wide["e"] = torch.ones(2).bfloat16()
    for name, data in (("plain", plain), ("script", script.getvalue()), ("module", whole)):
        write("state_dict", name, data)
        write("pickle", name, pickle_of(data))
    write("state_dict", "safetensors", save(wide, {"format": "pt"}))


def old_files():
    """As torch.save wrote before version 1.6, and pickles of the protocols that it never had."""
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(4).half()}
    out = io.BytesIO()
    torch.save({"state_dict": tensors, "args": argparse.Namespace(lr=0.5)}, out, _use_new_zipfile_serialization=False)
    write("state_dict", "legacy", out.getvalue())
    refs = [{"ref_id": 7, "sentences": [{"tokens": ["a", "été"], "raw": "it's\n"}], "box": (1.5, True, None, 1 << 70)},
            argparse.Namespace(x={1, 2}, y=b"abc", z=frozenset([3])), collections.defaultdict(list, a=[1])]
    for protocol in (0, 1, 2, 4, 5):
        write("pickle", f"protocol_{protocol}", pickle.dumps(refs, protocol))


def symbols():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def vocabulary():
    words = symbols() + [s + "</w>" for s in symbols()] + ["th", "the</w>", "<|startoftext|>", "<|endoftext|>"]
    return {word: i for i, word in enumerate(words)}


def folder(name, kind, model, *texts):
    with tempfile.TemporaryDirectory() as work:
        model.save_pretrained(work)
        with open(f"{work}/model.safetensors", "rb") as f:
            header = f.read(struct.unpack("<Q", f.read(8))[0]).rstrip()
        with open(f"{work}/config.json", "rb") as f:
            config = json.dumps(json.load(f)).encode()
    write("convert", name, b"\0".join([kind, header, config, *texts]))


def folders():
    n = len(vocabulary())
    clip = CLIPModel(CLIPConfig(projection_dim=4, vision_config=PICTURES, text_config=dict(
        SIZES, vocab_size=n, max_position_embeddings=4, bos_token_id=n - 2, eos_token_id=n - 1)))
    merges, ids = "#version: 0.2\nt h\nth e</w>\n", json.dumps(vocabulary(), ensure_ascii=False)
    tokenizer = json.dumps({"model": {"type": "BPE", "vocab": vocabulary(), "merges": [["t", "h"], "th e</w>"]}},
                           separators=(",", ":"), ensure_ascii=False)
    processor = json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"shortest_edge": 4},
                            "crop_size": {"height": 4, "width": 4}, "resample": 3}).encode()
    folder("clip", b"\0"[:0], clip, b"", merges.encode(), ids.encode())
    folder("clip_q8_0", b"\x04", clip, processor, b"", tokenizer.encode())
    folder("siglip", b"\x02", SiglipVisionModel(SiglipVisionConfig(**PICTURES)), processor)
    folder("siglip_larger", b"\x02\x07", SiglipVisionModel(SiglipVisionConfig(**PICTURES)), processor)
    folder("dinov2", b"\x01", Dinov2Model(Dinov2Config(hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
                                                       mlp_ratio=1, image_size=4, patch_size=2)), processor)


def open_clip():
    """An image tower of width 4 with OpenAI's names, of which only the header is written."""
    block = {"ln_1.weight": [4], "ln_1.bias": [4], "ln_2.weight": [4], "ln_2.bias": [4],
             "attn.in_proj_weight": [12, 4], "attn.in_proj_bias": [12],
             "attn.out_proj.weight": [4, 4], "attn.out_proj.bias": [4],
             "mlp.c_fc.weight": [4, 4], "mlp.c_fc.bias": [4], "mlp.c_proj.weight": [4, 4], "mlp.c_proj.bias": [4]}
    shapes = {"class_embedding": [4], "positional_embedding": [5, 4], "proj": [4, 4], "conv1.weight": [4, 3, 2, 2],
              "ln_pre.weight": [4], "ln_pre.bias": [4], "ln_post.weight": [4], "ln_post.bias": [4],
              **{f"transformer.resblocks.0.{k}": v for k, v in block.items()}}
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * math.prod(shape)
        header["visual." + name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        at = end
    config = {"model_cfg": {"embed_dim": 4, "quick_gelu": False, "vision_cfg": {
        "image_size": 4, "layers": 1, "width": 4, "head_width": 2, "patch_size": 2}},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}}
    texts = [b"", json.dumps(header).encode(), b"", b"", b"", b"", json.dumps(config).encode()]
    write("convert", "open_clip", b"\0".join(texts))


def piece(text, score=0.0, kind=1):
    body = b"\x0a" + bytes([len(text.encode())]) + text.encode() + b"\x15" + struct.pack("<f", score)
    body += bytes([0x18, kind]) if kind != 1 else b""
    return b"\x0a" + bytes([len(body)]) + body


def sentencepiece():
    marks = piece("<unk>", kind=2) + piece("<s>", kind=3) + piece("</s>", kind=3)
    trainer = b"\x12\x05\x18\x02\xd2\x01\x00"
    write("sentencepiece", "merges", marks + piece("<0x41>", kind=6) + piece("\u2581the", -1.5) + trainer)
    write("sentencepiece", "unigram", marks + piece("x", kind=4) + piece("y", kind=5) + b"\x12\x02\x18\x01")
    write("sentencepiece", "others", marks + b"\x48\x80\x01\x49" + bytes(8) + b"\x4d" + bytes(4) + b"\x4a\x02ab")


def llavas():
    """Llama and Phi-3, in the layouts of LLaVA's authors and of Hugging Face; every size 4, the numbers zeros."""
    def header(tensors):
        out, at = {}, 0
        for name, shape in tensors.items():
            out[name] = dict(dtype="F16", shape=shape, data_offsets=[at, at + 2 * math.prod(shape)])
            at += 2 * math.prod(shape)
        return json.dumps(out)

    def model(decoder, head, first, second, tower, phi3):
        t = {decoder + "embed_tokens.weight": [8, 4], head: [8, 4], decoder + "norm.weight": [4]}
        block = decoder + "layers.0."
        t |= {block + "input_layernorm.weight": [4], block + "post_attention_layernorm.weight": [4],
              block + "self_attn.o_proj.weight": [4, 4], block + "mlp.down_proj.weight": [4, 4]}
        if phi3:
            t |= {block + "self_attn.qkv_proj.weight": [12, 4], block + "mlp.gate_up_proj.weight": [8, 4]}
        else:
            t |= {block + f"self_attn.{k}_proj.weight": [4, 4] for k in "qkv"}
            t |= {block + f"mlp.{k}_proj.weight": [4, 4] for k in ("gate", "up")}
        for name in (first, second):
            t |= {name + ".weight": [4, 4], name + ".bias": [4]}
        t |= {tower + "embeddings.class_embedding": [4], tower + "embeddings.patch_embedding.weight": [4, 3, 2, 2],
              tower + "embeddings.position_embedding.weight": [5, 4]}
        names = {"self_attn.q_proj": 4, "self_attn.k_proj": 4, "self_attn.v_proj": 4, "self_attn.out_proj": 4,
                 "mlp.fc1": 4, "mlp.fc2": 4, "layer_norm1": 0, "layer_norm2": 0}
        for i in range(2):
            for name, columns in names.items():
                start = f"{tower}encoder.layers.{i}.{name}."
                t |= {start + "weight": [4, columns] if columns else [4], start + "bias": [4]}
        return t | {tower + "pre_layrnorm.weight": [4], tower + "pre_layrnorm.bias": [4]}

    text = dict(num_attention_heads=2, model_type="llama", hidden_size=4, vocab_size=8, eos_token_id=2)
    vision = dict(num_attention_heads=2, hidden_act="quick_gelu", patch_size=2)
    bpe = dict(model=dict(type="BPE", byte_fallback=True, vocab={"<unk>": 0, "<0x41>": 1, "a": 2, "b": 3, "ab": 4},
                          merges=["a b"]), added_tokens=[dict(id=5, content="<x>", special=True)],
               post_processor=dict(type="TemplateProcessing", single=[{"SpecialToken": {"id": "<s>"}}, {"Sequence": {}}]))
    chat = dict(add_bos_token=True, bos_token=dict(content="<x>"), chat_template="{{ messages }}",
                added_tokens_decoder={"6": dict(content="<|end|>", special=False)})
    long = dict(type="longrope", long_factor=[1.5], short_factor=[1.0])
    old = ("language_model.model.", "language_model.lm_head.weight", "multi_modal_projector.linear_1",
           "multi_modal_projector.linear_2", "vision_tower.vision_model.")
    own = ("model.", "lm_head.weight", "model.mm_projector.0", "model.mm_projector.2",
           "model.vision_tower.vision_tower.vision_model.")
    cases = {
        "old": ("l", model(*old, False), dict(text_config=text, vision_config=vision), chat, {"<y>": 7}, bpe, {}),
        "old-m": ("m1", model(*old, False), dict(text_config=text, vision_config=vision), {}, {}, {}, {}),
        "own": ("l2", model(*own, False), dict(text, vision_config=vision, rope_scaling=dict(type="linear", factor=2)),
                chat, {}, {}, dict(temperature=0.9)),
        "own-m": ("m4", model(*own, False), dict(text, vision_config=vision, mm_vision_select_layer=-2), {}, {}, {}, {}),
        "named": ("m", model(*own, False), dict(text, mm_vision_tower="openai/clip-vit-large-patch14-336"), {}, {}, {}, {}),
        "phi3": ("l3", model(*own, True), dict(text, model_type="llava_phi", vision_config=vision, sliding_window=7,
                                               rope_scaling=long), chat, {"<y>": 7}, bpe, {}),
    }
    for name, (kind, tensors, *files) in cases.items():
        write("llava", name, b"\0".join([kind.encode(), header(tensors).encode(),
                                         *(json.dumps(f).encode() if f else b"" for f in files)]))


def gguf():
    """Version 3: two keys, one tensor of f32 [2, 3]."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, 4)
    data += text("general.architecture") + struct.pack("<I", 8) + text("clip")
    data += text("clip.vision.image_size") + struct.pack("<II", 4, 4)
    data += text("clip.vision.image_mean") + struct.pack("<IIQ3f", 9, 6, 3, 0.5, 0.5, 0.5)
    data += text("tokenizer.merges") + struct.pack("<IIQ", 9, 8, 1) + text("t h")
    data += text("w") + struct.pack("<IQQIQ", 2, 3, 2, 0, 0)
    write("gguf", "small", data + b"\0" * (-len(data) % 32) + struct.pack("<6f", *range(6)))


def pictures():
    """One of each kind, 5 x 3, with an alpha channel where there can be one."""
    from PIL import Image
    rgba = Image.frombytes("RGBA", (5, 3), bytes(range(60)))
    for name, kind, options in (("jpeg", "JPEG", {}), ("progressive", "JPEG", {"progressive": True}), ("png", "PNG", {}),
                                ("webp", "WEBP", {}), ("lossless", "WEBP", {"lossless": True}), ("gif", "GIF", {})):
        out = io.BytesIO()
        (rgba.convert("RGB") if kind == "JPEG" else rgba).save(out, kind, **options)
        write("picture", name, out.getvalue())


def networks():
    """A model and a precision, then changes; fuzz_network.c says what they mean."""
    def change(what, where, value):
        return struct.pack("<BHI", what, where, value)
    models = ("detector", "clip", "siglip", "dinov2", "vit")
    for i, name in enumerate(models):
        for k, precision in enumerate(("f32", "bf16", "int8")):
            write("network", f"{name}-{precision}", bytes([i + len(models) * k]))
    write("network", "wide-map", b"\0" + change(0, 104, 2))  # the kernel of model.22.cv2.0.0 is 3 x 2
    write("network", "large-map", b"\0" + change(0, 104, 2) + change(4, 104, 2))
    write("network", "small-embedding", b"\0" + change(0, 62, 3) + change(4, 62, 3))  # model.12.attn.ec
    write("network", "clip-patches", b"\1" + change(0, 1, 4) + change(4, 1, 4))
    write("network", "vit-type", b"\4" + change(3, 2, 1))


if __name__ == "__main__":
    networks()
    pictures()
    checkpoints()
    old_files()
    folders()
    open_clip()
    gguf()
    sentencepiece()
    llavas()
