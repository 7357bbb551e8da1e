"""An adapter that another trainer made on what rap exported, brought back, and compared: for llama_factory.py and rap_mllm.py."""
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from llava import ROOT, report
from vlm import BOUND, Pictures, draw, error, prompt_of

CONCEPTS = [("bo", "<bo> likes cheese."), ("mug", "<mug> is blue. It is 7 years old.")]
QUESTION = "What do <bo> and <mug> have in common?"


def run(command, log=None, **more):
    """Runs it; `log`: a file for what it prints."""
    r = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       env=dict(os.environ, **{k: str(v) for k, v in more.items() if k != "cwd"}), cwd=more.get("cwd"))
    if log:
        Path(log).write_text(r.stdout)
    if r.returncode:
        sys.exit(f"{' '.join(str(c) for c in command[:3])} … ended with {r.returncode}: {r.stdout[-2000:]}")
    return r.stdout


def data_set(rap, folder):
    """The set of examples/dataset.sh."""
    run([rap, "dataset", "build", ROOT / "examples/dataset/config.json", "--out", folder, "--quiet"])
    return folder


def samples_of(folder, count):
    """`count` samples of each number of concepts, with and without a photo: the RAP format's own."""
    chosen, seen = [], {}
    for s in json.loads((folder / "train.json").read_text()):
        kind = ("image" in s, len(s["extra"]))
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= count:
            chosen.append(s)
    return chosen


# ---- the prompt ----

def our_prompt(probe, work, images, sample):
    """The tokens of a sample's prompt as `rap ask` would put it to the model, in LLaVA's turns. -1: a row of a picture."""
    more = [x for path, c in sample["extra"].items() for x in (c["name"], c["info"], images / path)]
    question = sample["conversations"][0]["value"].replace("<image>\n", "")
    photo = images / sample["image"] if "image" in sample else "-"
    out = run([probe, "logits", work / "model.gguf", work / "mmproj.gguf", "own", "f32", work / "logits", question, photo, *more],
              TURNS="v1")
    return json.loads(out)["evaluated"]


def compare_prompts(probe, work, images, samples, theirs, what):
    """theirs: for each sample the tokens of its prompt, -1 for a row of a picture."""
    bad = []
    for s, other in zip(samples, theirs):
        ours = our_prompt(probe, work, images, s)
        if ours != other:
            at = next((i for i, (a, b) in enumerate(zip(ours, other)) if a != b), min(len(ours), len(other)))
            bad.append(f"{s['id']}: {len(ours)} and {len(other)} tokens, apart at {at}: {ours[at:at + 6]} {other[at:at + 6]}")
    kinds = sorted({(len(s["extra"]), "photo" if "image" in s else "no photo") for s in samples})
    report(not bad, f"{what}: prompts of {len(samples)} samples as `rap ask` has them ({len(kinds)} kinds)", "; ".join(bad[:3]))


# ---- the adapter ----

def greedy(model, inputs, count):
    """Token by token without a memory: slow, and nothing to go wrong."""
    inputs, said = dict(inputs), []
    while len(said) < count:
        with torch.no_grad():
            token = model(**inputs).logits[0, -1].argmax().view(1, 1)
        said.append(int(token))
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return said


def pixels(family, path):
    v = family.model.config.vision_config.image_size
    rgb = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    assert rgb.shape[:2] == (v, v)
    settings = json.loads((family.folder / "preprocessor_config.json").read_text())
    return Pictures([torch.tensor((rgb - settings["image_mean"]) / settings["image_std"]).float().permute(2, 0, 1)])


def compare_adapter(family, peft, probe, work, adapter, what):
    """Logits and greedy answers of `peft`, and of our generate layer with the base model in `work` and `adapter`."""
    paths = [draw(work / f"{i}.png", family.side, 30 + i) for i in range(3)]
    pictures = [pixels(family, p) for p in paths]
    trained = dataclasses.replace(family, model=peft)
    for concepts in (0, 2):
        more = [x for c, p in zip(CONCEPTS[:concepts], paths[1:]) for x in (*c, p)]
        inputs, _ = prompt_of(family, pictures[:1 + concepts], QUESTION, CONCEPTS[:concepts])
        with torch.no_grad():
            wanted = peft(**inputs).logits[0, -1].numpy()
            with peft.disable_adapter():
                plain = peft(**inputs).logits[0, -1].numpy()
        got, said = {}, {}
        for name, lora in (("plain", None), ("adapter", adapter)):
            environment = dict(LORA=lora) if lora else {}
            answer = json.loads(run([probe, "logits", work / "model.gguf", work / "mmproj.gguf", "own", "f32", work / "logits",
                                     QUESTION, paths[0], *more], **environment))
            got[name], said[name] = np.fromfile(work / "logits", np.float32), answer["answer"]
        expected = greedy(trained.model, inputs, len(said["adapter"]))
        moved = error(got["adapter"], got["plain"])
        e = error(got["adapter"], wanted)
        report(e < BOUND, f"{what}, {concepts} concepts: logits with the adapter equal PEFT's", f"largest error {e:.1e}, moved by {moved:.1e}")
        report(moved > 20 * BOUND, f"{what}, {concepts} concepts: the adapter matters")
        report(len(expected) > 4 and said["adapter"] == expected, f"{what}, {concepts} concepts: {len(expected)} greedy tokens equal PEFT's",
               "" if said["adapter"] == expected else f"{said['adapter']} {expected}")
        print(f"        without the adapter: error {error(got['plain'], plain):.1e}")
