"""Checkpoints of YOLO-World v2 with random weights, built and saved by Ultralytics itself, and what it
makes of a few pictures with them: the reference of tests/convert/test_map_yolo.c.

    python tools/parity/yolo_world.py                     the small pair in tests/data
    python tools/parity/yolo_world.py --sizes sml --out DIR [--pictures FILE …]
    RAP_PARITY=DIR build/tests/test_map_yolo              the published sizes, compared on demand

Needs torch, ultralytics (8.4), numpy, gguf, opencv. Downloads nothing: text features are random unit
vectors. For each NAME.pt a NAME.ref.gguf is written: `text` [T, E] and, for each picture i, `i.rgb`
[H, W, 3] (each pixel a square of `block.i` pixels), every box `i.boxes` [A, 4] (x1 y1 x2 y2 on the canvas) and score `i.scores` [A, T] before
suppression, and the boxes kept on the picture `i.kept` [K, 6] (x1 y1 x2 y2 confidence label).
"""
import argparse
import copy
import os
import zipfile

import cv2
import gguf
import numpy as np
import torch
from torch import nn
from ultralytics.data.augment import LetterBox
from ultralytics.nn.tasks import WorldModel
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.ops import scale_boxes, xywh2xyxy

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "tests", "data")
OVERLAP, LIMIT, CANDIDATES = 0.7, 300, 60
NAMES = 5


# ---- models ---------------------------------------------------------------------------------------

SMALL_TEXT, SMALL_SIZE = 12, 64


