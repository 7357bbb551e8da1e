"""Writes vision-language models with random weights at published sizes, as profiles that bench/ttft.sh measures.

    python bench/make_vlms.py FOLDER [llava-l14] [smolvlm-500m]

llava-l14: CLIP ViT-L/14-336 as LLaVA 1.5 has it (23 blocks), two linear layers, a decoder of 0.37 billion weights. smolvlm-500m:
the tower, projector and decoder of SmolVLM-500M. The towers are f16, as they are published; the decoder of llava-l14 is f16
for bench_quantise, that of smolvlm-500m 8-bit. The vocabulary is the tiny profile's, filled up to the published
size. Needs gguf and numpy. Random weights cost what trained ones cost.
"""
import json
import os
import shutil
import sys

import gguf
import numpy as np

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models", "tiny")
CLIP = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
MODELS = {
    "llava-l14": dict(
        decoder=dict(width=1024, hidden=2816, blocks=24, heads=16, kv=16, vocab=32000, freq=10000.0),
        tower=dict(width=1024, hidden=4096, blocks=23, heads=16, side=336, patch=14, eps=1e-5, projector="mlp", **CLIP),
        type="f16"),
    "smolvlm-500m": dict(
        decoder=dict(width=960, hidden=2560, blocks=32, heads=15, kv=5, vocab=49280, freq=100000.0),
        tower=dict(width=768, hidden=3072, blocks=12, heads=12, side=512, patch=16, eps=1e-6, projector="idefics3",
                   scale=4, longest=2048, **HALF),
        type="q8_0"),
}
SMOLVLM_TOKENS = ["\n\n", "<fake_token_around_image>", "<global-img>"] + [
    f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
random = np.random.default_rng(1)


class Writer:
    def __init__(self, path, architecture):
        self.w = gguf.GGUFWriter(path, architecture)
        self.w.add_name(os.path.basename(path))

    def keys(self, prefix, **keys):
        for name, value in keys.items():
            name = prefix + name.replace("__", ".")
            add = {bool: self.w.add_bool, int: self.w.add_uint32, float: self.w.add_float32, str: self.w.add_string}
            add.get(type(value), self.w.add_array)(name, value)

    def put(self, name, shape, kind="f16", value=None):
        data = np.full(shape, value, np.float32) if value is not None else \
            (random.standard_normal(shape, np.float32) * shape[-1] ** -0.5)
        if kind == "q8_0":
            self.w.add_tensor(name, gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0),
                              raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            self.w.add_tensor(name, data.astype(np.float16 if kind == "f16" else np.float32))

    def layer(self, name, out, into, bias=True, kind="f16"):
        self.put(name + ".weight", (out, into), kind)
        if bias:
            self.put(name + ".bias", (out,), "f32", 0.0)

    def norm(self, name, width, bias=True):
        self.put(name + ".weight", (width,), "f32", 1.0)
        if bias:
            self.put(name + ".bias", (width,), "f32", 0.0)

    def close(self):
        self.w.write_header_to_file()
        self.w.write_kv_data_to_file()
        self.w.write_tensors_to_file()
        self.w.close()


def vocabulary(w, size, more):
    field = gguf.GGUFReader(os.path.join(TINY, "model.gguf")).fields
    value = {name[len("tokenizer."):]: f.contents() for name, f in field.items() if name.startswith("tokenizer.")}
    tokens, scores, kinds = (list(value[f"ggml.{part}"]) for part in ("tokens", "scores", "token_type"))
    more = [t for t in more if t not in tokens] + [f"<unused_{i}>" for i in range(size)]
    more = more[:size - len(tokens)]
    named = len(more) and sum(not t.startswith("<unused_") for t in more)
    tokens += more
    scores += [-1e4] * len(more)
    kinds += [4] * named + [5] * (len(more) - named)
    w.w.add_tokenizer_model(value["ggml.model"])
    w.w.add_token_list(tokens)
    w.w.add_token_scores(scores)
    w.w.add_token_types(kinds)
    w.w.add_bos_token_id(1)
    w.w.add_eos_token_id(2)
    w.w.add_unk_token_id(0)
    w.w.add_add_bos_token(True)
    w.w.add_add_space_prefix(False)
    w.w.add_chat_template(value["chat_template"])


def decoder(path, kind, more, width, hidden, blocks, heads, kv, vocab, freq):
    w, side = Writer(path, "llama"), width // heads
    w.keys("llama.", context_length=8192, embedding_length=width, block_count=blocks, feed_forward_length=hidden,
           attention__head_count=heads, attention__head_count_kv=kv, attention__layer_norm_rms_epsilon=1e-5,
           rope__dimension_count=side, rope__freq_base=freq, vocab_size=vocab)
    vocabulary(w, vocab, more)
    w.put("token_embd.weight", (vocab, width), kind)
    w.put("output.weight", (vocab, width), kind)
    w.norm("output_norm", width, False)
    for i in range(blocks):
        b = f"blk.{i}."
        for name, out, into in (("attn_q", width, width), ("attn_k", side * kv, width), ("attn_v", side * kv, width),
                                ("attn_output", width, width), ("ffn_gate", hidden, width), ("ffn_up", hidden, width),
                                ("ffn_down", width, hidden)):
            w.layer(b + name, out, into, False, kind)
        w.norm(b + "attn_norm", width, False)
        w.norm(b + "ffn_norm", width, False)
    w.close()


def tower(path, out, width, hidden, blocks, heads, side, patch, eps, projector, image_mean, image_std, scale=1, longest=0):
    w, llava = Writer(path, "clip"), projector == "mlp"
    w.keys("clip.", has_vision_encoder=True, has_text_encoder=False, projector_type=projector, use_gelu=not llava)
    w.keys("clip.vision.", image_size=side, patch_size=patch, embedding_length=width, feed_forward_length=hidden,
           block_count=blocks, projection_dim=out, attention__head_count=heads, attention__layer_norm_epsilon=eps,
           image_mean=image_mean, image_std=image_std)
    if longest:
        w.keys("clip.vision.", projector__scale_factor=scale, preproc_image_size=longest)
    patches = (side // patch) ** 2
    w.put("v.patch_embd.weight", (width, 3, patch, patch))
    w.put("v.position_embd.weight", (patches + llava, width), "f32")
    if llava:
        w.put("v.class_embd", (width,), "f32")
        w.norm("v.pre_ln", width)
        w.layer("mm.0", out, width)
        w.layer("mm.2", out, out)
    else:
        w.put("v.patch_embd.bias", (width,), "f32", 0.0)
        w.norm("v.post_ln", width)
        w.layer("mm.model.fc", out, width * scale * scale, False)
    for i in range(blocks):
        b = f"v.blk.{i}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            w.layer(b + name, width, width)
        w.layer(b + "ffn_up", hidden, width)
        w.layer(b + "ffn_down", width, hidden)
        w.norm(b + "ln1", width)
        w.norm(b + "ln2", width)
    w.close()


def make(name, folder):
    m, out = MODELS[name], os.path.join(folder, name)
    os.makedirs(out, exist_ok=True)
    decoder(os.path.join(out, "model.gguf"), m["type"], [] if "longest" not in m["tower"] else SMOLVLM_TOKENS, **m["decoder"])
    tower(os.path.join(out, "mmproj.gguf"), m["decoder"]["width"], **m["tower"])
    shutil.copy(os.path.join(TINY, "clip.gguf"), out)
    files = {"encoder": {"path": "clip.gguf"}, "llm": {"path": "model.gguf"}, "mmproj": {"path": "mmproj.gguf"}}
    with open(os.path.join(out, "profile.json"), "w") as f:
        json.dump({"name": name, "description": "random weights", "license": "MIT", "files": files,
                   "prompt": {"style": "chat"}, "retrieval": {"k": 4, "threshold": 2.0}}, f)
    print(name, sum(os.path.getsize(os.path.join(out, f)) for f in os.listdir(out)) >> 20, "MiB")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[2:] or MODELS:
        make(name, sys.argv[1])


if __name__ == "__main__":
    main()
