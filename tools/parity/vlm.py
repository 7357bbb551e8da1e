"""Logits of small random vision-language models: transformers against our generate layer, with 0 and 2 concepts.

    cmake --build build --target vlm_probe
    LLAMA_SOURCE=$(tools/setup/llama.sh source) python tools/parity/vlm.py build [FAMILY...]

vlm_models.py makes each model in its published layout. LLaVA is converted by `rap convert`, the others by llama.cpp's
convert_hf_to_gguf.py (which is told the name of the pre-tokenizer: it knows published vocabularies by a hash). Then the
same photo, concepts and question go through transformers in f32 and through vlm_probe.c, which observes a session. Compared
are, for each way to encode pictures that knows the family (own, mtmd):

    tokens   of the prompt, in the model's own chat template, with every place of a picture: equal
    logits   behind the prompt, where both sides take in the same numbers for pixels: bound 5e-4 of the largest

with a photo that needs no scaling, read by transformers' own image processor, and with one that does, whose pixels are
ours. The decoder's memory is f32 for that; what it costs that the product keeps it in f16 is printed, and so is how far
the image processor of transformers differs from ours on the second photo. That the photo matters is checked: another one
must move the logits by far more than the bound.

Needs torch, transformers, tokenizers, sentencepiece, safetensors, pillow; WORK keeps the files. Exits non-zero when a
comparison fails.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor

from llava import LLAMA, failures, report, run_rap
from vlm_models import MAKERS

BOUND = 5e-4
QUESTION = "What do <bo> and <mug> have in common?"
CONCEPTS = [("bo", "<bo> likes cheese."), ("mug", "<mug> is blue. It is 7 years old.")]
CONVERT = r'''
import sys
sys.path[:0] = [{llama!r}, {llama!r} + "/gguf-py"]
import conversion.base
import runpy
if {pre!r}:
    conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: {pre!r}
sys.argv = ["convert_hf_to_gguf.py"] + sys.argv[1:]
runpy.run_path({llama!r} + "/convert_hf_to_gguf.py", run_name="__main__")
'''


def convert(rap, family, work):
    if family.rap:
        run_rap(rap, family.folder, work, "--type", "f32")
        return
    code = CONVERT.format(llama=str(LLAMA), pre=family.pre)
    for name, more in (("model", family.options), ("mmproj", ["--mmproj"])):
        run([sys.executable, "-c", code, family.folder, "--outfile", work / "out.gguf", "--outtype", "f32", *more])
        made = [p for p in work.glob("*out.gguf")]  # the converter may put "mmproj-" before the name
        made[0].rename(work / f"{name}.gguf")


def run(command):
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{command[0]}: {r.stdout[-1000:]}{r.stderr[-3000:]}")
    return r.stdout


# ---- pictures ----

def draw(path, size, seed):
    """Soft shapes and some noise: what scaling keeps and what it does not."""
    r = np.random.default_rng(seed)
    coarse = Image.fromarray(r.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size, Image.BICUBIC)
    noise = r.integers(-20, 21, (size[1], size[0], 3))
    Image.fromarray(np.clip(np.asarray(coarse, np.int32) + noise, 0, 255).astype(np.uint8)).save(path)
    return path


class Pictures:
    """What the model takes in: pieces [n, 3, height, width], in how many rows and columns."""

    def __init__(self, pieces, rows=0, cols=0):
        self.pieces, self.rows, self.cols = pieces, rows, cols


def our_pixels(probe, work, path):
    lines = run([probe, "pixels", work / "model.gguf", work / "mmproj.gguf", work / "pixels", path]).split()
    sizes = [(int(h), int(w)) for w, h in zip(lines[::2], lines[1::2])]
    data, pieces = np.fromfile(work / "pixels", np.float32), []
    for h, w in sizes:
        pieces.append(torch.tensor(data[:h * w * 3].reshape(h, w, 3)).permute(2, 0, 1))
        data = data[h * w * 3:]
    assert not len(data)
    return pieces


def their_pixels(family, path):
    processor = AutoImageProcessor.from_pretrained(family.folder)
    image = Image.open(path).convert("RGB")
    if family.layout == "patches":
        out = processor(images=[image], return_tensors="pt")
        return Pictures([unpatch(out["pixel_values"], out["image_grid_thw"][0].tolist(), family.model.config.vision_config)])
    out = processor(images=[[image]], return_tensors="pt", **(
        {"return_row_col_info": True} if family.layout == "tiles" else {}))
    pixels = out["pixel_values"]
    if family.layout == "tiles":
        return Pictures(list(pixels[0]), int(out["rows"][0][0]), int(out["cols"][0][0]))
    return Pictures(list(pixels.reshape(-1, *pixels.shape[-3:])))


def unpatch(patches, grid, c):
    """Qwen's rows of patches back into a picture."""
    _, h, w = grid
    m, p, t = c.spatial_merge_size, c.patch_size, c.temporal_patch_size
    x = patches.reshape(h // m, w // m, m, m, 3, t, p, p)[:, :, :, :, :, 0]  # a photo is the same at each time
    return x.permute(4, 0, 2, 5, 1, 3, 6).reshape(3, h * p, w * p)


def patches(picture, c):
    m, p, t = c.spatial_merge_size, c.patch_size, c.temporal_patch_size
    h, w = picture.shape[1] // p, picture.shape[2] // p
    x = picture.reshape(3, h // m, m, p, w // m, m, p).permute(1, 4, 2, 5, 0, 3, 6)
    return x[:, :, :, :, :, None].expand(-1, -1, -1, -1, -1, t, -1, -1).reshape(h * w, -1), [1, h, w]


# ---- transformers ----

def places(family, tokenizer, picture):
    """The text that stands for a picture, in transformers' words."""
    c = family.model.config
    if family.layout == "tiles":
        count = (c.vision_config.image_size // c.vision_config.patch_size // c.scale_factor) ** 2
        processor = Idefics3Processor(AutoImageProcessor.from_pretrained(family.folder), tokenizer, count)
        return processor.replace_image_token({"rows": [[picture.rows]], "cols": [[picture.cols]]}, 0)
    v = c.vision_config
    side = v.patch_size
    if family.layout == "patches":
        side *= v.spatial_merge_size
    count = getattr(c, "mm_tokens_per_image", None) or (picture.pieces[0].shape[1] // side) * (picture.pieces[0].shape[2] // side)
    return family.before + family.image * count + family.after


def prompt_of(family, pictures, question, concepts):
    """What the model takes in, and where pictures stand in it."""
    tokenizer = AutoTokenizer.from_pretrained(family.folder)
    # An empty text first: our templates see one text, as llama.cpp's do. SmolVLM's own asks whether the first part is a
    # picture, and if so leaves out a space; that is the one difference.
    content = [{"type": "text", "text": ""}, {"type": "image"}, {"type": "text", "text": "\n"}]
    for i, (name, info) in enumerate(concepts):
        content[-1]["text"] += ("[" if i == 0 else "") + f"{i + 1}."
        content += [{"type": "image"}, {"type": "text", "text": f"\n Name: <{name}>, Info: {info}\n"}]
    content[-1]["text"] += ("]" if concepts else "") + question
    text = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True)
    mark = "<start_of_image>" if family.before else family.image
    parts = text.split(mark)
    assert len(parts) == len(pictures) + 1, text
    whole = parts[0] + "".join(places(family, tokenizer, p) + part for p, part in zip(pictures, parts[1:]))
    ids = torch.tensor([tokenizer(whole, add_special_tokens=family.bos)["input_ids"]])
    is_image = ids == tokenizer.convert_tokens_to_ids(family.image)
    ids[is_image] = family.model.config.image_token_id
    inputs = dict(input_ids=ids, attention_mask=torch.ones_like(ids))
    if family.layout == "patches":
        rows = [patches(p.pieces[0], family.model.config.vision_config) for p in pictures]
        inputs.update(pixel_values=torch.cat([r[0] for r in rows]), image_grid_thw=torch.tensor([r[1] for r in rows]),
                      mm_token_type_ids=is_image.int())
    else:
        pixels = torch.stack([piece for p in pictures for piece in p.pieces])
        inputs["pixel_values"] = pixels[None] if family.layout == "tiles" else pixels
    if family.before:
        inputs["token_type_ids"] = is_image.int()
    return inputs, is_image


def reference(family, pictures, question, concepts):
    """The prompt's tokens (-1: a place of a picture) and the logits behind it."""
    inputs, is_image = prompt_of(family, pictures, question, concepts)
    with torch.no_grad():
        logits = family.model(**inputs).logits[0, -1]
    return torch.where(is_image, -1, inputs["input_ids"])[0].tolist(), logits.numpy()


# ---- ours ----

def ours(probe, work, vision, memory, photo, concepts, avatars):
    arguments = [x for (name, info), path in zip(concepts, avatars) for x in (name, info, path)]
    answer = json.loads(run([probe, "logits", work / "model.gguf", work / "mmproj.gguf", vision, memory, work / "logits",
                             QUESTION, photo, *arguments]))
    return answer["evaluated"], np.fromfile(work / "logits", np.float32)


def error(got, wanted):
    return float(np.abs(got[:len(wanted)] - wanted).max() / np.abs(wanted).max())


def overview(family, picture):
    """A concept's picture as the model is shown it: of tiles that make more than 256 tokens only the overview."""
    return Pictures(picture.pieces[-1:]) if family.layout == "tiles" else picture  # see vlm_models.py: they do


def compare(family, probe, work, photo, avatars, kind):
    theirs = [their_pixels(family, p) for p in (photo, *avatars)]
    own = [Pictures(our_pixels(probe, work, p)) for p in (photo, *avatars)]
    for mine, other in zip(own, theirs):
        mine.rows, mine.cols = other.rows, other.cols
    same = [len(a.pieces) == len(b.pieces) and all(x.shape == y.shape for x, y in zip(a.pieces, b.pieces)) for a, b in zip(own, theirs)]
    if not all(same):
        print(f"        {kind}: pictures of {[tuple(x.shape) for x in own[0].pieces]}, transformers {[tuple(x.shape) for x in theirs[0].pieces]}")
        if family.layout == "tiles":
            return report(False, f"{kind}: other tiles than transformers'")
    else:
        apart = [max(float((x - y).abs().max()) for x, y in zip(a.pieces, b.pieces)) for a, b in zip(own, theirs)]
        typical = [float(torch.cat([(x - y).flatten() for x, y in zip(a.pieces, b.pieces)]).square().mean().sqrt()) for a, b in zip(own, theirs)]
        print(f"        {kind}: pixels differ from transformers' by up to {max(apart):.1e}, typically {max(typical):.1e} (of a range of about 4)")
    for concepts in (0, 2):
        shown = lambda pictures: [pictures[0]] + [overview(family, p) for p in pictures[1:1 + concepts]]
        tokens, wanted = reference(family, shown(own), QUESTION, CONCEPTS[:concepts])
        for vision in (["own"] if family.own else []) + ["mtmd"]:
            got_tokens, got = ours(probe, work, vision, "f32", photo, CONCEPTS[:concepts], avatars)
            what = f"{kind}, {concepts} concepts, {vision}"
            where = next((i for i, (a, b) in enumerate(zip(got_tokens, tokens)) if a != b), None)
            report(got_tokens == tokens, f"{what}: {len(tokens)} tokens", "" if got_tokens == tokens else
                   f"{len(got_tokens)}, the first that differs is number {where}: {got_tokens[where or 0:][:8]} {tokens[where or 0:][:8]}")
            e = error(got, wanted)
            half = error(ours(probe, work, vision, "f16", photo, CONCEPTS[:concepts], avatars)[1], wanted)
            report(e < BOUND and got[:len(wanted)].argmax() == wanted.argmax(), f"{what}: logits",
                   f"largest error {e:.1e} (with a memory in f16 {half:.1e})")
        if all(same):
            print(f"        {kind}, {concepts} concepts: with its own image processor transformers' logits differ by "
                  f"{error(reference(family, shown(theirs), QUESTION, CONCEPTS[:concepts])[1], wanted):.1e}")
    return wanted


def run_family(build, root, name):
    print(name, flush=True)
    probe, work = build / "tools" / "parity" / "vlm_probe", root / name
    work.mkdir()
    family = MAKERS[name](work)
    convert(build / "rap", family, work)
    avatars = [draw(work / f"avatar{i}.png", family.side, 10 + i) for i in range(2)]
    sized = compare(family, probe, work, draw(work / "sized.png", family.side, 1), avatars, "sized photo")
    compare(family, probe, work, draw(work / "other.png", (301, 203), 2), avatars, "photo of 301 × 203")
    moved = ours(probe, work, "mtmd", "f32", draw(work / "moved.png", family.side, 3), CONCEPTS, avatars)[1]
    if sized is not None:
        e = error(moved, sized)
        report(e > 20 * BOUND, "another photo gives other logits", f"{e:.1e}")


if __name__ == "__main__":
    build, root = Path(sys.argv[1]).resolve(), Path(os.environ.get("WORK") or tempfile.mkdtemp())
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    transformers.logging.set_verbosity_error()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    for case in sys.argv[2:] or MAKERS:
        run_family(build, root, case)
    print("all equal" if not failures else f"{len(failures)} comparisons failed")
    sys.exit(bool(failures))
