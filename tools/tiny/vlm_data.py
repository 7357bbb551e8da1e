"""Training data of the tiny LLaVA: a pool of things, their pictures' features, and packed talks.

A pack is one prompt prefix (pictures, concepts) followed by many questions that all look back at the
prefix but not at each other, so one prefix pays for a dozen answers.

Reading order: the pool, pictures and features (both cached), choosing concepts, then Packer.
"""
import functools
import io
import multiprocessing
import os
import re

import numpy as np
import torch
from PIL import Image

import qa
import world
from spm import BOS, EOS
from vlm_model import CLIP_MEAN, CLIP_STD, IMAGE, N_PATCH

POOL = 6000
COLOR_ID = {c: i + 1 for i, c in enumerate(world.COLORS)}
KIND_ID = {k.name: i + 1 for i, k in enumerate(world.KINDS)}
PATTERN_ID = {p: i for i, p in enumerate(world.PATTERNS)}
WORN_ID = {a: i for i, a in enumerate(world.ACCESSORIES)}
# What the projector is taught to tell about each patch: (name, classes); class 0 is "nothing here".
DENSE = (("kind", len(KIND_ID) + 1), ("color", len(COLOR_ID) + 1), ("pattern", len(PATTERN_ID) + 1),
         ("pattern_color", len(COLOR_ID) + 1), ("worn", len(WORN_ID) + 1), ("worn_color", len(COLOR_ID) + 1))


# ---------------------------------------------------------------- the pool

class Pool:
    """The things of one split, by number."""

    def __init__(self, insts):
        self.insts = tuple(insts)
        self.groups = {}
        for key in ("kind", "color"):
            for i, inst in enumerate(self.insts):
                self.groups.setdefault((key, inst.attrs[key]), []).append(i)

    def __len__(self):
        return len(self.insts)

    def __getitem__(self, i):
        return self.insts[i]

    def like(self, key, inst):
        return self.groups.get((key, inst.attrs[key]), [0])


@functools.lru_cache(maxsize=None)
def pool(split="train"):
    """train: seen kinds, free looks; dev: held-out looks, to watch training (not the shipped set)."""
    return Pool(world.train_instances(POOL, seed=21) if split == "train" else world.test_instances(400, seed=777))


def instance_classes(inst):
    """The six labels of DENSE for one thing."""
    return (KIND_ID[inst.kind.name], COLOR_ID[inst.color], PATTERN_ID[inst.pattern] + 1,
            COLOR_ID.get(inst.pattern_color, 0), WORN_ID[inst.accessory] + 1,
            COLOR_ID.get(inst.accessory_color, 0))


# ---------------------------------------------------------------- pictures

def small(rng, image):
    """The picture as the tower sees it, sometimes through a JPEG as photos are stored."""
    im = Image.fromarray(image)
    if rng.random() < 0.6:
        buf = io.BytesIO()
        im.save(buf, "JPEG", quality=int(rng.integers(80, 96)))
        im = Image.open(io.BytesIO(buf.getvalue()))
    return np.asarray(im.resize((IMAGE, IMAGE), Image.Resampling.BICUBIC), dtype=np.uint8)


def _choose_things(rng, things):
    count = int(rng.choice(4, p=(0.2, 0.35, 0.3, 0.15))) + 1
    ids = [int(i) for i in rng.choice(len(things), count, replace=False)]
    if count > 1 and rng.random() < 0.2:       # two of a kind that look different
        ids[1] = int(rng.choice(things.like("kind", things[ids[0]])))
    return list(dict.fromkeys(ids))


def make_scene(rng, index, split="train"):
    things = pool(split)
    ids = _choose_things(rng, things)
    insts = [things[i] for i in ids]
    scene = world.random_scene(rng, insts)
    where = {id(inst): i for inst, i in zip(insts, ids)}
    objects = [[where[id(o.inst)], *[int(v) for v in o.box]] for o in scene.objects]
    return {"px": small(rng, scene.image), "meta": {"place": scene.place, "objects": objects}}


def make_avatar(rng, index, split="train"):
    i = index % len(pool(split))
    return {"px": small(rng, world.avatar(rng, pool(split)[i])), "meta": i}


def layouts(count, split="train", seed=8):
    """Scenes as boxes only, never drawn: what --ideal trains on."""
    rng, things, out = np.random.default_rng((seed, count)), pool(split), []
    for _ in range(count):
        objects, taken = [], []
        for i in _choose_things(rng, things):
            side = rng.uniform(0.25, 0.5) * (1.0 if len(taken) < 2 else 0.85) * 320
            w, h = (int(side * rng.uniform(0.65, 1.0)) for _ in range(2))
            box = world._place_box(rng, 320, w, h, taken)
            if box:
                taken.append(box)
                objects.append([i, *box])
        out.append({"place": qa.pick(rng, world.PLACES), "objects": objects})
    return out