def small_config():
    """The layers of yolov8-worldv2.yaml with few channels and bins; everything else as published."""
    ch, gc = {1: 8, 2: 8, 3: 8, 4: 8, 5: 16}, SMALL_TEXT
    conv = lambda c: [-1, 1, "Conv", [c, 3, 2]]
    attn = lambda c, heads: [-1, 1, "C2fAttn", [c, c // 2, heads, gc]]
    up, cat = [-1, 1, "nn.Upsample", [None, 2, "nearest"]], lambda i: [[-1, i], 1, "Concat", [1]]
    c2f = lambda n, c: [-1, n, "C2f", [c, True]]
    backbone = [conv(ch[1]), conv(ch[2]), c2f(1, ch[2]), conv(ch[3]), c2f(2, ch[3]), conv(ch[4]), c2f(1, ch[4]),
                conv(ch[5]), c2f(1, ch[5]), [-1, 1, "SPPF", [ch[5], 5]]]
    head = [up, cat(6), attn(ch[4], 2), up, cat(4), attn(ch[3], 1), [15, 1, "Conv", [ch[3], 3, 2]], cat(12),
            attn(ch[4], 4), conv(ch[4]), cat(9), attn(ch[5], 8),
            [[15, 18, 21], 1, "WorldDetect", ["nc", gc, True]]]
    return {"nc": NAMES, "reg_max": 4, "backbone": backbone, "head": head}


class Builder(WorldModel):
    """While a model is built its text features have 512 numbers; ours may have fewer."""

    def predict(self, x, profile=False, txt_feats=None, augment=False, embed=None):
        text = torch.zeros(1, NAMES, SMALL_TEXT) if txt_feats is None else txt_feats
        return super().predict(x, profile, text, augment, embed)


def unit(count, width):
    return nn.functional.normalize(torch.randn(1, count, width), dim=-1)


def small_model():
    model = Builder(small_config(), nc=NAMES, verbose=False)
    model.__class__ = WorldModel
    return model, SMALL_TEXT


def real_model(scale):
    return WorldModel(f"yolov8{scale}-worldv2.yaml", nc=NAMES, verbose=False), 512


def canvas_of(rgb, size):
    return torch.from_numpy(LetterBox((size, size), auto=False)(image=rgb)).permute(2, 0, 1)[None].float() / 255


def randomise(model, size, shown):
    """Batch norms learn the statistics of drawn pictures and are then bent; no number stays as it was. A deep
    random network enlarges each rounding where it meets statistics that it does not know, which a trained one
    does not: it is shown the pictures as well."""
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1.0
            nn.init.uniform_(m.weight, 0.6, 1.4)
            nn.init.normal_(m.bias, 0, 0.3)
    model.train()
    with torch.no_grad():
        noise = nn.functional.interpolate(torch.rand(4 if shown else 8, 3, 16, 16), size=size)
        model(torch.cat([noise] + [canvas_of(rgb, size) for rgb in shown]))
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.momentum = 0.03
                m.running_mean += 0.1 * torch.randn_like(m.running_mean) * m.running_var.sqrt()
                m.running_var *= torch.empty_like(m.running_var).uniform_(0.8, 1.25)
        for name, p in model.named_parameters():
            if name.endswith("attn.bias"):
                nn.init.normal_(p, 0, 0.5)
        for level, c in enumerate(model.model[-1].cv4):
            c.bias.fill_(-1.5 - 0.2 * level)
            c.logit_scale.fill_(0.1 + 0.15 * level)
        for branch in model.model[-1].cv2:
            branch[-1].bias.add_(torch.randn_like(branch[-1].bias))
            branch[-1].weight.mul_(3)
    return model.eval()


def save(model, path, size, small):
    """As the published files are: half, the module itself under "model", settings beside it."""
    torch.save({"epoch": -1, "best_fitness": None, "model": copy.deepcopy(model).half(), "ema": None, "updates": None,
                "optimizer": None, "train_args": {"task": "detect", "imgsz": size, "lr0": 0.002},
                "date": "2024-02-14T00:00:00", "version": "8.1.0"}, path)
    if not small:
        return
    with zipfile.ZipFile(path) as z:  # the same archive, deflated, so that it may lie in the repository
        entries = [(i.filename, z.read(i)) for i in z.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name, data in entries:
            z.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


# ---- pictures and what is seen in them ------------------------------------------------------------

def drawn_picture(width, height, block, seed):
    """Blocks of random colours: the coarse picture says it all."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // block, width // block, 3), np.uint8)
    return coarse.repeat(block, 0).repeat(block, 1), coarse, block


def read_picture(path):
    rgb = cv2.imread(path)[..., ::-1].copy()
    return rgb, rgb, 1


def look(model, rgb, size):
    """Boxes [A, 4] and scores [A, T] before suppression, kept boxes [K, 6] on the picture, the confidence that
    they reach. In the model's own type: in double precision the reference has no rounding of its own."""
    with torch.no_grad():
        y = model(canvas_of(rgb, size).to(next(model.parameters()).dtype))[0].float()
    best = y[0, 4:].max(0).values.sort(descending=True).values
    confidence = float(best[CANDIDATES - 1] + best[CANDIDATES]) / 2  # halfway, so that no rounding decides
    kept = non_max_suppression(y.clone(), confidence, OVERLAP, max_det=LIMIT, nc=NAMES)[0]
    kept[:, :4] = scale_boxes((size, size), kept[:, :4], rgb.shape[:2])
    y = y[0].T
    return xywh2xyxy(y[:, :4]).numpy(), y[:, 4:].numpy(), kept.numpy(), confidence


def spread_scores(model, pictures, size):
    """Scales the logits down until the best candidates of every picture stay clear of 1, where all scores are alike."""
    exact, most = copy.deepcopy(model).double(), 2.0
    with torch.no_grad():
        for rgb, *_ in pictures:
            scores = exact(canvas_of(rgb, size).double())[0][0, 4:].max(0).values
            most = max(most, float(torch.logit(scores, 1e-15).sort().values[-CANDIDATES]))
    for c in model.model[-1].cv4:
        c.logit_scale.data += float(np.log((2 - c.bias.item()) / (most - c.bias.item())))


def rounding(model, rgb, size):
    """How far the reference code in f32 lies from itself in f64: (worst score, worst box in pixels)."""
    single, double = look(copy.deepcopy(model).float(), rgb, size), look(model, rgb, size)
    return abs(single[1] - double[1]).max(), abs(single[0] - double[0]).max()


def write_reference(path, model, pictures, size):
    w = gguf.GGUFWriter(path, "yolo-parity")
    w.add_float32("yolo-parity.iou", OVERLAP)
    w.add_uint32("yolo-parity.max_boxes", LIMIT)
    w.add_uint32("yolo-parity.size", size)
    w.add_uint32("yolo-parity.pictures", len(pictures))
    put = lambda name, a, t=np.float32: w.add_tensor(name, np.ascontiguousarray(a, t))
    put("text", model.txt_feats[0])
    for i, (rgb, coarse, block) in enumerate(pictures):
        boxes, scores, kept, confidence = look(model, rgb, size)
        if next(model.parameters()).dtype == torch.float64:
            print("its own rounding in f32: scores %.2g, boxes %.2g pixels" % rounding(model, rgb, size))
        print(f"{os.path.basename(path)} {rgb.shape[1]}x{rgb.shape[0]}: scores {np.quantile(scores, (0, 0.1, 0.5, 0.9, 1)).round(3)}, "
              f"{len(kept)} kept")
        w.add_uint32(f"yolo-parity.block.{i}", block)
        w.add_float32(f"yolo-parity.confidence.{i}", confidence)
        put(f"{i}.rgb", coarse, np.float16)  # whole numbers up to 255 are exact
        put(f"{i}.boxes", boxes)
        put(f"{i}.scores", scores)
        put(f"{i}.kept", kept)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make(build, base, size, pictures, seed, small=False):
    """BASE.pt and BASE_fused.pt, each with its reference."""
    torch.manual_seed(seed)
    model, text = build()
    model.txt_feats = unit(NAMES, text)
    model.names = dict(enumerate(("cat", "dog", "mug", "a red bicycle", "person")))
    model = randomise(model, size, [] if small else [p[0] for p in pictures])
    if not small:
        spread_scores(model, pictures, size)
    for suffix in ("", "_fused"):
        m = copy.deepcopy(model)
        if suffix:
            m.fuse(verbose=False)
        save(m, f"{base}{suffix}.pt", size, small)
        exact = copy.deepcopy(m).half().eval()
        write_reference(f"{base}{suffix}.ref.gguf", exact.float() if small else exact.double(), pictures, size)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--sizes", default="", help="letters of n, s, m, l, x")
    args.add_argument("--out", default=".")
    args.add_argument("--pictures", nargs="*", default=[])
    args.add_argument("--threads", type=int, default=1)
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    if not args.sizes:
        shapes = ((64, 64, 4), (90, 42, 6), (50, 120, 10))
        make(small_model, os.path.join(DATA, "yolo_world"), SMALL_SIZE,
             [drawn_picture(*s, i) for i, s in enumerate(shapes)], 5, small=True)
    for scale in args.sizes:
        pictures = [drawn_picture(640, 640, 20, 1), drawn_picture(800, 500, 10, 2)]
        pictures += [read_picture(p) for p in args.pictures]
        make(lambda: real_model(scale), os.path.join(args.out, f"yolov8{scale}-worldv2"), 640, pictures, 7)


if __name__ == "__main__":
    main()
