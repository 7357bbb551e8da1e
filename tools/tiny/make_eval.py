"""Write the held-out toy set (examples/toy): concepts, pictures and questions never trained on.

    python tools/tiny/make_eval.py --out examples/toy

Concepts have reserved looks, a fifth of them kinds that training never shows; names and made-up
values come from the held-out side of qa.held_out.  The same seed always gives the same set.

Reading order: concepts, scenes, then one function per file, main.
"""
import argparse
import json
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qa  # noqa: E402
import world  # noqa: E402

CONCEPTS, LOOKALIKES, RECOGNITION = 100, 16, 300
QUESTION = "<image>\nIs <{}> in this image? Answer with a single word or phrase."


# ---------------------------------------------------------------- concepts

def _twin(rng, inst, taken):
    """The same kind with a clearly different, reserved look."""
    while True:
        other = world.random_instance(rng, [inst.kind])
        if other.is_reserved() and all(other.distance(t) >= 2 for t in taken):
            return other


def choose_concepts(rng):
    insts = list(world.test_instances(CONCEPTS - LOOKALIKES, seed=20260))
    for inst in insts[:LOOKALIKES]:
        insts.append(_twin(rng, inst, insts))
    out, names = [], []
    for inst in insts:
        names.append(qa.random_name(rng, test=True, taken=names))
        out.append(qa.make_concept(rng, inst, names[-1], test=True))
    return out


def choose_others(rng, concepts, count=160):
    """Things nobody remembered; some look like a stored concept at first sight."""
    stored = [c.inst for c in concepts]
    others = [i for i in world.test_instances(count, seed=20261) if all(i.distance(s) >= 2 for s in stored)]
    return others + [_twin(rng, s, stored + others) for s in stored[20:50]]


# ---------------------------------------------------------------- scenes

# How many scenes show 0, 1, 2… remembered things, the most things in a scene, and the pictures' format.
USUAL, MORE = ((12, 45, 60, 33), 4, "jpg"), ((30, 100, 120, 80, 60, 36, 24), 6, "webp")


def make_scenes(rng, concepts, others, shares=USUAL, first=0):
    """[(file name, scene, concepts in it)]; concepts come up equally often. `first`: number of the first scene."""
    order, out = [], []
    counts, most, ending = shares
    for k in rng.permutation([k for k, n in enumerate(counts) for _ in range(n)]):
        if len(order) < k:
            order += [concepts[i] for i in rng.permutation(len(concepts))]
        chosen, order = order[:k], order[k:]
        more = int(rng.integers(max(0, 1 - k), min(2, most - k) + 1))
        things = [c.inst for c in chosen] + [qa.pick(rng, others) for _ in range(more)]
        things = list(dict.fromkeys(things))
        scene = world.random_scene(rng, [things[i] for i in rng.permutation(len(things))])
        seen = [c for c in concepts if any(o.inst == c.inst for o in scene.objects)]
        out.append((f"scenes/{first + len(out):03d}.{ending}", scene, seen))
    return out


# ---------------------------------------------------------------- the files

def captions(scenes):
    return [{"image": f, "names": [c.name for c in sorted(seen, key=lambda c: c.name)]} for f, _, seen in scenes]


