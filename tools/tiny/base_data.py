"""Training data of the base model: the toy world without any personalisation.

A base LLaVA sees a picture and reads text. It captions, answers about the scene, finds things that are there twice, gives
boxes, and answers about a text that it is given. Albums (--albums) show several pictures with a line of text each, as interleaved
documents do, and ask what they have in common. No prompt has RAP's list of concepts, and nothing is remembered.

Reading order: scenes, what is asked about them, texts, albums, then Packer.
"""
import functools
import re

import numpy as np

import make_talks
import qa
import vlm_data as data
import world
from spm import BOS, EOS
from vlm_model import N_PATCH


# ---------------------------------------------------------------- scenes

def make_scene(rng, index, split="train"):
    """One to six things; in two of five scenes one of them stands there twice."""
    things = data.pool(split)
    ids = make_talks.scene_things(rng, things)
    if rng.random() < 0.4:
        ids = (ids[:4] + ids[:1])[::-1 if rng.random() < 0.5 else 1]
    insts = [things[i] for i in ids]
    scene = world.random_scene(rng, insts)
    number = dict(zip(insts, ids))
    objects = [[number[o.inst], *map(int, o.box)] for o in scene.objects]
    return {"px": data.small(rng, scene.image), "meta": {"place": scene.place, "objects": objects}}


def scenes(count, procs, split="train", seed=16):
    """(pixels [N, 128, 128, 3], metas), rendered once."""
    make = functools.partial(make_scene, split=split)
    px, metas = world.prerender(f"base_scene_{split}_{count}_{seed}", make, count, seed=seed, procs=procs)
    return px["px"], metas


def avatars(count, procs, split="train"):
    """Pictures of single things [N, 128, 128, 3]; number i shows thing i modulo the pool's size."""
    make = functools.partial(data.make_avatar, split=split)
    return world.prerender(f"base_avatar_{split}_{count}", make, count, seed=17, procs=procs)[0]["px"]


def twins(scene):
    """Numbers of two objects that look the same, the later patch last; or None."""
    for i, a in enumerate(scene.objects):
        for j, b in enumerate(scene.objects):
            if i != j and a.inst == b.inst and data._patch_of(a.box) <= data._patch_of(b.box):
                return i, j
    return None


# ---------------------------------------------------------------- about the scene

SAME = ("Are there two things that look exactly the same?", "Do two things in this image look the same?",
        "Is anything here twice?")
TWICE = ("Which thing is there twice?", "What is in the picture twice?")


def same(rng, talk):
    return qa.pick(rng, SAME), "Yes" if twins(talk.scene) else "No"


def twice(rng, talk):
    pair = twins(talk.scene)
    return qa.pick(rng, TWICE), qa.call(talk, talk.scene.objects[pair[0]]) if pair else "nothing"


def ask_scene(rng, talk, count):
    talk.ask("caption", *qa.caption(rng, talk))
    talk.ask("same", *same(rng, talk))
    talk.ask("twice", *twice(rng, talk))
    for _ in range(count):
        box = qa.grounding(rng, talk) if rng.random() < 0.07 else None
        talk.ask(*(("box", *box) if box else ("scene", *qa.scene_question(rng, talk))))


# ---------------------------------------------------------------- texts

BEFORE = ("Read this: ", "Here is a text. ", "Text: ", "Note: ", "")
NAMED = ("Which names are in the text?", "Who is the text about?", "List the names.")
TOLD = ("Does the text tell about {n}?", "Is {n} in the text?", "Is the text about {n}?")


class Passage:
    """Some named things and what is told about them, in plain sentences."""

    def __init__(self, rng, things, count):
        self.people, names = [], []
        tagged = qa.chance(rng, 0.6)
        for _ in range(count):
            names.append(qa.random_name(rng, taken=names))
            c = qa.make_concept(rng, things[int(rng.integers(len(things)))], names[-1])
            self.people.append((c, c.tag if tagged else c.name))
        self.spare = qa.random_name(rng, taken=names)
        self.spare = f"<{self.spare}>" if tagged else self.spare

    def said(self, c, shown):
        text = c.info.replace(c.tag, shown)
        return text if text.startswith(shown) else f"{shown}: {text}"

    def ask(self, rng, talk, count):
        for _ in range(count):
            c, shown = qa.pick(rng, self.people)
            q, a = qa.info_question(rng, c)
            talk.ask("read", q.replace(c.tag, shown), a.replace(c.tag, shown))
        names = [shown for _, shown in self.people]
        talk.ask("names", qa.pick(rng, NAMED), qa.join_words(names) + ".")
        for n in (qa.pick(rng, names), self.spare):
            talk.ask("told", qa.pick(rng, TOLD).format(n=n), "No" if n == self.spare else "Yes")