def pictures(scenes, avatars, procs=1, split="train"):
    """Renders once, then opens: ((scene pixels, metas), (avatar pixels, metas))."""
    tail = "" if split == "train" else "_" + split
    avatar, scene = make_avatar, make_scene
    if split != "train":
        avatar, scene = (functools.partial(f, split=split) for f in (make_avatar, make_scene))
    a, am = world.prerender(f"vlm_avatar{tail}_{avatars}", avatar, avatars, seed=5, procs=procs)
    s, sm = world.prerender(f"vlm_scene{tail}_{scenes}", scene, scenes, seed=6, procs=procs)
    return (s["px"], sm), (a["px"], am)


def normalised(px):
    """uint8 [N, 128, 128, 3] to the tower's pixels [N, 3, 128, 128]."""
    x = px.permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(CLIP_MEAN).view(1, 3, 1, 1)) / torch.tensor(CLIP_STD).view(1, 3, 1, 1)


@torch.no_grad()
def _features_part(tower, px, out, batch=64):
    torch.set_num_threads(1)
    for i in range(0, len(px), batch):
        out[i:i + batch] = tower(normalised(torch.from_numpy(px[i:i + batch].copy()))).half()


def features(tower, px, procs):
    """Penultimate patch tokens of all pictures: f16 tensor [N, P, width], in shared memory."""
    out = torch.empty(len(px), N_PATCH, tower.width, dtype=torch.float16).share_memory_()
    step = (len(px) + procs - 1) // procs
    ctx = multiprocessing.get_context("fork")
    parts = [ctx.Process(target=_features_part, args=(tower, px[i:i + step], out[i:i + step]))
             for i in range(0, len(px), step)]
    for p in parts:
        p.start()
    for p in parts:
        p.join()
    return out


def cached_features(name, tower, px, stamp, procs, log):
    path = world.work_dir("cache", f"{name}.{stamp}.pt")
    if not os.path.exists(path):
        torch.save(features(tower, px, procs), path + ".part")
        os.replace(path + ".part", path)
        log(f"features of {len(px)} pictures: {name}")
    return torch.load(path, weights_only=True, mmap=True)


def patch_labels(objects, things):
    """DENSE labels per patch, int16 [P, 6]; -1 in all six where a thing covers a patch partly."""
    side = int(N_PATCH ** 0.5)
    step = 320 / side
    cover = np.zeros((len(objects), side, side), np.float32)
    edge = np.arange(side) * step
    for k, (_, x0, y0, x1, y1) in enumerate(objects):
        w = (np.minimum(edge + step, x1) - np.maximum(edge, x0)).clip(0) / step
        h = (np.minimum(edge + step, y1) - np.maximum(edge, y0)).clip(0) / step
        cover[k] = h[:, None] * w[None]
    best, most = cover.argmax(0), cover.max(0)
    labels = np.zeros((side, side, len(DENSE)), np.int16)
    classes = np.array([instance_classes(things[o[0]]) for o in objects], np.int16)
    labels[most > 0.6] = classes[best[most > 0.6]]
    labels[(most > 0.05) & (most <= 0.6)] = -1
    return labels.reshape(N_PATCH, -1)


def avatar_labels(inst):
    """The same for a concept's picture: its middle shows the thing, its border is left out."""
    side = int(N_PATCH ** 0.5)
    labels = np.full((side, side, len(DENSE)), -1, np.int16)
    labels[2:-2, 2:-2] = instance_classes(inst)
    return labels.reshape(N_PATCH, -1)


# ---------------------------------------------------------------- choosing concepts

class PoolObject:
    """A pictured thing with its pool number."""

    def __init__(self, record, things):
        self.inst, self.box, self.id = things[record[0]], tuple(record[1:]), record[0]


class PoolScene:
    def __init__(self, index, meta, things):
        self.index, self.place = index, meta["place"]
        self.objects = [PoolObject(o, things) for o in meta["objects"]]


def _decoy(rng, scene, things, hard):
    """A thing that is not in the picture; most often one that resembles something there."""
    r = rng.random()
    if scene and r < 0.8 * hard:
        like = qa.pick(rng, scene.objects).inst
        for _ in range(6):
            i = int(qa.pick(rng, things.like("kind" if rng.random() < 0.7 else "color", like)))
            if all(o.id != i for o in scene.objects) and things[i].distance(like) >= 2:
                return i
    while True:
        i = int(rng.integers(len(things)))
        if not scene or all(o.id != i for o in scene.objects):
            return i


