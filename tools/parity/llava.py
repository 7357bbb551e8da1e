"""LLaVA checkpoints converted by `rap convert` and by llama.cpp's own converters, compared.

    LLAMA_SOURCE=... python tools/parity/llava.py build/rap [CASE...]

Every checkpoint has random weights and small sizes, but the true layout: LLaVA's authors' (shards of torch.save or
safetensors, the tower inside or in a folder of its own), its Phi-3 variant, and Hugging Face's before and since
transformers 4.52. Compared are:

    model.gguf   tensors (names, shapes, types, bytes) and keys with convert_hf_to_gguf.py's, for each type
    mmproj.gguf  tensors with those of the same converter's base class for image towers, and tensors and keys with the
                 older convert_image_encoder_to_gguf.py's, which is the one that knows LLaVA
    q4_k_m, q6_k tensors with llama.cpp's quantiser on the other converter's file
    tokens       of 1,000 texts with the other file's and with transformers'
    logits       and a picture's tokens, with transformers'

The converters of llama.cpp v0.5.0 do not know LlavaLlamaForCausalLM by name: they get a copy of the folder whose
config.json says LlamaForCausalLM (Phi3ForCausalLM), as its users do. What they guess about authorship from names and
model cards (general.basename and so on) is not compared.

LLAMA_SOURCE is llama.cpp's source at the pinned version. Needs torch, transformers, sentencepiece, safetensors, gguf,
and a compiler; WORK keeps the files. Exits non-zero when a comparison fails.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LLAMA = Path(os.environ["LLAMA_SOURCE"])
sys.path.insert(0, str(LLAMA / "gguf-py"))
import gguf  # noqa: E402
import sentencepiece as spm  # noqa: E402
from transformers import (CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration,  # noqa: E402
                          Phi3Config)

WORDS, WIDTH, HEADS, KV, FF, LAYERS = 700, 256, 4, 2, 512, 3  # rows of 256 can be quantised
T_WIDTH, T_HEADS, T_FF, T_LAYERS, SIDE, PATCH = 128, 2, 256, 4, 56, 14
PHI3_ADDED = ["<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>",
              "<|placeholder4|>", "<|system|>", "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>"]
PHI3_TEMPLATE = ("{{ bos_token }}{% for message in messages %}{{'<|' + message['role'] + '|>\n' + message['content'] + "
                 "'<|end|>\n'}}{% endfor %}{{'<|assistant|>\n'}}")
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
failures = []


def report(good, what, detail=""):
    print(("  good  " if good else "  BAD   ") + what + (f": {detail}" if detail else ""), flush=True)
    if not good:
        failures.append(what)


# ---- checkpoints ----

def corpus():
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [line for f in files for line in f.read_text().splitlines() if line.strip()]


def tokenizer(folder, added=(), template=None, image=False):
    """tokenizer.model, and what LLaVA's folders have next to it. Returns the number of tokens."""
    text = folder / "corpus.txt"
    text.write_text("\n".join(corpus()))
    spm.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=WORDS, model_type="bpe", byte_fallback=True,
        character_coverage=0.9995, split_digits=True, allow_whitespace_only_pieces=True, remove_extra_whitespaces=False,
        normalization_rule_name="identity", unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2)
    text.unlink()
    (folder / "tokenizer.vocab").unlink()
    added = list(added) + (["<image>", "<pad>"] if image else [])
    base = {"<unk>": 0, "<s>": 1, "</s>": 2}
    ids = {**base, **{a: WORDS + i for i, a in enumerate(added)}}
    config = dict(tokenizer_class="LlamaTokenizer", add_bos_token=True, add_eos_token=False, bos_token="<s>",
                  eos_token="<|endoftext|>" if "<|endoftext|>" in added else "</s>", unk_token="<unk>", legacy=False,
                  model_max_length=4096, clean_up_tokenization_spaces=False,
                  added_tokens_decoder={str(i): dict(content=a, special=a != "<|placeholder1|>", normalized=False,
                                                     lstrip=False, rstrip=False, single_word=False)
                                        for a, i in ids.items()})
    if template:
        config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    if added:
        (folder / "added_tokens.json").write_text(json.dumps({a: ids[a] for a in added}))
    return WORDS + len(added)


