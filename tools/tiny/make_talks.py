"""Write training samples of the toy world in the RAP format, for `rap train`: what the program will ask, with up to six
concepts in the prompt.

    python tools/tiny/make_talks.py --out build/tiny/talks --scenes 5000 --samples 20000
    rap train build/tiny/talks --profile tiny --out build/tiny/adapter --max-concepts 6

Concepts have training looks only, names and facts the training side of the words: nothing of examples/toy is in it. A
sample asks few questions of which none gives away the answer of a later one. The same numbers give the same files.

Reading order: pictures, the concepts of a prompt, the turns, samples, main.
"""
import argparse
import json
import multiprocessing
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qa  # noqa: E402
import world  # noqa: E402
import vlm_data  # noqa: E402

THINGS = (0.14, 0.24, 0.22, 0.18, 0.13, 0.09)   # one to six things in a scene
MOST = 6                                        # concepts in a prompt
WRONG = (0.55, 0.22, 0.13, 0.10)                # none to three wrong matches of retrieval among them


# ---------------------------------------------------------------- pictures

def scene_things(rng, things):
    count = int(rng.choice(len(THINGS), p=THINGS)) + 1
    ids = [int(i) for i in rng.choice(len(things), count, replace=False)]
    if count > 1 and rng.random() < 0.25:       # two of a kind that look different
        ids[1] = int(rng.choice(things.like("kind", things[ids[0]])))
    return list(dict.fromkeys(ids))


def _draw_scene(task):
    path, seed, index = task
    rng, things = np.random.default_rng((seed, index, 1)), vlm_data.pool()
    ids = scene_things(rng, things)
    scene = world.random_scene(rng, [things[i] for i in ids])
    Image.fromarray(scene.image).save(path, "JPEG", quality=int(rng.integers(85, 96)))
    number = {things[i]: i for i in ids}
    return {"place": scene.place, "objects": [[number[o.inst], *map(int, o.box)] for o in scene.objects]}


def _draw_avatar(task):
    path, seed, index = task
    rng = np.random.default_rng((seed, index, 2))
    Image.fromarray(world.avatar(rng, vlm_data.pool()[index])).save(path, "JPEG", quality=int(rng.integers(85, 96)))


def draw(folder, scenes, seed, procs):
    """Renders what is not there yet; the scenes' contents."""
    for sub in ("scenes", "avatars"):
        os.makedirs(os.path.join(folder, "images", sub), exist_ok=True)
    kept = os.path.join(folder, f"scenes-{scenes}-{seed}.json")
    if not os.path.exists(kept):
        with multiprocessing.Pool(procs) as pool:
            at = os.path.join(folder, "images")
            metas = pool.map(_draw_scene, [(f"{at}/{scene_file(i)}", seed, i) for i in range(scenes)], chunksize=32)
            pool.map(_draw_avatar, [(f"{at}/{avatar_file(i)}", seed, i) for i in range(vlm_data.POOL)], chunksize=32)
        with open(kept + ".part", "w", encoding="utf-8") as f:
            json.dump(metas, f)
        os.replace(kept + ".part", kept)
    with open(kept, encoding="utf-8") as f:
        return json.load(f)


def scene_file(i):
    return f"scenes/{i:05d}.jpg"


def avatar_file(i):
    return f"avatars/{i:04d}.jpg"


# ---------------------------------------------------------------- the concepts of a prompt

def _add(ids, i, things):
    """Adds a thing that can be told from those that are there."""
    if i not in ids and len(ids) < MOST and all(things[i].distance(things[j]) >= 2 for j in ids):
        ids.append(i)


def choose(rng, scene, things, negatives):
    """(ids in the prompt's order, the one that is asked about or None), as retrieval would list them: the thing that the
    question names, which may be a look-alike that is not there, then those found in the picture. Without negatives all of them
    are there."""
    inside = [scene.objects[i].id for i in rng.permutation(len(scene.objects))]
    share = 0.95 if rng.random() < 0.6 else 0.6
    known = [i for i in inside if rng.random() < share]
    ids, r = [], rng.random()
    if r < 0.25 and known:
        asked = known[0]
    elif r < 0.50:
        asked = vlm_data._decoy(rng, scene, things, 1.0) if negatives else known[0] if known else None
    else:
        asked = None
    if asked is not None:
        ids.append(asked)
    for i in known:
        _add(ids, i, things)
    for _ in range(int(rng.choice(len(WRONG), p=WRONG)) if negatives else 0):
        _add(ids, vlm_data._decoy(rng, scene, things, 1.0), things)
    if asked is None:
        ids = [ids[i] for i in rng.permutation(len(ids))]
    return ids, asked


