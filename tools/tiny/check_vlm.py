"""Prove that llama.cpp and PyTorch agree on the tiny VLM: token ids, logits, greedy answers.

    LLAMA_SOURCE=… LLAMA_BUILD=… python tools/tiny/check_vlm.py --checkpoint build/tiny/vlm.pt

Builds check_vlm.c against llama.cpp's libraries, asks both sides the held-out set's questions and
compares; also prints how many answers are right, so it doubles as a quick evaluation.

Reading order: build, check_tokens, prompts of the held-out set, check_answers, main.
"""
import argparse
import glob
import json
import os
import subprocess
import sys

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qa  # noqa: E402
import vlm_data as data  # noqa: E402
from export_vlm import load_tower, load_vlm  # noqa: E402
from vlm_model import greedy, pixels_of  # noqa: E402

MARK = "<__media__>"
ODD = ["", " ", "a", "  two  spaces ", "Ünïcödé 猫 🐶 name", "<s></s><unk><0x41>", "0.12 0.5 00.1 10.25 0.", "\n\t\n",
       "is<bo>in", "[0.12, 0.30, 0.45, 0.67]", "USER: <__image__> ASSISTANT:", "UPPER lower MiXeD", "!!??..,,''\"\""]


def build(work):
    """Compiles check_vlm.c; returns the program's path."""
    source, libs = os.environ["LLAMA_SOURCE"], os.environ["LLAMA_BUILD"]
    here, out = os.path.dirname(os.path.abspath(__file__)), os.path.join(work, "check_vlm")
    archives = glob.glob(libs + "/**/*.a", recursive=True)
    subprocess.run(["cc", "-std=c11", "-O1", os.path.join(here, "check_vlm.c"), f"-I{source}/include",
                    f"-I{source}/ggml/include", f"-I{source}/tools/mtmd", "-Wl,--start-group", *archives,
                    "-Wl,--end-group", "-lstdc++", "-lgomp", "-lpthread", "-ldl", "-lm", "-o", out], check=True)
    return out


def check_tokens(program, model, spm):
    packer = data.Packer(spm, data.layouts(50), data.POOL, data.pool(), seed=5)
    texts = ODD + [qa._raw_name(packer.rng) for _ in range(150)]
    while len(texts) < 600:
        talk = packer.talk()
        texts.append("".join(p for p in qa.prefix_parts(talk) if isinstance(p, str)))
        texts += [t for chain in talk.chains for turn in chain for t in turn[:2]]
    out = subprocess.run([program, "tokens", model], input="\0".join(texts).encode() + b"\0",
                         capture_output=True, check=True).stdout.decode().split("\n")
    bad = [(t, o) for t, o in zip(texts, out) if spm.encode(t) != [int(i) for i in o.split()]]
    for text, ids in bad[:5]:
        print("tokens differ:", repr(text), spm.encode(text), ids)
    print(f"tokens: {len(texts) - len(bad)} of {len(texts)} texts equal")
    return not bad


# ---------------------------------------------------------------- the held-out set's prompts

class Ask:
    """One prompt: text with MARK for pictures, the pictures, what is right."""

    def __init__(self, kind, text, images, right):
        self.kind, self.text, self.images, self.right = kind, text, images, right


def _concept_text(db, names):
    text = ""
    for i, n in enumerate(names):
        text += f"{'[' if i == 0 else ''}{i + 1}.{MARK}\n Name: <{n}>, Info: {db[n]['info']}\n"
    return text + "]" if names else ""


def _ask(kind, db, folder, image, names, question, right):
    picture = [os.path.join(folder, image)] if image else []
    head = MARK + "\n" if image else ""
    text = f"USER: {head}{_concept_text(db, names)}{question} ASSISTANT:"
    return Ask(kind, text, picture + [os.path.join(folder, db[n]["image"]) for n in names], right)


def _noise(rng, db, inside, categories, count=1):
    """Inside concepts plus others that are not in the picture, look-alikes first."""
    others = [n for n in db if n not in inside]
    alike = [n for n in others if db[n]["category"] in categories]
    out = list(inside)
    while len(out) < min(3, len(inside) + count):
        n = qa.pick(rng, alike if alike and rng.random() < 0.5 else others)
        if n not in out:
            out.append(n)
    return [out[i] for i in rng.permutation(len(out))]