def randomise(model, seed):
    """Weights under which every part matters."""
    g = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        if p.dim() >= 2:
            scale = 0.3 if "embed" in name and "patch" not in name else p[0].numel() ** -0.5
            p.data.copy_(torch.randn(p.shape, generator=g) * scale)
        else:
            p.data.copy_(("norm" in name and "bias" not in name) + 0.1 * torch.randn(p.shape, generator=g))
    return model


def text_fields(phi3, words, long_rope):
    t = dict(vocab_size=words, hidden_size=WIDTH, intermediate_size=FF, num_hidden_layers=LAYERS,
             num_attention_heads=HEADS, num_key_value_heads=KV, max_position_embeddings=4096, rms_norm_eps=1e-5,
             bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_act="silu", tie_word_embeddings=False,
             rope_theta=10000.0)
    if phi3:
        t.update(original_max_position_embeddings=4096, sliding_window=2047, eos_token_id=32000 % words)
    if long_rope:
        half = WIDTH // HEADS // 2
        t.update(max_position_embeddings=16384,
                 rope_scaling=dict(type="longrope", long_factor=[1 + i / 7 for i in range(half)],
                                   short_factor=[1 + i / 50 for i in range(half)]))
    return t


def model_of(phi3, words, seed, dtype, long_rope=False):
    t = text_fields(phi3, words, long_rope)
    vision = CLIPVisionConfig(hidden_size=T_WIDTH, intermediate_size=T_FF, num_hidden_layers=T_LAYERS,
                              num_attention_heads=T_HEADS, image_size=SIDE, patch_size=PATCH, projection_dim=64)
    config = LlavaConfig(text_config=(Phi3Config if phi3 else LlamaConfig)(**t), vision_config=vision,
                         image_token_id=words - 1, vision_feature_layer=-2, tie_word_embeddings=False)
    return randomise(LlavaForConditionalGeneration(config).eval(), seed).to(dtype), t


def plain(model):
    """The tensors under neutral names: decoder., head, projector.1, projector.2, tower."""
    out = {}
    for name, value in model.state_dict().items():
        name = re.sub(r"^model\.language_model\.", "decoder.", name)
        name = re.sub(r"^lm_head\.", "head.", name)
        name = re.sub(r"^model\.multi_modal_projector\.linear_", "projector.", name)
        name = re.sub(r"^model\.vision_tower\.(vision_model\.)?", "tower.", name)
        out[name] = value.detach().contiguous().clone()
    return out


NAMES = {
    "authors": {"decoder.": "model.", "head.": "lm_head.", "projector.1": "model.mm_projector.0",
                "projector.2": "model.mm_projector.2", "tower.": "model.vision_tower.vision_tower.vision_model."},
    "old": {"decoder.": "language_model.model.", "head.": "language_model.lm_head.",
            "projector.": "multi_modal_projector.linear_", "tower.": "vision_tower.vision_model."},
    "new": {"decoder.": "model.language_model.", "head.": "lm_head.",
            "projector.": "model.multi_modal_projector.linear_", "tower.": "model.vision_tower.vision_model."},
}


def renamed(tensors, layout, keep=lambda name: True):
    out = {}
    for name, value in tensors.items():
        start = next(k for k in NAMES[layout] if name.startswith(k))
        if keep(name):
            out[NAMES[layout][start] + name[len(start):]] = value
    return out


