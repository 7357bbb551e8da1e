"""Write a set for `rap calibrate`: reserved looks, but none of examples/toy's.

    python tools/tiny/make_calibration.py --out FOLDER [--seed 4026] [--times 1]

Like make_eval.py it draws concepts and scenes of things that training never shows, with other seeds
and without any instance of the held-out set, so that the threshold is not fitted to what
`rap eval` measures.  retrieval.json also lists the things that nobody remembered, with name "".
Another seed gives another set, which may share instances with the first; --times 4 gives four times the
scenes, for a threshold that depends less on chance.
"""
import argparse
import os

import numpy as np

import make_eval
import qa
import world


def held_out():
    """The instances of examples/toy."""
    concepts = make_eval.choose_concepts(np.random.default_rng(7))
    return {c.inst.key() for c in concepts} | {i.key() for i in world.test_instances(160, seed=20261)}


def choose_concepts(rng, taken, seed, count=84, lookalikes=16):
    insts = [i for i in world.test_instances(count + 60, seed=10 * seed) if i.key() not in taken][:count]
    for inst in insts[:lookalikes]:
        twin = make_eval._twin(rng, inst, insts)
        if twin.key() not in taken:
            insts.append(twin)
    names = []
    for _ in insts:
        names.append(qa.random_name(rng, test=True, taken=names))
    return [qa.make_concept(rng, i, n, test=True) for i, n in zip(insts, names)]


def choose_others(rng, concepts, taken, seed):
    stored = [c.inst for c in concepts]
    others = [i for i in world.test_instances(200, seed=10 * seed + 1)
              if i.key() not in taken and all(i.distance(s) >= 2 for s in stored)]
    return others + [make_eval._twin(rng, s, stored + others) for s in stored[20:50]]


def everything(scenes):
    items = []
    for f, scene, seen in scenes:
        for o in scene.objects:
            name = next((c.name for c in seen if c.inst == o.inst), "")
            items.append({"image": f, "box": make_eval._xywh(o.box), "name": name})
    return items


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True)
    ap.add_argument("--seed", type=int, default=4026)
    ap.add_argument("--times", type=int, default=1)
    a = ap.parse_args()
    rng, taken = np.random.default_rng(a.seed), held_out()
    concepts = choose_concepts(rng, taken, a.seed)
    scenes, others = [], choose_others(rng, concepts, taken, a.seed)
    for _ in range(a.times):
        more = make_eval.make_scenes(rng, concepts, others)
        scenes += [(f"scenes/{len(scenes) + i:03d}.jpg", scene, seen) for i, (_, scene, seen) in enumerate(more)]
    os.makedirs(a.out, exist_ok=True)
    make_eval.write_pictures(a.out, rng, concepts, scenes)
    make_eval.write_json(a.out, "database.json", make_eval.database(concepts))
    make_eval.write_json(a.out, "retrieval.json", everything(scenes))
    print(f"{len(concepts)} concepts, {len(scenes)} scenes")


if __name__ == "__main__":
    main()
