"""Write tests/data/yolo_tiny_parity.{json,png}: what models/tiny/detector.gguf must compute.

The numbers come from the PyTorch network holding the very values of the file (f16 weights, folded
norms): text features of a vocabulary, every STEP-th raw box and score before suppression, and the
boxes left after class-agnostic suppression (confidence 0.1, IoU 0.5).

    python make_yolo_parity.py
"""
import json
import os

import numpy as np
import torch
from PIL import Image

import world
from export_vision import load_trained, rounded
from train_yolo import ANCHOR_STRIDES, GENERIC, POINTS, Words, load_scenes
from yolo_model import decode, flatten, nms

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.join(HERE, "..", "..", "tests", "data", "yolo_tiny_parity")
STEP = 7


def numbers(tensor, digits=6):
    return np.round(tensor.detach().double().numpy(), digits).tolist()


@torch.no_grad()
def main():
    words = Words(world.work_dir("clip.pt"))
    arrays, metas = load_scenes(True, 200)
    which = next(i for i, m in enumerate(metas) if len(m) == 3)
    names = [GENERIC] + sorted(set(metas[which])) + ["dog", "car", "animal", "house"]
    names = list(dict.fromkeys(names))
    text = words.matrix(names)
    image = np.array(arrays["image"][which])
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    dist, logits = flatten(rounded(load_trained())(pixels, text[None]))
    boxes, scores = decode(dist, POINTS, ANCHOR_STRIDES)[0], logits[0].sigmoid()
    keep = nms(boxes, scores, conf=0.1, iou=0.5, limit=20)
    best = scores[keep].max(1)
    os.makedirs(os.path.dirname(BASE), exist_ok=True)
    Image.fromarray(image).save(BASE + ".png", optimize=True)
    out = {"image": "yolo_tiny_parity.png", "names": names, "text": numbers(text),
           "anchors": len(boxes), "step": STEP,
           "truth": [{"name": n, "box": b.tolist()} for n, b in zip(metas[which], arrays["boxes"][which])],
           "raw_boxes": numbers(boxes[::STEP], 3), "raw_scores": numbers(scores[::STEP], 6),
           "final": [{"box": numbers(boxes[k], 3), "confidence": round(float(c), 6), "label": int(l)}
                     for k, c, l in zip(keep, best.values, best.indices)]}
    with open(BASE + ".json", "w", encoding="utf-8") as f:
        json.dump(out, f, separators=(",", ":"))
    print(json.dumps(out["final"]), json.dumps(out["truth"]))


if __name__ == "__main__":
    main()