def recognition(rng, scenes, concepts, count=RECOGNITION):
    items = []
    for f, scene, seen in scenes:
        kinds = [o.inst.kind for o in scene.objects]
        absent = [c for c in concepts if c not in seen]
        alike = [c for c in absent if c.inst.kind in kinds]
        items += [(f, c, True) for c in seen]
        items.append((f, qa.pick(rng, alike or absent), False))
        items.append((f, qa.pick(rng, absent), False))
    order = [items[i] for i in rng.permutation(len(items))]
    kept = [i for i in order if i[2]][:count // 2] + [i for i in order if not i[2]][:count // 2]
    kept.sort(key=lambda i: (i[0], i[1].name))
    return [{"image": f, "question": QUESTION.format(c.name), "concept": c.name,
             "type": "positive" if yes else "negative", "correct_answer": yes} for f, c, yes in kept]


def _options(rng, answer):
    for group in (list(world.COLORS), ["Yes", "No"], list(qa.PLACE_PHRASE.values()), ["left", "right"],
                  list(qa.SIDES), ["day", "night"], ["1", "2", "3", "4"]):
        if answer in group:
            wrong = [g for g in group if g != answer]
            picked = [wrong[i] for i in rng.permutation(len(wrong))[:3]] + [answer]
            return [picked[i] for i in rng.permutation(len(picked))]
    return None


def _about(rng, talk, c):
    """A question that needs the picture and names the concept (or the place)."""
    o = next(o for o in talk.scene.objects if o.inst == c.inst)
    r = rng.random()
    if r < 0.45:
        return qa.looks(rng, c.tag, c.inst, kind=False)
    if r < 0.60:
        return f"Where is {c.tag}?", qa.side_of(o)
    if r < 0.75:
        return qa._scene_place(rng, talk)
    if r < 0.83:
        return qa._scene_count(rng, talk)
    pair = qa._pair(rng, talk) if r < 0.93 else None
    if pair and pair[2].startswith("<"):
        return (f"Is {pair[2]} left or right of {pair[3]}?",
                "left" if qa._center(pair[0])[0] < qa._center(pair[1])[0] else "right")
    row = qa.ordered(talk.scene)
    i = row.index(o)
    side = "left" if rng.random() < 0.5 else "right"
    j = i - 1 if side == "left" else i + 1
    if 0 <= j < len(row) and talk.concept_of(row[j].inst) is None:
        return None
    return f"What is to the {side} of {c.tag}?", qa.call(talk, row[j]) if 0 <= j < len(row) else "nothing"


def vqa(rng, scenes, count=200):
    items = []
    while len(items) < count:
        f, scene, seen = qa.pick(rng, scenes)
        if not seen:
            continue
        c = qa.pick(rng, seen)
        found = _about(rng, qa.Talk(scene, seen), c)
        if not found or any(i["image"] == f and i["question"] == found[0] for i in items):
            continue
        item = {"image": f, "concept": c.name, "question": found[0], "answer": found[1]}
        options = _options(rng, found[1])
        items.append({**item, "options": options} if options else item)
    return items


def is_close(scene, c, question, half_patch=20, border=0.02):
    """Does the answer hang on less than half a patch of the tower: which of two things is further left, or on which side of a
    border between left, middle and right one stands?"""
    row = [qa._center(o)[0] for o in qa.ordered(scene)]
    at = next(qa._center(o)[0] for o in scene.objects if o.inst == c.inst)
    if question.startswith("Where is <"):
        return min(abs(at / 320 - b) for b in qa.BORDERS) < border
    if not question.startswith("What is to the"):
        return False
    i, step = row.index(at), -1 if " left of " in question else 1
    pairs = [(i, i - 1), (i, i + 1), (i + step, i + 2 * step)]
    return any(abs(row[a] - row[b]) < half_patch for a, b in pairs if 0 <= min(a, b) and max(a, b) < len(row))


def close_calls(scenes, items):
    """Numbers of the questions of vqa.json that no picture this small decides."""
    shown = {f: (scene, {c.name: c for c in seen}) for f, scene, seen in scenes}
    return [n for n, i in enumerate(items) if is_close(shown[i["image"]][0], shown[i["image"]][1][i["concept"]], i["question"])]


def mine(rng, scenes, count=200):
    """How many of the known things are there, and which is furthest to a side."""
    items = []
    for f, scene, seen in scenes * 2:
        talk = qa.Talk(scene, seen)
        found = qa.mine_side(rng, talk) if len(items) % 2 else qa.mine_count(rng, talk)
        if not found or len(items) == count or any(i["image"] == f and i["question"] == found[0] for i in items):
            continue
        item = {"image": f, "names": [c.name for c in seen], "question": found[0], "answer": found[1]}
        items.append(item)
    return items


def text_qa(rng, concepts, each=2, before=()):
    """`each` questions about every concept, none of those `before`."""
    items = []
    for c in concepts:
        known = {i["question"] for i in before if i["concept"] == c.name}
        asked = set(known)
        while len(asked) < len(known) + each:
            q, answer = qa.info_question(rng, c, test=True)
            if q not in asked and not answer.startswith("<"):
                asked.add(q)
                items.append({"concept": c.name, "question": q, "answer": answer})
    return items


def _xywh(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def detection(scenes):
    out = []
    for f, scene, seen in scenes:
        found = [(o, c) for c in seen for o in scene.objects if o.inst == c.inst]
        out.append({"image": f, "boxes": [_xywh(o.box) for o, _ in found], "names": [c.name for _, c in found],
                    "categories": [c.inst.category for _, c in found]})
    return out


def retrieval(scenes):
    return [{"image": f, "box": _xywh(o.box), "name": c.name}
            for f, scene, seen in scenes for c in seen for o in scene.objects if o.inst == c.inst]


def database(concepts):
    return {"concept_dict": {c.tag: {"name": c.name, "image": f"concepts/{c.name.replace(' ', '_')}.jpg",
                                     "info": c.info, "category": c.inst.category} for c in concepts}}


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1, ensure_ascii=False)
        f.write("\n")


def write_pictures(folder, rng, concepts, scenes):
    for sub in ("concepts", "scenes"):
        os.makedirs(os.path.join(folder, sub), exist_ok=True)
    for c in concepts:
        path = os.path.join(folder, "concepts", c.name.replace(" ", "_") + ".jpg")
        Image.fromarray(world.avatar(rng, c.inst)).save(path, "JPEG", quality=90)
    for f, scene, _ in scenes:
        how = {"format": "JPEG", "quality": 90} if f.endswith("jpg") else {"format": "WEBP", "quality": 60, "method": 6}
        Image.fromarray(scene.image).save(os.path.join(folder, f), **how)


def make_files(rng, scenes, concepts):
    return {"captions.json": captions(scenes), "recognition.json": recognition(rng, scenes, concepts),
            "vqa.json": vqa(rng, scenes), "text_qa.json": text_qa(rng, concepts), "detection.json": detection(scenes),
            "retrieval.json": retrieval(scenes)}


def make_more(rng, scenes, concepts, before):
    """The second part, which came later: with up to six things in a scene, and more questions about each concept."""
    return {"captions.json": captions(scenes), "recognition.json": recognition(rng, scenes, concepts, 600),
            "vqa.json": vqa(rng, scenes, 400), "text_qa.json": text_qa(rng, concepts, 4, before["text_qa.json"]),
            "detection.json": detection(scenes), "retrieval.json": retrieval(scenes)}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default="examples/toy")
    ap.add_argument("--seed", type=int, default=7)
    a = ap.parse_args()
    rng = np.random.default_rng(a.seed)
    concepts = choose_concepts(rng)
    others = choose_others(rng, concepts)
    scenes = make_scenes(rng, concepts, others)
    write_pictures(a.out, rng, concepts, scenes)
    files = make_files(rng, scenes, concepts)
    rng = np.random.default_rng((a.seed, 2))
    more = make_scenes(rng, concepts, others, MORE, len(scenes))
    write_pictures(a.out, rng, [], more)
    for name, value in make_more(rng, more, concepts, files).items():
        files[name] += value
    files["mine.json"] = mine(np.random.default_rng((a.seed, 3)), more, 600)
    files["database.json"] = database(concepts)
    for name, value in files.items():
        write_json(a.out, name, value)
        print(f"{name}: {len(value.get('concept_dict', value)) if isinstance(value, dict) else len(value)}")
    print("close calls in vqa.json:", *close_calls(scenes + more, files["vqa.json"]))


if __name__ == "__main__":
    main()
