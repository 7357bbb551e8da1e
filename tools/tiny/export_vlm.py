"""Write models/tiny/model.gguf and mmproj-model.gguf from a training checkpoint and the CLIP tower.

    python tools/tiny/export_vlm.py --checkpoint build/tiny/vlm.pt --clip build/tiny/clip.pt --out models/tiny

The decoder is stored in f16 (norms f32), the tower and projector likewise.
"""
import argparse
import os
import sys

import gguf
import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from spm import Spm  # noqa: E402
from vlm_model import CLIP_MEAN, CLIP_STD, SCALE, Config, Tower, Vlm  # noqa: E402

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}USER: {{ m['content'] }}"
    "{% elif m['role'] == 'assistant' %} ASSISTANT:{{ m['content'] }}{{ eos_token }}"
    "{% else %}{{ m['content'] }} {% endif %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def array(t, half):
    a = t.detach().float().numpy()
    return np.ascontiguousarray(a.astype(np.float16 if half and a.ndim >= 2 else np.float32))


def write_tokenizer(w, spm):
    w.add_tokenizer_model("llama")
    w.add_token_list([t.encode() for t in spm.tokens])
    w.add_token_scores(spm.scores)
    w.add_token_types(spm.types)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)
    w.add_add_space_prefix(False)
    w.add_chat_template(TEMPLATE)


def decoder_tensors(model):
    c = model.cfg
    yield "token_embd.weight", SCALE * model.embed.weight
    yield "output_norm.weight", model.norm.weight
    yield "output.weight", model.head.weight
    for i, b in enumerate(model.blocks):
        p = f"blk.{i}."
        q, k, v = b.qkv.weight.chunk(3, 0)
        gate, up = b.gate_up.weight.chunk(2, 0)
        yield from ((p + "attn_norm.weight", b.attn_norm.weight), (p + "ffn_norm.weight", b.ffn_norm.weight),
                    (p + "attn_q.weight", q), (p + "attn_k.weight", k), (p + "attn_v.weight", v),
                    (p + "attn_output.weight", b.out.weight), (p + "ffn_gate.weight", gate),
                    (p + "ffn_up.weight", up), (p + "ffn_down.weight", b.down.weight))
    assert c.layers == len(model.blocks)


def write_model(path, model, spm, half=True):
    c = model.cfg
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("rap-tiny")
    w.add_context_length(c.context)
    w.add_embedding_length(c.width)
    w.add_block_count(c.layers)
    w.add_feed_forward_length(c.ffn)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.heads)
    w.add_layer_norm_rms_eps(c.eps)
    w.add_rope_dimension_count(c.width // c.heads)
    w.add_rope_freq_base(c.rope)
    w.add_vocab_size(c.vocab)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    write_tokenizer(w, spm)
    for name, t in decoder_tensors(model):
        w.add_tensor(name, array(t, half))
    finish(w)


def finish(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def tower_tensors(tower):
    yield "v.class_embd", tower.cls.reshape(-1)
    yield "v.patch_embd.weight", tower.conv
    yield "v.position_embd.weight", tower.pos
    yield "v.pre_ln.weight", tower.pre_w
    yield "v.pre_ln.bias", tower.pre_b
    for i, b in enumerate(tower.blocks):
        p = f"v.blk.{i}."
        for s in ("weight", "bias"):
            yield p + "ln1." + s, b["ln_1." + s]
            yield p + "ln2." + s, b["ln_2." + s]
            for name, part in zip("qkv", b["attn.in_proj_" + s].chunk(3, 0)):
                yield f"{p}attn_{name}.{s}", part
            yield p + "attn_out." + s, b["attn.out_proj." + s]
            yield p + "ffn_up." + s, b["mlp.c_fc." + s]
            yield p + "ffn_down." + s, b["mlp.c_proj." + s]


def write_mmproj(path, model, tower, half=True):
    w = gguf.GGUFWriter(path, "clip")
    w.add_name("rap-tiny")
    w.add_bool("clip.has_vision_encoder", True)
    w.add_bool("clip.has_text_encoder", False)
    w.add_bool("clip.has_llava_projector", True)
    w.add_string("clip.projector_type", "mlp")
    v = "clip.vision."
    w.add_uint32(v + "image_size", 128)
    w.add_uint32(v + "patch_size", tower.patch)
    w.add_uint32(v + "embedding_length", tower.width)
    w.add_uint32(v + "feed_forward_length", tower.blocks[0]["mlp.c_fc.weight"].shape[0])
    w.add_uint32(v + "projection_dim", model.cfg.width)
    w.add_uint32(v + "attention.head_count", tower.heads)
    w.add_float32(v + "attention.layer_norm_epsilon", 1e-5)
    w.add_uint32(v + "block_count", tower.layers)
    w.add_array(v + "feature_layer", [tower.layers - 1])  # the tokens are those before the last block
    w.add_array(v + "image_mean", [float(x) for x in CLIP_MEAN])
    w.add_array(v + "image_std", [float(x) for x in CLIP_STD])
    w.add_bool("clip.use_gelu", False)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    for name, t in tower_tensors(tower):
        w.add_tensor(name, array(t, half and name != "v.position_embd.weight"))
    p = model.projector
    weight, bias = p.folded()
    for name, t in (("mm.0.weight", weight), ("mm.0.bias", bias),
                    ("mm.2.weight", SCALE * p.fc2.weight), ("mm.2.bias", SCALE * p.fc2.bias)):
        w.add_tensor(name, array(t, half))
    finish(w)


def load_clip(path):
    state = torch.load(path, map_location="cpu", weights_only=True)
    return Tower(state.get("state_dict", state) if isinstance(state, dict) else state)


def load_tower(checkpoint, clip):
    """The tower that the decoder was trained with: the checkpoint's own, where it was trained too."""
    own = torch.load(checkpoint, map_location="cpu", weights_only=False).get("tower")
    return Tower(own) if own else load_clip(clip)


def load_vlm(path):
    ck = torch.load(path, map_location="cpu", weights_only=False)
    model = Vlm(Config(**ck["config"]))
    model.load_state_dict(ck["model"])
    return model.eval(), Spm(ck["pieces"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--checkpoint", default="build/tiny/vlm.pt")
    ap.add_argument("--clip", default="build/tiny/clip.pt")
    ap.add_argument("--out", default="models/tiny")
    ap.add_argument("--f32", action="store_true", help="full precision, for comparisons")
    ap.add_argument("--decoder", action="store_true", help="model.gguf alone: the mmproj file stays as it is")
    a = ap.parse_args()
    model, spm = load_vlm(a.checkpoint)
    os.makedirs(a.out, exist_ok=True)
    write_model(os.path.join(a.out, "model.gguf"), model, spm, not a.f32)
    names = ["model.gguf"]
    if not a.decoder:
        names.append("mmproj-model.gguf")
        write_mmproj(os.path.join(a.out, names[1]), model, load_tower(a.checkpoint, a.clip), not a.f32)
    for name in names:
        print(name, os.path.getsize(os.path.join(a.out, name)))


if __name__ == "__main__":
    main()
