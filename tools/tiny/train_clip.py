"""Train the toy world's CLIP: instances apart, words to pictures, and dense tokens that know things.

Three goals share every step. (a) Crops and avatars of the same instance attract each other, others
repel. (b) Pictures match descriptions, kind names and group names. (c) The patch tokens before the
last block (what a LLaVA gets), averaged or single inside a box of a whole scene, match the thing's
avatar and tell kind, colour, pattern, accessory and box through throw-away heads.

    python train_clip.py --minutes 30 [--resume]

One single-threaded process per core works on its own small batch and the gradients are averaged once
a step: on a shared machine that is several times faster than threads inside every operation.

Writes clip.pt (see clip_model.save_official), clip.ckpt (to resume) and clip.done into the work folder.
"""
import argparse
import os
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn

import clip_data
import lexicon
import world
from clip_model import CLIP, EMBED, PATCH, SIZE, WIDTH, save_official, to_pixels
from clip_text import ClipTokenizer
from muon import Muon

GRID = SIZE // PATCH
COLOR_IDS = {"": 0, **{c: i + 1 for i, c in enumerate(lexicon.COLORS)}}
KIND_IDS = {k.name: i for i, k in enumerate(lexicon.KINDS)}
GROUP_IDS = {g: i for i, g in enumerate(lexicon.GROUPS)}
KIND_WEIGHT = 3.0       # shapes are the hard part: colours alone separate most instances
TARGETS = {"kind": len(KIND_IDS), "color": len(COLOR_IDS), "pattern": len(lexicon.PATTERNS),
           "pattern_color": len(COLOR_IDS), "accessory": len(lexicon.ACCESSORIES),
           "accessory_color": len(COLOR_IDS)}


def labels_of(instances):
    """Class ids [N] per attribute."""
    cols = {"kind": KIND_IDS, "color": COLOR_IDS, "pattern_color": COLOR_IDS, "accessory_color": COLOR_IDS,
            "pattern": {p: i for i, p in enumerate(lexicon.PATTERNS)},
            "accessory": {a: i for i, a in enumerate(lexicon.ACCESSORIES)}}
    return {k: torch.tensor([ids[i.attrs[k]] for i in instances]) for k, ids in cols.items()}


class Probe(nn.Module):
    """Throw-away heads on one vector: all attributes at once, and an instance embedding."""

    def __init__(self, width, embed):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attrs = nn.Linear(width, sum(TARGETS.values()))
        self.embed = nn.Linear(width, embed) if embed else None
        self.box = nn.Linear(width, 4)

    def attr_loss(self, x, labels):
        parts = self.attrs(self.norm(x)).split(list(TARGETS.values()), dim=1)
        return sum(F.cross_entropy(p, labels[k]) * (KIND_WEIGHT if k == "kind" else 1.0)
                   for p, k in zip(parts, TARGETS))

    def accuracy(self, x, labels):
        parts = self.attrs(self.norm(x)).split(list(TARGETS.values()), dim=1)
        return {k: (p.argmax(1) == labels[k]).float().mean().item() for p, k in zip(parts, TARGETS)}

    def embedding(self, x):
        return F.normalize(self.embed(x), dim=1)


class Trainer(nn.Module):
    """The CLIP plus everything that is thrown away afterwards."""

    def __init__(self, vocab_size):
        super().__init__()
        self.clip = CLIP(vocab_size)
        self.cls = Probe(EMBED, 0)
        self.dense = Probe(WIDTH, 128)
        self.patch = Probe(WIDTH, 0)
        self.scale_cls = nn.Parameter(torch.tensor(2.7))
        self.scale_dense = nn.Parameter(torch.tensor(2.7))
        self.scale_kind = nn.Parameter(torch.tensor(2.7))


def box_weights(boxes):
    """How much of each patch a box covers, as weights that sum to one: [M, 64]."""
    edge = torch.arange(GRID) * PATCH
    def cover(lo, hi):
        return (torch.minimum(hi[:, None], edge + PATCH) - torch.maximum(lo[:, None], edge)).clamp(min=0)
    w = (cover(boxes[:, 1], boxes[:, 3])[:, :, None] * cover(boxes[:, 0], boxes[:, 2])[:, None, :]).flatten(1)
    return w / w.sum(1, keepdim=True)


CENTRE = box_weights(torch.tensor([[16.0, 16.0, 112.0, 112.0]]))


