#!/usr/bin/env python3
"""lora.py: training and adapters against PyTorch and PEFT, on a small model of each decoder family.

    pip install torch transformers peft gguf safetensors
    python tools/parity/lora.py --build build

For each family: the gradient of every number of the LoRA and the losses of twenty steps of Adam (dropout 0) against
PyTorch + PEFT; an adapter that `rap lora export` wrote loads in PEFT and gives the logits of the merged model; one that PEFT
wrote, through `rap lora import` and `rap lora merge`, gives PEFT's logits. Ends with 1 if a comparison fails."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import torch
from gguf import GGUFReader
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Phi3Config, Qwen2Config, Qwen3Config

CONFIGS = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config, "phi3": Phi3Config}
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj",
         "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
         "ffn_norm": "post_attention_layernorm", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}


class Model:
    """A GGUF as a model of transformers."""

    def __init__(self, path):
        reader = GGUFReader(path)
        field = lambda name: reader.fields[f"{self.kind}.{name}"].contents()
        self.kind = reader.fields["general.architecture"].contents()
        self.weights = {t.name: torch.tensor(t.data.copy()).float() for t in reader.tensors}
        self.heads, self.groups = field("attention.head_count"), field("attention.head_count_kv")
        head, dims = field("attention.key_length"), field("rope.dimension_count")
        width = field("embedding_length")
        more = {} if self.kind == "qwen2" else {"head_dim": head}
        if self.kind == "phi3":
            more.update(partial_rotary_factor=dims / head, pad_token_id=0)
        elif self.kind == "qwen2" and width // self.heads != head:
            raise SystemExit(f"{path}: qwen2 with heads of {head}")
        config = CONFIGS[self.kind](
            vocab_size=self.weights["token_embd.weight"].shape[0], hidden_size=width,
            intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
            num_attention_heads=self.heads, num_key_value_heads=self.groups, max_position_embeddings=64,
            rms_norm_eps=field("attention.layer_norm_rms_epsilon"), rope_theta=field("rope.freq_base"),
            tie_word_embeddings="output.weight" not in self.weights, attn_implementation="eager", **more)
        self.model = AutoModelForCausalLM.from_config(config).float().eval()
        state = {self.name(n): self.rows(n, w) for n, w in self.weights.items() if n != "rope_freqs.weight"}
        missing, odd = self.model.load_state_dict(state, strict=False)
        if odd or [m for m in missing if m != "lm_head.weight"]:
            raise SystemExit(f"{path}: {missing} {odd}")
        if "rope_freqs.weight" in self.weights:
            self.model.model.rotary_emb.inv_freq /= self.weights["rope_freqs.weight"].flatten()

    def name(self, name):
        """The name in transformers."""
        whole = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
                 "output.weight": "lm_head.weight"}
        if name in whole:
            return whole[name]
        _, layer, part, end = name.split(".", 3)
        module = "mlp.gate_up_proj" if self.kind == "phi3" and part == "ffn_up" else NAMES[part]
        return f"model.layers.{layer}.{module}.{end}"

    def rows(self, name, w):
        """A GGUF's llama has the pairs that are rotated side by side; transformers half a head apart."""
        heads = {"attn_q": self.heads, "attn_k": self.groups}.get(name.split(".")[2] if name.startswith("blk") else "")
        if self.kind != "llama" or not heads:
            return w
        return w.view(heads, w.shape[0] // heads // 2, 2, -1).transpose(1, 2).reshape(w.shape)


def worst(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def embed(model, batch, begin, end, pictures):
    tokens = torch.tensor(batch["token"][begin:end])
    rows = model.get_input_embeddings()(tokens.clamp(min=0)).clone()
    rows[tokens < 0] = pictures
    return rows[None]


def loss_of(model, batch):
    """The sum over the targets; each sequence by itself."""
    pixels = torch.tensor(batch["pixels"]).view(2, -1)
    total = 0
    for i in range(2):
        begin, end = batch["begin"][i:i + 2]
        logits = model(inputs_embeds=embed(model, batch, begin, end, pixels if i == 0 else pixels[:0])).logits[0]
        total = total + torch.nn.functional.cross_entropy(
            logits, torch.tensor(batch["target"][begin:end]), ignore_index=-1, reduction="sum")
    return total


def pairs(peft, base, batch):
    """A and B of each linear layer, in the order of our numbers."""
    named = dict(peft.named_parameters())
    for gguf in batch["order"]:
        key = "base_model.model." + base.name(gguf)[:-len(".weight")]
        yield gguf, named[f"{key}.lora_A.default.weight"], named[f"{key}.lora_B.default.weight"]


def gradients(peft, base, batch):
    """The worst difference over all pairs, relative to the largest number."""
    ours, at, most = torch.tensor(batch["grad"]), 0, 0
    largest = ours.abs().max()
    for gguf, a, b in pairs(peft, base, batch):
        for p in (a, b):
            mine = ours[at:at + p.numel()].view(p.shape)
            mine = base.rows(gguf, mine) if p is b else mine
            most = max(most, ((mine - p.grad).abs().max() / largest).item())
            at += p.numel()
    if at != len(ours):
        raise SystemExit(f"{at} numbers, not {len(ours)}")
    return most


def train(peft, base, batch):
    """Worst gradient of the first step and worst loss of all."""
    adam = torch.optim.AdamW([p for p in peft.parameters() if p.requires_grad], lr=batch["rate"], weight_decay=0)
    most, first = 0, None
    for loss in batch["loss"]:
        adam.zero_grad()
        theirs = loss_of(peft, batch)
        (0.1 * theirs).backward()
        first = gradients(peft, base, batch) if first is None else first
        most = max(most, abs(loss / theirs.item() - 1))
        adam.step()
    return first, most


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def family(rap, folder, i):
    path = lambda name: os.path.join(folder, f"{i}.{name}")
    batch = json.load(open(path("json")))
    ids = torch.arange(3, 30)[None]
    # ours in PEFT
    run(rap, "lora", "export", path("adapter.gguf"), "--model", path("gguf"), "--out", path("peft"))
    run(rap, "lora", "merge", path("adapter.gguf"), "--model", path("gguf"), "--out", path("merged.gguf"))
    base = Model(path("gguf"))
    plain = base.model(ids).logits
    peft = PeftModel.from_pretrained(base.model, path("peft"), is_trainable=True).eval()
    mine = peft(ids).logits
    found = {"export": worst(Model(path("merged.gguf")).model(ids).logits, mine)}
    found["gradients"], found["losses"] = train(peft, base, batch)
    # PEFT's in ours
    base = Model(path("gguf"))
    torch.manual_seed(i)
    peft = get_peft_model(base.model, LoraConfig(r=5, lora_alpha=9, use_rslora=i % 2 == 1, target_modules=[
        base.name(n).split(".")[-2] for n in batch["order"][:len(batch["order"]) // 2]])).eval()
    for name, p in peft.named_parameters():
        if "lora_" in name:
            torch.nn.init.uniform_(p.data, -0.5, 0.5)
    peft.save_pretrained(path("theirs"))
    run(rap, "lora", "import", path("theirs"), "--model", path("gguf"), "--out", path("theirs.gguf"))
    run(rap, "lora", "merge", path("theirs.gguf"), "--model", path("gguf"), "--out", path("theirs.merged.gguf"))
    theirs = peft(ids).logits
    found["import"] = worst(Model(path("theirs.merged.gguf")).model(ids).logits, theirs)
    if worst(plain, theirs) < 0.05 or worst(plain, mine) < 0.05:
        raise SystemExit("the adapters change nothing")
    print(f"{base.kind:6} {base.heads}/{base.groups} heads  " + "  ".join(f"{k} {v:.1e}" for k, v in found.items()))
    limits = {"export": 1e-4, "import": 1e-4, "gradients": 1e-4, "losses": 1e-3}
    return all(v < limits[k] for k, v in found.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    build = parser.parse_args().build
    print("worst relative differences to PyTorch and PEFT:")
    with tempfile.TemporaryDirectory() as folder:
        run(os.path.join(build, "tests/test_lora"), folder)
        good = [family(os.path.join(build, "rap"), folder, i) for i in range(5)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
