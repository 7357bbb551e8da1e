"""Checks the conversion of full-size CLIPs with random weights against transformers. Nothing is kept.

    python tools/parity/check_clip_full.py RAP [--model b32|b16|l14|l14-336] [--vocab bpe_simple_vocab_16e6.txt.gz]

Writes the model as Hugging Face publishes it and, with the same weights, as OpenAI's state dict, converts both
with RAP (the program), compares the two GGUF files byte for byte and the features with those of the reference,
in f32 and bf16, and what each output type costs. Needs torch, transformers, pillow and a few GB of disk.
"""
import argparse
import gzip
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

from make_clip import byte_symbols, features_of, picture, pixels

MODELS = {  # image: width, layers, heads, patch, side; text: width, heads; shared space
    "b32": (768, 12, 12, 32, 224, 512, 8, 512),
    "b16": (768, 12, 12, 16, 224, 512, 8, 512),
    "l14": (1024, 24, 16, 14, 224, 768, 12, 768),
    "l14-336": (1024, 24, 16, 14, 336, 768, 12, 768),
}
VOCABULARY, MERGES = 49408, 48894
TEXTS = ["a photo of a dog", "my grey cat Bo with the red scarf, asleep on a chair"]


def build(name):
    width, layers, heads, patch, side, text_width, text_heads, embed = MODELS[name]
    torch.manual_seed(0)
    return CLIPModel(CLIPConfig(
        projection_dim=embed,
        vision_config=dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
                           num_attention_heads=heads, patch_size=patch, image_size=side, projection_dim=embed),
        text_config=dict(hidden_size=text_width, intermediate_size=4 * text_width, num_hidden_layers=12,
                         num_attention_heads=text_heads, vocab_size=VOCABULARY, projection_dim=embed,
                         bos_token_id=VOCABULARY - 2, eos_token_id=VOCABULARY - 1))).eval(), side


def vocabulary(path):
    """The published merges, or as many made up: pairs of symbols, none twice."""
    if path:
        lines = gzip.open(path, "rt", encoding="utf-8").read().split("\n")
        return lines[1:MERGES + 1]
    symbols = byte_symbols()
    return [f"{a} {b}" for a in symbols for b in symbols][:MERGES]


def write_vocabulary(folder, merges):
    symbols = byte_symbols()
    words = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    with open(f"{folder}/vocab.json", "w") as f:
        json.dump({word: i for i, word in enumerate(words)}, f, ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")


def openai_names(state):
    """The same tensors as OpenAI names and shapes them."""
    renames = [(r"^vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
               (r"^vision_model\.embeddings\.patch_embedding", "visual.conv1"),
               (r"^vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
               (r"^vision_model\.pre_layrnorm", "visual.ln_pre"),
               (r"^vision_model\.post_layernorm", "visual.ln_post"),
               (r"^vision_model\.encoder\.layers", "visual.transformer.resblocks"),
               (r"^text_model\.embeddings\.token_embedding", "token_embedding"),
               (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
               (r"^text_model\.final_layer_norm", "ln_final"),
               (r"^text_model\.encoder\.layers", "transformer.resblocks"),
               (r"layer_norm(\d)", r"ln_\1"), (r"mlp\.fc1", "mlp.c_fc"), (r"mlp\.fc2", "mlp.c_proj"),
               (r"self_attn\.out_proj", "attn.out_proj")]
    out = {"visual.proj": state["visual_projection.weight"].T.contiguous(),
           "text_projection": state["text_projection.weight"].T.contiguous()}
    for name, tensor in state.items():
        if "position_ids" in name or name.endswith("projection.weight"):
            continue
        joined = name
        for pattern, new in renames:
            joined = re.sub(pattern, new, joined)
        if ".q_proj." in joined:
            parts = [state[name.replace("q_proj", f"{p}_proj")] for p in "qkv"]
            joined = joined.replace("self_attn.q_proj.", "attn.in_proj_")
            tensor = torch.cat(parts)
        elif re.search(r"\.[kv]_proj\.", joined):
            continue
        out[joined] = tensor
    return out


def run(*command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def embed(rap, gguf, precision, *what):
    folder = os.path.dirname(gguf)
    with open(f"{folder}/profile.json", "w") as f:
        json.dump({"name": "check", "files": {"encoder": {"path": os.path.basename(gguf)}}}, f)
    answer = json.loads(run(rap, "--profile", folder, "embed", *what, "--json", RAP_PRECISION=precision))
    return np.array(answer["feature"]), answer.get("tokens")


def compare(rap, gguf, precision, wanted):
    error, cosine = 0.0, 1.0
    for what, want in wanted:
        got, _ = embed(rap, gguf, precision, *what)
        error = max(error, float(np.linalg.norm(got - want) / np.linalg.norm(want)))
        cosine = min(cosine, float(got @ want / np.linalg.norm(got) / np.linalg.norm(want)))
    return error, cosine


def references(model, side, work):
    wanted = []
    with torch.no_grad():
        for i, size in enumerate([(640, 480), (300, 500)]):
            picture(*size, i).save(f"{work}/{i}.png")
            want = features_of(model.get_image_features(pixels(picture(*size, i), side)))
            wanted.append((("--image", f"{work}/{i}.png"), want.flatten().numpy()))
    return wanted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rap")
    parser.add_argument("--model", choices=MODELS, default="b32")
    parser.add_argument("--vocab")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model, side = build(args.model)
        folder, state_dict = f"{work}/net", f"{work}/pt/net.pt"
        os.makedirs(f"{work}/pt")
        model.save_pretrained(folder)
        write_vocabulary(folder, vocabulary(args.vocab))
        torch.save(openai_names(model.state_dict()), state_dict)
        wanted = references(model, side, work)

        start = time.time()
        run(args.rap, "convert", folder, f"{work}/a.gguf")
        print(f"{args.model}: converted in {time.time() - start:.1f} s, {os.path.getsize(f'{work}/a.gguf') >> 20} MiB")
        run(args.rap, "convert", state_dict, f"{work}/b.gguf", "--vocab", f"{folder}/merges.txt")
        sums = [hashlib.sha256(open(f"{work}/{n}.gguf", "rb").read()).hexdigest() for n in "ab"]
        print("OpenAI's layout gives", "the same file" if sums[0] == sums[1] else "ANOTHER FILE", flush=True)

        wanted += texts(args.rap, model, f"{work}/a.gguf")
        for kind in ("f32", "f16", "bf16", "q8_0"):
            gguf = f"{work}/a.gguf"
            run(args.rap, "convert", folder, gguf, "--type", kind)
            for precision in ("f32", "bf16") if kind == "f32" else ("f32",):
                error, cosine = compare(args.rap, gguf, precision, wanted)
                print(f"{kind:5} {os.path.getsize(gguf) / 2**20:7.1f} MiB, computed in {precision:4}: "
                      f"relative error {error:.1e}, cosine {cosine:.6f}", flush=True)


def texts(rap, model, gguf):
    """The reference gets our tokens: tokenizers are compared elsewhere."""
    wanted = []
    for text in TEXTS:
        _, tokens = embed(rap, gguf, "f32", "--text", text)
        ids = torch.tensor([tokens[:tokens.index(VOCABULARY - 1) + 1]])
        with torch.no_grad():
            want = features_of(model.get_text_features(ids))
        wanted.append((("--text", text), want.flatten().numpy()))
    return wanted


if __name__ == "__main__":
    main()