class Batches:
    """Random batches out of the cached blocks."""

    def __init__(self, name, blocks, seed, test):
        self.arrays, self.metas = clip_data.load(name, blocks, seed, test)
        self.blocks = blocks
        self.instances = [world.instance_from_attrs(m["inst"]) for m in self.metas]
        self.where = {}
        for i, m in enumerate(self.metas):
            for k, (slot, _) in enumerate(m["objects"]):
                self.where.setdefault(i - i % clip_data.BLOCK + slot, []).append((i, k))

    def take(self, rng, scenes, blocks):
        picks = []
        for b in rng.choice(self.blocks, blocks, replace=False):
            picks += [b * clip_data.BLOCK + s for s in rng.choice(clip_data.BLOCK, scenes // blocks, False)]
        ids, boxes, owner = [], [], []
        for row, i in enumerate(picks):
            for slot, box in self.metas[i]["objects"]:
                ids.append(i - i % clip_data.BLOCK + slot)
                boxes.append(box)
                owner.append(row)
        unique = sorted(set(ids))
        crops = []
        for u in unique:
            spots = self.where[u]
            i, k = spots[rng.integers(len(spots))]
            crops.append(self.arrays["crops"][i, k])
        avatars = [self.arrays["avatars"][u, rng.integers(2)] for u in unique]
        return {"scenes": self.arrays["scene"][np.array(picks)], "boxes": torch.tensor(boxes),
                "owner": torch.tensor(owner), "which": torch.tensor([unique.index(i) for i in ids]),
                "crops": np.stack(crops), "avatars": np.stack(avatars),
                "instances": [self.instances[u] for u in unique]}


def vary(pixels, rng, crops):
    """Cheap changes on normalised pixels: gain, shift, and small moves for close-ups."""
    n = pixels.shape[0]
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (n, 1, 1, 1)).astype(np.float32))
    pixels = pixels * gain + torch.from_numpy(rng.normal(0, 0.06, (n, 3, 1, 1)).astype(np.float32))
    if crops:
        dy, dx = int(rng.integers(-4, 5)), int(rng.integers(-4, 5))
        pixels = torch.roll(pixels, (dy, dx), (2, 3))
    return pixels


def multi_nce(a, b, scale, same):
    """Symmetric InfoNCE; ``same`` [A, B] marks all positives."""
    logits = scale.exp().clamp(max=60) * a @ b.T
    rows = -(F.log_softmax(logits, 1) * same / same.sum(1, keepdim=True)).sum(1).mean()
    cols = -(F.log_softmax(logits, 0) * same / same.sum(0, keepdim=True)).sum(0).mean()
    return (rows + cols) / 2


NEGATIVE_KINDS = 80
TEMPLATES = ("{}", "a photo of {a}", "{a}", "a picture of {a}")


def text_features(model, tok, texts):
    ids, ends = tok.batch(texts)
    return F.normalize(model.clip.encode_text(torch.tensor(ids), torch.tensor(ends)), dim=1)


def text_loss(model, tok, rng, embeds, instances, labels):
    """Descriptions within the batch, many seen kind names, all group names."""
    n = len(instances)
    template = TEMPLATES[rng.integers(len(TEMPLATES))]
    there = {i.kind.name for i in instances}
    other = [k for k in lexicon.KINDS if k.seen and k.name not in there]
    kinds = [k for k in lexicon.KINDS if k.name in there]
    kinds += [other[i] for i in rng.choice(len(other), NEGATIVE_KINDS, replace=False)]
    names = [template.format(k.name, a=lexicon.article(k.name)) for k in kinds]
    names += [template.format(g, a=lexicon.article(g)) for g in lexicon.GROUPS]
    looks = [i.describe() if rng.random() < 0.7 else "a photo of " + i.describe() for i in instances]
    looks = text_features(model, tok, looks)
    names = text_features(model, tok, names)
    order = {k.name: j for j, k in enumerate(kinds)}
    kind_target = torch.tensor([order[i.kind.name] for i in instances])
    group_target = torch.tensor([GROUP_IDS[i.kind.group] for i in instances])
    eye, loss = torch.eye(n), 0.0
    for e in embeds:
        loss = loss + multi_nce(e, looks, model.clip.logit_scale, eye)
        logits = model.scale_kind.exp().clamp(max=60) * e @ names.T
        loss = loss + 1.5 * F.cross_entropy(logits[:, : len(kinds)], kind_target)
        loss = loss + 0.5 * F.cross_entropy(logits[:, len(kinds):], group_target)
    return loss / len(embeds)


