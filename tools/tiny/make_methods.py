"""Render what per-concept training needs for the first concepts of examples/toy: further pictures of each, and negatives.

    python tools/tiny/make_methods.py --out examples/methods

    pictures/NAME/N.jpg   a scene with the concept; N.txt is its caption
    pictures/NAME/qa.json questions about what its line tells, with answers: for methods that learn from text
    negatives/NNN.jpg     scenes of training looks, none of them a concept of the set

The concepts are those that the set's captions ask about first, in that order, as `rap eval --concepts N` takes them.
No scene is one of examples/toy. The same seed gives the same files.
"""
import argparse
import json
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_eval  # noqa: E402
import qa  # noqa: E402
import world  # noqa: E402


def asked_first(folder, concepts, count):
    with open(os.path.join(folder, "captions.json"), encoding="utf-8") as f:
        order = list(dict.fromkeys(n for item in json.load(f) for n in item["names"]))
    by_name = {c.name: c for c in concepts}
    return [by_name[n] for n in order[:count]]


def save(scene, path, quality):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(scene.image).save(path, "JPEG", quality=quality)


def scene_with(rng, concept, others):
    """A scene that shows the concept: one that found no place is drawn anew."""
    while True:
        beside = [qa.pick(rng, others) for _ in range(int(rng.integers(0, 3)))]
        scene = world.random_scene(rng, list(dict.fromkeys([concept.inst] + beside)))
        if any(o.inst == concept.inst for o in scene.objects):
            return scene


def questions(rng, concept, count=12):
    out = {}
    for _ in range(10 * count):
        q, answer = qa.info_question(rng, concept)
        if len(out) < count and answer != qa.UNKNOWN:
            out.setdefault(q, answer)
    return [{"question": q, "answer": a} for q, a in out.items()]


def write_concept(folder, rng, concept, others, pictures, quality):
    folder = os.path.join(folder, "pictures", concept.name)
    for i in range(pictures):
        scene = scene_with(rng, concept, others)
        save(scene, os.path.join(folder, f"{i}.jpg"), quality)
        with open(os.path.join(folder, f"{i}.txt"), "w", encoding="utf-8") as f:
            f.write(qa.caption_text(qa.Talk(scene, [concept])) + "\n")
    make_eval.write_json(folder, "qa.json", questions(rng, concept))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--set", default="examples/toy")
    ap.add_argument("--out", default="examples/methods")
    ap.add_argument("--concepts", type=int, default=20)
    ap.add_argument("--pictures", type=int, default=5)
    ap.add_argument("--negatives", type=int, default=200)
    ap.add_argument("--quality", type=int, default=55)
    ap.add_argument("--seed", type=int, default=11)
    ap.add_argument("--set-seed", type=int, default=7, help="that make_eval.py was given")
    a = ap.parse_args()
    concepts = make_eval.choose_concepts(np.random.default_rng(a.set_seed))
    rng = np.random.default_rng(a.seed)
    known = {c.inst.key() for c in concepts}
    others = [i for i in world.train_instances(400, seed=a.seed) if i.key() not in known]
    for concept in asked_first(a.set, concepts, a.concepts):
        write_concept(a.out, rng, concept, others, a.pictures, a.quality)
    for i in range(a.negatives):
        things = list(dict.fromkeys(qa.pick(rng, others) for _ in range(int(rng.integers(1, 4)))))
        save(world.random_scene(rng, things), os.path.join(a.out, "negatives", f"{i:03d}.jpg"), a.quality)
    print(f"{a.concepts} concepts, {a.negatives} negatives in {a.out}")


if __name__ == "__main__":
    main()