# ---------------------------------------------------------------- the turns

def _recognitions(rng, talk, most):
    order = rng.permutation(len(talk.concepts))[:most]
    return [qa.recognition(rng, talk, talk.concepts[i].name, talk.present(talk.concepts[i])) for i in order]


def _present_turns(rng, talk):
    """Who is there: one of the questions that answer one another, or several that do not."""
    r = rng.random()
    if talk.asked and r < 0.7:
        others = qa.Talk(talk.scene, [c for c in talk.concepts if c is not talk.asked])
        return [qa.recognition(rng, talk, talk.asked.name, talk.present(talk.asked))] + _recognitions(rng, others, 4)
    if r < 0.15 and talk.concepts:
        return _recognitions(rng, talk, 5)
    if r < 0.72 or not talk.concepts:
        return [qa.caption(rng, talk)]
    if r < 0.82:
        return [qa.who(rng, talk)]
    side = qa.mine_side(rng, talk) if r < 0.92 else None
    return [side or qa.mine_count(rng, talk)]


def one_of_two(rng, scene, things, negatives):
    """A thing of the picture, or one that is not there."""
    there = scene.objects[int(rng.integers(len(scene.objects)))].id
    return [there if not negatives or rng.random() < 0.5 else vlm_data._decoy(rng, scene, things, 0.6)]


def roll_call(rng, scene, things, negatives):
    """Ids of a prompt in which every thing is asked for: known ones and look-alikes that are not there, in random order."""
    ids = []
    for i in rng.permutation(len(scene.objects))[:int(rng.integers(1, 4))]:
        _add(ids, scene.objects[i].id, things)
    for _ in range(int(rng.integers(1, 4)) if negatives else 0):
        _add(ids, vlm_data._decoy(rng, scene, things, 1.0), things)
    return [ids[i] for i in rng.permutation(len(ids))]


def stranger(rng, talk):
    """Is somebody there whom the prompt does not know?"""
    return qa.recognition(rng, talk, qa.random_name(rng, taken=[c.name for c in talk.concepts]), False)


def roll_call_turns(rng, talk, questions, negatives):
    """Is each of them there? Then questions about the picture and those that are."""
    there = qa.Talk(talk.scene, [c for c in talk.concepts if talk.present(c)])
    turns = _recognitions(rng, talk, len(talk.concepts))
    if negatives and rng.random() < 0.15:
        turns.insert(int(rng.integers(len(turns) + 1)), stranger(rng, talk))
    return turns + [qa.scene_question(rng, there) for _ in range(questions)]


def _about_turns(rng, talk, count):
    """About the picture and what is told, no question twice; only of things that are there."""
    turns = {}
    for _ in range(count):
        if talk.concepts and rng.random() < 0.2:
            question, answer = qa.info_question(rng, talk.asked or qa.pick(rng, talk.concepts))
        else:
            question, answer = qa.scene_question(rng, talk)
        turns.setdefault(question, answer)
    return list(turns.items())


def picture_turns(rng, talk, negatives):
    """The first question changes: an answer helps with those after it."""
    turns = _present_turns(rng, talk)
    if negatives and rng.random() < (0.05 if talk.concepts else 0.5):
        turns.insert(0, stranger(rng, talk))
    about = _about_turns(rng, talk, int(rng.integers(4, 11)))
    return turns + about if rng.random() < 0.8 else about[:1] + turns + about[1:]


def text_turns(rng, talk):
    qa.talk_text(rng, talk, 7)
    return [(q, a) for chain in talk.chains for q, a, _ in chain]


def looks_turns(rng, concept):
    """What a concept's picture alone tells, no question twice."""
    turns = dict(qa.looks(rng, concept.tag, concept.inst, kind=False) for _ in range(5))
    return list(turns.items())


# ---------------------------------------------------------------- samples

