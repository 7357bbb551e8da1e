"""train_peer.py: PyTorch with PEFT on what bench_train trains on: the same model, sequences, rank, targets, dropout.

    python bench/train_peer.py make SHAPE FILE            # a GGUF with random weights: qwen2-0.5b, tinyllama-1.1b
    python bench/train_peer.py run FILE [--bf16] [--compile] [--whole-head] [--rank N] [--length L] [--count N]
                               [--steps N] [--threads N] [--dropout X]

Needs torch, transformers, peft and gguf. `run` computes logits of the answers' tokens only, as rap does; --whole-head those of
all tokens, as transformers' own loss does. bf16: frozen weights in bf16, products under autocast, LoRA and Adam in f32.
"""
import argparse
import json
import os
import resource
import sys
import time

import gguf
import numpy as np

SHAPES = {
    "qwen2-0.5b": dict(kind="qwen2", layers=24, width=896, inner=4864, heads=14, groups=2, vocab=151936, base=1e6,
                       eps=1e-6, tied=True, bias=True),
    "tinyllama-1.1b": dict(kind="llama", layers=22, width=2048, inner=5632, heads=32, groups=4, vocab=32000, base=1e4,
                           eps=1e-5, tied=False, bias=False),
}


# ---- models with random weights ----------------------------------------------------------------------------------