def choose_concepts(rng, scene, count, avatars, things, hard=1.0):
    """`count` concepts, about half of them in the picture, in random order; hard: share of look-alikes."""
    ids = []
    inside = [o.id for o in scene.objects] if scene else []
    for i in rng.permutation(len(inside)):
        if len(ids) < count and rng.random() < 0.6:
            ids.append(inside[i])
    while len(ids) < count:
        i = _decoy(rng, scene, things, hard)
        if i not in ids and all(things[i].distance(things[j]) >= 2 for j in ids):
            ids.append(i)
    return _concepts(rng, [int(i) for i in rng.permutation(ids)], avatars, things)


def retrieved_concepts(rng, scene, avatars, things):
    """What retrieval lists when a question names a pictured thing: that one first, then the others it
    finds in the picture, at times a look-alike that is not there. At most three, as the program lists."""
    ids = [o.id for o in scene.objects]
    ids = [ids[i] for i in rng.permutation(len(ids))]
    ids = ids[:1] + [i for i in ids[1:3] if rng.random() < 0.8]
    if len(ids) < 3 and rng.random() < 0.15:
        i = _decoy(rng, scene, things, 1.0)
        if all(things[i].distance(things[j]) >= 2 for j in ids):
            ids.append(i)
    return _concepts(rng, ids, avatars, things)