# ---------------------------------------------------------------- albums

INSIDE = ("Is the thing of {l} in the first picture?", "Does the first picture show the thing of {l}?",
          "Can you see the thing of {l} in the first picture?")
WHERE = ("Where in the first picture is the thing of {l}?", "Where is the thing of {l} in the first picture?")
SHARED = ("Which other pictures show a thing of the first one?", "What of the first picture is in the other ones?")
OTHERS = (0.08, 0.12, 0.16, 0.20, 0.22, 0.22)   # one to six pictures behind the first one


class Album:
    """Pictures behind the first one, each of one thing, with a label and a line of text."""

    def __init__(self, rng, scene, things, avatars, count):
        self.pictures, labels = [], []
        titled = qa.chance(rng, 0.5)
        concepts = data.choose_concepts(rng, scene, count, avatars, things, 0.8)
        for i, c in enumerate(concepts):
            labels.append(qa.random_name(rng, taken=labels) if titled else f"picture {i + 2}")
            self.pictures.append((c, labels[-1]))
        self.titled = titled

    def ask(self, rng, talk, count):
        spots = {label: next((qa.side_of(o) for o in talk.scene.objects if o.inst == c.inst), None) for c, label in self.pictures}
        for label, spot in spots.items():
            talk.ask("inside", qa.pick(rng, INSIDE).format(l=label), "Yes" if spot else "No")
            talk.ask("where", qa.pick(rng, WHERE).format(l=label), spot or "nowhere")
        shared = [label for label, spot in spots.items() if spot]
        talk.ask("shared", qa.pick(rng, SHARED), qa.join_words(shared) + "." if shared else "none")
        for _ in range(count):
            c, label = qa.pick(rng, self.pictures)
            q, a = qa.info_question(rng, c)
            talk.ask("about", q.replace(c.tag, f"the thing of {label}"), a.replace(c.tag, "it"))
        for _ in range(count):
            talk.ask("scene", *qa.scene_question(rng, talk))


# ---------------------------------------------------------------- packs

class Pack(data.Pack):
    """Also: patches that show the same thing twice, and the patches that a question's words mean."""

    def __init__(self):
        super().__init__()
        self.pairs, self.mentions = [], []


