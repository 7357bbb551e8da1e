#!/usr/bin/env python3
"""rap_mllm.py: what the official trainer makes of `rap dataset build`, and what its adapter and projector are in ours.

    cmake --build build --target rap vlm_probe
    LLAMA_SOURCE=$(tools/setup/llama.sh source) python tools/parity/rap_mllm.py build RAP-MLLM PYTHON

RAP-MLLM is a checkout of the authors' trainer; PYTHON an interpreter with what it needs. On the processor these do: torch 2.1.2,
transformers 4.41.2, peft 0.11.1, accelerate 0.27.2, deepspeed 0.14.5 (with DS_BUILD_OPS=0), sentencepiece, einops, protobuf,
numpy 1.26. The recipe itself runs with the packages of requirements.txt.

A small LLaVA with random weights in its authors' layout is trained for a few steps with the arguments that docs/training.md
gives, on the set of examples/dataset.sh as `rap dataset build` made it, with ZeRO-2 of DeepSpeed in one process. rap_train.py
is called, which is train.py without flash attention. Then, in our own engine:

    prompts   of samples with a photo, as the trainer's data set gives them, equal those of `rap ask`, token by token
    import    `rap lora import` and `rap lora projector`: logits and greedy answers equal PEFT's with the trained projector
    padding   says whether the trainer pads a wide photo, as it is told, or cuts its ends off

WORK keeps the files. Ends with 1 if a comparison fails."""
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from peft import PeftModel
from safetensors.torch import load_file, save_file

from llava import ROOT, failures, plain, renamed, report, run_rap, text_fields
from trained import compare_adapter, compare_prompts, data_set, run, samples_of
from vlm_models import llava

STEPS = 6
LOAD = r'''
import json, sys
from types import SimpleNamespace
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPImageProcessor
from llava import conversation
from llava.mm_utils import expand2square
from llava.train.rap_train import LazySupervisedDataset

model, tower, data, images, wide, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model, model_max_length=2048, padding_side="right", use_fast=False)
tokenizer.pad_token = tokenizer.unk_token
conversation.default_conversation = conversation.conv_templates["v1"]
processor = CLIPImageProcessor.from_pretrained(tower)
setting = dict(max_num_concept=2, image_aspect_ratio="pad", is_multimodal=True, mm_use_im_start_end=False, image_processor=processor)
samples = LazySupervisedDataset(data, tokenizer, SimpleNamespace(image_folder=images, **setting))
found = {}
for i in range(len(samples)):
    x = samples[i]
    found[samples.list_data_dict[i]["id"]] = dict(
        ids=x["input_ids"].tolist(), labels=x["labels"].tolist(), pictures=[list(p.shape) for p in x["image"]])
one = LazySupervisedDataset(wide + "/train.json", tokenizer, SimpleNamespace(image_folder=wide, **setting))[0]["image"][0]
photo = Image.open(wide + "/wide.png").convert("RGB")
pixels = lambda picture: processor.preprocess(picture, return_tensors="pt")["pixel_values"][0]
colour = tuple(int(c * 255) for c in processor.image_mean)
json.dump(dict(samples=found, padded=torch.equal(one, pixels(expand2square(photo, colour))), cut=torch.equal(one, pixels(photo))),
          open(out, "w"))
'''


def authors(family, work):
    """The same model in its authors' layout; the tower is the folder work/tower."""
    folder = work / "authors"
    folder.mkdir()
    save_file(renamed(plain(family.model), "authors", lambda n: not n.startswith("tower.")), folder / "model.safetensors",
              metadata={"format": "pt"})
    shutil.copy(family.folder / "tokenizer.model", folder)
    settings = json.loads((family.folder / "tokenizer_config.json").read_text())
    settings.update(legacy=False, added_tokens_decoder={k: v for k, v in settings["added_tokens_decoder"].items() if int(k) < 3})
    del settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    c = family.model.config
    (folder / "config.json").write_text(json.dumps(dict(
        text_fields(False, c.text_config.vocab_size, False), architectures=["LlavaLlamaForCausalLM"], model_type="llava_llama",
        mm_hidden_size=c.vision_config.hidden_size, mm_projector_type="mlp2x_gelu", mm_vision_select_feature="patch",
        mm_vision_select_layer=-2, mm_vision_tower=str(work / "tower"), image_aspect_ratio="pad", use_mm_proj=True)))
    shutil.copy(family.folder / "preprocessor_config.json", work / "tower")
    return folder


def documented():
    """The arguments of docs/training.md: {name: value}."""
    text = (ROOT / "docs/training.md").read_text()
    words = shlex.split(re.search(r"deepspeed llava/train/train\.py(.*?)\n\n", text, re.S).group(1).replace("\\\n", " "))
    return dict(zip(words[::2], words[1::2]))


