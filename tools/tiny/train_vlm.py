"""Train the tiny LLaVA's projector and decoder on top of the frozen CLIP tower.

    python tools/tiny/train_vlm.py --clip build/tiny/clip.pt --out build/tiny/vlm.pt --minutes 65

Stages: (0) render and cache features, learn the vocabulary; (1) with --ideal: no tower yet, pictures
are made from what each patch shows (kind, colours, pattern, accessory), so that the decoder learns to
compare pictures, read and answer; (2) --adopt that checkpoint: the projector learns to say the same of
real features, then everything trains on packed talks.  A checkpoint is written every few minutes;
--resume goes on.  --adopt with --adopt-clip moves to another tower: the projector is re-fitted so that
the decoder sees what it is used to.

Reading order: vocabulary, Ideal and Dense, projector stage, losses, batches, run, main.
"""
import argparse
import copy
import hashlib
import math
import multiprocessing as mp
import os
import random
import sys
import time
from collections import Counter, defaultdict

import numpy as np
import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qa  # noqa: E402
import vlm_data as data  # noqa: E402
from export_vlm import load_clip, load_tower  # noqa: E402
from muon import Muon  # noqa: E402
from spm import CHUNK, SPACE, Spm, escape, learn  # noqa: E402
from vlm_model import N_PATCH, SCALE, Config, Vlm, rotate  # noqa: E402

START = time.time()


def log(text):
    print(f"{time.strftime('%H:%M:%S')} {time.time() - START:7.0f}s {text}", flush=True)


# ---------------------------------------------------------------- vocabulary

def learn_vocabulary(path, metas, size, talks=6000):
    """Pieces from the talks' own words plus whole words for everything the world can say."""
    if os.path.exists(path):
        return Spm.load(path)
    counts = Counter()
    packer = data.Packer(None, metas, data.POOL, data.pool(), seed=99)
    for _ in range(talks):
        talk = packer.talk()
        texts = [p for p in qa.prefix_parts(talk) if isinstance(p, str)]
        texts += [t for chain in talk.chains for turn in chain for t in turn[:2]]
        for text in texts:
            counts.update(CHUNK.findall(escape(text)))
    for kind in data.world.KINDS:
        for word in kind.name.split():
            counts[SPACE + word] += 30
    spm = Spm(learn(counts, size))
    spm.save(path)
    return spm


# ---------------------------------------------------------------- the projector learns to see

class Dense(nn.Module):
    """Training-only heads on the projector's output: what does this patch show?"""

    def __init__(self, width):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, n) for _, n in data.DENSE)

    def loss(self, x, labels):
        """x [N, D], labels [N, 6] with -1 for patches to leave out."""
        keep = labels[:, 0] >= 0
        x, labels = x[keep], labels[keep]
        weight = torch.where(labels[:, 0] > 0, 1.0, 0.25)
        total = 0
        for i, head in enumerate(self.heads):
            total = total + (F.cross_entropy(head(x), labels[:, i], reduction="none") * weight).mean()
        return total / len(self.heads)

    @torch.no_grad()
    def accuracy(self, x, labels):
        keep = labels[:, 0] > 0
        return [float((h(x[keep]).argmax(-1) == labels[keep][:, i]).float().mean()) for i, h in enumerate(self.heads)]