class Packer:
    """A picture, a text, both or nothing, then questions that do not see each other."""

    def __init__(self, spm, metas, things, seed=0, albums=0.0, avatars=0):
        self.spm, self.metas, self.things, self.albums, self.avatars = spm, metas, things, albums, avatars
        self.rng = np.random.default_rng((seed, 78))
        self.thing = spm.ids["\u2581thing"]
        self.color = {spm.encode(" " + c)[-1]: c for c in world.COLORS}

    def scene(self):
        while True:
            index = int(self.rng.integers(len(self.metas)))
            if self.metas[index]["objects"]:
                return data.PoolScene(index, self.metas[index], self.things)

    def album(self):
        rng, p, talk = self.rng, Pack(), qa.Talk(self.scene(), [])
        album = Album(rng, talk.scene, self.things, self.avatars, int(rng.choice(len(OTHERS), p=OTHERS)) + 1)
        p.add([BOS], data.PLAIN)
        p.add(self.spm.encode("USER: "), data.PLAIN)
        p.add_image(("scene", talk.scene.index))
        p.add(self.spm.encode("\n"), data.PLAIN)
        for c, label in album.pictures:
            self._leaf(p, c, label, album.titled, talk)
        album.ask(rng, talk, 4)
        qa.chain_some(rng, talk)
        p.close_prefix()
        for turns in talk.chains:
            self._chain(p, turns, talk, bare=False)
        return p

    def _leaf(self, p, c, label, titled, talk):
        """A picture, its label and its line; the places are those that train_vlm.py probes."""
        p.add_image(("avatar", c.image))
        p.add(self.spm.encode("\n Title:" if titled else "\n This is"), data.PLAIN)
        first = len(p.tokens) + 1
        p.add(self.spm.encode(" " + label), data.PLAIN)
        end = len(p.tokens) - 1
        p.add(self.spm.encode(". " + c.info.replace(c.tag, "This")), data.INFO)
        p.lines[label] = (end, len(p.tokens) - 1)
        p.current, p.tag_first, p.tag_end = c, min(first, end), end
        p.probe(talk)
        p.add(self.spm.encode("\n"), data.PLAIN)

    def pack(self):
        if self.albums and self.rng.random() < self.albums:
            return self.album()
        rng, p, r = self.rng, Pack(), self.rng.random()
        talk = qa.Talk(self.scene() if r < 0.72 else None, [])
        passage = Passage(rng, self.things, int(rng.integers(1, 5))) if 0.60 < r < 0.97 else None
        p.add([BOS], data.PLAIN)
        p.add(self.spm.encode("USER: " if talk.scene else "USER:"), data.PLAIN)
        if talk.scene:
            p.add_image(("scene", talk.scene.index))
            p.add(self.spm.encode("\n"), data.PLAIN)
            self._pairs(p, talk.scene)
            ask_scene(rng, talk, 11 if not passage else 5)
        if passage:
            self._read(p, passage, bool(talk.scene))
            passage.ask(rng, talk, 8 if not talk.scene else 4)
        if not talk.scene and not passage:
            qa.without_anything(rng, talk)
        qa.chain_some(rng, talk)
        p.close_prefix()
        for turns in talk.chains:
            self._chain(p, turns, talk, bare=not talk.scene and not passage)
        return p

    def _read(self, p, passage, after_picture):
        """Each person's sentences may be looked up from a question that names it."""
        before = qa.pick(self.rng, BEFORE).strip()
        p.add(self.spm.encode(" " * bool(before and not after_picture) + before), data.PLAIN)
        for c, shown in passage.people:
            ids = self.spm.encode(" " + shown)
            text = self.spm.encode(" " + passage.said(c, shown))
            p.add(text, data.INFO)
            p.lines[shown] = (len(p.tokens) - len(text) + len(ids) - 1, len(p.tokens) - 1)
        p.add(self.spm.encode("\n"), data.PLAIN)

    def _pairs(self, p, scene):
        """From patches of a thing to its twin's; a thing that is alone looks at the first token."""
        start, pair = p.images[0][0], twins(scene)
        alone = [i for i, o in enumerate(scene.objects) if sum(o.inst == q.inst for q in scene.objects) == 1]
        wanted = [pair] if pair else []
        wanted += [(None, int(i)) for i in self.rng.permutation(alone)[:1]]
        for first, second in wanted:
            at = np.flatnonzero(data._covered(scene.objects[second].box))
            to = data._covered(scene.objects[first].box) if first is not None else np.zeros(N_PATCH, bool)
            if to.any():
                at = at[at > np.median(np.flatnonzero(to))]
            for a in self.rng.permutation(at)[:8]:
                p.pairs.append((start + int(a), start, to))

    def _chain(self, p, turns, talk, bare):
        p.open_block()
        for k, (question, answer, tag) in enumerate(turns):
            before = "USER: " if k else " " if bare else ""
            begun = len(p.tokens)
            p.add(self.spm.encode(before + question + " ASSISTANT:"), data.PLAIN)
            if talk.scene:
                self._mentions(p, begun, talk.scene)
            ids = self.spm.encode(answer) + [EOS]
            key = answer in ("Yes", "No") or len(ids) <= 3
            p.answers.append((len(p.tokens), len(ids), tag))
            asked = [where for name, where in p.lines.items() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question)]
            if len(asked) == 1:
                p.links.append((len(p.tokens) - 1, *asked[0]))
            p.add(ids, data.KEY if key else data.BOX if tag == "box" else data.ANSWER)

    def _mentions(self, p, begun, scene):
        """"the red thing": which patches show it."""
        for i in range(begun + 2, len(p.tokens)):
            color = self.color.get(p.tokens[i - 1])
            if p.tokens[i] != self.thing or not color:
                continue
            shown = [o for o in scene.objects if o.inst.color == color]
            if len(shown) == 1:
                p.mentions.append((i, p.images[0][0], data._covered(shown[0].box)))


def collate(packs):
    """As vlm_data.collate, with pairs and mentions: rows and places [N, 3], patches [N, P]."""
    out = data.collate(packs)
    for name in ("pairs", "mentions"):
        rows = [(b, at, start) for b, p in enumerate(packs) for at, start, _ in getattr(p, name)]
        to = [to for p in packs for _, _, to in getattr(p, name)]
        out[name] = np.array(rows, np.int64).reshape(-1, 3)
        out[name + "_to"] = np.array(to, bool).reshape(-1, N_PATCH)
    return out
