"""Train the base model's decoder: a LLaVA that knows the toy world and nothing of personalisation.

    python tools/tiny/train_base.py --models models/tiny --out build/tiny/base.pt --minutes 60

The tower, the projector and the words' embeddings are those of --models and stay as they are, so that base and adapter share one
mmproj file; the decoder's blocks begin anew (`Vlm.start_circuits`), or with --adopt-decoder as they are there. What it reads is in
base_data.py: no remembered things, and one picture at most but for --albums, the share of prompts with several. A checkpoint is
written every few minutes; --resume goes on.

Reading order: weights from GGUF, BaseTrainer, run, main.
"""
import argparse
import functools
import os
import random
import time
from collections import Counter, defaultdict

import gguf
import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

import base_data
import train_vlm
import vlm_data as data
from spm import FIRST_BYTE, Spm
from train_vlm import MATCH_HEADS, log, point_loss, wanted
from vlm_model import N_PATCH, SCALE, Config, Tower


AVATARS, DEV_AVATARS = 2 * data.POOL, 800


# ---------------------------------------------------------------- weights from GGUF

def read(path):
    """(tensors by name as f32, the reader)."""
    reader = gguf.GGUFReader(path)
    out = {t.name: torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
    return out, reader


def read_spm(reader):
    tokens = [str(bytes(reader.fields["tokenizer.ggml.tokens"].parts[i]), "utf-8")
              for i in reader.fields["tokenizer.ggml.tokens"].data]
    return Spm(tokens[FIRST_BYTE + 256:])


def read_tower(t):
    """mmproj tensors to those of an OpenAI CLIP."""
    state = {"class_embedding": t["v.class_embd"], "conv1.weight": t["v.patch_embd.weight"],
             "positional_embedding": t["v.position_embd.weight"],
             "ln_pre.weight": t["v.pre_ln.weight"], "ln_pre.bias": t["v.pre_ln.bias"]}
    layers = 1 + max(int(n.split(".")[2]) for n in t if n.startswith("v.blk."))
    for i in range(layers):
        p, q = f"transformer.resblocks.{i}.", f"v.blk.{i}."
        for s in ("weight", "bias"):
            state[f"{p}ln_1.{s}"], state[f"{p}ln_2.{s}"] = t[f"{q}ln1.{s}"], t[f"{q}ln2.{s}"]
            state[f"{p}attn.in_proj_{s}"] = torch.cat([t[f"{q}attn_{n}.{s}"] for n in "qkv"])
            state[f"{p}attn.out_proj.{s}"] = t[f"{q}attn_out.{s}"]
            state[f"{p}mlp.c_fc.{s}"], state[f"{p}mlp.c_proj.{s}"] = t[f"{q}ffn_up.{s}"], t[f"{q}ffn_down.{s}"]
    return Tower(state, prefix="")


def read_blocks(m, t):
    """The decoder's blocks and its last norm."""
    for i, b in enumerate(m.blocks):
        p = f"blk.{i}."
        b.qkv.weight.copy_(torch.cat([t[f"{p}attn_{n}.weight"] for n in "qkv"]))
        b.gate_up.weight.copy_(torch.cat([t[p + "ffn_gate.weight"], t[p + "ffn_up.weight"]]))
        b.out.weight.copy_(t[p + "attn_output.weight"]), b.down.weight.copy_(t[p + "ffn_down.weight"])
        b.attn_norm.weight.copy_(t[p + "attn_norm.weight"]), b.ffn_norm.weight.copy_(t[p + "ffn_norm.weight"])
    m.norm.weight.copy_(t["output_norm.weight"])


def adopt(trainer, folder, decoder=False):
    """Projector and words, with decoder also its blocks; the tower is returned."""
    model, _ = read(os.path.join(folder, "model.gguf"))
    mmproj, _ = read(os.path.join(folder, "mmproj-model.gguf"))
    p, m = trainer.model.projector, trainer.model
    with torch.no_grad():
        if decoder:
            read_blocks(m, model)
        p.fc0.weight.copy_(mmproj["mm.0.weight"]), p.fc0.bias.copy_(mmproj["mm.0.bias"])
        p.fc2.weight.copy_(mmproj["mm.2.weight"] / SCALE), p.fc2.bias.copy_(mmproj["mm.2.bias"] / SCALE)
        m.embed.weight.copy_(model["token_embd.weight"] / SCALE)
        m.head.weight.copy_(model["output.weight"])
    for t in (*p.parameters(), m.embed.weight):
        t.requires_grad_(False)
    return read_tower(mmproj)


@torch.no_grad()
def project(trainer, tower, stamp, px, name, procs):
    """The pictures as the decoder reads them, f16 [N, P, D], computed once; stamp: names the tower."""
    feats = data.cached_features(name, tower, px, stamp, procs, log)
    out = torch.empty(len(feats), N_PATCH, trainer.model.cfg.width, dtype=torch.float16)
    for i in range(0, len(feats), 256):
        out[i:i + 256] = trainer.model.projector(feats[i:i + 256].float()).half()
    return out


# ---------------------------------------------------------------- the trainer

class BaseTrainer(train_vlm.Trainer):
    """Reads projected pictures; two heads are shown where a thing stands a second time, one where the words of a question
    lead, as train_vlm.py does for concepts."""

    def __init__(self, cfg):
        super().__init__(cfg)
        for part in (self.dense, self.ideal, self.ground):
            part.requires_grad_(False)

    def look(self, kinds, index, scene, avatar):
        """scene, avatar: projected already, [N, P, D]."""
        return torch.stack([(scene if s else avatar)[i] for s, i in zip(kinds, index)]).float()

    def aims(self, i, x, cos, sin, mask, batch):
        """Losses of block i's heads that should look at given patches."""
        block, out = self.model.blocks[i], {}
        jobs = []
        if 0 < i < 4:
            jobs += [(f"twin{i}", h, "pairs") for h in range(MATCH_HEADS)]
        if i in (2, 3):
            jobs += [(f"mention{i}", 2, "mentions")]
        for name, head, kind in jobs:
            where, to = batch[kind], batch[kind + "_to"]
            if len(where) == 0:
                continue
            target = torch.zeros(len(where), x.shape[1], dtype=torch.bool)
            target.scatter_(1, where[:, 2:3] + torch.arange(N_PATCH), to)
            target[:, 0] = ~to.any(1)
            loss = point_loss(block, head, x, cos, sin, mask, where[:, 0], where[:, 1], target)
            out[name] = out.get(name, 0) + loss / MATCH_HEADS
        return out

    def compare(self, i, x, cos, sin, mask, batch):
        """Losses of an album's pictures at block i: heads that look for their things in the first picture, as in train_vlm.py."""
        if len(batch["probes"]) and 0 < i < 4:
            at = train_vlm.match_places(i, batch)
            self.points[f"match{i}"] = train_vlm.match_loss(self.model.blocks[i], x, cos, sin, mask, batch, at)

    def probe(self, i, x, batch):
        """Losses of the heads that tell where a picture's thing is, from the picture, its label and its line."""
        probes = batch["probes"]
        if len(probes) == 0 or i not in (self.probe_at - 2, self.probe_at - 1):
            return
        where = train_vlm.probe_goals(batch)
        if i == self.probe_at - 2:
            said = {"look": self.find_look(train_vlm.norm(self.pooled(x, batch)))}
        else:
            said = {"line": self.find_line(train_vlm.norm(x[probes[:, 0], probes[:, 1]])),
                    "label": self.find_tag(train_vlm.norm(x[probes[:, 0], probes[:, 5]]))}
        for name, p in said.items():
            self.points[name] = F.cross_entropy(p.reshape(-1, 9), where.flatten())

    def hidden(self, batch, pictures):
        """pictures: (scenes, avatars), as for look()."""
        x, m = SCALE * self.embed(batch, *pictures)[0], self.model
        mask, cos, sin = self.reach(batch)
        self.points = {}
        for i, block in enumerate(m.blocks[:-1]):
            if self.training:
                self.points.update(train_vlm.pointing(m.blocks, i, x, cos, sin, mask, batch))
                self.points.update(self.aims(i, x, cos, sin, mask, batch))
                self.compare(i, x, cos, sin, mask, batch)
            x = block(x, cos, sin, mask)
            if self.training:
                self.probe(i, x, batch)
        at, slot = wanted(batch["weights"])
        return m.norm(m.blocks[-1].forward_at(x, cos, sin, mask, at)), slot

    def forward(self, batch, pictures, progress):
        h, (b, t, s) = self.hidden(batch, pictures)
        ce = F.cross_entropy(self.model.head(h[b, s]).float(), batch["tokens"][b, t + 1], reduction="none")
        weight = batch["weights"][b, t + 1]
        out = {"lm": (ce * weight).sum() / weight.sum(), **self.points}
        aims = sum((0.8 if name.startswith("twin") else 0.3 if progress < 0.6 else 0.1) * loss
                   for name, loss in self.points.items())
        return out["lm"] + aims, out


# ---------------------------------------------------------------- run

def stream(a, spm, metas, rank, seed, size):
    """Endless batches of packs of like length, as in train_vlm.py."""
    packer = base_data.Packer(spm, metas, data.pool(), 1000 * seed + rank, a.albums, AVATARS)
    shuffle = random.Random(seed)
    while True:
        packs = sorted((packer.pack() for _ in range(size * 8)), key=lambda p: len(p.tokens))
        groups = [packs[i:i + size] for i in range(0, len(packs), size)]
        shuffle.shuffle(groups)
        for g in groups:
            yield train_vlm.to_torch(base_data.collate(g))


@torch.no_grad()
def watch(a, trainer, spm, dev, count):
    """Share of held-out answers whose every token is the likeliest one, by skill."""
    trainer.eval()
    packer = base_data.Packer(spm, dev["metas"], data.pool("dev"), 4, a.albums, DEV_AVATARS)
    right, seen = Counter(), Counter()
    for _ in range(count // 8):
        batch = train_vlm.to_torch(base_data.collate([packer.pack() for _ in range(8)]))
        h, (b, t, slot) = trainer.hidden(batch, dev["pictures"])
        place = {(int(r), int(p)): int(k) for r, p, k in zip(b, t, slot)}
        best = trainer.model.head(h).argmax(-1)
        for row, answers in enumerate(batch["answers"]):
            for at, n, tag in answers:
                got = best[row, place[row, at - 1]:place[row, at - 1] + n]
                seen[tag] += 1
                right[tag] += bool((got == batch["tokens"][row, at:at + n]).all())
    trainer.train()
    log("dev " + " ".join(f"{k} {right[k] / seen[k]:.3f}({seen[k]})" for k in sorted(seen)))


def worker(rank, a, trainer, spm, job, step, elapsed):
    """One process, one thread: its own batches, averaged gradients. Worker 0 logs, saves, watches."""
    torch.set_num_threads(1)
    torch.manual_seed(a.seed + 100 * rank + step)
    if a.workers > 1:
        dist.init_process_group("gloo", init_method=f"file://{job['meet']}", rank=rank, world_size=a.workers)
    params = [p for p in trainer.parameters() if p.requires_grad]
    opt = train_vlm.Optimizer(trainer, a.lr, a.muon_lr)
    batches = stream(a, spm, job["metas"], rank, a.seed + step, a.batch)
    begun, saved, watched, first = time.time() - elapsed, time.time(), time.time(), step
    sums, tokens = defaultdict(list), 0
    while (progress := train_vlm.shared_clock(begun, a.minutes, a.workers)) < 1:
        batch = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            total, parts = trainer(batch, job["pictures"], progress)
        for p in params:                        # same set of gradients in every worker
            p.grad = torch.zeros_like(p)
        total.backward()
        if a.workers > 1:
            train_vlm.average_gradients(trainer, a.workers)
        size = torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step(progress, step)
        tokens += int((batch["blocks"] >= 0).sum())
        for k, v in parts.items():
            sums[k].append(v.item())
        step += 1
        if rank:
            continue
        if step % 50 == 0:
            means = " ".join(f"{k} {np.mean(v):.3f}" for k, v in sums.items())
            log(f"step {step} {means} norm {size:.2f} s/step {(time.time() - begun - elapsed) / (step - first):.2f} tokens {tokens * a.workers}")
            sums.clear()
        if time.time() - saved > 60 * a.save_every:
            train_vlm.save(a.out, trainer, spm, step, time.time() - begun)
            saved = time.time()
        if time.time() - watched > 60 * a.watch_every:
            watch(a, trainer, spm, job["dev"], 48)
            watched = time.time()
    if rank == 0:
        train_vlm.save(a.out, trainer, spm, step, time.time() - begun)
        watch(a, trainer, spm, job["dev"], 200)


def parse():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--models", default="models/tiny", help="the folder of model.gguf and mmproj-model.gguf")
    ap.add_argument("--out", default="build/tiny/base.pt")
    ap.add_argument("--resume", action="store_true", help="go on from --out")
    ap.add_argument("--adopt-decoder", action="store_true", help="start from the decoder in --models, not from a new one")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--workers", type=int, default=2, help="training processes of one thread each")
    ap.add_argument("--procs", type=int, default=2, help="processes that render and compute features")
    ap.add_argument("--bf16", action="store_true", help="products in bf16: a third less time on processors with AVX512-BF16")
    ap.add_argument("--batch", type=int, default=6, help="packs per worker and step")
    ap.add_argument("--lr", type=float, default=1.2e-3)
    ap.add_argument("--muon-lr", type=float, default=0.01)
    ap.add_argument("--scenes", type=int, default=12000)
    ap.add_argument("--scene-seed", type=int, default=16, help="of the pictures")
    ap.add_argument("--albums", type=float, default=0, help="share of prompts with several pictures")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--save-every", type=float, default=3)
    ap.add_argument("--watch-every", type=float, default=6)
    return ap.parse_args()


def main():
    a = parse()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    spm = read_spm(gguf.GGUFReader(os.path.join(a.models, "model.gguf")))
    trainer = BaseTrainer(Config(vocab=len(spm), heads=4))
    tower, step, elapsed = adopt(trainer, a.models, a.adopt_decoder), 0, 0.0
    if a.resume:
        ck = torch.load(a.out, weights_only=False)
        trainer.load_state_dict(ck["trainer"])
        step, elapsed = ck["step"], ck["elapsed"]
    px, metas = base_data.scenes(a.scenes, a.procs, seed=a.scene_seed)
    dev_px, dev_metas = base_data.scenes(400, a.procs, "dev")
    stamp = train_vlm.stamp_of(os.path.join(a.models, "mmproj-model.gguf"))
    load = functools.partial(project, trainer, tower, stamp, procs=a.procs)
    avatars, dev_avatars = (base_data.avatars(n, a.procs, split) for n, split in ((AVATARS, "train"), (DEV_AVATARS, "dev")))
    job = {"pictures": (load(px, f"base_{a.scenes}_{a.scene_seed}"), load(avatars, "base_avatars")), "metas": metas,
           "dev": {"pictures": (load(dev_px, "base_dev"), load(dev_avatars, "base_dev_avatars")), "metas": dev_metas}}
    log(f"vocabulary {len(spm)}, {sum(p.numel() for p in trainer.parameters() if p.requires_grad)} parameters to train")
    train_vlm.train(worker, a, trainer, spm, job, step, elapsed)


if __name__ == "__main__":
    main()