def dense_loss(model, batch, tokens, close, labels):
    """Goal (c). tokens [S, 64, W] of scenes; close [2 U, 64, W] of crops then avatars."""
    which, boxes = batch["which"], batch["boxes"]
    mine = tokens[batch["owner"]]                                   # [M, 64, W]
    weights = box_weights(boxes)
    pooled = torch.einsum("mp,mpw->mw", weights, mine)
    pick = torch.multinomial(weights + 1e-9, 1)
    single = mine[torch.arange(len(mine)), pick[:, 0]]
    near = torch.einsum("p,npw->nw", CENTRE[0], close)
    crops, avatars = near.chunk(2)
    same = F.one_hot(which, len(batch["instances"])).float()
    d, e = model.dense, model.dense.embedding
    target = e(avatars)
    nce = multi_nce(e(pooled), target, model.scale_dense, same)
    nce = nce + 0.5 * multi_nce(e(single), target, model.scale_dense, same)
    nce = nce + 0.5 * multi_nce(e(crops), target, model.scale_dense, torch.eye(len(target)))
    of_objects = {k: v[which] for k, v in labels.items()}
    attrs = d.attr_loss(pooled, of_objects) + 0.5 * d.attr_loss(avatars, labels)
    attrs = attrs + 0.5 * model.patch.attr_loss(single, of_objects)
    box = boxes / SIZE
    place = F.smooth_l1_loss(model.dense.box(pooled), box, beta=0.05)
    place = place + F.smooth_l1_loss(model.patch.box(single), box, beta=0.05)
    return nce, attrs, place


def step_losses(model, tok, rng, batch):
    n = len(batch["instances"])
    scenes = vary(to_pixels(batch["scenes"]), rng, False)
    close = vary(to_pixels(np.concatenate([batch["crops"], batch["avatars"]])), rng, True)
    hidden = model.clip.visual.hidden(torch.cat([scenes, close]))
    first = scenes.shape[0]
    raw = model.clip.visual.finish(hidden[first:])
    labels = labels_of(batch["instances"])
    both = {k: torch.cat([v, v]) for k, v in labels.items()}
    crops, avatars = F.normalize(raw, dim=1).chunk(2)
    out = {"inst": multi_nce(crops, avatars, model.scale_cls, torch.eye(n)),
           "attr": model.cls.attr_loss(raw, both),
           "text": text_loss(model, tok, rng, (crops, avatars), batch["instances"], labels)}
    out["dnce"], out["dattr"], out["box"] = dense_loss(model, batch, hidden[:first, 1:], hidden[first:, 1:], labels)
    return out


LOSS_WEIGHTS = {"inst": 1.0, "attr": 0.25, "text": 0.7, "dnce": 1.0, "dattr": 0.35, "box": 8.0}


@torch.no_grad()
def evaluate(model, data, tok):
    """Held-out numbers: crop to avatar top-1 among 100, dense same/other AUC, attribute accuracies."""
    model.eval()
    embed = lambda px: model.clip.visual.hidden(to_pixels(px))
    store = embed(data.arrays["avatars"][:100, 0])
    keys = F.normalize(model.clip.visual.finish(store), dim=1)
    spots = [(u, i, k) for u in range(100) for i, k in data.where.get(u, [])][:240]
    truth = torch.tensor([u for u, _, _ in spots])
    crop = embed(np.stack([data.arrays["crops"][i, k] for _, i, k in spots]))
    sim = F.normalize(model.clip.visual.finish(crop), dim=1) @ keys.T
    best = sim.topk(2).indices
    top1 = (best[:, 0] == truth).float().mean().item()
    top2 = (best == truth[:, None]).any(1).float().mean().item()
    seen = torch.tensor([data.instances[u].kind.seen for u, _, _ in spots])
    unseen1 = (best[:, 0] == truth)[~seen].float().mean().item()
    scene = embed(np.stack([data.arrays["scene"][i] for _, i, _ in spots]))[:, 1:]
    boxes = torch.tensor([data.metas[i]["objects"][k][1] for _, i, k in spots])
    pooled = torch.einsum("mp,mpw->mw", box_weights(boxes), scene)
    avatars = torch.einsum("p,npw->nw", CENTRE[0], store[:, 1:])
    dsim = model.dense.embedding(pooled) @ model.dense.embedding(avatars).T
    hit = F.one_hot(truth, 100).bool()
    order = torch.cat([dsim[hit], dsim[~hit]]).argsort().argsort().float()
    pos, neg = int(hit.sum()), int((~hit).sum())
    auc = ((order[:pos].sum() - pos * (pos - 1) / 2) / (pos * neg)).item()
    dtop = (dsim.argmax(1) == truth).float().mean().item()
    names = text_features(model, tok, [k.name for k in lexicon.KINDS])
    kind = torch.tensor([KIND_IDS[data.instances[u].kind.name] for u, _, _ in spots])
    zero = ((F.normalize(model.clip.visual.finish(crop), dim=1) @ names.T).argmax(1) == kind)[seen]
    acc = model.dense.accuracy(pooled, labels_of([data.instances[u] for u, _, _ in spots]))
    model.train()
    text = " ".join(f"{k} {v:.3f}" for k, v in acc.items())
    return (f"top1 {top1:.3f} top2 {top2:.3f} unseen-top1 {unseen1:.3f} dense-top1 {dtop:.3f} "
            f"dense-auc {auc:.4f} zero-shot-kind {zero.float().mean():.3f} | dense: {text}")


