"""Train the toy world's YOLO-World against the words of the frozen CLIP text tower.

Every step draws a new vocabulary: some kind names and group names, always with "object", which is
right for every thing, so that kinds never seen in training are found as well. Boxes learn by the
task-aligned assigner, CIoU and DFL; words by binary cross-entropy.

    python train_yolo.py --minutes 40 [--resume]      (after clip.pt is final)

Writes yolo.ckpt (to resume) and yolo.pt (averaged weights) into the work folder.
"""
import argparse
import functools
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import lexicon
import world
from clip_model import load_official
from clip_text import ClipTokenizer
from yolo_model import (REG_MAX, SIZE, YoloWorld, anchor_points, box_iou, decode, flatten, nms)

MAX_OBJECTS = 4
GENERIC = "object"
POINTS, ANCHOR_STRIDES = anchor_points()


# ---------------------------------------------------------------- data

@functools.lru_cache(maxsize=2)
def _pool(test):
    return world.test_instances(400, seed=78) if test else world.train_instances(2000, seed=9)


def make_scene(test, rng, index):
    """One cached scene: the picture, its boxes, its kinds."""
    pool = _pool(test)
    count = int(rng.choice(4, p=(0.2, 0.3, 0.3, 0.2))) + 1
    if test:
        spots = rng.integers(len(pool), size=count)
    else:       # near neighbours in the pool, so that cached sprites are used again
        spots = (index // 64 * 37 + rng.integers(96, size=count)) % len(pool)
    scene = world.random_scene(rng, [pool[i] for i in spots])
    boxes = np.zeros((MAX_OBJECTS, 4), np.float32)
    for i, o in enumerate(scene.objects):
        boxes[i] = o.box
    return {"image": scene.image, "boxes": boxes, "meta": [o.inst.kind.name for o in scene.objects]}


def load_scenes(test, count, procs=4):
    maker = functools.partial(make_scene, test)
    return world.prerender("yolo-test" if test else "yolo-train", maker, count, seed=3 + test, procs=procs)


def augment(image, boxes, rng):
    """Flip and zoom (the frame moves with the boxes); floats in 0..1."""
    if rng.random() < 0.5:
        image = image[:, ::-1]
        boxes = np.stack([SIZE - boxes[:, 2], boxes[:, 1], SIZE - boxes[:, 0], boxes[:, 3]], 1)
    if rng.random() < 0.4:
        image, boxes = _zoom(image, boxes, rng)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    gain = float(rng.uniform(0.8, 1.2))
    return (pixels * gain).clamp(0, 1), boxes


def _zoom(image, boxes, rng):
    """Shrink onto grey, or cut away borders; keeps things that stay mostly visible."""
    k = float(rng.uniform(0.75, 1.3))
    side = round(SIZE * k)
    big = F.interpolate(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float(),
                        size=(side, side), mode="bilinear", antialias=k < 1)[0]
    big = big.permute(1, 2, 0).numpy()
    out = np.full((SIZE, SIZE, 3), 114, np.float32)
    x, y = (int(rng.integers(min(0, SIZE - side), max(0, SIZE - side) + 1)) for _ in range(2))
    sx, sy, dx, dy = max(0, -x), max(0, -y), max(0, x), max(0, y)
    w, h = min(SIZE - dx, side - sx), min(SIZE - dy, side - sy)
    out[dy:dy + h, dx:dx + w] = big[sy:sy + h, sx:sx + w]
    moved = boxes * k + np.array([x, y, x, y], np.float32)
    return out, moved.clip(0, SIZE)


def draw_batch(rng, arrays, metas, size):
    """Pixels [B, 3, S, S] and per picture (boxes [n, 4], kind names)."""
    pixels, targets = [], []
    for i in rng.integers(len(metas), size=size):
        n = len(metas[i])
        px, boxes = augment(arrays["image"][i], arrays["boxes"][i][:n], rng)
        ok = ((boxes[:, 2] - boxes[:, 0]) > 24) & ((boxes[:, 3] - boxes[:, 1]) > 24)
        pixels.append(px)
        targets.append((torch.from_numpy(boxes[ok].astype(np.float32)),
                        [name for name, good in zip(metas[i], ok) if good]))
    return torch.stack(pixels).contiguous(memory_format=torch.channels_last), targets


class Words:
    """Unit text features of every name."""

    def __init__(self, clip_path):
        clip, tok = load_official(clip_path), ClipTokenizer()
        self.names = [GENERIC] + [k.name for k in lexicon.KINDS] + list(lexicon.GROUPS)
        ids, ends = tok.batch(self.names)
        with torch.no_grad():
            f = clip.encode_text(torch.tensor(ids), torch.tensor(ends))
        self.features = dict(zip(self.names, F.normalize(f, dim=1)))

    def matrix(self, names):
        return torch.stack([self.features[n] for n in names])


def draw_vocabulary(rng, targets):
    """"object" plus a random number of right and wrong names, in random order."""
    present = sorted({name for _, names in targets for name in names})
    kept = [n for n in present if rng.random() < 0.85]
    others = [k.name for k in lexicon.SEEN_KINDS if k.name not in present]
    count = int(min(2 ** rng.uniform(0, 6), len(others)))
    names = kept + [others[i] for i in rng.choice(len(others), count, replace=False)]
    if rng.random() < 0.15:
        names = [g for g in lexicon.GROUPS]
    elif rng.random() < 0.05:
        names = []
    names = [GENERIC] + names
    return [names[i] for i in rng.permutation(len(names))]


def positives(names, vocabulary):
    """Which words are right for each thing: [n, K] of 0/1."""
    out = torch.zeros(len(names), len(vocabulary))
    for i, name in enumerate(names):
        right = {GENERIC, name, lexicon.KIND_BY_NAME[name].group}
        for k, word in enumerate(vocabulary):
            out[i, k] = float(word in right)
    return out


# ---------------------------------------------------------------- loss

def assign(scores, boxes, gt, labels, topk=10):
    """Task-aligned assignment for one picture.

    scores [A, K] and boxes [A, 4] as predicted, gt [n, 4], labels [n, K]. Returns the anchors
    chosen, the thing of each, and its target strength in 0..1.
    """
    inside = ((POINTS[None] > gt[:, None, :2]) & (POINTS[None] < gt[:, None, 2:])).all(-1)
    iou = box_iou(gt, boxes) * inside
    right = (scores @ labels.T).T / labels.sum(1, keepdim=True)
    metric = right.sqrt() * iou.pow(6) + 1e-12 * inside
    chosen = torch.zeros_like(metric, dtype=torch.bool)
    chosen.scatter_(1, metric.topk(topk, dim=1).indices, True)
    chosen &= inside
    crowded = chosen.sum(0) > 1
    winner = F.one_hot(iou.argmax(0), len(gt)).T.bool()
    chosen = torch.where(crowded[None], winner & chosen, chosen)
    anchors = chosen.any(0).nonzero()[:, 0]
    owner = chosen[:, anchors].float().argmax(0)
    metric = metric * chosen
    best_iou = (iou * chosen).max(1).values
    strength = metric / (metric.max(1, keepdim=True).values + 1e-9) * best_iou[:, None]
    return anchors, owner, strength[owner, anchors]


def ciou(a, b):
    """Complete IoU of matching rows."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(1)
    wa, ha = (a[:, 2:] - a[:, :2]).clamp(min=1e-4).unbind(1)
    wb, hb = (b[:, 2:] - b[:, :2]).unbind(1)
    iou = inter / (wa * ha + wb * hb - inter + 1e-7)
    span = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    gap = ((a[:, :2] + a[:, 2:]) - (b[:, :2] + b[:, 2:])).pow(2).sum(1) / 4
    v = (4 / np.pi ** 2) * (torch.atan(wb / hb) - torch.atan(wa / ha)).pow(2)
    with torch.no_grad():
        alpha = v / (v - iou + 1 + 1e-7)
    return iou - gap / (span.pow(2).sum(1) + 1e-7) - alpha * v


def dfl_loss(dist, target):
    """Cross-entropy to the two neighbouring bins; dist [N, 4, REG_MAX], target [N, 4] in strides."""
    target = target.clamp(0, REG_MAX - 1.01)
    low = target.long()
    log = F.log_softmax(dist, 2)
    left = log.gather(2, low[..., None])[..., 0]
    right = log.gather(2, low[..., None] + 1)[..., 0]
    part = target - low
    return -(left * (1 - part) + right * part).mean(1)


def detection_loss(outputs, targets, vocabulary):
    dist, logits = flatten(outputs)
    boxes = decode(dist, POINTS, ANCHOR_STRIDES)
    goal = torch.zeros_like(logits)
    box_sum, dfl_sum, weight_sum = 0.0, 0.0, 1e-6
    for b, (gt, names) in enumerate(targets):
        if not len(gt):
            continue
        labels = positives(names, vocabulary)
        with torch.no_grad():
            anchors, owner, strength = assign(logits[b].sigmoid(), boxes[b], gt, labels)
        goal[b, anchors] = labels[owner] * strength[:, None]
        box_sum = box_sum + ((1 - ciou(boxes[b, anchors], gt[owner])) * strength).sum()
        p, s = POINTS[anchors], ANCHOR_STRIDES[anchors]
        sides = torch.cat([p - gt[owner, :2], gt[owner, 2:] - p], 1) / s
        dfl = dfl_loss(dist[b, anchors].view(-1, 4, REG_MAX), sides)
        dfl_sum = dfl_sum + (dfl * strength).sum()
        weight_sum = weight_sum + strength.sum()
    words = F.binary_cross_entropy_with_logits(logits, goal, reduction="sum")
    return {"box": 7.5 * box_sum / weight_sum, "dfl": 1.5 * dfl_sum / weight_sum,
            "words": 0.7 * words / goal.sum().clamp(min=1)}


# ---------------------------------------------------------------- test

@torch.no_grad()
def evaluate(model, arrays, metas, words, count=200, conf=0.25):
    """Class-agnostic recall at IoU 0.5 and false boxes a picture, on held-out things."""
    model.eval()
    names = sorted({n for m in metas for n in m})[:100]
    text = words.matrix([GENERIC] + names)[None]
    found = total = false = named = known = 0
    for i in range(count):
        gt = torch.from_numpy(np.array(arrays["boxes"][i][: len(metas[i])]))
        px = torch.from_numpy(np.array(arrays["image"][i])).permute(2, 0, 1)[None].float() / 255
        dist, logits = flatten(model(px, text))
        boxes, scores = decode(dist, POINTS, ANCHOR_STRIDES)[0], logits[0].sigmoid()
        keep = nms(boxes, scores, conf)
        iou = box_iou(gt, boxes[keep]) if keep else torch.zeros(len(gt), 1)
        hit = iou.max(1).values >= 0.5
        found, total = found + int(hit.sum()), total + len(gt)
        false += int((iou.max(0).values < 0.5).sum()) if keep else 0
        for j, name in enumerate(metas[i]):
            if hit[j] and name in names and lexicon.KIND_BY_NAME[name].seen:
                best = scores[keep[int(iou[j].argmax())], 1:].argmax()
                named, known = named + (names[int(best)] == name), known + 1
    model.train()
    return (f"recall {found / total:.4f} false/picture {false / count:.3f} "
            f"right-name {named / max(1, known):.3f} ({known})")


# ---------------------------------------------------------------- loop

def optimizer(model):
    slow, plain, fast = [], [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            is_head = ".cv4." in name
            (fast if is_head else plain if p.ndim < 2 else slow).append(p)
    return torch.optim.AdamW([{"params": slow, "k": 1, "weight_decay": 0.02}, {"params": plain, "k": 1},
                              {"params": fast, "k": 8}], lr=2e-3, betas=(0.9, 0.99), weight_decay=0.0)


def blend(average, model, keep):
    with torch.no_grad():
        for a, p in zip(average.state_dict().values(), model.state_dict().values()):
            a.lerp_(p, 1 - keep) if a.is_floating_point() else a.copy_(p)


def save(model, average, opt, spent, step):
    torch.save({"model": model.state_dict(), "average": average.state_dict(), "opt": opt.state_dict(),
                "spent": spent, "step": step}, world.work_dir("yolo.ckpt"))
    torch.save(average.state_dict(), world.work_dir("yolo.pt"))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--minutes", type=float, default=40)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--batch", type=int, default=8)
    args.add_argument("--scenes", type=int, default=6000)
    args.add_argument("--resume", action="store_true")
    args.add_argument("--clip", default=world.work_dir("clip.pt"))
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(2)
    words = Words(args.clip)
    arrays, metas = load_scenes(False, args.scenes)
    test_arrays, test_metas = load_scenes(True, 200)
    model, average = YoloWorld(), YoloWorld()
    opt, spent, step = optimizer(model), 0.0, 0
    if args.resume and os.path.exists(world.work_dir("yolo.ckpt")):
        state = torch.load(world.work_dir("yolo.ckpt"), weights_only=True)
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        spent, step = state["spent"], state["step"]
        average.load_state_dict(state["average"])
    else:
        average.load_state_dict(model.state_dict())
    model = model.to(memory_format=torch.channels_last)
    train(args, model, average, opt, spent, step, words, (arrays, metas), (test_arrays, test_metas))


def train(args, model, average, opt, spent, step, words, data, test):
    rng, sums, saved = np.random.default_rng(step), {}, time.time()
    while spent < args.minutes * 60:
        begun = time.time()
        t = spent / (args.minutes * 60)
        for group in opt.param_groups:
            group["lr"] = 2e-3 * group["k"] * min(1, t / 0.02 + 0.05) * min(1.0, (1 - t) / 0.6 + 0.01)
        pixels, targets = draw_batch(rng, *data, args.batch)
        vocabulary = draw_vocabulary(rng, targets)
        text = words.matrix(vocabulary)[None].expand(len(pixels), -1, -1)
        losses = detection_loss(model(pixels, text), targets, vocabulary)
        opt.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        opt.step()
        step += 1
        blend(average, model, min(0.998, step / (step + 20)))
        spent += time.time() - begun
        for k, v in losses.items():
            sums[k] = sums.get(k, 0.0) + float(v.detach())
        if step % 50 == 0:
            text = " ".join(f"{k} {v / 50:.3f}" for k, v in sums.items())
            print(f"{time.strftime('%H:%M:%S')} step {step} {spent:.0f}s {text}", flush=True)
            sums = {}
        if time.time() - saved > 300:
            save(model, average, opt, spent, step)
            print("eval", evaluate(average, *test, words), flush=True)
            saved = time.time()
    save(model, average, opt, spent, step)
    print("eval", evaluate(average, *test, words), flush=True)
    open(world.work_dir("yolo.done"), "w").close()


if __name__ == "__main__":
    main()