class Ground(nn.Module):
    """Training-only heads: which column and row is this patch of, and what place lies behind it?"""

    def __init__(self, width):
        super().__init__()
        self.column, self.row, self.place = (nn.Linear(width, n) for n in (8, 8, len(data.world.PLACES)))

    def loss(self, x, labels, scene, places):
        """x [I, P, D], labels [I, P, 6]; scene [I] bool; places [I], of scenes only."""
        at = torch.arange(N_PATCH).repeat(len(x))
        flat = x.flatten(0, 1)
        total = F.cross_entropy(self.column(flat), at % 8) + F.cross_entropy(self.row(flat), at // 8)
        bare = (labels[..., 0] == 0) & scene[:, None]
        if bare.any():
            total = total + F.cross_entropy(self.place(x[bare]), places[:, None].expand_as(bare)[bare])
        return total / 3


class Ideal(nn.Module):
    """Training-only: the picture tokens a perfect projector might give, made from patch labels."""
    DROP = (0.15, 0.1, 0.3, 0.3, 0.5, 0.5)

    def __init__(self, width):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, width) for _, n in data.DENSE)
        self.where = nn.Parameter(0.03 * torch.randn(N_PATCH, width))
        for t in self.tables:
            nn.init.normal_(t.weight, std=0.05)

    def forward(self, labels):
        """labels [I, P, 6] to [I, P, D]."""
        labels = labels.clamp(min=0)
        return sum(t(labels[..., i]) for i, t in enumerate(self.tables)) + self.where

    def imperfect(self, labels, rows):
        """The same with what a real tower would miss, and some kinds it never met."""
        labels = labels.clamp(min=0)
        x = self.where + 0.03 * torch.randn(*labels.shape[:2], self.where.shape[1])
        table = self.tables[0].weight
        strange = torch.rand(int(rows.max()) + 1, len(table)) < 0.15
        odd = 0.05 * torch.randn(*strange.shape, table.shape[1])
        kind = labels[..., 0]
        r = rows[:, None].expand_as(kind)
        for i, t in enumerate(self.tables):
            v = t(labels[..., i])
            if i == 0:
                v = torch.where((strange[r, kind] & (kind > 0))[..., None], odd[r, kind], v)
            x = x + v * (torch.rand(labels.shape[:2]) > self.DROP[i])[..., None]
        return x

    @torch.no_grad()
    def borrow_words(self, embed, spm):
        """Starts from the words' own embeddings."""
        colors = [None] + list(data.world.COLORS)
        names = ([None] + [k.name for k in data.world.KINDS], colors, [None, None] + list(data.world.PATTERNS)[1:],
                 colors, [None, None] + list(data.world.ACCESSORIES)[1:], colors)
        for i, (table, words) in enumerate(zip(self.tables, names)):
            for k, word in enumerate(words):
                token = spm.ids.get(SPACE + word.split()[-1]) if word else None
                if token is not None:
                    table.weight[k] = (0.5 if i in (3, 5) else 1.0) * embed.weight[token] + 0.4 * table.weight[k]


class Identity:
    """The tower's own training compared things by a linear map of these tokens (kept in clip.ckpt);
    added to the projector's first goal, it lets the decoder's comparing heads tell things apart."""

    def __init__(self, path, width):
        self.weight = None
        if path and os.path.exists(path):
            state = torch.load(path, map_location="cpu", weights_only=False)["average"]
            self.weight, self.bias = state["dense.embed.weight"].float(), state["dense.embed.bias"].float()
            n = self.weight.shape[0]
            self.spread = torch.linalg.qr(torch.randn(width, n, generator=torch.Generator().manual_seed(5)))[0].T

    def __call__(self, feats):
        if self.weight is None:
            return 0
        return 1.2 * F.normalize(F.linear(feats, self.weight, self.bias), dim=-1) @ self.spread


def train_projector(trainer, feats, labels, minutes, identity, old=None):
    """Stage 2a. Without `old` it imitates Ideal; old: (projector, features) of another tower."""
    scene, avatar = feats
    model, dense = trainer.model, trainer.dense
    params = nn.ModuleList([model.projector, dense])
    opt = torch.optim.AdamW(params.parameters(), lr=3e-3, weight_decay=0.01)
    step, begun, world = 0, time.time(), dist.get_world_size() if dist.is_initialized() else 1
    while (progress := shared_clock(begun, minutes, world)) < 1:
        i, j = torch.randint(len(scene), (40,)), torch.randint(len(avatar), (24,))
        f = torch.cat([scene[i], avatar[j]]).float()
        x = model.projector(f)
        y = torch.cat([labels[0][i], labels[1][j]]).long()
        with torch.no_grad():
            if old:
                want = old[0](torch.cat([old[1][0][i], old[1][1][j]]).float())
                keep = torch.ones_like(y[..., 0], dtype=torch.bool)
            else:
                want, keep = trainer.ideal(y) + identity(f), y[..., 0] >= 0
        fit = F.mse_loss(x[keep], want[keep]) / want[keep].var()
        loss = 0.3 * dense.loss(x.flatten(0, 1), y.flatten(0, 1)) + fit
        for g in opt.param_groups:
            g["lr"] = 3e-3 * min(1.0, (step + 1) / 50) * max(0.02, 1 - progress)
        opt.zero_grad()
        loss.backward()
        if world > 1:
            average_gradients(params, world)
        opt.step()
        if step % 200 == 0 and (world == 1 or dist.get_rank() == 0):
            acc = dense.accuracy(x.detach().flatten(0, 1), y.flatten(0, 1))
            log(f"projector {step} fit {fit.item():.3f} " + " ".join(f"{n} {v:.2f}" for (n, _), v in zip(data.DENSE, acc)))
        step += 1