def make(name, path):
    s = SHAPES[name]
    head = s["width"] // s["heads"]
    q, k = s["heads"] * head, s["groups"] * head
    w = gguf.GGUFWriter(path, s["kind"])
    w.add_block_count(s["layers"])
    w.add_context_length(4096)
    w.add_embedding_length(s["width"])
    w.add_feed_forward_length(s["inner"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["groups"])
    w.add_key_length(head)
    w.add_value_length(head)
    w.add_rope_dimension_count(head)
    w.add_rope_freq_base(s["base"])
    w.add_layer_norm_rms_eps(s["eps"])
    w.add_vocab_size(s["vocab"])
    draw = np.random.default_rng(1)

    def matrix(name, rows, width, reach=None):
        x = draw.standard_normal((rows, width), dtype=np.float32) * (reach or width ** -0.5)
        bits = (x.view(np.uint32) >> 16).astype(np.uint16)  # bf16, so that f32 and bf16 are the same numbers
        w.add_tensor(name, bits.view(np.uint8), raw_shape=(rows, 2 * width),
                     raw_dtype=gguf.GGMLQuantizationType.BF16)

    def vector(name, n, value=1.0):
        w.add_tensor(name, np.full(n, value, np.float32))

    matrix("token_embd.weight", s["vocab"], s["width"], 0.02)
    if not s["tied"]:
        matrix("output.weight", s["vocab"], s["width"])
    vector("output_norm.weight", s["width"])
    for i in range(s["layers"]):
        b = f"blk.{i}."
        vector(b + "attn_norm.weight", s["width"])
        vector(b + "ffn_norm.weight", s["width"])
        for part, rows in (("attn_q", q), ("attn_k", k), ("attn_v", k)):
            matrix(b + part + ".weight", rows, s["width"])
            if s["bias"]:
                vector(b + part + ".bias", rows, 0.01)
        matrix(b + "attn_output.weight", s["width"], q)
        matrix(b + "ffn_gate.weight", s["inner"], s["width"])
        matrix(b + "ffn_up.weight", s["inner"], s["width"])
        matrix(b + "ffn_down.weight", s["width"], s["inner"])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---- a GGUF as a model of transformers ----------------------------------------------------------------------------

def read(path, dtype):
    import torch
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools", "parity"))
    from lora import NAMES
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config
    reader = gguf.GGUFReader(path)
    kind = reader.fields["general.architecture"].contents()
    field = lambda name, other=None: (reader.fields[f"{kind}.{name}"].contents()
                                      if f"{kind}.{name}" in reader.fields else other)
    tensors = {t.name: t for t in reader.tensors}
    width, heads = field("embedding_length"), field("attention.head_count")
    groups = field("attention.head_count_kv", heads)
    config = {"llama": LlamaConfig, "qwen2": Qwen2Config}[kind](
        vocab_size=int(tensors["token_embd.weight"].shape[1]), hidden_size=width,
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=4096,
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"), rope_theta=field("rope.freq_base", 1e4),
        tie_word_embeddings="output.weight" not in tensors, attn_implementation="sdpa")
    torch.set_default_dtype(dtype)
    model = AutoModelForCausalLM.from_config(config)
    torch.set_default_dtype(torch.float32)
    whole = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
             "output.weight": "lm_head.weight"}
    named = dict(model.named_parameters())
    for name, t in tensors.items():
        x = torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32))
        x = x.view(*[int(n) for n in reversed(t.shape)])
        part = name.split(".")[2] if name.startswith("blk") else ""
        if kind == "llama" and part in ("attn_q", "attn_k"):
            h = heads if part == "attn_q" else groups
            x = x.view(h, x.shape[0] // h // 2, 2, -1).transpose(1, 2).reshape(x.shape)
        to = whole.get(name) or f"model.layers.{name.split('.')[1]}.{NAMES[part]}.{name.split('.')[3]}"
        named[to].data.copy_(x)
    return model.eval()


# ---- training --------------------------------------------------------------------------------------------------------

def tokens_of(step, o, vocab):
    """The formula of bench_train.c."""
    i = np.arange(o.count * o.length, dtype=np.int64)
    token = (i * 7919 + step * 104729 + i * i % 8191 * 31) % vocab
    at = i % o.length
    learnt = (at >= o.length - o.length // 4) & (at + 1 < o.length)
    return token, learnt


def run(o):
    import torch
    from peft import LoraConfig, get_peft_model
    torch.set_num_threads(o.threads)
    base = read(o.model, torch.bfloat16 if o.bf16 else torch.float32)
    vocab = base.config.vocab_size
    peft = get_peft_model(base, LoraConfig(
        r=o.rank, lora_alpha=2 * o.rank, lora_dropout=o.dropout, target_modules=[
            "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])).train()
    inner, head = base.model, base.lm_head
    if o.compile:
        inner = torch.compile(inner)
    adam = torch.optim.AdamW([p for p in peft.parameters() if p.requires_grad], lr=1e-4, weight_decay=0, fused=True)
    first = None
    for step in range(o.steps + 1 + o.warm):
        if step == 1 + o.warm:
            wall, cpu = time.time(), time.process_time()
        token, learnt = tokens_of(step, o, vocab)
        ids = torch.from_numpy(token).view(o.count, o.length)
        where = torch.from_numpy(np.flatnonzero(learnt))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.bf16):
            x = inner(input_ids=ids, use_cache=False).last_hidden_state.reshape(len(token), -1)
            logits = head(x)[where] if o.whole_head else head(x[where])
        loss = torch.nn.functional.cross_entropy(logits.float(), torch.from_numpy(token)[where + 1])
        loss.backward()
        adam.step()
        adam.zero_grad(set_to_none=True)
        last = loss.item()
        first = last if step == 1 + o.warm else first
    n = o.steps * o.count * o.length
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"tokens_per_second": round(n / (time.time() - wall), 1),
                      "us_of_processor_a_token": round((time.process_time() - cpu) / n * 1e6, 1), "peak_mib": peak,
                      "first_loss": round(first, 6), "last_loss": round(last, 6)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "run"])
    parser.add_argument("model")
    parser.add_argument("file", nargs="?")
    for name, value in (("rank", 128), ("length", 256), ("count", 4), ("steps", 2), ("threads", os.cpu_count()),
                        ("warm", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--dropout", type=float, default=0.05)
    for name in ("bf16", "compile", "whole-head"):
        parser.add_argument(f"--{name}", action="store_true")
    o = parser.parse_args()
    make(o.model, o.file) if o.what == "make" else run(o)


if __name__ == "__main__":
    main()