def optimizers(model):
    blocks, rest = [], []
    for name, p in model.named_parameters():
        (blocks if p.ndim == 2 and "resblocks" in name else rest).append(p)
    adam = torch.optim.AdamW(rest, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    return [(Muon(blocks, lr=0.02), 0.02), (adam, 2e-3)]


def schedule(t):
    """Learning rate factor at a share t of the time: short rise, flat, linear fall."""
    return min(1.0, t / 0.02 + 0.02) * min(1.0, (1 - t) / 0.55 + 0.01)


def save(model, average, opts, spent, step):
    state = {k: v for k, v in model.state_dict().items()}
    torch.save({"model": state, "average": average.state_dict(), "spent": spent, "step": step,
                "opts": [o.state_dict() for o, _ in opts]}, world.work_dir("clip.ckpt.part"))
    os.replace(world.work_dir("clip.ckpt.part"), world.work_dir("clip.ckpt"))
    save_official(average.clip, world.work_dir("clip.pt.part"))
    os.replace(world.work_dir("clip.pt.part"), world.work_dir("clip.pt"))


def blend(average, model, keep):
    with torch.no_grad():
        for a, p in zip(average.parameters(), model.parameters()):
            a.lerp_(p, 1 - keep)


def average_gradients(model, spent):
    """Sum over processes; returns the mean of ``spent`` so that all follow one clock."""
    grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
    flat = torch.cat([g.reshape(-1) for g in grads] + [torch.tensor([spent])])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for p in model.parameters():
        p.grad = flat[at:at + p.numel()].view_as(p)
        at += p.numel()
    return flat[-1].item()


def restore(model, average, opts):
    state = torch.load(world.work_dir("clip.ckpt"), weights_only=True)
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    for (o, _), s in zip(opts, state["opts"]):
        o.load_state_dict(s)
    return state["spent"], state["step"]


def report(model, average, opts, spent, step, tok, test):
    save(model, average, opts, spent, step)
    print("eval", evaluate(average, test, tok), flush=True)


def worker(rank, args):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{args.port}", rank=rank, world_size=args.procs)
    tok = ClipTokenizer()
    train, test = Batches("clip-train", 200, 7, False), Batches("clip-test", 8, 77, True)
    model, average = Trainer(tok.vocab_size), Trainer(tok.vocab_size)
    average.load_state_dict(model.state_dict())
    opts, spent, step = optimizers(model), 0.0, 0
    if args.resume and os.path.exists(world.work_dir("clip.ckpt")):
        spent, step = restore(model, average, opts)
    rng, sums, next_save = np.random.default_rng((step, rank)), {}, spent + 240
    torch.manual_seed(step * 100 + rank)
    while spent < args.minutes * 60 and (not args.steps or step < args.steps):
        begun = time.time()
        factor = schedule(spent / (args.minutes * 60))
        losses = step_losses(model, tok, rng, train.take(rng, args.scenes, 3))
        sum(LOSS_WEIGHTS[k] * v for k, v in losses.items()).backward()
        spent = average_gradients(model, spent + time.time() - begun)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        for opt, base in opts:
            for group in opt.param_groups:
                group["lr"] = base * factor
            opt.step()
            opt.zero_grad()
        blend(average, model, min(0.985, step / (step + 10)))
        step += 1
        for k, v in losses.items():
            sums[k] = sums.get(k, 0.0) + v.item()
        if rank == 0 and step % 20 == 0:
            text = " ".join(f"{k} {v / 20:.3f}" for k, v in sums.items())
            print(f"{time.strftime('%H:%M:%S')} step {step} {spent:.0f}s {text}", flush=True)
        sums = {} if step % 20 == 0 else sums
        if spent > next_save:
            next_save = spent + 240
            if rank == 0:
                report(model, average, opts, spent, step, tok, test)
    if rank == 0:
        report(model, average, opts, spent, step, tok, test)
        if not args.steps:
            open(world.work_dir("clip.done"), "w").close()
    dist.barrier()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--minutes", type=float, default=30)
    args.add_argument("--procs", type=int, default=4)
    args.add_argument("--scenes", type=int, default=12, help="scenes a process and step")
    args.add_argument("--port", type=int, default=29511)
    args.add_argument("--steps", type=int, default=0, help="stop early, for tests")
    args.add_argument("--resume", action="store_true")
    args = args.parse_args()
    mp.spawn(worker, (args,), nprocs=args.procs)


if __name__ == "__main__":
    main()