# ---------------------------------------------------------------- losses

MATCH_HEADS = 2
MIDDLE = torch.arange(N_PATCH).view(8, 8)[2:6, 2:6].flatten()


def match_places(i, batch):
    """Where block i compares from, [N, Q]: a concept's picture; in block 3 its line and its name."""
    return batch["probes"][:, [1, 5, 6]] if i == 3 else batch["probes"][:, 3:4] + MIDDLE


def probe_goals(batch):
    """Column and row of the patch that shows each probed concept, 8 where none does, [N, 2]."""
    patch = batch["probes"][:, 2]
    return torch.stack([torch.where(patch < 0, 8, patch % 8), torch.where(patch < 0, 8, patch // 8)], 1)


def match_loss(block, x, cos, sin, mask, batch, at):
    """Shows the first comparing heads where to look: from the places `at` [N, Q] of a concept to the
    patches of the scene that show it, or to the very first token when none does."""
    B, T, D = x.shape
    hd = D // block.heads
    row, scene = batch["probes"][:, 0], batch["probes"][:, 4]
    n = block.attn_norm(x)
    weight = block.qkv.weight
    loss = 0
    for h in range(MATCH_HEADS):
        wq, wk = weight[h * hd:(h + 1) * hd], weight[D + h * hd:D + (h + 1) * hd]
        r = row[:, None].expand_as(at)
        q = rotate(F.linear(n[r, at], wq), cos[r, 0, at], sin[r, 0, at])          # [N, Q, hd]
        k = rotate(F.linear(n, wk), cos[:, 0], sin[:, 0])                         # [B, T, hd]
        logp = (q @ k[row].mT / hd ** 0.5 + mask[r, 0, at]).log_softmax(-1)       # [N, Q, T]
        target = torch.zeros(len(row), T, dtype=torch.bool)
        target.scatter_(1, scene[:, None] + torch.arange(N_PATCH), batch["covers"])
        target[:, 0] = ~batch["covers"].any(1)
        loss = loss - torch.logsumexp(logp.masked_fill(~target[:, None], -1e9), -1).mean()
    return loss / MATCH_HEADS


def point_loss(block, head, x, cos, sin, mask, row, at, target):
    """Shows one head where to look: from (row, at) [N] to target [N, T]."""
    hd = x.shape[-1] // block.heads
    n, w = block.attn_norm(x), block.qkv.weight
    q = rotate(F.linear(n[row, at], w[head * hd:(head + 1) * hd]), cos[row, 0, at], sin[row, 0, at])
    k = rotate(F.linear(n, w[x.shape[-1] + head * hd:x.shape[-1] + (head + 1) * hd]), cos[:, 0], sin[:, 0])
    logits = torch.einsum("nd,ntd->nt", q, k[row]) / hd ** 0.5 + mask[row, 0, at]
    return -torch.logsumexp(logits.log_softmax(-1).masked_fill(~target, -1e9), -1).mean()


def copy_targets(batch, first_piece=259, most=160):
    """Answer tokens that stand a few times in the prefix's text: (row, place before, where it stands)."""
    b, t = (batch["weights"][:, 1:] > 0).nonzero(as_tuple=True)
    keep = (batch["blocks"][b, t + 1] > 0) & (batch["tokens"][b, t + 1] >= first_piece)
    b, t = b[keep], t[keep]
    same = (batch["tokens"][b] == batch["tokens"][b, t + 1][:, None]) & (batch["blocks"][b] == 0)
    count = same.sum(1)
    keep = ((count > 0) & (count <= 3)).nonzero()[:, 0]
    keep = keep[torch.randperm(len(keep))[:most]]
    return b[keep], t[keep], same[keep]


def pointing(blocks, i, x, cos, sin, mask, batch):
    """Losses of the heads that look up the asked concept, or the next one to be named (head 2), and the
    word to copy (head 3)."""
    out = {}
    for name, wanted_at in (("links", (3, 4)), ("named", (4,))):
        links = batch[name]
        if i in wanted_at and len(links):
            target = torch.zeros(len(links), x.shape[1], dtype=torch.bool)
            target.scatter_(1, links[:, 2:4], True)
            out[f"{name}{i}"] = point_loss(blocks[i], 2, x, cos, sin, mask, links[:, 0], links[:, 1], target)
    if i == 4:
        row, at, target = copy_targets(batch)
        if len(row):
            for head in (1, 3):
                out[f"copy{head}"] = point_loss(blocks[i], head, x, cos, sin, mask, row, at, target)
    return out


def wanted(weights):
    """Places whose next token counts: padded per row, at [B, S]; and for each (row, place, slot)."""
    b, t = (weights[:, 1:] > 0).nonzero(as_tuple=True)
    count = torch.bincount(b, minlength=len(weights))
    slot = torch.arange(len(b)) - (count.cumsum(0) - count)[b]
    at = torch.zeros(len(weights), int(count.max()), dtype=torch.long)
    at[b, slot] = t
    return at, (b, t, slot)


def norm(x):
    return F.rms_norm(x, x.shape[-1:])


class Trainer(nn.Module):
    """The model with its training-only heads."""

    def __init__(self, cfg):
        super().__init__()
        self.model = Vlm(cfg)
        self.dense = Dense(cfg.width)
        self.ideal = Ideal(cfg.width)
        self.probe_at = cfg.layers - 2
        self.match = [0, 0, 0]
        self.tower, self.tower_parts = None, ()
        self.ground = Ground(cfg.width)
        self.find_tag = nn.Linear(cfg.width, 18)        # column and row, or absent: at the end of its name,
        self.find_line = nn.Linear(cfg.width, 18)       # at the end of a concept's line,
        self.find_look = nn.Linear(cfg.width, 18)       # in the concept's picture, one block earlier

    def open_eyes(self, tower):
        """From here on the tower learns too, and pictures are given as pixels."""
        self.tower = (tower,)                       # a tuple: its unused last block is no parameter of ours
        self.tower_parts = nn.ParameterList(p.requires_grad_() for p in tower.parts().values())

    def look(self, kinds, index, scene, avatar):
        """The batch's pictures as the decoder reads them, [I, P, D]."""
        feats = torch.stack([(scene if s else avatar)[i] for s, i in zip(kinds, index)])
        if feats.dtype == torch.uint8:
            return self.model.projector(self.tower[0](data.normalised(feats)))
        return self.model.projector(feats.float()) if feats.is_floating_point() else feats.long()

    def embed(self, batch, scene, avatar):
        """Token embeddings with the pictures put in; also the projected pictures [I, P, D].

        scene and avatar hold pixels (bytes), tower features (floats) or labels for Ideal (int16)."""
        x = self.model.embed(batch["tokens"])
        if len(batch["rows"]) == 0:
            return x, None
        img = self.look(batch["scene"], batch["index"], scene, avatar)
        if not img.is_floating_point():
            img = self.ideal.imperfect(img, batch["rows"])
        at = batch["starts"][:, None] + torch.arange(N_PATCH)
        flat = (batch["rows"][:, None] * x.shape[1] + at).flatten()
        x = x.flatten(0, 1).index_copy(0, flat, img.flatten(0, 1)).view_as(x)
        return x, img

    def reach(self, batch):
        """Who sees whom, [B, 1, T, T], and RoPE's cosines and sines: the prefix is seen by all, a question by itself."""
        m, blocks = self.model, batch["blocks"]
        B, T = blocks.shape
        allowed = (blocks[:, None, :] == 0) | (blocks[:, None, :] == blocks[:, :, None])
        allowed &= torch.ones(T, T, dtype=torch.bool).tril()
        mask = torch.zeros(B, 1, T, T).masked_fill_(~allowed[:, None], -1e9)
        return mask, m.cos[batch["positions"]][:, None], m.sin[batch["positions"]][:, None]

    def hidden(self, batch, scene, avatar):
        x, img = self.embed(batch, scene, avatar)
        x, m = SCALE * x, self.model
        mask, cos, sin = self.reach(batch)
        probed = None
        looked, self.points = None, {}
        for i, block in enumerate(m.blocks[:-1]):
            if len(batch["probes"]) and 0 < i < 4:
                self.match[i - 1] = match_loss(block, x, cos, sin, mask, batch, match_places(i, batch))
            if self.training:
                self.points.update(pointing(m.blocks, i, x, cos, sin, mask, batch))
            x = block(x, cos, sin, mask)
            if len(batch["probes"]) and i == self.probe_at - 2:
                looked = self.find_look(norm(self.pooled(x, batch)))
            if len(batch["probes"]) and i == self.probe_at - 1:
                row, at = batch["probes"][:, 0], batch["probes"][:, 1]
                name = [self.find_tag(norm(x[row, batch["probes"][:, k]])) for k in (5, 6)]
                probed = self.find_line(norm(x[row, at])), looked, torch.stack(name, 1)
        at, slot = wanted(batch["weights"])
        return m.norm(m.blocks[-1].forward_at(x, cos, sin, mask, at)), slot, img, probed

    def pooled(self, x, batch):
        """Mean over each probed concept's picture, [N, D]."""
        at = batch["probes"][:, 3:4] + torch.arange(N_PATCH)
        return x[batch["probes"][:, 0:1], at].mean(1)

    def forward(self, batch, scene, avatar, labels, aux):
        h, (b, t, s), img, probed = self.hidden(batch, scene, avatar)
        ce = F.cross_entropy(self.model.head(h[b, s]), batch["tokens"][b, t + 1], reduction="none")
        weight = batch["weights"][b, t + 1]
        lm = (ce * weight).sum() / weight.sum()
        out = {"lm": lm}
        out.update(self.points)
        total = lm + 0.3 * sum(self.points.values())
        if probed is not None:
            where = probe_goals(batch)
            for key, p in zip(("probe", "look", "tag"), probed):
                want = where if p.dim() == 2 else where[:, None].expand(-1, 2, -1)
                out[key] = F.cross_entropy(p.reshape(-1, 9), want.flatten())
            out["match1"], out["match2"], out["match3"] = self.match
            total = total + aux * 0.12 * (out["probe"] + out["look"] + out["tag"]) + 0.4 * sum(self.match)
        if img is not None and scene.dtype != torch.int16:
            y = torch.stack([labels[0][i] if s else labels[1][i] for s, i in zip(batch["scene"], batch["index"])])
            out["dense"] = self.dense.loss(img.flatten(0, 1), y.flatten(0, 1).long())
            places = labels[2][torch.from_numpy(np.where(batch["scene"], batch["index"], 0))]
            out["ground"] = self.ground.loss(img, y, torch.from_numpy(batch["scene"]), places)
            total = total + aux * 0.3 * (out["dense"] + out["ground"])
        return total, out


# ---------------------------------------------------------------- batches

def to_torch(batch):
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) and k not in ("scene",) else v for k, v in batch.items()}


def stream(spm, metas, avatars, rank, seed, size, hard):
    """Endless batches; packs are sorted by length so that little padding is needed, and every worker
    draws the same rank of length at the same step so that none waits for another. Send the progress.
    hard: full difficulty from the start, else it grows."""
    packer = data.Packer(spm, metas, avatars, data.pool(), seed=1000 * seed + rank)
    progress = 0.0
    shuffle = random.Random(seed)
    while True:
        packs = sorted((packer.pack() for _ in range(size * 8)), key=lambda p: len(p.tokens))
        groups = [packs[i:i + size] for i in range(0, len(packs), size)]
        shuffle.shuffle(groups)
        packer.hard = 1.0 if hard else min(1.0, max(0.1, 2.0 * progress - 0.2))
        for g in groups:
            progress = (yield to_torch(data.collate(g))) or progress


# ---------------------------------------------------------------- watching

@torch.no_grad()
def watch(trainer, spm, dev, count=96):
    """Share of held-out answers whose every token is the likeliest one, by skill."""
    trainer.eval()
    packer = data.Packer(spm, dev["metas"], len(dev["avatar"]), data.pool("dev"), seed=4)
    right, seen, says = Counter(), Counter(), Counter()
    for _ in range(count // 8):
        batch = to_torch(data.collate([packer.pack() for _ in range(8)]))
        h, (b, t, slot), _, _ = trainer.hidden(batch, dev["scene"], dev["avatar"])
        place = {(int(r), int(p)): int(k) for r, p, k in zip(b, t, slot)}
        best = trainer.model.head(h).argmax(-1)
        for row, answers in enumerate(batch["answers"]):
            for at, n, tag in answers:
                want = batch["tokens"][row, at:at + n]
                got = best[row, place[row, at - 1]:place[row, at - 1] + n]
                if tag == "recognition":
                    tag += "+" if spm.tokens[int(want[0])] == "Yes" else "-"
                seen[tag] += 1
                right[tag] += bool((got == want).all())
    trainer.train()
    return {k: (right[k] / seen[k], seen[k]) for k in sorted(seen)}


# ---------------------------------------------------------------- run

def lr_at(progress, step, peak, warm=80):
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def save(path, trainer, spm, step, elapsed):
    tower = {n: t.detach() for n, t in trainer.tower[0].weights.items()} if trainer.tower else None
    torch.save({"config": trainer.model.cfg.dict(), "model": trainer.model.state_dict(), "tower": tower,
                "trainer": trainer.state_dict(), "pieces": spm.pieces, "step": step, "elapsed": elapsed}, path + ".part")
    os.replace(path + ".part", path)


TOWER_LR = 0.3      # of the AdamW rate


class Optimizer:
    """Muon for the matrices inside the decoder's blocks (it shares its work among the workers), AdamW
    for all else; one warm-up and cosine."""

    def __init__(self, trainer, lr, muon_lr):
        inner = [p for n, p in trainer.model.named_parameters() if n.startswith("blocks") and p.dim() == 2]
        tower = list(trainer.tower_parts)
        ids = {id(p) for p in inner + tower}
        outer = [p for p in trainer.parameters() if id(p) not in ids]
        decay, rest = [p for p in outer if p.dim() >= 2], [p for p in outer if p.dim() < 2]
        self.parts = [(self._adam([{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]), lr),
                      (Muon(inner, lr=muon_lr), muon_lr)]
        if tower:
            self.parts.append((self._adam([{"params": tower, "weight_decay": 0.0}]), TOWER_LR * lr))

    def _adam(self, groups):
        return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), eps=1e-8, fused=True)

    def step(self, progress, step):
        for opt, peak in self.parts:
            for g in opt.param_groups:
                g["lr"] = lr_at(progress, step, peak)
            opt.step()


def average_gradients(trainer, world):
    grads = [p.grad for p in trainer.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat /= world
    for g, v in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(v.view_as(g))


def train_step(trainer, opt, batch, job, progress, step, world):
    total, parts = trainer(batch, *job["feats"], job["labels"], 1.0 - 0.7 * progress)
    for p in trainer.parameters():          # same set of gradients in every worker
        p.grad = torch.zeros_like(p)
    total.backward()
    if world > 1:
        average_gradients(trainer, world)
    size = nn.utils.clip_grad_norm_(trainer.parameters(), 1.0)
    opt.step(progress, step)
    return parts, size


def shared_clock(begun, minutes, world):
    """Worker 0's progress, so that all stop together."""
    t = torch.tensor([(time.time() - begun) / (60 * minutes)], dtype=torch.float64)
    if world > 1:
        dist.broadcast(t, 0)
    return float(t)


def worker(rank, a, trainer, spm, job, step, elapsed):
    """One process, one thread: its own batches, averaged gradients. Worker 0 logs, saves, watches."""
    torch.set_num_threads(1)
    torch.manual_seed(a.seed + 100 * rank + step)
    world = a.workers
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{job['meet']}", rank=rank, world_size=world)
    if job["fit"]:
        fit_projector(a, trainer, *job["fit"], job)
    opt = Optimizer(trainer, a.lr, a.muon_lr)
    batches = stream(spm, job["metas"], a.avatars, rank, a.seed + step, a.batch, a.hard)
    begun, saved, watched, first = time.time() - elapsed, time.time(), time.time(), step
    sums, tokens = defaultdict(list), 0
    while (progress := shared_clock(begun, a.minutes, world)) < 1:
        batch = batches.send(progress if step > first else None)
        parts, size = train_step(trainer, opt, batch, job, progress, step, world)
        tokens += int((batch["blocks"] >= 0).sum())
        for k, v in parts.items():
            sums[k].append(v.item())
        if rank == 0 and step % 25 == 0:
            means = " ".join(f"{k} {np.mean(v):.3f}" for k, v in sums.items())
            log(f"step {step} {means} norm {size:.2f} s/step {(time.time() - begun - elapsed) / (step - first + 1):.2f} tokens {tokens * world}")
            sums.clear()
        step += 1
        if rank == 0 and time.time() - saved > 60 * a.save_every:
            save(a.out, trainer, spm, step, time.time() - begun)
            saved = time.time()
        if rank == 0 and time.time() - watched > 60 * a.watch_every:
            tell(trainer, spm, job["dev"], 48)
            watched = time.time()
    if rank == 0:
        save(a.out, trainer, spm, step, time.time() - begun)
        tell(trainer, spm, job["dev"], 200)


def tell(trainer, spm, dev, count):
    log("dev " + " ".join(f"{k} {v:.3f}({n})" for k, (v, n) in watch(trainer, spm, dev, count).items()))


def train(work, a, trainer, spm, job, step, elapsed):
    """Forks the workers, each of which runs `work`; features lie in memory that all of them share."""
    if a.workers == 1:
        return work(0, a, trainer, spm, job, step, elapsed)
    job["meet"] = os.path.abspath(a.out) + ".meet"
    if os.path.exists(job["meet"]):
        os.remove(job["meet"])
    ctx = mp.get_context("fork")
    procs = [ctx.Process(target=work, args=(r, a, trainer, spm, job, step, elapsed)) for r in range(a.workers)]
    for p in procs:
        p.start()
    for p in procs:
        p.join()


def stamp_of(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()[:8]


def load_features(a, clip, split, counts):
    """(scene features, avatar features), metas of one split under one tower."""
    (s, sm), (v, _) = data.pictures(*counts, procs=a.procs, split=split)
    if a.tower:
        return (torch.from_numpy(s), torch.from_numpy(v)), sm
    tower, stamp = load_clip(clip), stamp_of(clip)
    scene = data.cached_features(f"vlm_scene_{split}_{counts[0]}", tower, s, stamp, a.procs, log)
    avatar = data.cached_features(f"vlm_avatar_{split}_{counts[1]}", tower, v, stamp, a.procs, log)
    return (scene, avatar), sm


def dense_labels(metas, avatars, split="train"):
    things = data.pool(split)
    scene = torch.from_numpy(np.stack([data.patch_labels(m["objects"], things) for m in metas]))
    one = np.stack([data.avatar_labels(things[i]) for i in range(len(things))])
    places = torch.tensor([data.world.PLACES.index(m["place"]) for m in metas])
    return scene, torch.from_numpy(one[np.arange(avatars) % len(things)]), places


def parse():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--clip", default="build/tiny/clip.pt")
    ap.add_argument("--out", default="build/tiny/vlm.pt")
    ap.add_argument("--resume", action="store_true", help="go on from --out")
    ap.add_argument("--adopt", help="start from a checkpoint trained with --ideal, or on --adopt-clip's tower")
    ap.add_argument("--adopt-clip", help="the tower of --adopt")
    ap.add_argument("--tower", action="store_true", help="train the tower too (with --resume or --adopt)")
    ap.add_argument("--eyes", action="store_true", help="of --adopt keep only projector, embeddings and their heads")
    ap.add_argument("--hard", action="store_true", help="look-alikes and retrieval's order from the start")
    ap.add_argument("--ideal", action="store_true", help="pictures from labels, no tower")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--projector-minutes", type=float, default=2)
    ap.add_argument("--workers", type=int, default=3, help="training processes of one thread each")
    ap.add_argument("--procs", type=int, default=3, help="processes that render and compute features")
    ap.add_argument("--batch", type=int, default=4, help="packs per worker and step")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--muon-lr", type=float, default=0.009)
    ap.add_argument("--scenes", type=int, default=20000)
    ap.add_argument("--avatars", type=int, default=12000)
    ap.add_argument("--vocab", type=int, default=2048)
    ap.add_argument("--width", type=int, default=192)
    ap.add_argument("--layers", type=int, default=6)
    ap.add_argument("--heads", type=int, default=4)
    ap.add_argument("--ffn", type=int, default=512)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--save-every", type=float, default=3)
    ap.add_argument("--watch-every", type=float, default=4)
    return ap.parse_args()


def load_data(a):
    """Features (labels with --ideal) and labels of the training split, its metas, and the dev split."""
    if a.ideal:
        metas, dm = data.layouts(a.scenes), data.layouts(400, "dev")
        labels, (ds, da, _) = dense_labels(metas, a.avatars), dense_labels(dm, 800, "dev")
        return labels[:2], labels, metas, {"scene": ds, "avatar": da, "metas": dm}
    feats, metas = load_features(a, a.clip, "train", (a.scenes, a.avatars))
    (ds, da), dm = load_features(a, a.clip, "dev", (400, 800))
    return feats, dense_labels(metas, a.avatars), metas, {"scene": ds, "avatar": da, "metas": dm}


def fit_projector(a, trainer, identity, old, job):
    """Before the first joint step on real features; in every worker."""
    p = trainer.model.projector
    if old:
        old = (copy.deepcopy(p), old)
        p.reset()
    p.standardise(job["feats"][0][:200])
    train_projector(trainer, job["feats"], job["labels"], a.projector_minutes, identity, old)


EYES = ("model.projector", "model.embed", "dense", "ideal")


def fit_inputs(a, width):
    """What fit_projector needs besides the data: the tower's identity map, another tower's features."""
    identity = Identity(os.path.splitext(a.clip)[0] + ".ckpt", width)
    log("identity map: " + ("none" if identity.weight is None else str(tuple(identity.weight.shape))))
    old = load_features(a, a.adopt_clip, "train", (a.scenes, a.avatars))[0] if a.adopt_clip else None
    return identity, old


def main():
    a = parse()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    feats, labels, metas, dev = load_data(a)
    spm = learn_vocabulary(os.path.join(os.path.dirname(a.out), "vlm_vocab.json"), metas, a.vocab)
    cfg = Config(vocab=len(spm), width=a.width, layers=a.layers, heads=a.heads, ffn=a.ffn)
    trainer = Trainer(cfg)
    step, elapsed, ck = 0, 0.0, None
    if a.tower:
        trainer.open_eyes(load_tower(a.out if a.resume else a.adopt, a.clip))
    if a.resume or a.adopt:
        ck = torch.load(a.out if a.resume else a.adopt, weights_only=False)
        kept = {k: v for k, v in ck["trainer"].items() if a.resume or not a.eyes or k.startswith(EYES)}
        trainer.load_state_dict(kept, strict=False)
        if not a.resume:
            trainer.model.start_words()
    else:
        trainer.ideal.borrow_words(trainer.model.embed, spm)
    log(f"vocabulary {len(spm)}, {sum(p.numel() for p in trainer.model.parameters())} parameters")
    if a.resume:
        step, elapsed = ck["step"], ck["elapsed"]
    job = {"feats": feats, "labels": labels, "metas": metas, "dev": dev,
           "fit": None if a.ideal or a.resume or a.eyes or a.tower else fit_inputs(a, cfg.width)}
    train(worker, a, trainer, spm, job, step, elapsed)


if __name__ == "__main__":
    main()