def make_sample(rng, number, metas, things, a):
    r = 0.5 if max(a.singles, a.calls) == 1 else rng.random()
    image, scene, ids, asked = None, None, [], None
    single = a.singles > 0 and r < 0.85 and rng.random() < a.singles
    calling = not single and a.calls > 0 and r < 0.85 and rng.random() < a.calls
    bare = 0.90 <= r < 0.92                     # a picture and a name, nothing told
    if r < 0.90:
        image = max((int(i) for i in rng.integers(len(metas), size=2)), key=lambda i: len(metas[i]["objects"]))
        scene = vlm_data.PoolScene(image, metas[image], things)
        if not scene.objects:
            return None
        if single:
            ids = [int(i) for i in one_of_two(rng, scene, things, not a.no_negatives)]
        elif calling:
            ids = roll_call(rng, scene, things, not a.no_negatives)
        elif r < 0.85:
            ids, asked = choose(rng, scene, things, not a.no_negatives)
    elif r < 0.98:
        while len(ids) < (1 if bare else int(rng.integers(1, 4))):
            _add(ids, int(rng.integers(len(things))), things)
    concepts, names = [], []
    for i in ids:
        names.append(qa.random_name(rng, taken=names))
        concepts.append(qa.make_concept(rng, things[i], names[-1], image=i, told=not bare))
    there = asked is not None and any(o.id == asked for o in scene.objects)
    talk = qa.Talk(scene, concepts, asked=concepts[0] if asked is not None else None)
    if scene is None:
        if bare:
            turns = looks_turns(rng, concepts[0])
        elif concepts:
            turns = text_turns(rng, talk)
        else:
            qa.without_anything(rng, talk)
            turns = [(q, a) for chain in talk.chains for q, a, _ in chain]
    elif single:
        turns = _recognitions(rng, talk, 1)
    elif calling:
        turns = roll_call_turns(rng, talk, 0 if a.calls == 1 else 2, not a.no_negatives)
    elif asked is not None and not there:       # about an absent thing nothing but that it is absent
        turns = [qa.recognition(rng, talk, talk.asked.name, False)] if rng.random() < 0.8 else []
        talk.asked = None
        turns += _about_turns(rng, talk, 4) if turns else picture_turns(rng, talk, not a.no_negatives)
    else:
        turns = picture_turns(rng, talk, not a.no_negatives)
    return as_json(number, image, concepts, turns)


def as_json(number, image, concepts, turns):
    said = []
    for k, (question, answer) in enumerate(turns):
        begin = "<image>\n" if k == 0 and image is not None else ""
        said += [{"from": "human", "value": begin + question}, {"from": "gpt", "value": answer}]
    sample = {"id": f"talk-{number}"}
    if image is not None:
        sample["image"] = scene_file(image)
    sample["conversations"] = said
    sample["extra"] = {avatar_file(c.image): {"name": c.name, "info": c.info, "category": c.inst.category}
                       for c in concepts}
    sample["type"] = "qa"
    return sample


def write_samples(path, seed, count, metas, things, a):
    rng = np.random.default_rng((seed, 3))
    with open(path + ".part", "w", encoding="utf-8") as f:
        number = 0
        while number < count:
            sample = make_sample(rng, number, metas, things, a)
            if sample:
                f.write(json.dumps(sample, ensure_ascii=False, separators=(",", ":")) + "\n")
                number += 1
    os.replace(path + ".part", path)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True)
    ap.add_argument("--scenes", type=int, default=5000)
    ap.add_argument("--samples", type=int, default=20000)
    ap.add_argument("--validation", type=int, default=300, help="samples of the last scenes, held out")
    ap.add_argument("--singles", type=float, default=0,
                    help="share of the samples with concepts that show one and ask whether it is there; 1: no others")
    ap.add_argument("--calls", type=float, default=0, help="share of the samples with concepts that ask whether each is there; 1: no others")
    ap.add_argument("--no-negatives", action="store_true",
                    help="no concepts that the picture does not show: what the paper leaves out in an ablation")
    ap.add_argument("--procs", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1, help="of what is said")
    ap.add_argument("--scene-seed", type=int, default=1, help="of the pictures")
    a = ap.parse_args()
    things, metas = vlm_data.pool(), draw(a.out, a.scenes, a.scene_seed, a.procs)
    kept = a.scenes - a.scenes // 20
    write_samples(os.path.join(a.out, "train.jsonl"), a.seed, a.samples, metas[:kept], things, a)
    write_held_out(a, metas, kept, things)
    print(f"{a.samples} samples with {a.scenes} scenes in {a.out}")


def write_held_out(a, metas, kept, things):
    """Of scenes that no other sample shows."""
    held = [m if i >= kept else {"place": m["place"], "objects": []} for i, m in enumerate(metas)]
    write_samples(os.path.join(a.out, "validation.jsonl"), a.seed + 1, a.validation, held, things, a)


if __name__ == "__main__":
    main()