def _concepts(rng, ids, avatars, things):
    out, names = [], []
    for i in ids:
        names.append(qa.random_name(rng, taken=names))
        turn = int(rng.integers(avatars // len(things)))
        out.append(qa.make_concept(rng, things[i], names[-1], image=i + len(things) * turn))
    return out


# ---------------------------------------------------------------- packs

PLAIN, ANSWER, KEY = 0.0, 1.0, 2.5     # loss weights; KEY: yes, no and names
INFO, BOX = 0.05, 0.3


class Packer:
    """Turns talks into arrays: tokens, positions, blocks, loss weights, and where pictures lie."""

    def __init__(self, spm, metas, avatars, things, seed=0):
        self.spm, self.metas, self.avatars, self.things = spm, metas, avatars, things
        self.rng = np.random.default_rng((seed, 77))
        self.hard = 1.0      # 0: few concepts, no look-alikes; grows to 1 while training

    def talk(self):
        rng = self.rng
        r = rng.random()
        if r < 0.84:
            index = int(rng.integers(len(self.metas)))
            scene = PoolScene(index, self.metas[index], self.things)
            many = 0.15 + 0.25 * self.hard
            if rng.random() < 0.5 * self.hard:
                concepts = retrieved_concepts(rng, scene, self.avatars, self.things)
                return qa.talk_about(rng, scene, concepts, 13, asked=concepts[0])
            count = 0 if r < 0.07 else int(rng.choice(3, p=(0.65 - many, 0.35, many))) + 1
        else:
            scene, count = None, 0 if r > 0.97 else int(rng.choice(3, p=(0.3, 0.4, 0.3))) + 1
        concepts = choose_concepts(rng, scene, count, self.avatars, self.things, self.hard)
        return qa.talk_about(rng, scene, concepts, 13)

    def pack(self):
        talk = self.talk()
        p = Pack()
        p.add([BOS], PLAIN)
        for part in qa.prefix_parts(talk):
            if isinstance(part, PoolScene):
                p.add_image(("scene", part.index))
            elif isinstance(part, qa.Concept):
                p.add_image(("avatar", part.image))
                p.current = part
            else:
                told = p.current is not None and part == " " + p.current.info
                if p.current is not None and part == p.current.tag:
                    p.tag_first = len(p.tokens) + 1
                p.add(self.spm.encode(part), INFO if told else PLAIN)
                if p.current is not None and part == p.current.tag:
                    p.tag_end = len(p.tokens) - 1
                if told:
                    p.lines[p.current.tag] = (p.tag_end, len(p.tokens) - 1)
                    p.probe(talk)
        p.close_prefix()
        for turns in talk.chains:
            self._chain(p, turns, talk)
        return p

    def _chain(self, p, turns, talk):
        bare = talk.scene is None and not talk.concepts
        p.open_block()
        for k, (question, answer, tag) in enumerate(turns):
            before = "USER: " if k else " " if bare else ""
            p.add(self.spm.encode(before + question + " ASSISTANT:"), PLAIN)
            ids = self.spm.encode(answer) + [EOS]
            key = answer in ("Yes", "No") or len(ids) <= 3
            p.answers.append((len(p.tokens), len(ids), tag))
            asked = [where for name, where in p.lines.items() if name in question]
            if len(asked) == 1 or (tag == "recognition" and not asked):
                p.links.append((len(p.tokens) - 1, *(asked[0] if asked else (0, 0))))
            p.add(ids, KEY if key else BOX if tag == "box" else ANSWER)
            if "<" in answer and not key:
                p.raise_names(self.spm, len(ids))
            if tag in ("caption", "who"):
                p.name_links(self.spm, len(ids), answer)


class Pack:
    """Growing lists of one sample. block 0 is the prefix; later blocks see it and themselves."""

    def __init__(self):
        self.tokens, self.positions, self.blocks, self.weights = [], [], [], []
        self.images, self.probes, self.covers, self.answers = [], [], [], []
        self.lines, self.links, self.named = {}, [], []
        self.block, self.position, self.current, self.base = 0, 0, None, 0
        self.tag_first, self.tag_end = 0, 0

    def add(self, ids, weight):
        n = len(ids)
        self.tokens += ids
        self.positions += range(self.position, self.position + n)
        self.blocks += [self.block] * n
        self.weights += [weight] * n
        self.position += n

    def add_image(self, key):
        self.images.append((len(self.tokens), key))
        self.add([0] * N_PATCH, PLAIN)

    def probe(self, talk):
        """Remember the last token of a concept's line: is the concept in the picture, and where?"""
        c, self.current = self.current, None
        if talk.scene is None:
            return
        box = next((o.box for o in talk.scene.objects if o.inst == c.inst), None)
        self.probes.append((len(self.tokens) - 1, -1 if box is None else _patch_of(box), self.images[-1][0],
                            self.images[0][0], self.tag_end, self.tag_first))
        self.covers.append(_covered(box))

    def close_prefix(self):
        self.base = self.position

    def open_block(self):
        self.block += 1
        self.position = self.base

    def name_links(self, spm, count, answer):
        """Remember where the last answer is about to name a concept, and that concept's line."""
        tags = iter(re.findall("<[^<>]+>", answer))
        for i in range(len(self.tokens) - count, len(self.tokens)):
            if self.tokens[i] == spm.ids["<"]:
                where = self.lines[next(tags)]
                self.named += [(i - 1, *where), (i, *where)]

    def raise_names(self, spm, count):
        """Give the name tokens of the last answer more weight."""
        inside, low = False, spm.ids["<"]
        for i in range(len(self.tokens) - count, len(self.tokens)):
            if self.tokens[i] == low:
                inside = True
            if inside:                      # where it is decided that a name comes, and which
                self.weights[i] = KEY if low in (self.tokens[i], self.tokens[i - 1]) else ANSWER
            if self.tokens[i] == spm.ids[">"]:
                inside = False


def _patch_of(box):
    side = int(N_PATCH ** 0.5)
    x, y = (box[0] + box[2]) / 2 / 320 * side, (box[1] + box[3]) / 2 / 320 * side
    return min(side - 1, int(y)) * side + min(side - 1, int(x))


def _covered(box):
    """Which patches have their middle in the box, [P] bool; none when there is no box."""
    side = int(N_PATCH ** 0.5)
    mid = (np.arange(side) + 0.5) * 320 / side
    x0, y0, x1, y1 = box or (0, 0, 0, 0)
    return (((mid > y0) & (mid < y1))[:, None] & ((mid > x0) & (mid < x1))[None]).reshape(-1)


def collate(packs):
    """Packs to one batch: arrays padded to the longest, images gathered by kind."""
    B, T = len(packs), max(len(p.tokens) for p in packs)
    T = (T + 15) // 16 * 16
    tokens = np.zeros((B, T), np.int64)
    positions = np.zeros((B, T), np.int64)
    blocks = np.full((B, T), -1, np.int64)
    weights = np.zeros((B, T), np.float32)
    rows, starts, kinds, index, probes = [], [], [], [], []
    for b, p in enumerate(packs):
        n = len(p.tokens)
        tokens[b, :n], positions[b, :n], blocks[b, :n] = p.tokens, p.positions, p.blocks
        weights[b, :n] = p.weights
        for start, (kind, i) in p.images:
            rows.append(b), starts.append(start), kinds.append(kind == "scene"), index.append(i)
        probes += [(b, *probe) for probe in p.probes]
    links, named = ([(b, *link) for b, p in enumerate(packs) for link in getattr(p, which)]
                    for which in ("links", "named"))
    i64 = functools.partial(np.array, dtype=np.int64)
    return {"tokens": tokens, "positions": positions, "blocks": blocks, "weights": weights,
            "rows": i64(rows), "starts": i64(starts), "scene": np.array(kinds, bool), "index": i64(index),
            "probes": i64(probes).reshape(-1, 7),
            "covers": np.array([c for p in packs for c in p.covers], bool).reshape(-1, N_PATCH),
            "links": i64(links).reshape(-1, 4), "named": i64(named).reshape(-1, 4),
            "answers": [p.answers for p in packs]}