def held_out_asks(folder, per_kind):
    read = lambda name: json.load(open(os.path.join(folder, name), encoding="utf-8"))
    db = {c["name"]: c for c in read("database.json")["concept_dict"].values()}
    rng, inside, asks = np.random.default_rng(3), {}, []
    cats = {}
    for d in read("detection.json"):
        inside[d["image"]], cats[d["image"]] = d["names"], d["categories"]
    pick = lambda items: [items[i] for i in rng.permutation(len(items))[:per_kind]]
    given = lambda image: _noise(rng, db, inside[image], cats[image])
    for c in pick(read("captions.json")):
        asks.append(_ask("caption", db, folder, c["image"], given(c["image"]), qa.CAPTION[0], c["names"]))
    for r in pick(read("recognition.json")):
        names = given(r["image"])
        if r["concept"] not in names:
            names = names[:2] + [r["concept"]]
        q = r["question"].replace("<image>\n", "")
        kind = "recognition" + ("+" if r["correct_answer"] else "-")
        asks.append(_ask(kind, db, folder, r["image"], names, q, "yes" if r["correct_answer"] else "no"))
    for v in pick(read("vqa.json")):
        asks.append(_ask("vqa", db, folder, v["image"], given(v["image"]), v["question"], v["answer"]))
    for t in pick(read("text_qa.json")):
        asks.append(_ask("text", db, folder, None, _noise(rng, db, [t["concept"]], [], 0), t["question"], t["answer"]))
    return asks


def plain(text):
    words = text.lower().strip().rstrip(".").split()
    return " ".join(w for w in words if w not in ("a", "an", "the", "some"))


def score(asks, answers):
    """Share right by kind; captions as precision, recall and F1 of names."""
    import re
    from collections import Counter
    right, total, hit, said, wanted = Counter(), Counter(), 0, 0, 0
    for a, text in zip(asks, answers):
        if a.kind == "caption":
            names = set(re.findall(r"<([^<>]+)>", text))
            hit, said, wanted = hit + len(names & set(a.right)), said + len(names), wanted + len(a.right)
            continue
        total[a.kind] += 1
        right[a.kind] += plain(text) == plain(a.right)
    out = {k: (round(right[k] / total[k], 3), total[k]) for k in sorted(total)}
    p, r = hit / max(1, said), hit / max(1, wanted)
    out["caption"] = {"precision": round(p, 3), "recall": round(r, 3), "f1": round(2 * p * r / max(1e-9, p + r), 3)}
    return out


# ---------------------------------------------------------------- both sides answer

def run_llama(program, model, mmproj, asks):
    blob = b""
    for a in asks:
        blob += a.text.encode() + b"\0"
        for path in a.images:
            px = np.asarray(Image.open(path).convert("RGB"))
            blob += f"{px.shape[1]} {px.shape[0]}".encode() + b"\0" + px.tobytes()
    out = subprocess.run([program, "answer", model, mmproj], input=blob, capture_output=True, check=True).stdout
    lines = out.decode("utf-8", "replace").split("\n")
    rows = [line.split("\t", 1) for line in lines if "\t" in line]
    return [({int(i): float(v) for i, v in (t.split(":") for t in top.split())}, text) for top, text in rows]


@torch.no_grad()
def run_torch(model, spm, tower, asks):
    out = []
    for a in asks:
        feats = torch.stack([tower(pixels_of(np.asarray(Image.open(p).convert("RGB")))[None])[0] for p in a.images]) \
            if a.images else None
        parts, texts = [[1]], a.text.split(MARK)
        for i, t in enumerate(texts):
            if t:
                parts.append(spm.encode(t))
            if i + 1 < len(texts):
                parts.append(i)
        ids, logits = greedy(model, parts, feats, 80, first=True)
        out.append((logits, spm.decode(ids)))
    return out


def check_answers(program, a, model, spm):
    asks = held_out_asks(a.set, a.samples)
    theirs = run_llama(program, os.path.join(a.models, "model.gguf"), os.path.join(a.models, "mmproj-model.gguf"), asks)
    ours = run_torch(model, spm, load_tower(a.checkpoint, a.clip).eval(), asks)
    same = sum(x[1] == y[1] for x, y in zip(ours, theirs))
    worst = max(abs(float(x[0][i]) - v) for x, y in zip(ours, theirs) for i, v in y[0].items())
    for ask, x, y in list(zip(asks, ours, theirs)):
        if x[1] != y[1]:
            print(f"differ: {ask.text[-90:]!r}\n  torch {x[1]!r}\n  llama {y[1]!r}")
    print(f"answers: {same} of {len(asks)} equal; logits differ by at most {worst:.4f}")
    print("torch", score(asks, [x[1] for x in ours]))
    print("llama", score(asks, [y[1] for y in theirs]))
    if a.verbose:
        for ask, (_, text) in zip(asks, theirs):
            print(ask.kind, "|", ask.text.split("\n")[-1][-80:], "|", text, "|", ask.right)
    return len(theirs) == len(asks) and same >= 0.97 * len(asks)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--checkpoint", default="build/tiny/vlm.pt")
    ap.add_argument("--clip", default="build/tiny/clip.pt")
    ap.add_argument("--models", default="models/tiny")
    ap.add_argument("--set", default="examples/toy")
    ap.add_argument("--samples", type=int, default=25, help="per kind of question")
    ap.add_argument("--verbose", action="store_true")
    a = ap.parse_args()
    torch.set_num_threads(1)
    model, spm = load_vlm(a.checkpoint)
    program = build(data.world.work_dir())
    good = check_tokens(program, os.path.join(a.models, "model.gguf"), spm)
    good = check_answers(program, a, model, spm) and good
    print("ok" if good else "DIFFERENT")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