def train(work, checkout, python, model):
    arguments = documented()
    arguments.update({"--model_name_or_path": model, "--vision_tower": work / "tower", "--data_path": work / "set/train.json",
                      "--image_folder": work / "set/images", "--output_dir": work / "lora", "--max_steps": STEPS,
                      "--use_cpu": "True", "--ddp_backend": "gloo"})
    del arguments["--tf32"]  # for GPUs
    run([python, "llava/train/rap_train.py", *(x for pair in arguments.items() for x in pair)], work / "train.log", cwd=checkout,
        PYTHONPATH=checkout, HF_HUB_OFFLINE=1, CUDA_VISIBLE_DEVICES="", DS_ACCELERATOR="cpu", RANK=0, LOCAL_RANK=0, WORLD_SIZE=1,
        MASTER_ADDR="127.0.0.1", MASTER_PORT=29517)
    losses = [e["loss"] for e in json.loads((work / "lora/trainer_state.json").read_text())["log_history"] if "loss" in e]
    report(len(losses) == STEPS and losses[-1] < losses[0], f"rap_train.py: {len(losses)} steps", f"loss {losses[0]:.3f} to {losses[-1]:.3f}")


def load(work, checkout, python, model):
    """What the trainer's data set makes of our files."""
    wide = work / "wide"
    wide.mkdir()
    picture = Image.new("RGB", (120, 60), "red")
    picture.paste("blue", (30, 0, 90, 60))
    picture.save(wide / "wide.png")
    (wide / "train.json").write_text(json.dumps([dict(id=0, image="wide.png", conversations=[
        {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A flag."}])]))
    run([python, "-c", LOAD, model, work / "tower", work / "set/train.json", work / "set/images", wide, work / "loaded.json"],
        cwd=checkout, PYTHONPATH=checkout, HF_HUB_OFFLINE=1, CUDA_VISIBLE_DEVICES="")
    return json.loads((work / "loaded.json").read_text())


def compare_data(work, probe, loaded, rows):
    all_samples = {s["id"]: s for s in json.loads((work / "set/train.json").read_text())}
    fit = {i for i, s in all_samples.items() if len(s["extra"]) <= 2}
    report(set(loaded) == fit, f"its data set: {len(loaded)} of {len(all_samples)} samples, those of two concepts at most")
    bad = [i for i, x in loaded.items() if "image" in all_samples[i] and
           len(x["pictures"]) != x["ids"].count(-200) or all(t == -100 for t in x["labels"])]
    report(not bad, "a picture for each <image>, and an answer to learn, in every sample", str(bad[:3]) if bad else "")
    samples = [s for s in samples_of(work / "set", 3) if s["id"] in loaded and "image" in s]
    prompts = []
    for s in samples:
        x = loaded[s["id"]]
        first = next(k for k, t in enumerate(x["labels"]) if t != -100)
        prompts.append([t for token in x["ids"][:first] for t in ([-1] * rows if token == -200 else [token])])
    compare_prompts(probe, work, work / "set/images", samples, prompts, "RAP-MLLM")


def trained_model(family, work):
    """Its LoRA as PEFT loads it onto Hugging Face's LLaVA, where the decoder has a longer name, with its projector."""
    folder = work / "renamed"
    shutil.copytree(work / "lora", folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file({n.replace("model.model.layers", "model.model.language_model.layers"): t for n, t in tensors.items()},
              folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["target_modules"] = r".*language_model\..*(" + "|".join(settings["target_modules"]) + ")"  # not the tower's
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    other = torch.load(work / "lora/non_lora_trainables.bin", map_location="cpu", weights_only=True)
    projector = family.model.model.multi_modal_projector
    before = projector.linear_1.weight.clone()
    projector.load_state_dict({f"linear_{1 if '.0.' in n else 2}.{n.rsplit('.', 1)[1]}": t.float() for n, t in other.items()})
    moved = float((projector.linear_1.weight - before).abs().max())
    report(moved > 0, "the projector was trained", f"its numbers moved by up to {moved:.1e}")
    return PeftModel.from_pretrained(family.model, folder).eval().float()


def main():
    build, checkout, python = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3]
    work = Path(os.environ.get("WORK") or tempfile.mkdtemp()).resolve()
    rap, probe = build / "rap", build / "tools/parity/vlm_probe"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    family = llava(work)
    model = authors(family, work)
    data_set(rap, work / "set")
    run_rap(rap, model, work, "--tower", work / "tower", "--type", "f32")
    v = family.model.config.vision_config
    loaded = load(work, checkout, python, model)
    compare_data(work, probe, loaded["samples"], (v.image_size // v.patch_size) ** 2)
    print(f"        a wide photo is {'padded' if loaded['padded'] else 'cut to its middle' if loaded['cut'] else 'neither padded nor cut'}")
    train(work, checkout, python, model)
    ours = work / "ours"
    ours.mkdir()
    run([rap, "lora", "import", work / "lora", "--model", work / "model.gguf", "--out", ours / "adapter.gguf"])
    run([rap, "lora", "projector", work / "lora/non_lora_trainables.bin", "--model", work / "mmproj.gguf", "--out", ours / "mmproj.gguf"])
    run_rap(rap, family.folder, work / "hf", "--type", "f32")  # the same decoder with the chat template that PEFT is asked with
    shutil.copy(work / "hf/model.gguf", ours / "model.gguf")
    compare_adapter(family, trained_model(family, work), probe, ours, ours / "adapter.gguf", "RAP-MLLM's LoRA and projector")
    print("all equal" if not failures else f"{len(failures)} comparisons failed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
