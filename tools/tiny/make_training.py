"""Render a training set of the toy world, with annotations that `rap dataset build` reads.

    python tools/tiny/make_training.py --out build/tiny/set --concepts 400 --scenes 1200

Concepts have training looks only, names and facts the training side of the words: nothing of examples/toy is in it.
Writes pictures, database.json, retrieval.json, sentences.json and, from these, toy.json in COCO's layout with tracks
(make_coco.py). A configuration with {"type": "tao", "annotations": "toy.json", "images": "."} makes samples of it.
The same seed gives the same set.
"""
import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_coco  # noqa: E402
import make_eval  # noqa: E402
import qa  # noqa: E402
import world  # noqa: E402


def choose_concepts(rng, count, seed):
    out, names = [], []
    for inst in world.train_instances(count, seed=seed):
        names.append(qa.random_name(rng, taken=names))
        out.append(qa.make_concept(rng, inst, names[-1]))
    return out


def make_scenes(rng, concepts, others, count):
    """[(file name, scene, concepts in it)], in rounds in which every concept comes up once; up to two things beside them."""
    order, out = [], []
    while len(out) < count:
        k = int(rng.integers(1, 5))
        if len(order) < k:
            order += [concepts[i] for i in rng.permutation(len(concepts))]
        chosen, order = list({c.name: c for c in order[:k]}.values()), order[k:]
        beside = [qa.pick(rng, others) for _ in range(int(rng.integers(0, min(2, 4 - len(chosen)) + 1)))]
        scene = world.random_scene(rng, list(dict.fromkeys([c.inst for c in chosen] + beside)))
        seen = [c for c in chosen if any(o.inst == c.inst for o in scene.objects)]
        out.append((f"scenes/{len(out):05d}.jpg", scene, seen))
    return out


def captions(scenes):
    """Of scenes with one concept: what make_coco.py may call by any name."""
    return {f: [qa.caption_text(qa.Talk(scene, seen)).replace(seen[0].tag, "{name}")]
            for f, scene, seen in scenes if len(seen) == 1}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True)
    ap.add_argument("--concepts", type=int, default=400)
    ap.add_argument("--scenes", type=int, default=1200)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    rng = np.random.default_rng(a.seed)
    concepts = choose_concepts(rng, a.concepts, a.seed)
    known = {c.inst.key() for c in concepts}
    others = [i for i in world.train_instances(a.concepts, seed=a.seed + 1) if i.key() not in known]
    scenes = make_scenes(rng, concepts, others, a.scenes)
    make_eval.write_pictures(a.out, rng, concepts, scenes)
    make_eval.write_json(a.out, "database.json", make_eval.database(concepts))
    make_eval.write_json(a.out, "retrieval.json", make_eval.retrieval(scenes))
    make_eval.write_json(a.out, "sentences.json", captions(scenes))
    make_coco.main(a.out, os.path.join(a.out, "toy.json"))
    print(f"{len(concepts)} concepts, {len(scenes)} scenes in {a.out}")


if __name__ == "__main__":
    main()
