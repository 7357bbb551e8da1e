"""Draw many concepts that are in no picture of examples/toy: what a large store holds besides.

    python tools/tiny/make_distractors.py --out FOLDER [--count 9950]
    rap eval --distractors FOLDER --save-distractors examples/toy/distractors.gguf --growth

Every look is reserved for tests and differs from each concept and each unknown thing of the held-out set in
its kind or in at least two of colour, pattern and accessory, as the set's own things differ from each other.
Distractors may look alike among themselves, as ten thousand things do.
"""
import argparse
import os

import numpy as np
from PIL import Image

import make_eval
import world


def held_out():
    """Concepts and unknown things of examples/toy, as make_eval.py draws them."""
    rng = np.random.default_rng(7)
    concepts = make_eval.choose_concepts(rng)
    return [c.inst for c in concepts] + make_eval.choose_others(rng, concepts)


def choose(rng, count):
    by_kind = {}
    for inst in held_out():
        by_kind.setdefault(inst.kind.name, []).append(inst)
    out = {}
    while len(out) < count:
        inst = world.random_instance(rng, world.UNSEEN_KINDS if rng.random() < 0.2 else world.SEEN_KINDS)
        if inst.is_reserved() and all(inst.distance(t) >= 2 for t in by_kind.get(inst.kind.name, [])):
            out.setdefault(inst.key(), inst)
    return list(out.values())


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True)
    ap.add_argument("--count", type=int, default=9950)
    a = ap.parse_args()
    rng = np.random.default_rng(97)
    os.makedirs(a.out, exist_ok=True)
    for i, inst in enumerate(choose(rng, a.count)):
        Image.fromarray(world.avatar(rng, inst)).save(os.path.join(a.out, f"{i:05d}.jpg"), "JPEG", quality=90)


if __name__ == "__main__":
    main()
