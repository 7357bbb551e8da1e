#!/usr/bin/env python3
"""llama_factory.py: a LoRA that LLaMA-Factory trains on `rap dataset export --format sharegpt`, and what it is in ours.

    python -m venv venv && venv/bin/pip install llamafactory==0.9.5 torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0 gguf
    cmake --build build --target rap vlm_probe
    LLAMA_SOURCE=$(tools/setup/llama.sh source) venv/bin/python tools/parity/llama_factory.py build

A small LLaVA with random weights in Hugging Face's layout is trained on the processor for a few steps, on the set of
examples/dataset.sh, with the YAML that docs/training.md gives; only paths and the number of steps are others. Then, in our own
engine, with the model through `rap convert`:

    prompts   that LLaMA-Factory trained on, as tokens, equal those of `rap ask`, and the answers follow them
    import    PEFT's adapter through `rap lora import`: logits and greedy answers equal PEFT's
    export    the same through `rap lora export --layout llava`, loaded by PEFT again: the same numbers

WORK keeps the files. Ends with 1 if a comparison fails."""
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from peft import PeftModel
from transformers import AutoTokenizer

from llava import ROOT, failures, report, run_rap
from trained import compare_adapter, compare_prompts, data_set, run, samples_of
from vlm_models import llava

STEPS = 8


def complete(family):
    """What llava-hf's folders have besides: a processor's settings, and the number of the token <image>."""
    number = AutoTokenizer.from_pretrained(family.folder).convert_tokens_to_ids("<image>")
    config = json.loads((family.folder / "config.json").read_text())
    (family.folder / "config.json").write_text(json.dumps(dict(config, image_token_index=number)))
    family.model.config.image_token_id = number
    (family.folder / "processor_config.json").write_text(json.dumps(dict(
        processor_class="LlavaProcessor", patch_size=family.model.config.vision_config.patch_size, image_token="<image>",
        vision_feature_select_strategy="default", num_additional_image_tokens=1)))


def documented():
    """The YAML of docs/training.md."""
    text = (ROOT / "docs/training.md").read_text()
    return yaml.safe_load(re.search(r"```yaml\n(# llamafactory-cli.*?)```", text, re.S).group(1))


def train(work, family):
    asked = dict(documented(), model_name_or_path=str(family.folder), dataset_dir=str(work / "out"), media_dir=str(work / "out"),
                 output_dir=str(work / "lora"), max_steps=STEPS, logging_steps=1, report_to="none", use_cpu=True,
                 tokenized_path=str(work / "tokens"))
    (work / "rap.yaml").write_text(yaml.safe_dump(asked))
    command = [Path(sys.executable).parent / "llamafactory-cli", "train", work / "rap.yaml"]
    run(command, work / "tokens.log", HF_HUB_OFFLINE=1, CUDA_VISIBLE_DEVICES="")
    if not (work / "lora").exists():  # a first run only makes the tokens
        run(command, work / "train.log", HF_HUB_OFFLINE=1, CUDA_VISIBLE_DEVICES="")
    losses = [e["loss"] for e in json.loads((work / "lora/trainer_state.json").read_text())["log_history"] if "loss" in e]
    report(len(losses) == STEPS and losses[-1] < losses[0], f"llamafactory-cli train: {len(losses)} steps",
           f"loss {losses[0]:.3f} to {losses[-1]:.3f}")


def trained_on(work, family, samples):
    """Prompts as LLaMA-Factory made them of these samples; what follows each must be the answer."""
    from datasets import load_from_disk
    tokenizer = AutoTokenizer.from_pretrained(family.folder)
    image, prompts, bad = tokenizer.convert_tokens_to_ids("<image>"), [], []
    rows = load_from_disk(str(work / "tokens"))["train"]
    where = {s["id"]: i for i, s in enumerate(json.loads((work / "set/train.json").read_text()))}
    for s in samples:
        row = rows[where[s["id"]]]
        learnt = [t != -100 for t in row["labels"]]
        first = learnt.index(True)
        prompts.append([-1 if t == image else t for t in row["input_ids"][:first]])
        answer = tokenizer.decode(row["input_ids"][first:])
        if not all(learnt[first:]) or answer.strip() != s["conversations"][1]["value"] + "</s>":
            bad.append(answer)
    report(not bad, f"LLaMA-Factory learns the answers and their ends, {len(samples)} samples", str(bad[:2]) if bad else "")
    return prompts


def main():
    build, work = Path(sys.argv[1]).resolve(), Path(os.environ.get("WORK") or tempfile.mkdtemp()).resolve()
    rap, probe = build / "rap", build / "tools/parity/vlm_probe"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    family = llava(work)
    complete(family)
    data_set(rap, work / "set")
    run([rap, "dataset", "export", work / "set", work / "out", "--format", "sharegpt"])
    train(work, family)
    run_rap(rap, family.folder, work, "--type", "f32")
    samples = samples_of(work / "set", 3)
    compare_prompts(probe, work, work / "set/images", samples, trained_on(work, family, samples), "LLaMA-Factory")
    run([rap, "lora", "import", work / "lora", "--model", work / "model.gguf", "--out", work / "adapter.gguf"])
    peft = PeftModel.from_pretrained(family.model, work / "lora").eval().float()
    compare_adapter(family, peft, probe, work, work / "adapter.gguf", "LLaMA-Factory's LoRA")
    run([rap, "lora", "export", work / "adapter.gguf", "--model", work / "model.gguf", "--out", work / "back", "--layout", "llava"])
    peft.load_adapter(work / "back", "back")
    peft.set_adapter("back")
    compare_adapter(family, peft.eval(), probe, work, work / "adapter.gguf", "the same exported again")
    print("all equal" if not failures else f"{len(failures)} comparisons failed")
    sys.exit(bool(failures))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