def save(folder, tensors, how):
    """how: "safetensors", or shards: "bin", "shards"."""
    if how == "safetensors":
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    ending, base = (".bin", "pytorch_model") if how == "bin" else (".safetensors", "model")
    names, where = sorted(tensors), {}
    for k, half in enumerate((names[:len(names) // 2], names[len(names) // 2:])):
        part = {n: tensors[n] for n in half}
        file = f"{base}-{k + 1:05d}-of-00002{ending}"
        torch.save(part, folder / file) if how == "bin" else save_file(part, folder / file, metadata={"format": "pt"})
        where.update({n: file for n in part})
    (folder / f"{base}{ending}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def vision_fields():
    return dict(hidden_size=T_WIDTH, intermediate_size=T_FF, num_hidden_layers=T_LAYERS, num_attention_heads=T_HEADS,
                image_size=SIDE, patch_size=PATCH, projection_dim=64, hidden_act="quick_gelu", layer_norm_eps=1e-5)


def tower_folder(folder, tensors):
    """CLIPVisionModel's folder: what mm_vision_tower names."""
    folder.mkdir()
    save_file({"vision_model." + n[6:]: v.float() for n, v in tensors.items() if n.startswith("tower.")},
              folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(dict(vision_fields(), architectures=["CLIPVisionModel"],
                                                        model_type="clip_vision_model")))
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(image_mean=MEAN, image_std=STD)))


def authors(work, phi3=False, how="bin", inside=False, dtype=torch.float16, seed=1, long_rope=False):
    d = work / "checkpoint"
    d.mkdir()
    words = tokenizer(d, PHI3_ADDED if phi3 else (), PHI3_TEMPLATE if phi3 else None)
    words += 1 + -(words + 1) % 64  # rows behind the tokens
    model, t = model_of(phi3, words, seed, dtype, long_rope)
    tensors = plain(model)
    save(d, renamed(tensors, "authors", lambda n: inside or not n.startswith("tower.")), how)
    tower_folder(work / "tower", tensors)
    kind = ("LlavaPhiForCausalLM", "llava_phi") if phi3 else ("LlavaLlamaForCausalLM", "llava")
    config = dict(t, architectures=[kind[0]], model_type=kind[1], mm_hidden_size=T_WIDTH,
                  mm_projector_type="mlp2x_gelu", mm_vision_select_feature="patch", mm_vision_select_layer=-2,
                  mm_vision_tower="openai/clip-vit-large-patch14-336", image_aspect_ratio="pad", use_mm_proj=True)
    (d / "config.json").write_text(json.dumps(config, indent=1))
    (d / "generation_config.json").write_text(json.dumps(dict(temperature=0.9, top_p=0.6, max_length=4096)))
    known = shutil.copytree(d, work / "known")  # the same under a name that the other converter knows
    (known / "config.json").write_text(json.dumps(
        dict(config, architectures=["Phi3ForCausalLM" if phi3 else "LlamaForCausalLM"],
             model_type="phi3" if phi3 else "llama")))
    # the towers are small here, so the checkpoint's config does not tell of them: their folder is needed
    return model, d, known, ["--tower", str(work / "tower")]


def hugging_face(work, layout, dtype, seed, phi3=False):
    d = work / "checkpoint"
    d.mkdir()
    words = tokenizer(d, PHI3_ADDED if phi3 else (), image=True)
    words += 1 + -(words + 1) % 64
    model, t = model_of(phi3, words, seed, dtype)
    tensors = plain(model)
    save(d, renamed(tensors, layout), "safetensors")
    tower_folder(work / "tower", tensors)
    shutil.copy(work / "tower" / "preprocessor_config.json", d)
    config = dict(architectures=["LlavaForConditionalGeneration"], model_type="llava", image_token_index=words - 1,
                  projector_hidden_act="gelu", vision_feature_layer=-2, vision_feature_select_strategy="default",
                  text_config=dict(t, architectures=["Phi3ForCausalLM" if phi3 else "LlamaForCausalLM"],
                                   model_type="phi3" if phi3 else "llama"),
                  vision_config=dict(vision_fields(), model_type="clip_vision_model"))
    (d / "config.json").write_text(json.dumps(config, indent=1))
    return model, d, d, []


def tokenizer_json(folder):
    """tokenizer.model as Hugging Face's library makes a tokenizer.json of it; the model is removed."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    pieces = spm.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    scores = {pieces.id_to_piece(i): pieces.get_score(i) for i in range(pieces.get_piece_size())}
    vocab = {p: i for i, p in enumerate(scores)}
    pairs = []
    for piece, score in scores.items():
        for k in range(1, len(piece)):
            if piece[:k] in vocab and piece[k:] in vocab and not piece.startswith("<0x"):
                pairs.append((-score, vocab[piece[:k]], vocab[piece[k:]], piece[:k], piece[k:]))
    merges = [(a, b) for _, _, _, a, b in sorted(pairs)]
    tok = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>", "<image>", "<pad>")])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tok.save(str(folder / "tokenizer.json"))


def hf_json(work):
    result = hugging_face(work, "old", torch.float16, 8)
    tokenizer_json(work / "checkpoint")
    (work / "checkpoint" / "tokenizer.model").rename(work / "tokenizer.model")
    return result


CASES = {
    "vicuna-bin": lambda w: authors(w),
    "vicuna-inside": lambda w: authors(w, how="shards", inside=True, dtype=torch.bfloat16, seed=2),
    "phi3": lambda w: authors(w, phi3=True, how="shards", seed=3),
    "phi3-long": lambda w: authors(w, phi3=True, how="safetensors", inside=True, seed=4, long_rope=True),
    "hf-old": lambda w: hugging_face(w, "old", torch.float16, 5),
    "hf-new": lambda w: hugging_face(w, "new", torch.float32, 6),
    "hf-json": hf_json,
    "hf-phi3": lambda w: hugging_face(w, "new", torch.float16, 7, phi3=True),
}

# ---- the other converters ----

BASE = r'''
import sys
sys.path.insert(0, {llama!r})
from conversion.base import MmprojModel, ModelBase, gguf
import conversion


class ClipLlava(MmprojModel):
    """What convert_hf_to_gguf.py lacks: a CLIP under LLaVA's projector. Types and names are its base class's."""
    model_arch = gguf.MODEL_ARCH.MMPROJ

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        layer = self.global_config.get("vision_feature_layer", -2)
        self.blocks = self.hparams["num_hidden_layers"] + 1 + layer

    def set_gguf_parameters(self):
        super().set_gguf_parameters()
        self.gguf_writer.add_string("clip.projector_type", "mlp")
        self.gguf_writer.add_vision_attention_layernorm_eps(self.hparams["layer_norm_eps"])

    def modify_tensors(self, data, name, bid):
        name = name.replace("model.multi_modal_projector", "multi_modal_projector").replace("model.vision_tower", "vision_tower")
        name = name.replace("linear_1", "0").replace("linear_2", "2") if "projector" in name else name
        if "projector" in name:
            yield "mm." + name.split("projector.")[1], data
        elif name.startswith("vision_tower.") and "post_layernorm" not in name and not (bid is not None and bid >= self.blocks):
            yield from super().modify_tensors(data, name, bid)

conversion.get_model_class = lambda name, mmproj=False: ClipLlava
import runpy
sys.argv = sys.argv[1:]
'''
RUN = "runpy.run_path({script!r}, run_name='__main__')"


def python(code, *arguments):
    r = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stdout[-1000:] + r.stderr[-3000:])


def other_model(folder, out, kind):
    python(f"import sys, runpy; sys.path.insert(0, {str(LLAMA)!r}); sys.argv = sys.argv[1:]\n" +
           RUN.format(script=str(LLAMA / "convert_hf_to_gguf.py")), "convert", folder, "--outfile", out, "--outtype", kind,
           "--model-name", folder.parent.name)  # llama.cpp tokenises as Phi-3 does where the name says so


def other_tower(folder, out, kind):
    python(BASE.format(llama=str(LLAMA)) + RUN.format(script=str(LLAMA / "convert_hf_to_gguf.py")), "convert", folder, "--outfile", out, "--outtype",
           kind, "--mmproj")


def legacy_tower(work, checkpoint, tower):
    """The older pair of scripts. Their transformers calls the tensors of a tower vision_model.…: so are these made."""
    scripts = LLAMA / "tools" / "mtmd" / "legacy-models"
    copy = shutil.copytree(checkpoint, work / "surgery")
    python("import sys, runpy; sys.argv = sys.argv[1:]\n" + RUN.format(script=str(scripts / "llava_surgery_v2.py")),
           "surgery", "-m", copy)
    vision = shutil.copytree(tower, work / "legacy")
    config = json.loads((vision / "config.json").read_text())
    (vision / "config.json").write_text(json.dumps(dict(config, mm_vision_select_layer=-2)))
    names = ("import transformers as t, torch\nold = t.CLIPVisionModel.state_dict\n"
             "t.CLIPVisionModel.vision_model = property(lambda self: self)\n"
             "t.CLIPVisionModel.state_dict = lambda self, *a, **k: {n if n.startswith('vision_model.') else "
             "'vision_model.' + n: v for n, v in old(self, *a, **k).items()}\n")
    python(f"import sys, runpy; sys.path.insert(0, {str(LLAMA / 'gguf-py')!r})\n" + names + "sys.argv = sys.argv[1:]\n"
           + RUN.format(script=str(scripts / "convert_image_encoder_to_gguf.py")), "convert", "-m", vision,
           "--clip-model-is-vision", "--llava-projector", copy / "llava.projector", "--output-dir", work)
    return work / "mmproj-model-f16.gguf"


# ---- comparisons ----

def read(path):
    r = gguf.GGUFReader(str(path))
    return ({k: f.contents() for k, f in r.fields.items() if not k.startswith("GGUF.")},
            {t.name: (t.tensor_type.name, tuple(int(n) for n in t.shape), t.data.tobytes()) for t in r.tensors}, r)


AUTHORSHIP = {"general." + k for k in ("name", "basename", "finetune", "version", "organization", "size_label", "license",
                                       "tags", "languages", "description")}


def same_tensors(what, ours, theirs):
    names = set(ours) ^ set(theirs)
    bad = [n for n in sorted(set(ours) & set(theirs)) if ours[n] != theirs[n]]
    report(not names and not bad, f"{what}: {len(ours)} tensors equal in name, shape, type and bytes",
           "" if not names and not bad else f"only one has {sorted(names)[:6]}, different {bad[:6]}")


def same_keys(what, ours, theirs, ignore=()):
    keys = sorted((set(ours) | set(theirs)) - AUTHORSHIP - set(ignore))
    bad = [k for k in keys if ours.get(k) != theirs.get(k)]
    report(not bad, f"{what}: {len(keys)} keys equal",
           "; ".join(f"{k}: {str(ours.get(k))[:60]} | {str(theirs.get(k))[:60]}" for k in bad[:8]))


def values(reader):
    out = {}
    for t in reader.tensors:
        data = gguf.quants.dequantize(t.data, t.tensor_type)
        out[t.name] = data.reshape(tuple(int(n) for n in reversed(t.shape)))
    return out


def compare_legacy(ours, theirs):
    """The older script exchanges the names of the feed-forward's matrices, which the loader knows, and rounds the
    table of positions to f16."""
    swap = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}
    a, b = values(ours[2]), values(theirs[2])
    b = {re.sub("ffn_up|ffn_down", lambda m: swap[m[0]], n): v for n, v in b.items()}
    bad = [n for n in sorted(set(a) | set(b)) if n not in a or n not in b or
           not np.array_equal(a[n].squeeze().astype(np.float16), b[n].squeeze().astype(np.float16))]
    report(not bad, f"mmproj f16 against the older script: {len(a)} tensors equal as f16", str(bad[:6]) if bad else "")
    same_keys("mmproj f16 against the older script", ours[0], theirs[0],
              ["general.type", "general.quantization_version", "general.sampling.temp", "general.sampling.top_p",
               "clip.vision.projection_dim"])


def texts():
    """1,000 of them: lines, pieces of lines, other scripts, white space, added tokens."""
    r = random.Random(7)
    lines = corpus()
    other = ["Žluťoučký kůň", "שלום עולם", "日本語のテキスト", "🦆 duck\u200d 👩‍🚀", "naïve café", "Ωμέγα", "\u2581 mark", "e\u0301"]
    marks = ["</s>", "<s>", "<|end|>", "<|user|>\n", "<image>", "  ", "\n\n", "\t", " ", "0.5", "12345", "<0x41>"]
    out = []
    while len(out) < 1000:
        line = r.choice(lines)
        a = r.randrange(len(line))
        text = [line, line[a:a + r.randrange(1, 40)], r.choice(other) + line[:a], r.choice(marks[4:]) + line[a:],
                " ".join(r.choice(other + marks[4:]) for _ in range(4))][len(out) % 5]
        if text and "<image>" not in text:
            out.append(text)
    return out


def probe(program, *arguments, stdin=b""):
    r = subprocess.run([program, *map(str, arguments)], input=stdin, capture_output=True)
    if r.returncode:
        sys.exit(f"llava_probe {arguments[0]}: {r.stderr.decode()}")
    return r.stdout


def tokens_of(program, model, all_texts):
    lines = probe(program, "tokens", model, stdin=b"".join(t.encode() + b"\0" for t in all_texts)).decode().splitlines()
    return [[int(i) for i in line.split()] for line in lines]


def reference_tokens(work, all_texts):
    model = work / "checkpoint" / "tokenizer.model"
    tok = spm.SentencePieceProcessor(model_file=str(model if model.exists() else work / "tokenizer.model"))
    return [[1] + tok.encode(t) for t in all_texts]


def compare_vocabulary(work, ours, theirs):
    """Ours from tokenizer.json: the scores of the tokenizer.model that it was made of. Theirs has one score for all."""
    pieces = spm.SentencePieceProcessor(model_file=str(work / "tokenizer.model"))
    tokens, scores = ours["tokenizer.ggml.tokens"], ours["tokenizer.ggml.scores"]
    count = pieces.get_piece_size()
    report(tokens[:count] == [pieces.id_to_piece(i) for i in range(count)], "pieces of tokenizer.json equal tokenizer.model's")
    bad = [i for i in range(259, count) if scores[i] != pieces.get_score(i)]
    report(not bad, f"scores of {count - 259} pieces equal tokenizer.model's",
           str([(tokens[i], scores[i], pieces.get_score(i)) for i in bad[:3]]) if bad else "")
    print("        the other converter's scores:", sorted(set(theirs["tokenizer.ggml.scores"])))


def compare_numbers(program, model, out, name):
    """f32 on both sides, of the checkpoint's numbers; a fresh model, because that one's rotations were rounded too."""
    fresh = LlavaForConditionalGeneration(model.config).eval().float()
    fresh.load_state_dict({k: v.float() for k, v in model.state_dict().items()})
    model = fresh
    ids = [1] + [int(i) for i in np.random.default_rng(3).integers(3, WORDS, 40)]
    with torch.no_grad():
        wanted = model.model.language_model(torch.tensor([ids])).last_hidden_state
        wanted = model.lm_head(wanted)[0].numpy()
    got = np.frombuffer(probe(program, "logits", out / "model.gguf", *ids), np.float32).reshape(wanted.shape)
    error = np.abs(got - wanted).max() / np.abs(wanted).max()
    report(error < 5e-4 and np.array_equal(got.argmax(1), wanted.argmax(1)), f"logits of {len(ids)} positions against transformers",
           f"largest error {error:.1e}")
    rgb = np.random.default_rng(4).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels = torch.tensor((rgb / 255 - MEAN) / STD, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.no_grad():
        features = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        wanted = model.model.multi_modal_projector(features)[0].numpy()
    got = np.frombuffer(probe(program, "picture", out / "model.gguf", out / "mmproj.gguf", SIDE, stdin=rgb.tobytes()), np.float32)
    error = np.linalg.norm(got.reshape(wanted.shape) - wanted) / np.linalg.norm(wanted)
    report(error < 2e-3, "a picture's tokens against transformers", f"relative error {error:.1e}")


def run_rap(rap, *arguments):
    r = subprocess.run([rap, "convert", *map(str, arguments)], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"rap convert: {r.stderr}")


def quantised(work, program_folder, source, kind):
    """llama.cpp's quantiser on the other converter's file."""
    out = work / f"other-{kind}.gguf"
    r = subprocess.run([program_folder / "llava_quantise", source, out, kind], capture_output=True)
    if r.returncode:
        sys.exit("llava_quantise failed")
    return out


def compile_probes(work):
    home = Path(subprocess.run([ROOT / "tools/setup/llama.sh"], capture_output=True, text=True, check=True).stdout.strip())
    libraries = ["-Wl,--start-group", *map(str, (home / "lib").glob("*.a")), "-Wl,--end-group", "-lstdc++", "-lm",
                 "-lpthread", "-ldl", "-fopenmp"]
    source = work / "quantise.c"
    source.write_text('#include <llama.h>\n#include <string.h>\nint main(int n, char **a) { struct llama_model_quantize_params p '
                      '= llama_model_quantize_default_params(); p.ftype = !strcmp(a[3], "q4_k_m") ? LLAMA_FTYPE_MOSTLY_Q4_K_M '
                      ': LLAMA_FTYPE_MOSTLY_Q6_K; return (int)llama_model_quantize(a[1], a[2], &p); }\n')
    for name, file in (("llava_probe", HERE / "llava_probe.c"), ("llava_quantise", source)):
        subprocess.run(["cc", "-O2", "-I", home / "include", file, "-o", work / name, *libraries], check=True)


def natural(dtype):
    return {torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32"}[dtype]


def run_case(rap, root, name):
    print(name, flush=True)
    work = root / name
    work.mkdir()
    model, checkpoint, known, flags = CASES[name](work)
    kept = natural(model.lm_head.weight.dtype)
    hf = name.startswith("hf")
    # of a tokenizer.json the other converter loses the order of the merges; and it writes no rows behind the tokens
    vocabulary = ["tokenizer.ggml." + k for k in ("tokens", "scores", "token_type")] if name == "hf-json" else []
    for kind in ("f32", "f16", "bf16", "q8_0", None):
        out = work / (kind or "kept")
        run_rap(rap, checkpoint, out, *flags, *(["--type", kind] if kind else []))
        other_model(known, work / "other.gguf", kind or kept)
        ours, theirs = read(out / "model.gguf"), read(work / "other.gguf")
        same_tensors(f"model {kind or 'as it is'}", ours[1], theirs[1])
        same_keys(f"model {kind or 'as it is'}", ours[0], theirs[0], vocabulary)
        if hf:
            other_tower(checkpoint, work / "other-mmproj.gguf", kind or kept)
            same_tensors(f"mmproj {kind or 'as it is'}", read(out / "mmproj.gguf")[1], read(work / "other-mmproj.gguf")[1])
    if name not in ("hf-new", "hf-phi3"):  # the older script knows neither the names since transformers 4.52
        compare_legacy(read(work / "f16" / "mmproj.gguf"), read(legacy_tower(work, checkpoint, work / "tower")))
    for kind in ("q4_k_m", "q6_k"):
        run_rap(rap, checkpoint, work / kind, *flags, "--type", kind)
        ours, theirs = read(work / kind / "model.gguf"), read(quantised(work, root, work / "other.gguf", kind))
        same_tensors(f"model {kind}", ours[1], theirs[1])
        same_keys(f"model {kind}", ours[0], theirs[0], vocabulary)
    all_texts = texts()
    ours = tokens_of(root / "llava_probe", work / "f32" / "model.gguf", all_texts)
    wanted = reference_tokens(work, all_texts)
    if not vocabulary:
        theirs = tokens_of(root / "llava_probe", work / "other.gguf", all_texts)
        report(ours == theirs, "tokens of 1,000 texts against the other file")
    else:
        compare_vocabulary(work, read(work / "f32" / "model.gguf")[0], read(work / "other.gguf")[0])
    plain_texts = [i for i, t in enumerate(all_texts) if "<" not in t]
    bad = [i for i in plain_texts if ours[i] != wanted[i]]
    report(not bad, f"tokens of {len(plain_texts)} of them, without added tokens, against SentencePiece",
           repr(all_texts[bad[0]]) + f" and {len(bad) - 1} more" if bad else "")
    compare_numbers(root / "llava_probe", model, work / "f32", name)


if __name__ == "__main__":
    rap = Path(sys.argv[1]).resolve()
    root = Path(os.environ.get("WORK") or tempfile.mkdtemp())
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    compile_probes(root)
    for case in sys.argv[2:] or CASES:
        run_case(rap, root, case)
    print("all equal" if not failures else f"{len(failures)} comparisons failed")
    sys.exit(bool(failures))
